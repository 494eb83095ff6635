//! What is told of one request: a log line and figures, once its answer has ended.
//!
//! Made by [`super::middleware::observe`] and dropped with the last byte of the answer, or with the request when its client
//! leaves before there is one. Tells sizes and times, never contents: no path, no query, no header and no body.

use std::cell::Cell;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as Task, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpMessage, HttpRequest};
use opentelemetry::{Context, KeyValue};
use tracing::Span;

use super::caller::Who;
use super::clock;
use super::idempotency;
use super::unread::Held;
use crate::app::App;
use crate::telemetry::metrics::{Told, known_method};
use crate::telemetry::trace::{Request, parent};

/// The field of W3C Trace Context, in requests and answers.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// What the lines of requests are filtered by: `mainstay::request=warn` leaves them out.
const TARGET: &str = "mainstay::request";

/// A request under way.
pub struct Account {
    app: Option<Data<App>>,
    id: String,
    span: Span,
    method: Method,
    client: Option<IpAddr>,
    started: Instant,
    received: Received,
    trace: Request,
    answer: Option<Answered>,
}

/// Bytes of the request's body.
enum Received {
    /// As its head says, whether they are read or not.
    Announced(u64),
    /// As they came.
    Counted(Rc<Cell<u64>>),
}

/// What is known once there is an answer.
struct Answered {
    status: u16,
    route: String,
    caller: Option<Who>,
    replayed: Option<bool>,
    elapsed: Duration,
    sent: u64,
    /// A body of unknown length: whether its end was reached.
    streamed: Option<bool>,
}

impl Account {
    /// Begins with the request's head.
    pub fn open(request: &ServiceRequest, held: Option<&Held>, client: Option<IpAddr>, id: &str) -> Account {
        let announced = || {
            let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
            Received::Announced(length.unwrap_or(0))
        };
        let app = request.app_data::<Data<App>>().cloned();
        if let Some(app) = &app {
            app.metrics.requests.begun();
        }
        let headers = |name| request.headers().get_all(name).filter_map(|value| value.to_str().ok());
        let parent = parent::read(headers(TRACEPARENT), headers(TRACESTATE));
        let trace = Request::begin(app.as_ref().and_then(|app| app.tracing.as_ref()), parent);
        let trace_id = trace.id();
        Account {
            app,
            id: id.to_owned(),
            span: tracing::info_span!("request", request_id = id, trace_id, method = %request.method()),
            trace,
            method: request.method().clone(),
            client,
            started: Instant::now(),
            received: held.map_or_else(announced, |held| Received::Counted(held.counter())),
            answer: None,
        }
    }

    /// What the request's events belong to.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// What the request's parts belong to.
    pub fn context(&self) -> Context {
        self.trace.context()
    }

    /// The trace, as the answer tells it.
    pub fn trace(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.trace.header()?).ok()
    }

    /// Takes over what the answer's head says, and follows its body to the end.
    pub fn follow<B: MessageBody + 'static>(
        mut self,
        response: ServiceResponse<EitherBody<B>>,
    ) -> ServiceResponse<EitherBody<B>> {
        let (status, head) = (response.status().as_u16(), self.method == Method::HEAD);
        let answered = self.answered(status, Some(response.request()));
        answered.replayed = idempotency::outcome(response.request(), response.headers());
        match response.response().body().size() {
            // The body of an answer to HEAD is never sent, whatever its size.
            _ if head => response,
            BodySize::None => response,
            BodySize::Sized(bytes) => {
                answered.sent = bytes;
                response
            }
            BodySize::Stream => {
                answered.streamed = Some(false);
                response.map_body(|_, body| {
                    let body = BoxBody::new(body);
                    EitherBody::right(BoxBody::new(Followed { body, account: self }))
                })
            }
        }
    }

    /// As [`Account::follow`], for an answer that came without its request and has a body of `bytes`.
    pub fn close(mut self, status: u16, bytes: BodySize) {
        let answered = self.answered(status, None);
        if let BodySize::Sized(bytes) = bytes {
            answered.sent = bytes;
        }
    }

    fn answered(&mut self, status: u16, request: Option<&HttpRequest>) -> &mut Answered {
        let elapsed = self.started.elapsed();
        let route = request.and_then(HttpRequest::match_pattern).unwrap_or_else(|| "none".to_owned());
        let caller = request.and_then(|request| request.extensions().get::<Who>().cloned());
        self.answer.insert(Answered { status, route, caller, replayed: None, elapsed, sent: 0, streamed: None })
    }

    fn received(&self) -> u64 {
        match &self.received {
            Received::Announced(bytes) => *bytes,
            Received::Counted(bytes) => bytes.get(),
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        match self.answer.take() {
            Some(answer) => {
                self.log(&answer);
                self.count(&answer);
                self.end_trace(&answer);
            }
            None => self.abandon(),
        }
    }
}

