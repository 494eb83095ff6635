//! `PATCH` and `DELETE /api/v1/{collection}`: all records that pass the filters.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::error::Failure;
use super::{body, envelope, idempotency};
use crate::app::App;
use crate::service::Ctx;
use crate::service::records::bulk;
use crate::service::records::update::Method;

type Answer = Result<HttpResponse, Failure>;

/// `PATCH /api/v1/{collection}`
pub async fn update(app: Data<App>, ctx: Ctx, request: HttpRequest, path: Path<String>, payload: Payload) -> Answer {
    app.service.may_update(&ctx, &path, Method::Merge)?;
    let text = body::read(&request, payload, body::MERGE_PATCH, app.limits.body, app.limits.patience).await?;
    let ctx = idempotency::once(ctx, &request, &text)?;
    let affected = bulk::update(&app.service, &ctx, &path, request.query_string(), &text).await?;
    Ok(idempotency::mark(&ctx, envelope::affected(affected)))
}

/// `DELETE /api/v1/{collection}`
pub async fn delete(app: Data<App>, ctx: Ctx, request: HttpRequest, path: Path<String>) -> Answer {
    let ctx = idempotency::once(ctx, &request, b"")?;
    let affected = bulk::delete(&app.service, &ctx, &path, request.query_string()).await?;
    Ok(idempotency::mark(&ctx, envelope::affected(affected)))
}
