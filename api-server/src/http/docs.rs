//! `/openapi.json` and Swagger UI under `/docs/`, both from the binary.
//!
//! Called by [`super`] when routes are made. The document is built with the schema that it describes; nothing here builds it.
//! Swagger UI lies in the binary as gzip, by `build.rs`, and is sent so to those who take that: of its files only those that
//! the page names, for all of them would be a seventh of the program.

use std::io::Read;

use actix_web::http::header::{
    AcceptEncoding, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ContentType, Encoding, Header, LOCATION,
};
use actix_web::web::{Bytes, Data, Path, ServiceConfig, get};
use actix_web::{HttpRequest, HttpResponse};
use flate2::read::GzDecoder;

use super::error::Failure;
use super::{head, path};
use crate::app::App;
use crate::service::{Code, Error};

/// A file of the documentation: its name, its media type, its bytes.
type File = (&'static str, &'static str, Content);

enum Content {
    Plain(&'static str),
    Gzip(&'static [u8]),
}

/// The page runs what comes from here, and asks this server alone. Swagger UI sets styles by itself, and draws small images.
const PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

static FILES: [File; 4] = [
    ("index.html", HTML, Content::Plain(include_str!("docs/index.html"))),
    ("initializer.js", SCRIPT, Content::Plain(include_str!("docs/initializer.js"))),
    (
        "swagger-ui-bundle.js",
        SCRIPT,
        Content::Gzip(include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz"))),
    ),
    ("swagger-ui.css", STYLE, Content::Gzip(include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz")))),
];

/// `GET /openapi.json`
pub async fn openapi(app: Data<App>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(Bytes::clone(&app.openapi.load()))
}

/// The routes of Swagger UI.
pub fn swagger(config: &mut ServiceConfig) {
    let allow = "GET, HEAD";
    config
        .service(path("/docs", allow).route(get().to(moved)).route(head().to(moved)))
        .service(path("/docs/{file:.*}", allow).route(get().to(file)).route(head().to(file)));
}

/// `GET /docs`: the page names its files relative to `/docs/`.
async fn moved() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish()
}

/// `GET /docs/{file}`
async fn file(request: HttpRequest, name: Path<String>) -> Result<HttpResponse, Failure> {
    let wanted = if name.is_empty() { "index.html" } else { name.as_str() };
    let Some((_, media, content)) = FILES.iter().find(|(name, ..)| *name == wanted) else {
        return Err(Error::new(Code::NotFound, "there is no such page; the documentation is at /docs/").into());
    };
    let mut response = HttpResponse::Ok();
    response.content_type(*media).insert_header((CONTENT_SECURITY_POLICY, PAGE));
    Ok(match content {
        Content::Plain(text) => response.body(*text),
        Content::Gzip(bytes) if takes_gzip(&request) => response.insert_header((CONTENT_ENCODING, "gzip")).body(*bytes),
        Content::Gzip(bytes) => response.body(inflated(bytes)?),
    })
}

/// Whether the client asks for gzip. One that asks for nothing gets the plain file, as from every other path.
fn takes_gzip(request: &HttpRequest) -> bool {
    let accepted = AcceptEncoding::parse(request).ok();
    let chosen = accepted.and_then(|accepted| accepted.negotiate([Encoding::gzip(), Encoding::identity()].iter()));
    chosen == Some(Encoding::gzip())
}

fn inflated(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    GzDecoder::new(bytes)
        .read_to_end(&mut out)
        .map_err(|cause| Error::bug(format!("Swagger UI is broken: {cause}")))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, http::Method};

    use super::{FILES, inflated, swagger};

    #[actix_web::test]
    async fn the_pages_come_from_the_binary_and_show_our_document() {
        let app = init_service(App::new().configure(swagger)).await;
        for (method, path, status) in [
            (Method::GET, "/docs", 308),
            (Method::GET, "/docs/", 200),
            (Method::HEAD, "/docs/index.html", 200),
            (Method::GET, "/docs/swagger-ui-bundle.js", 200),
            (Method::GET, "/docs/nothing.js", 404),
            (Method::GET, "/docs/../Cargo.toml", 404),
            (Method::POST, "/docs/", 405),
        ] {
            let request = TestRequest::with_uri(path).method(method.clone()).to_request();
            assert_eq!(call_service(&app, request).await.status(), status, "{method} {path}");
        }
        let page = include_str!("docs/index.html");
        for (name, ..) in FILES.iter().filter(|(name, ..)| *name != "index.html") {
            assert!(page.contains(&format!("\"{name}\"")), "the page does not name {name}");
        }
        assert!(include_str!("docs/initializer.js").contains("'../openapi.json'"));
    }

    #[actix_web::test]
    async fn what_is_stored_as_gzip_is_sent_as_it_is_or_plain() {
        let app = init_service(App::new().configure(swagger)).await;
        for (file, begins, accept, gzip) in [
            ("swagger-ui-bundle.js", "/*! For license information", None, false),
            ("swagger-ui-bundle.js", "/*! For license information", Some("gzip, deflate, br"), true),
            ("swagger-ui-bundle.js", "/*! For license information", Some("br, zstd"), false),
            ("swagger-ui.css", ".swagger-ui", Some("gzip;q=0, identity"), false),
            ("swagger-ui.css", ".swagger-ui", Some("gzip"), true),
            ("index.html", "<!DOCTYPE html>", Some("gzip"), false),
        ] {
            let mut request = TestRequest::with_uri(&format!("/docs/{file}"));
            if let Some(accept) = accept {
                request = request.insert_header((ACCEPT_ENCODING, accept));
            }
            let response = call_service(&app, request.to_request()).await;
            let encoding =
                response.headers().get(CONTENT_ENCODING).map(|encoding| encoding.to_str().unwrap().to_owned());
            assert_eq!(encoding.as_deref(), gzip.then_some("gzip"), "{file} {accept:?}");
            let bytes = to_bytes(response.into_body()).await.unwrap();
            let plain = if gzip { inflated(&bytes).unwrap() } else { bytes.to_vec() };
            assert!(plain.starts_with(begins.as_bytes()), "{file} {accept:?}");
        }
    }
}
