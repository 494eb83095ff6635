//! `/openapi.json` and Swagger UI under `/docs/`, both from the binary.
//!
//! Called by [`super`] when routes are made. The document is built with the schema that it describes; nothing here builds it.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_ENCODING, ContentType, LOCATION};
use actix_web::web::{Bytes, Data, Path, ServiceConfig, get};
use utoipa_swagger_ui::{Config, SwaggerFile, serve};

use super::error::Failure;
use super::{head, path};
use crate::app::App;
use crate::service::{Code, Error};

/// `GET /openapi.json`
pub async fn openapi(app: Data<App>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(Bytes::clone(&app.openapi.load()))
}

/// The routes of Swagger UI. Its own service for actix answers no HEAD, and 404 and 405 in another shape than ours.
pub fn swagger(config: &mut ServiceConfig) {
    let allow = "GET, HEAD";
    config
        .service(path("/docs", allow).route(get().to(moved)).route(head().to(moved)))
        .service(path("/docs/{file:.*}", allow).route(get().to(file)).route(head().to(file)));
}

/// `GET /docs`: the pages name their files relative to `/docs/`.
async fn moved() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish()
}

/// `GET /docs/{file}`
async fn file(name: Path<String>) -> Result<HttpResponse, Failure> {
    let config = Config::from("/openapi.json").persist_authorization(true);
    let found = serve(&name, Arc::new(config)).map_err(|cause| Error::bug(cause.to_string()))?;
    let Some(SwaggerFile { bytes, content_type, gzpipped, .. }) = found else {
        return Err(Error::new(Code::NotFound, "there is no such page; the documentation is at /docs/").into());
    };
    let mut response = HttpResponse::Ok();
    if gzpipped {
        response.insert_header((CONTENT_ENCODING, "gzip"));
    }
    Ok(response.content_type(content_type).body(Bytes::from(bytes.into_owned())))
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, http::Method};

    use super::swagger;

    #[actix_web::test]
    async fn the_pages_come_from_the_binary_and_show_our_document() {
        let app = init_service(App::new().configure(swagger)).await;
        for (method, path, status) in [
            (Method::GET, "/docs", 308),
            (Method::GET, "/docs/", 200),
            (Method::HEAD, "/docs/index.html", 200),
            (Method::GET, "/docs/swagger-ui-bundle.js", 200),
            (Method::GET, "/docs/nothing.js", 404),
            (Method::POST, "/docs/", 405),
        ] {
            let request = TestRequest::with_uri(path).method(method.clone()).to_request();
            assert_eq!(call_service(&app, request).await.status(), status, "{method} {path}");
        }
        let request = TestRequest::with_uri("/docs/swagger-initializer.js").to_request();
        let script = read_body(call_service(&app, request).await).await;
        assert!(String::from_utf8(script.to_vec()).unwrap().contains("\"/openapi.json\""));
    }
}
