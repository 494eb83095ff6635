//! `/api/v1/keys` and what is below it: API keys, for admin.
//!
//! Answers that show a key are stored by no cache. A server that changed a key itself asks about it at once. Who made and revoked
//! keys is logged, by their ids.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::error::Failure;
use super::{body, envelope};
use crate::app::App;
use crate::service::Ctx;
use crate::service::keys::manage::{self, Made};

type Answer = Result<HttpResponse, Failure>;

/// `POST /api/v1/keys`
pub async fn create(app: Data<App>, ctx: Ctx, request: HttpRequest, payload: Payload) -> Answer {
    manage::may_manage(&ctx)?;
    let text = body::read(&request, payload, body::RECORD, app.limits.body, app.limits.patience).await?;
    let made = manage::create(&app.service, &ctx, request.query_string(), &text).await?;
    Ok(shown(&made))
}

/// `GET /api/v1/keys`
pub async fn list(app: Data<App>, ctx: Ctx, request: HttpRequest) -> Answer {
    let page = manage::list(&app.service, &ctx, request.query_string()).await?;
    Ok(envelope::listed(page, Some((request.path(), request.query_string()))))
}

/// `GET /api/v1/keys/{id}`
pub async fn get(app: Data<App>, ctx: Ctx, request: HttpRequest, path: Path<String>) -> Answer {
    let key = manage::get(&app.service, &ctx, &path, request.query_string()).await?;
    Ok(HttpResponse::Ok().json(json!({ "success": true, "data": key })))
}

/// `DELETE /api/v1/keys/{id}`
pub async fn revoke(app: Data<App>, ctx: Ctx, request: HttpRequest, path: Path<String>) -> Answer {
    let id = manage::revoke(&app.service, &ctx, &path, request.query_string()).await?;
    app.keys.forget(id);
    tracing::info!(key = %id, by = ctx.caller.identity(), "an API key was revoked");
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /api/v1/keys/{id}/rotate`
pub async fn rotate(app: Data<App>, ctx: Ctx, request: HttpRequest, path: Path<String>, payload: Payload) -> Answer {
    manage::may_manage(&ctx)?;
    let text = body::read(&request, payload, body::RECORD, app.limits.body, app.limits.patience).await?;
    let made = manage::rotate(&app.service, &ctx, &path, request.query_string(), &text).await?;
    if let Some(replaced) = made.replaced {
        app.keys.forget(replaced);
    }
    Ok(shown(&made))
}

/// A new key, with its text.
fn shown(made: &Made) -> HttpResponse {
    tracing::info!(key = made.key.id, by = made.key.created_by, "an API key was made");
    let mut body = json!({ "success": true, "data": made.key });
    if !made.warnings.is_empty() {
        body["meta"] = json!({ "warnings": made.warnings });
    }
    HttpResponse::build(StatusCode::CREATED)
        .insert_header((LOCATION, format!("/api/v1/keys/{}", made.key.id)))
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(body)
}
