//! What every request passes, outermost first; the order is that of [`super::start`].
//!
//! [`observe`] names, times and logs the request and renders failures; [`guard`] refuses what no handler should see;
//! [`super::limit`] what is more than a client may ask; [`compression`] says what is compressed and marks its entity tag;
//! [`headers`] are those of every answer.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Uri};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpResponse, ResponseError, web};
use futures_util::FutureExt as _;
use opentelemetry::context::FutureExt as _;
use tracing::Instrument;
use uuid::Uuid;

use super::accept::{accepts_json, prefers_problem};
use super::account::{Account, TRACEPARENT};
use super::connections::Connection;
use super::error::Failure;
use super::limit::Address;
use super::unread;
use crate::app::App;
use crate::service::{Code, Error};

pub mod compression;
mod headers;
#[cfg(test)]
mod tests;

use headers::Common;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request an id and a span, counts and times it, and writes the body of a failure. Outermost, so that nothing
/// is answered without an id or in another shape, a panic included.
pub async fn observe<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let held = unread::hold(&mut request);
    let id = request_id(request.headers());
    let app = request.app_data::<web::Data<App>>().cloned();
    let client = client(&request, app.as_ref());
    request.extensions_mut().insert(Address(client));
    let as_problem = prefers_problem(request.headers());
    let answering = request.conn_data::<Connection>().map(Connection::busy);
    let common = Common::of(&request);
    let account = Account::open(&request, held.as_ref(), client, &id);
    let work = next.call(request).instrument(account.span()).with_context(account.context());
    let traced = account.trace();
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    let mut outcome = match outcome {
        Ok(Ok(response)) => {
            let response = account.follow(render(response, &id, as_problem, &common));
            Ok(unread::answer(response, held, answering))
        }
        // The request went inwards as the only handle on itself, so that without a response there is no route to name.
        Ok(Err(error)) => Err(render_alone(error.error_response(), &id, as_problem, &common, account)),
        Err(_) => {
            let failure = Failure::from(Error::bug("a handler panicked"));
            Err(render_alone(failure.error_response(), &id, as_problem, &common, account))
        }
    };
    let head = match &mut outcome {
        Ok(response) => response.response_mut().head_mut(),
        Err(response) => response.head_mut(),
    };
    if let Some(trace) = traced {
        head.headers_mut().insert(TRACEPARENT, trace);
    }
    if app.is_some_and(|app| app.readiness.is_draining()) {
        // A connection that is closed while a request is on its way loses the request: the client is asked not to use it again.
        head.set_connection_type(ConnectionType::Close);
    }
    outcome.map_err(|response| InternalError::from_response("rendered", response).into())
}

/// The path that routes are found by, in which no letter is encoded: whatever else goes by a path goes by this one.
pub fn routed(request: &ServiceRequest) -> &str {
    request.match_info().as_str()
}

/// Whose address the request comes from.
fn client(request: &ServiceRequest, app: Option<&web::Data<App>>) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let Some(proxies) = app.map(|app| &app.proxies) else { return Some(peer.to_canonical()) };
    let lines: Vec<&[u8]> = request.headers().get_all(proxies.header_name()).map(HeaderValue::as_bytes).collect();
    Some(proxies.client(peer, lines.into_iter()))
}

/// Refuses URLs and headers over their limits (414, 431), clients that take neither JSON nor what the path has (406), and every use of the API
/// before the schema is applied (503): no handler has to ask.
pub async fn guard<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let app = request.app_data::<web::Data<App>>();
    let (limit, headers) = app.map_or((usize::MAX, usize::MAX), |app| (app.limits.url, app.limits.headers));
    let path = routed(&request);
    let api = path.starts_with("/api/");
    let refusal = if length(request.uri()) > limit {
        Some(Error::new(Code::UriTooLong, format!("a URL has at most {limit} bytes; search with fewer parameters")))
    } else if headers::length(request.headers()) > headers {
        Some(Error::new(
            Code::HeadersTooLarge,
            format!("all headers together have at most {headers} bytes; send fewer"),
        ))
    } else if api && !is_export(path) && !accepts_json(request.headers()) {
        Some(Error::new(Code::NotAcceptable, "this path answers application/json or application/problem+json"))
    } else if api && !app.is_none_or(|app| app.readiness.is_started()) {
        Some(Error::not_ready())
    } else {
        None
    };
    match refusal {
        None => Ok(next.call(request).await?.map_into_left_body()),
        Some(error) => Ok(request.into_response(Failure::from(error).error_response()).map_into_right_body()),
    }
}

/// Whether a path answers in the forms of exports: its handler judges `Accept`.
fn is_export(path: &str) -> bool {
    let below = path.strip_prefix("/api/v1/").and_then(|rest| rest.split_once('/'));
    below.is_some_and(|(_, rest)| rest == "export")
}

/// 404 for a path that is none of ours.
pub async fn unknown_path() -> Result<HttpResponse, Failure> {
    Err(Error::no_path().into())
}

/// Bytes of what the request line asks for; the authority of an absolute form is bounded with the head.
fn length(uri: &Uri) -> usize {
    uri.path_and_query().map_or(0, |asked| asked.as_str().len())
}

fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let fits = |id: &&str| {
        (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    given.filter(fits).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

fn render<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
    id: &str,
    as_problem: bool,
    common: &Common,
) -> ServiceResponse<EitherBody<B>> {
    let (request, response) = response.into_parts();
    let response = match failure_of(&response) {
        None => response.map_into_left_body(),
        Some(failure) => render_failure(response, &failure, id, as_problem).map_into_right_body(),
    };
    let mut response = ServiceResponse::new(request, response);
    let status = response.status();
    common.write(status, response.headers_mut(), id);
    response
}

/// As [`render`], for a response that came without its request.
fn render_alone(response: HttpResponse, id: &str, as_problem: bool, common: &Common, account: Account) -> HttpResponse {
    let mut response = match failure_of(&response) {
        None => response,
        Some(failure) => render_failure(response, &failure, id, as_problem),
    };
    let status = response.status();
    common.write(status, response.headers_mut(), id);
    account.close(status.as_u16(), response.body().size());
    response
}

fn render_failure<B>(response: HttpResponse<B>, failure: &Failure, id: &str, as_problem: bool) -> HttpResponse {
    let (media_type, text) = failure.body(id, as_problem);
    let mut response = response.set_body(BoxBody::new(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().remove(CONTENT_ENCODING);
    response
}

fn failure_of<B>(response: &HttpResponse<B>) -> Option<Failure> {
    let failure = response.extensions().get::<Failure>().cloned();
    failure.or_else(|| foreign(response))
}

/// A failure that the HTTP library answered by itself, such as an extractor's, in our shape.
fn foreign<B>(response: &HttpResponse<B>) -> Option<Failure> {
    let status = response.status();
    let ours = response.headers().get(CONTENT_TYPE).is_some_and(|media| media == "application/json");
    if !(status.is_client_error() || status.is_server_error()) || ours {
        return None;
    }
    let code = match status.as_u16() {
        404 => Code::NotFound,
        405 => Code::MethodNotAllowed,
        406 => Code::NotAcceptable,
        408 => Code::RequestTimeout,
        413 => Code::PayloadTooLarge,
        415 => Code::UnsupportedMediaType,
        431 => Code::HeadersTooLarge,
        400..=499 => Code::MalformedRequest,
        _ => Code::InternalError,
    };
    Some(Failure::from(Error::new(code, status.canonical_reason().unwrap_or("the request failed"))))
}
