//! Liveness, readiness and metrics.

use actix_web::web::Data;
use actix_web::{HttpResponse, http::header::ContentType};
use serde_json::json;

use super::error::Failure;
use crate::app::App;
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

/// `GET /metrics`, on the admin port: the text format of Prometheus.
pub async fn metrics(app: Data<App>) -> Result<HttpResponse, Failure> {
    app.metrics.pool(&app.service.store.status());
    let text = app.metrics.render().map_err(Error::bug)?;
    Ok(HttpResponse::Ok().content_type(ContentType::plaintext()).body(text))
}
