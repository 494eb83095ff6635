//! Error answers: declared once as components, referred to by each operation that can answer them.
//!
//! Called while the document is built. What can happen where is decided in `operations`.

use std::collections::BTreeSet;

use serde_json::json;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::{ComponentsBuilder, Content, Paths, Ref, Response};

use super::{raw, reference};

/// Status, component, when.
const ERRORS: &[(u16, &str, &str)] = &[
    (400, "BadRequest", "A parameter, a header or the body breaks a rule; `details` names every one of them."),
    (401, "Unauthenticated", "A credential is needed, or the one that was sent is not known."),
    (403, "Forbidden", "The rules of the collection do not grant this to the caller."),
    (404, "NotFound", "There is no such record, or none that the caller may read."),
    (406, "NotAcceptable", "`Accept` names neither application/json nor application/problem+json."),
    (408, "RequestTimeout", "The body took too long to arrive."),
    (
        409,
        "Conflict",
        "The id or a unique key is taken, other records still refer to this one, more records than `max_affected` pass, there are too many groups, or the first request with this `Idempotency-Key` is under way.",
    ),
    (
        412,
        "PreconditionFailed",
        "What the request expects of the record does not hold (`If-Match`, `If-None-Match`; in a batch `version`, `if`): it has \
         changed, exists, or is gone.",
    ),
    (413, "PayloadTooLarge", "The body is larger than the server takes."),
    (414, "UriTooLong", "The URL is longer than the server takes."),
    (415, "UnsupportedMediaType", "The body has another media type than those named here, or is compressed."),
    (
        422,
        "Unprocessable",
        "The data does not allow it: a reference points to nothing, a rule between fields is broken, a patch does not fit, or the `Idempotency-Key` was used for another request.",
    ),
    (428, "PreconditionRequired", "The collection takes changes with `If-Match` alone."),
    (431, "HeadersTooLarge", "The request's headers are larger than the server takes."),
    (
        503,
        "Unavailable",
        "The database is away or busy (`UNAVAILABLE`), or more is asked than is served in time (`OVERLOADED`); try again after `Retry-After` seconds.",
    ),
    (504, "Timeout", "The database took too long; nothing was changed."),
];

/// Adds the error answers that `paths` refer to, and the headers that answers share.
pub fn components(components: ComponentsBuilder, paths: &Paths) -> ComponentsBuilder {
    let operations =
        paths.paths.values().flat_map(|path| [&path.get, &path.post, &path.put, &path.patch, &path.delete]);
    let answered: BTreeSet<&String> =
        operations.flatten().flat_map(|operation| operation.responses.responses.keys()).collect();
    let used = ERRORS.iter().filter(|(status, ..)| answered.contains(&status.to_string()));
    let components = headers().into_iter().fold(components, |all, (name, header)| all.header(name, header));
    used.fold(components, |all, (status, name, when)| all.response(*name, answer(*status, when)))
}

/// The component of an error status.
pub fn named(status: u16) -> Option<Ref> {
    let found = ERRORS.iter().find(|(known, ..)| *known == status);
    found.map(|(_, name, _)| Ref::from_response_name(*name))
}

/// A reference to a shared header.
pub fn header(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{name}"))
}

fn answer(status: u16, when: &str) -> Response {
    let response = ResponseBuilder::new()
        .description(when)
        .header_ref("X-Request-Id", header("RequestId"))
        .header_ref("Vary", header("Vary"))
        .content("application/json", Content::new(Some(raw(reference("ErrorAnswer")))))
        .content("application/problem+json", Content::new(Some(raw(reference("ProblemAnswer")))));
    match status {
        401 => response.header_ref("WWW-Authenticate", header("Authenticate")).build(),
        429 | 503 => response.header_ref("Retry-After", header("RetryAfter")).build(),
        _ => response.build(),
    }
}

fn headers() -> [(&'static str, Header); 8] {
    let text = |description: &str, example: &str| {
        let schema = raw(json!({ "type": "string" }));
        HeaderBuilder::new().schema(Some(schema)).description(Some(description)).example(Some(json!(example))).build()
    };
    let seconds = HeaderBuilder::new()
        .schema(Some(raw(json!({ "type": "integer", "minimum": 0 }))))
        .description(Some("Seconds to wait before the next try."));
    [
        ("Authenticate", text("How to send a credential (RFC 9110).", "Bearer")),
        ("ETag", text("The record's version, for `If-Match` and `If-None-Match`.", "\"1-m4x8k2p9a\"")),
        ("Link", text("The next page (RFC 8288), while there is one.", "</api/v1/markets?cursor=…>; rel=\"next\"")),
        ("NoStore", text("The answer holds tokens, and is for no cache.", "no-store")),
        ("Location", text("The path of the new record.", "/api/v1/markets/0190b5a3-8d2e-7c4f-9a1b-2c3d4e5f6071")),
        (
            "RequestId",
            text(
                "Names the request in the server's log: the client's own `X-Request-Id`, or a new one.",
                "0190b5a3-8d2e-7c4f-9a1b-2c3d4e5f6071",
            ),
        ),
        ("RetryAfter", seconds.build()),
        ("Vary", text("What the answer depends on.", "Authorization, X-API-Key, Accept, Accept-Encoding")),
    ]
}
