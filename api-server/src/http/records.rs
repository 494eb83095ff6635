//! `/api/v1/{collection}` and what is below it.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, http};

use super::error::Failure;
use super::prefer::Prefer;
use super::{body, conditions, envelope, idempotency};
use crate::app::App;
use crate::service::records::aggregate::aggregate as aggregate_records;
use crate::service::records::create::{Created, create as create_records};
use crate::service::records::delete::delete as delete_record;
use crate::service::records::history::history as earlier_versions;
use crate::service::records::search::search as search_records;
use crate::service::records::update::{Change, Method, update as change_record};
use crate::service::records::version::OTHER_STATE;
use crate::service::records::{Preconditions, read};
use crate::service::{Ctx, Error};

type Answer = Result<HttpResponse, Failure>;

/// `GET /api/v1/{collection}`
pub async fn list(app: Data<App>, ctx: Ctx, request: HttpRequest, path: Path<String>) -> Answer {
    let page = read::list(&app.service, &ctx, &path, request.query_string()).await?;
    Ok(envelope::listed(page, Some((request.path(), request.query_string()))))
}

/// `POST /api/v1/{collection}/search`
pub async fn search(app: Data<App>, ctx: Ctx, request: HttpRequest, path: Path<String>, payload: Payload) -> Answer {
    app.service.may_read(&ctx, &path)?;
    let body = body::read(&request, payload, body::RECORD, app.limits.body, app.limits.patience).await?;
    let page = search_records(&app.service, &ctx, &path, request.query_string(), &body).await?;
    Ok(envelope::listed(page, None))
}

/// `GET /api/v1/{collection}/aggregate`
pub async fn aggregate(app: Data<App>, ctx: Ctx, request: HttpRequest, path: Path<String>) -> Answer {
    let rows = aggregate_records(&app.service, &ctx, &path, request.query_string()).await?;
    Ok(envelope::aggregated(&rows))
}

/// `POST /api/v1/{collection}`
pub async fn create(app: Data<App>, ctx: Ctx, request: HttpRequest, path: Path<String>, payload: Payload) -> Answer {
    app.service.may_create(&ctx, &path, request.query_string())?;
    let text = body::read(&request, payload, body::RECORD, app.limits.body, app.limits.patience).await?;
    let (ctx, prefer) = (idempotency::once(ctx, &request, &text)?, Prefer::of(request.headers()));
    let answer = match create_records(&app.service, &ctx, &path, request.query_string(), &text).await? {
        Created::One(record) => envelope::written(&path, &record, prefer),
        Created::Many(records) => envelope::written_many(&records, prefer),
    };
    Ok(idempotency::mark(&ctx, answer))
}

/// `GET /api/v1/{collection}/{id}`
pub async fn get(app: Data<App>, ctx: Ctx, request: HttpRequest, path: Path<(String, String)>) -> Answer {
    let (collection, id) = path.into_inner();
    let conditions = conditions::read(request.headers())?;
    let got = read::get(&app.service, &ctx, &collection, &id, request.query_string()).await?;
    Ok(match not_modified(&conditions, &got)? {
        Some(response) => response,
        None => envelope::got(got),
    })
}

/// `GET /api/v1/{collection}/{id}/history`
pub async fn history(app: Data<App>, ctx: Ctx, request: HttpRequest, path: Path<(String, String)>) -> Answer {
    let (collection, id) = path.into_inner();
    let page = earlier_versions(&app.service, &ctx, &collection, &id, request.query_string()).await?;
    Ok(envelope::listed(page, Some((request.path(), request.query_string()))))
}

/// `PUT` and `PATCH /api/v1/{collection}/{id}`
pub async fn update(
    app: Data<App>,
    ctx: Ctx,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> Answer {
    let (collection, id) = path.into_inner();
    let (method, types) = match (request.method() == http::Method::PATCH, body::is(&request, body::JSON_PATCH)) {
        (true, false) => (Method::Merge, body::PATCH),
        (true, true) => (Method::Patch, body::PATCH),
        (false, _) => (Method::Replace, body::RECORD),
    };
    app.service.may_update(&ctx, &collection, method)?;
    let conditions = conditions::read(request.headers())?;
    let body = body::read(&request, payload, types, app.limits.body, app.limits.patience).await?;
    let (ctx, raw) = (idempotency::once(ctx, &request, &body)?, request.query_string());
    let change = Change { collection: &collection, id: &id, raw, conditions: &conditions, body: &body };
    let record = change_record(&app.service, &ctx, method, change).await?;
    Ok(idempotency::mark(&ctx, envelope::written(&collection, &record, Prefer::of(request.headers()))))
}

/// `DELETE /api/v1/{collection}/{id}`
pub async fn delete(app: Data<App>, ctx: Ctx, request: HttpRequest, path: Path<(String, String)>) -> Answer {
    let (collection, id) = path.into_inner();
    let conditions = conditions::read(request.headers())?;
    let ctx = idempotency::once(ctx, &request, b"")?;
    delete_record(&app.service, &ctx, &collection, &id, request.query_string(), &conditions).await?;
    Ok(idempotency::mark(&ctx, HttpResponse::NoContent().finish()))
}

/// The answer to a conditional GET that needs no body; 412 when `If-Match` does not hold.
fn not_modified(conditions: &Preconditions, got: &read::Got) -> Result<Option<HttpResponse>, Error> {
    let Some(version) = got.version else { return Ok(None) };
    if conditions.if_match.as_ref().is_some_and(|condition| !condition.names(Some(version))) {
        return Err(Error::precondition(OTHER_STATE));
    }
    let same = conditions.if_none_match.as_ref().is_some_and(|condition| condition.names(Some(version)));
    Ok(same.then(|| HttpResponse::NotModified().insert_header(("etag", envelope::quoted(version))).finish()))
}
