//! What rate limits add to the document: 429, and the header fields that tell what is left.
//!
//! Called for each document that is published: without policies too, for a key may have a limit of its own.

use serde_json::json;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response};

use super::errors::header;
use super::{raw, reference};

/// The component of the answer.
const REFUSED: &str = "TooManyRequests";
/// The fields, and their components.
const FIELDS: [(&str, &str); 2] = [("RateLimit", "RateLimit"), ("RateLimit-Policy", "RateLimitPolicy")];

/// Declares it for every operation that is counted.
pub fn declare(document: &mut OpenApi) {
    let counted = document.paths.paths.iter_mut().filter(|(path, _)| path.starts_with("/api/"));
    for operation in counted.flat_map(|(_, path)| operations(path)) {
        let answers = &mut operation.responses.responses;
        answers.insert("429".to_owned(), RefOr::Ref(Ref::from_response_name(REFUSED)));
        for answer in answers.values_mut() {
            if let RefOr::T(answer) = answer {
                tell(answer);
            }
        }
    }
    let components = document.components.get_or_insert_default();
    for (name, header) in headers() {
        components.headers.insert(name.to_owned(), header.into());
    }
    // Any of them may be the answer to a counted request, as well as to others.
    for answer in components.responses.values_mut() {
        if let RefOr::T(answer) = answer {
            tell(answer);
        }
    }
    components.responses.insert(REFUSED.to_owned(), refused().into());
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete].into_iter().flatten()
}

fn tell(answer: &mut Response) {
    for (field, component) in FIELDS {
        answer.headers.insert(field.to_owned(), RefOr::Ref(header(component)));
    }
}

fn refused() -> Response {
    let mut answer = ResponseBuilder::new()
        .description(
            "A rate limit is used up, or too many wrong passwords were sent; try again after `Retry-After` seconds.",
        )
        .header_ref("X-Request-Id", header("RequestId"))
        .header_ref("Vary", header("Vary"))
        .header_ref("Retry-After", header("RetryAfter"))
        .content("application/json", Content::new(Some(raw(reference("ErrorAnswer")))))
        .content("application/problem+json", Content::new(Some(raw(reference("ProblemAnswer")))))
        .build();
    tell(&mut answer);
    answer
}

fn headers() -> [(&'static str, Header); 2] {
    let list = |description: &str, example: &str| {
        let schema = raw(json!({ "type": "string" }));
        HeaderBuilder::new().schema(Some(schema)).description(Some(description)).example(Some(json!(example))).build()
    };
    [
        (
            "RateLimit",
            list("What each policy leaves: `r` requests at once, more in `t` seconds.", "\"default\";r=50;t=30"),
        ),
        (
            "RateLimitPolicy",
            list("Each policy that counts the request: `q` requests in `w` seconds.", "\"default\";q=100;w=60"),
        ),
    ]
}
