//! A request's body: its media type, its size, its pace.

use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::{Stream, StreamExt};

use crate::query::export::Format;
use crate::service::{Code, Error};

/// Media types of a record.
pub const RECORD: &[&str] = &["application/json"];
/// Media types of a merge patch (RFC 7396); plain JSON is read as one.
pub const MERGE_PATCH: &[&str] = &["application/merge-patch+json", "application/json"];
/// Media types of a patch of one record: a merge patch, or a JSON Patch (RFC 6902).
pub const PATCH: &[&str] = &["application/merge-patch+json", "application/json", JSON_PATCH];
/// The media type of a JSON Patch.
pub const JSON_PATCH: &str = "application/json-patch+json";

/// The media type of a JSON object a line.
pub const NDJSON: &str = "application/x-ndjson";
/// The media type of RFC 4180.
pub const CSV: &str = "text/csv";

/// In which form the lines of a body are; 415 for another media type or an encoded body.
pub fn lines(request: &HttpRequest) -> Result<Format, Error> {
    refuse_type(request, &[NDJSON, CSV])?;
    let given = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let csv = given.get(..CSV.len()).is_some_and(|essence| essence.eq_ignore_ascii_case(CSV));
    Ok(if csv { Format::Csv } else { Format::Ndjson })
}

/// What has to arrive of a body of any length before patience ends. Not each piece alone has a time: they may be of one byte.
const STEP: usize = 1024;

/// A body of any length, piece by piece; 408 when it does not come on in time, 400 when the connection breaks. Ends with the
/// first failure. Only the time that the client takes counts.
pub fn chunks(payload: Payload, patience: Duration) -> impl Stream<Item = Result<Bytes, Error>> {
    let begin = (payload, patience, 0);
    futures_util::stream::unfold(Some(begin), move |state| async move {
        let (mut payload, left, arrived) = state?;
        let began = Instant::now();
        match tokio::time::timeout(left, payload.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(chunk))) => {
                let arrived = arrived + chunk.len();
                let next = match arrived >= STEP {
                    true => (payload, patience, 0),
                    false => (payload, left.saturating_sub(began.elapsed()), arrived),
                };
                Some((Ok(chunk), Some(next)))
            }
            Ok(Some(Err(cause))) => {
                Some((Err(Error::new(Code::MalformedRequest, format!("the body broke off: {cause}"))), None))
            }
            Err(_) => Some((Err(Error::new(Code::RequestTimeout, "the body took too long to arrive")), None)),
        }
    })
}

/// Reads the whole body.
///
/// Errors: 415 for another media type or an encoded body; 413 over `limit` bytes; 408 when it does not arrive in time;
/// 400 when the connection breaks.
pub async fn read(
    request: &HttpRequest,
    mut payload: Payload,
    types: &[&str],
    limit: usize,
    patience: Duration,
) -> Result<Bytes, Error> {
    refuse_type(request, types)?;
    let declared = request.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let too_large = || Error::new(Code::PayloadTooLarge, format!("a body has at most {limit} bytes"));
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let collect = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk =
                chunk.map_err(|cause| Error::new(Code::MalformedRequest, format!("the body broke off: {cause}")))?;
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    let late = |_| Error::new(Code::RequestTimeout, "the body took too long to arrive");
    tokio::time::timeout(patience, collect).await.map_err(late)?
}

/// Whether the body says that it is of this media type.
pub fn is(request: &HttpRequest, media_type: &str) -> bool {
    header(request, CONTENT_TYPE).is_some_and(|given| given.split(';').next().unwrap_or_default().trim() == media_type)
}

fn header(request: &HttpRequest, name: HeaderName) -> Option<String> {
    request.headers().get(name).map(|value| value.to_str().unwrap_or_default().to_ascii_lowercase())
}

fn refuse_type(request: &HttpRequest, types: &[&str]) -> Result<(), Error> {
    let given = header(request, CONTENT_TYPE).unwrap_or_default();
    let (essence, parameters) = given.split_once(';').unwrap_or((given.as_str(), ""));
    let utf8 = parameters.trim().is_empty() || matches!(parameters.trim(), "charset=utf-8" | "charset=\"utf-8\"");
    if !types.contains(&essence.trim()) || !utf8 {
        let message = format!("the body's Content-Type must be {}, in UTF-8", types.join(" or "));
        return Err(Error::new(Code::UnsupportedMediaType, message));
    }
    match header(request, CONTENT_ENCODING).as_deref() {
        None | Some("identity") => Ok(()),
        Some(_) => Err(Error::new(Code::UnsupportedMediaType, "a body may not have a Content-Encoding")),
    }
}
