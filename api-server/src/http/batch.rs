//! `/api/v1/batch`.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::error::Failure;
use super::prefer::Prefer;
use super::{body, envelope, idempotency};
use crate::app::App;
use crate::service::Ctx;
use crate::service::records::batch::batch as run_batch;

/// `POST /api/v1/batch`
pub async fn run(app: Data<App>, ctx: Ctx, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Failure> {
    app.service.may_write(&ctx)?;
    let text = body::read(&request, payload, body::RECORD, app.limits.body, app.limits.patience).await?;
    let ctx = idempotency::once(ctx, &request, &text)?;
    let outcomes = run_batch(&app.service, &ctx, request.query_string(), &text).await?;
    Ok(idempotency::mark(&ctx, envelope::batch(&outcomes, Prefer::of(request.headers()))))
}
