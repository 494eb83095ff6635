//! Domain errors as HTTP: the only place that knows a status code for a failure.
//!
//! A handler fails with a [`Failure`]; the outermost middleware renders it, since the form depends on the request: our
//! envelope, or RFC 9457 where the client accepts `application/problem+json`.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use mainstay_crds::Problem;
use serde::Serialize;
use serde_json::json;

use crate::service::{Code, Error};

/// At most this many problems are told; a body of 1 MiB can hold a hundred thousand.
const MAX_DETAILS: usize = 1000;

/// A failed request.
#[derive(Debug, Clone)]
pub struct Failure {
    code: Code,
    message: String,
    details: Vec<Problem>,
    retry_after: Option<u64>,
    outcome_unknown: bool,
    allow: Option<&'static str>,
}

impl Failure {
    /// 405 with what the path takes.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let error = Error::new(Code::MethodNotAllowed, format!("this path takes {allow}"));
        Failure { allow: Some(allow), ..Failure::from(error) }
    }

    /// Its status and its name in the envelope.
    pub fn status(&self) -> (StatusCode, &'static str) {
        match self.code {
            Code::ValidationError => (StatusCode::BAD_REQUEST, "VALIDATION_ERROR"),
            Code::MalformedRequest => (StatusCode::BAD_REQUEST, "MALFORMED_REQUEST"),
            Code::Unauthenticated => (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"),
            Code::Forbidden => (StatusCode::FORBIDDEN, "FORBIDDEN"),
            Code::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            Code::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"),
            Code::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE"),
            Code::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "MALFORMED_REQUEST"),
            Code::Conflict => (StatusCode::CONFLICT, "CONFLICT"),
            Code::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "PRECONDITION_FAILED"),
            Code::PayloadTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE"),
            Code::HeadersTooLarge => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "MALFORMED_REQUEST"),
            Code::UriTooLong => (StatusCode::URI_TOO_LONG, "MALFORMED_REQUEST"),
            Code::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE"),
            Code::Unprocessable => (StatusCode::UNPROCESSABLE_ENTITY, "UNPROCESSABLE"),
            Code::PreconditionRequired => (StatusCode::PRECONDITION_REQUIRED, "PRECONDITION_REQUIRED"),
            Code::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"),
            Code::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
            Code::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED"),
            Code::Timeout => (StatusCode::GATEWAY_TIMEOUT, "TIMEOUT"),
            Code::InternalError => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR"),
        }
    }

    /// The body and its media type.
    pub fn body(&self, request_id: &str, as_problem: bool) -> (&'static str, String) {
        let (status, code) = self.status();
        let outcome = self.outcome_unknown.then_some("unknown");
        if !as_problem {
            let Failure { message: error, details, .. } = self;
            let body = Body { success: false, error, code, details, outcome, request_id };
            return ("application/json", serde_json::to_string(&body).unwrap_or_default());
        }
        let mut problem = json!({
            "type": "about:blank", "title": status.canonical_reason(), "status": status.as_u16(),
            "detail": self.message, "code": code, "errors": self.details, "request_id": request_id,
        });
        if let (Some(outcome), Some(members)) = (outcome, problem.as_object_mut()) {
            members.insert("outcome".to_owned(), json!(outcome));
        }
        ("application/problem+json", problem.to_string())
    }
}

#[derive(Serialize)]
struct Body<'a> {
    success: bool,
    error: &'a str,
    code: &'static str,
    details: &'a [Problem],
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    request_id: &'a str,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if error.code == Code::InternalError {
            tracing::error!(cause = chain(&error), "a request failed");
        } else if let Some(cause) = &error.cause {
            tracing::warn!(cause = cause.to_string(), error = error.message, "a request could not be served");
        }
        let Error { code, message, mut details, retry_after, outcome_unknown, cause: _ } = error;
        let more = details.len().saturating_sub(MAX_DETAILS);
        if more > 0 {
            details.truncate(MAX_DETAILS);
            let message = format!("{more} more problems are not listed");
            details.push(Problem { path: String::new(), code: "and_more", message, hint: None });
        }
        let retry_after = retry_after.map(|wait| wait.as_secs());
        Failure { code, message, details, retry_after, outcome_unknown, allow: None }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        self.status().0
    }

    /// Without a body: the middleware writes it from the failure that travels along.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status_code());
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if self.code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self.clone());
        response
    }
}
