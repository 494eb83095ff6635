//! Liveness, readiness, metrics, and which keys the server knows.

use actix_web::http::header::ACCEPT;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::error::Failure;
use crate::app::App;
use crate::limit::shared::Shared;
use crate::service::Error;
use crate::telemetry::metrics::Form;

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
    HttpResponse::Ok().insert_header(("cache-control", "public, max-age=60")).json(app.auth.keys.jwks())
}

/// `GET /instance`, on the admin port: who this is and which keys it knows, by names that are no secrets.
pub async fn instance(app: Data<App>) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "instance": app.identity.instance,
        "version": env!("CARGO_PKG_VERSION"),
        "revision": app.identity.revision(),
        "adminKeys": app.keys.admin_ids(),
        "jwtKeys": app.auth.keys.ids(),
        "apiKeys": app.keys.machine_ids(),
    }))
}

/// `GET /metrics`, on the admin port: the text format of Prometheus, or OpenMetrics for who asks for it.
pub async fn metrics(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Failure> {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let (form, server) = (Form::accepted(accept), &app.metrics.server);
    server.pool(&app.service.store.status());
    server.limiter(app.limiter.shared.as_ref().is_some_and(Shared::is_reached));
    server.schema(app.identity.revision(), app.readiness.is_started());
    let text = app.metrics.render(form).map_err(Error::bug)?;
    Ok(HttpResponse::Ok().content_type(form.media_type()).body(text))
}
