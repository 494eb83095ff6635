//! `Idempotency-Key`: which requests may bear one, and what makes two of them the same.
//!
//! Called by the handlers of writes, once they have the body. What becomes of the key is the service's to say.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_MATCH};
use actix_web::{HttpRequest, HttpResponse};

use crate::service::idempotency::Once;
use crate::service::{Code, Ctx, Error};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The writes that may bear a key.
const ROUTES: [(&str, &[Method]); 3] = [
    ("/api/v1/batch", &[Method::POST]),
    ("/api/v1/{collection}", &[Method::POST, Method::PATCH, Method::DELETE]),
    ("/api/v1/{collection}/{id}", &[Method::PUT, Method::PATCH, Method::DELETE]),
];

/// Refuses the key where it means nothing: a client that sends it relies on it. Asked for every request of the API.
///
/// Errors: 400.
pub fn refuse_elsewhere(request: &HttpRequest) -> Result<(), Error> {
    if !request.headers().contains_key(KEY) {
        return Ok(());
    }
    let route = request.match_pattern();
    let takes = |(pattern, methods): &(&str, &[Method])| {
        route.as_deref() == Some(*pattern) && methods.contains(request.method())
    };
    match ROUTES.iter().any(takes) {
        true => Ok(()),
        false => Err(Error::new(Code::MalformedRequest, "Idempotency-Key is for writes of records and batches alone")),
    }
}

/// The context of a write with the given body: one that happens once, if the request has a key.
///
/// Errors: 400 for a key that is none, and for two of them.
pub fn once(ctx: Ctx, request: &HttpRequest, body: &[u8]) -> Result<Ctx, Error> {
    let mut keys = request.headers().get_all(KEY);
    let Some(key) = keys.next() else { return Ok(ctx) };
    if keys.next().is_some() {
        return Err(Error::new(Code::MalformedRequest, "Idempotency-Key was given twice"));
    }
    let header = |name: HeaderName| request.headers().get(name).map_or(&b""[..], HeaderValue::as_bytes);
    let parts = [
        request.method().as_str().as_bytes(),
        request.path().as_bytes(),
        request.query_string().as_bytes(),
        header(CONTENT_TYPE),
        header(IF_MATCH),
        body,
    ];
    let once = Once::new(&ctx.caller, &String::from_utf8_lossy(key.as_bytes()), &parts)?;
    Ok(Ctx { once: Some(Arc::new(once)), ..ctx })
}

/// Whether a write with a key was answered as before; `None` of a request without one.
pub fn outcome(request: &HttpRequest, answer: &HeaderMap) -> Option<bool> {
    let replayed = answer.contains_key(REPLAYED);
    (replayed || request.headers().contains_key(KEY)).then_some(replayed)
}

/// Marks an answer that was given before.
pub fn mark(ctx: &Ctx, mut answer: HttpResponse) -> HttpResponse {
    if ctx.once.as_ref().is_some_and(|once| once.is_replayed()) {
        answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    answer
}
