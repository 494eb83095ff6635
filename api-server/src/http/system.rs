//! Liveness, readiness, metrics, and which keys the server knows.

use actix_web::web::Data;
use actix_web::{HttpResponse, http::header::ContentType};
use serde_json::json;

use super::error::Failure;
use crate::app::App;
use crate::limit::shared::Shared;
use crate::service::Error;

/// `GET /health`: the process answers. Asks nothing of anyone.
pub async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "success": true, "data": { "status": "ok" } }))
}

/// `GET /health/ready`: each check named and timed; 503 while one fails.
pub async fn ready(app: Data<App>) -> HttpResponse {
    let report = app.readiness.report(&app.service.store).await;
    let ready = report.iter().all(|check| check.ok);
    let checks: Vec<_> = report
        .iter()
        .map(|check| json!({ "name": check.name, "ok": check.ok, "message": check.message, "micros": check.micros }))
        .collect();
    let status = if ready { "ready" } else { "not ready" };
    let body = json!({ "success": ready, "data": { "status": status, "checks": checks } });
    if ready { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

/// `GET /.well-known/jwks.json`: the public keys of tokens, as RFC 7517 has it. Clients may keep them for a minute.
pub async fn jwks(app: Data<App>) -> HttpResponse {
    HttpResponse::Ok().insert_header(("cache-control", "public, max-age=60")).json(app.signing.jwks())
}

/// `GET /instance`, on the admin port: who this is and which keys it knows, by names that are no secrets.
pub async fn instance(app: Data<App>) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "instance": app.identity.instance,
        "version": env!("CARGO_PKG_VERSION"),
        "revision": app.identity.revision(),
        "adminKeys": app.keys.admin_ids(),
        "jwtKeys": app.signing.ids(),
        "apiKeys": app.keys.machine_ids(),
    }))
}

/// `GET /metrics`, on the admin port: the text format of Prometheus.
pub async fn metrics(app: Data<App>) -> Result<HttpResponse, Failure> {
    app.metrics.pool(&app.service.store.status());
    app.metrics.limiter(app.limiter.shared.as_ref().is_some_and(Shared::is_reached));
    let text = app.metrics.render().map_err(Error::bug)?;
    Ok(HttpResponse::Ok().content_type(ContentType::plaintext()).body(text))
}
