//! Figures of requests over HTTP. Written by the account of each request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::{Error, HistogramVec, IntCounterVec, IntGauge};

use super::SECONDS;
use super::making::Making;
use super::openmetrics::{self, Exemplar, Exemplars};

/// Bytes. From an answer without a record to an import.
const BYTES: [f64; 8] = [256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 16_777_216.0];
/// The methods of RFC 9110 and RFC 5789.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
const DURATION: &str = "http_request_duration_seconds";

/// The group.
#[derive(Clone)]
pub struct Requests {
    answered: IntCounterVec,
    durations: HistogramVec,
    exemplars: Arc<Mutex<Exemplars>>,
    in_flight: IntGauge,
    received: HistogramVec,
    sent: HistogramVec,
    abandoned: IntCounterVec,
    callers: IntCounterVec,
    idempotent: IntCounterVec,
}

/// What one request has been.
pub struct Told<'a> {
    /// As the client sent it.
    pub method: &'a str,
    /// The pattern that matched.
    pub route: &'a str,
    /// Of the answer.
    pub status: u16,
    /// From the head of the request to that of the answer.
    pub elapsed: Duration,
    /// Bytes of the request's body.
    pub received: u64,
    /// Bytes of the answer's body.
    pub sent: u64,
    /// Which kind of caller, or what was wrong with the credential; none where nobody asked.
    pub who: Option<&'static str>,
    /// With an `Idempotency-Key`: whether it was answered before.
    pub replayed: Option<bool>,
    /// The trace, if it is one that is kept, and microseconds since 1970.
    pub trace: Option<(&'a str, i64)>,
}

impl Requests {
    pub(super) fn new(make: &mut Making) -> Result<Requests, Error> {
        Ok(Requests {
            answered: make.counters(
                "http_requests_total",
                &["method", "route", "status"],
                "Requests answered, on both ports.",
            )?,
            durations: make.histograms(
                DURATION,
                &["method", "route"],
                &SECONDS,
                "Time from a request's head to that of its answer.",
            )?,
            exemplars: Arc::default(),
            in_flight: make.gauge("http_requests_in_flight", "Requests whose answer has not ended yet.")?,
            received: make.histograms(
                "http_request_size_bytes",
                &["route"],
                &BYTES,
                "Bodies of requests, as they came.",
            )?,
            sent: make.histograms(
                "http_response_size_bytes",
                &["route"],
                &BYTES,
                "Bodies of answers, as they were sent: compressed where the client takes that.",
            )?,
            abandoned: make.counters(
                "http_requests_abandoned_total",
                &["method"],
                "Requests whose client left before there was an answer.",
            )?,
            callers: make.counters(
                "mainstay_authentications_total",
                &["result"],
                "Requests of the API by whom their credential stands for; `unknown`, `expired` and `several` were refused, `failed` could not be told.",
            )?,
            idempotent: make.counters(
                "mainstay_idempotent_requests_total",
                &["result"],
                "Requests with an Idempotency-Key: `carried_out`, `replayed` or `refused`.",
            )?,
        })
    }

    /// A request has come.
    pub fn begun(&self) {
        self.in_flight.inc();
    }

    /// A request has ended without an answer.
    pub fn abandoned(&self, method: &str) {
        self.in_flight.dec();
        self.abandoned.with_label_values(&[known_method(method)]).inc();
    }

    /// A request has ended.
    pub fn answered(&self, told: &Told<'_>) {
        let Told { method, route, status, elapsed, received, sent, who, replayed, trace } = *told;
        let (method, seconds) = (known_method(method), elapsed.as_secs_f64());
        self.in_flight.dec();
        self.answered.with_label_values(&[method, route, digits(&mut [0; 3], status)]).inc();
        self.durations.with_label_values(&[method, route]).observe(seconds);
        self.received.with_label_values(&[route]).observe(received as f64);
        self.sent.with_label_values(&[route]).observe(sent as f64);
        if let Some(who) = who {
            self.callers.with_label_values(&[who]).inc();
        }
        if let Some(replayed) = replayed {
            let result = match (replayed, status) {
                (true, _) => "replayed",
                (false, 200..=299) => "carried_out",
                (false, _) => "refused",
            };
            self.idempotent.with_label_values(&[result]).inc();
        }
        if let Some((trace, now)) = trace {
            let bound = SECONDS.iter().find(|bound| seconds <= **bound).copied();
            let series = openmetrics::bucket(DURATION, &[("method", method), ("route", route)], bound);
            let exemplar = Exemplar { trace: trace.to_owned(), value: seconds, at: now };
            self.exemplars.lock().unwrap_or_else(PoisonError::into_inner).insert(series, exemplar);
        }
    }

    /// The newest trace of each bucket.
    pub(super) fn exemplars(&self) -> HashMap<String, Exemplar> {
        self.exemplars.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A method of the standards, or `other`: as many as a label may have.
pub fn known_method(method: &str) -> &'static str {
    METHODS.iter().find(|known| **known == method).copied().unwrap_or("other")
}

/// A status as a label, without a text of its own for each request.
fn digits(buffer: &mut [u8; 3], status: u16) -> &str {
    for (digit, power) in buffer.iter_mut().zip([100, 10, 1]) {
        *digit = b'0' + u8::try_from(status / power % 10).unwrap_or(0);
    }
    std::str::from_utf8(buffer).unwrap_or("000")
}
