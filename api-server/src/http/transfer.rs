//! `/api/v1/{collection}/export` and `/api/v1/{collection}/import`: whole collections as streams.
//!
//! Neither has a limit of time or of size; what is in memory is a page or a batch.

use actix_web::http::Method;
use actix_web::http::header::{CONTENT_DISPOSITION, HeaderMap};
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::Stream;
use futures_util::stream::try_unfold;

use super::error::Failure;
use super::{accept, body, envelope};
use crate::app::App;
use crate::query::export::Format;
use crate::service::records::export::{self, Export};
use crate::service::records::import::{Asked, import as import_lines};
use crate::service::{Code, Ctx, Error};

type Answer = Result<HttpResponse, Failure>;

/// `GET /api/v1/{collection}/export`
pub async fn export(app: Data<App>, ctx: Ctx, request: HttpRequest, path: Path<String>) -> Answer {
    let mut export = export::open(&app.service, &ctx, &path, request.query_string())?;
    let (media, name) = refuse_accept(request.headers(), export.format())?;
    let mut response = HttpResponse::Ok();
    response.content_type(media);
    response.insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{path}.{name}\"")));
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    // What goes wrong before the first byte is an answer of its own.
    let first = export.next(&app.service).await?;
    Ok(response.streaming(pages(app, export, first)))
}

/// `POST /api/v1/{collection}/import`
pub async fn import(app: Data<App>, ctx: Ctx, request: HttpRequest, path: Path<String>, payload: Payload) -> Answer {
    app.service.may_create(&ctx, &path, request.query_string())?;
    let (format, line) = (body::lines(&request)?, app.limits.body);
    let asked = Asked { collection: &path, raw: request.query_string(), format, line };
    let chunks = Box::pin(body::chunks(payload, app.limits.patience));
    let report = import_lines(&app.service, &ctx, asked, chunks).await?;
    Ok(envelope::imported(&report))
}

/// Media type and extension, for a client that takes it.
fn refuse_accept(headers: &HeaderMap, format: Format) -> Result<(&'static str, &'static str), Error> {
    let (media, name) = match format {
        Format::Ndjson => (body::NDJSON, "ndjson"),
        Format::Csv => (body::CSV, "csv"),
    };
    match accept::accepts(headers, media) {
        true => Ok((media, name)),
        false => Err(Error::new(Code::NotAcceptable, format!("this export answers {media}"))),
    }
}

/// Page after page, each read when the one before has left. A client that goes away ends it, and a failure in the middle
/// breaks the connection off: a whole answer is a whole export.
fn pages(app: Data<App>, export: Export, first: Option<Vec<u8>>) -> impl Stream<Item = Result<Bytes, Error>> {
    try_unfold((app, export, first), |(app, mut export, ready)| async move {
        let page = match ready {
            Some(page) => Some(page),
            None => export.next(&app.service).await.inspect_err(|error| {
                tracing::warn!(cause = ?error.cause, error = error.message, "an export broke off");
            })?,
        };
        Ok(page.map(|page| (Bytes::from(page), (app, export, None))))
    })
}
