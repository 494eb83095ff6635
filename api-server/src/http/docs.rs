//! `/openapi.json` and Swagger UI at `/docs`, both from the binary.
//!
//! Called by [`super`] when routes are made. The document is built once, at start; nothing here builds it.

use actix_web::HttpResponse;
use actix_web::http::header::{ContentType, LOCATION};
use actix_web::web::{Data, ServiceConfig, get, resource};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::app::App;

/// `GET /openapi.json`
pub async fn openapi(app: Data<App>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(app.openapi.clone())
}

/// `GET /docs`, which leads to `/docs/`: the pages name their files relative to it.
pub fn swagger(config: &mut ServiceConfig) {
    let moved = || async { HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish() };
    let ui = SwaggerUi::new("/docs/{_:.*}").config(Config::from("/openapi.json").persist_authorization(true));
    config.service(resource("/docs").route(get().to(moved))).service(ui);
}