impl Account {
    fn log(&self, answer: &Answered) {
        let Answered { status, route, caller, replayed: _, elapsed, sent, streamed } = answer;
        let caller = caller.as_ref().map(|who| match who {
            Who::Caller(caller) => caller.to_string(),
            Who::Wrong(_) => "unknown".to_owned(),
        });
        self.span.in_scope(|| {
            tracing::info!(
                target: TARGET,
                route,
                status,
                micros = micros(*elapsed),
                whole_micros = streamed.map(|_| micros(self.started.elapsed())),
                cut = streamed.filter(|ended| !ended).map(|_| true),
                received = self.received(),
                sent,
                caller,
                client = self.client.map(tracing::field::display),
                "answered"
            );
        });
    }

    fn count(&self, answer: &Answered) {
        let Some(app) = &self.app else { return };
        let Answered { status, route, caller, replayed, elapsed, sent, streamed: _ } = answer;
        let who = caller.as_ref().map(|who| match who {
            Who::Caller(caller) => caller.kind(),
            Who::Wrong(word) => word,
        });
        let trace = self.trace.id().filter(|_| self.trace.is_kept());
        app.metrics.requests.answered(&Told {
            method: self.method.as_str(),
            route,
            status: *status,
            elapsed: *elapsed,
            received: self.received(),
            sent: *sent,
            who,
            replayed: *replayed,
            trace: trace.as_deref().map(|trace| (trace, clock::now())),
        });
    }

    /// By the semantic conventions of HTTP spans, but for paths and queries, which hold values.
    fn end_trace(&self, answer: &Answered) {
        let Answered { status, route, sent, .. } = answer;
        let method = known_method(self.method.as_str());
        let name = || match method {
            "other" => format!("HTTP {route}"),
            method => format!("{method} {route}"),
        };
        let attributes = || {
            let mut attributes = vec![
                KeyValue::new("http.request.method", if method == "other" { "_OTHER" } else { method }),
                KeyValue::new("http.route", route.clone()),
                KeyValue::new("http.response.status_code", i64::from(*status)),
                KeyValue::new("http.request.body.size", i64::try_from(self.received()).unwrap_or(i64::MAX)),
                KeyValue::new("http.response.body.size", i64::try_from(*sent).unwrap_or(i64::MAX)),
                KeyValue::new("mainstay.request_id", self.id.clone()),
            ];
            attributes.extend(self.client.map(|client| KeyValue::new("client.address", client.to_string())));
            attributes
        };
        self.trace.end(name, attributes, (*status >= 500).then_some(*status));
    }

    fn abandon(&self) {
        let (micros, received) = (micros(self.started.elapsed()), self.received());
        let client = self.client.map(tracing::field::display);
        self.span.in_scope(|| {
            tracing::info!(target: TARGET, micros, received, client, "abandoned: the connection ended before the answer");
        });
        let method = self.method.as_str();
        self.app.iter().for_each(|app| app.metrics.requests.abandoned(method));
        self.trace.end(|| known_method(method).to_owned(), Vec::new, None);
    }
}

/// As a number of JSON, which a wider one would not be.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The body of an answer whose length is not known, with the account of its request.
struct Followed {
    body: BoxBody,
    account: Account,
}

impl MessageBody for Followed {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        // What an export reads while it is sent belongs to its trace.
        let _entered = self.account.trace.enter();
        let next = Pin::new(&mut self.body).poll_next(task);
        if let Some(answer) = &mut self.account.answer {
            match &next {
                Poll::Ready(Some(Ok(bytes))) => answer.sent += bytes.len() as u64,
                Poll::Ready(None) => answer.streamed = Some(true),
                Poll::Ready(Some(Err(_))) | Poll::Pending => {}
            }
        }
        next
    }
}
