//! What is compressed, and how its entity tag tells it apart.
//!
//! Around the HTTP library's own compression, which chooses by `Accept-Encoding` (RFC 9110, section 12.5.3) and compresses
//! all that bears no `Content-Encoding`: [`spare`] marks within it what is to stay as it is, [`mark`] takes that off without.

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH,
};
use actix_web::middleware::Next;

use super::super::conditions::SUFFIXES;

/// Below this an answer fits one packet either way, and its coding costs more than it saves.
const FLOOR: u64 = 1024;
/// What is answered with secrets. Beside text that somebody else chose, the length of a compressed answer would tell
/// them letter by letter (BREACH).
const SECRET: [&str; 2] = ["/api/v1/auth", "/api/v1/keys"];
/// Events are sent one by one, and a coding would hold them back.
const EVENTS: &str = "text/event-stream";

/// Keeps short answers, streams of events and answers with secrets as they are.
pub async fn spare<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let asked = request.headers().contains_key(ACCEPT_ENCODING);
    let mut response = next.call(request).await?;
    let path = response.request().match_info().as_str();
    let (headers, size) = (response.headers(), response.response().body().size());
    if asked && !headers.contains_key(CONTENT_ENCODING) && is_spared(path, headers, size) {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
    }
    Ok(response)
}

fn is_spared(path: &str, headers: &HeaderMap, size: BodySize) -> bool {
    let short = match size {
        BodySize::None => true,
        BodySize::Sized(bytes) => bytes < FLOOR,
        BodySize::Stream => false,
    };
    let secret =
        |folder: &&str| path.strip_prefix(*folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let media = headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    short || SECRET.iter().any(secret) || media.starts_with(EVENTS)
}

/// Marks the entity tag of a compressed answer, which has other bytes than the plain one (RFC 9110, section 8.8.3). A 304
/// bears the tag that the client knows, by which caches find what they have.
pub async fn mark<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let mut response = next.call(request).await?;
    let known = match response.status() {
        StatusCode::NOT_MODIFIED => known_tag(response.request().headers(), response.headers().get(ETAG)),
        _ => None,
    };
    let headers = response.headers_mut();
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "identity") {
        headers.remove(CONTENT_ENCODING);
    }
    if let Some(tag) = known {
        headers.insert(ETAG, tag);
        return Ok(response);
    }
    let encoding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    let suffix = encoding.and_then(|encoding| SUFFIXES.iter().find(|suffix| **suffix == encoding));
    let tag = headers.get(ETAG).and_then(|tag| tag.to_str().ok()?.strip_suffix('"').map(str::to_owned));
    if let (Some(suffix), Some(tag)) = (suffix, tag)
        && let Ok(marked) = HeaderValue::from_str(&format!("{tag}-{suffix}\""))
    {
        headers.insert(ETAG, marked);
    }
    Ok(response)
}

/// The tag of `If-None-Match` that is `current` with the mark of a compressed answer.
fn known_tag(request: &HeaderMap, current: Option<&HeaderValue>) -> Option<HeaderValue> {
    let plain = current?.to_str().ok()?.strip_suffix('"')?;
    let given: Vec<&str> = request.get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok()).collect();
    let marked = SUFFIXES.iter().map(|suffix| format!("{plain}-{suffix}\""));
    let mut known = marked.filter(|tag| given.iter().any(|given| given.contains(tag.as_str())));
    HeaderValue::from_str(&known.next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_secret_or_an_event_is_spared() {
        let json = "application/json";
        for (path, media, size, spared) in [
            ("/api/v1/notes", json, BodySize::Sized(1023), true),
            ("/api/v1/notes", json, BodySize::Sized(1024), false),
            ("/api/v1/notes", json, BodySize::None, true),
            ("/api/v1/notes/export", "application/x-ndjson", BodySize::Stream, false),
            ("/api/v1/notes/changes", "text/event-stream", BodySize::Stream, true),
            ("/api/v1/notes/changes", "text/event-stream; charset=utf-8", BodySize::Stream, true),
            ("/api/v1/auth/login", json, BodySize::Sized(5000), true),
            ("/api/v1/keys", json, BodySize::Sized(5000), true),
            ("/api/v1/keystrokes", json, BodySize::Sized(5000), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
            assert_eq!(is_spared(path, &headers, size), spared, "{path} {media} {size:?}");
        }
    }
}
