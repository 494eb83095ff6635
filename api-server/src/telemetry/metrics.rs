//! The figures at `/metrics`, in one registry of their own.
//!
//! Written by the HTTP middleware and by the store, and at each scrape by what is asked at that moment. Labels are bounded: a
//! route is its pattern, never a path, and a method that is not of RFC 9110 is `other`. docs/operations.md lists
//! all of them, and a test compares.

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{Encoder, Error, Registry, TextEncoder};

mod making;
mod openmetrics;
mod process;
mod requests;
mod server;
#[cfg(test)]
mod tests;

pub use making::Described;
use making::Making;
pub use openmetrics::Exemplar;
use process::Process;
pub use requests::{Requests, Told, known_method};
pub use server::Server;

/// Seconds. From a cached point read to the default request timeout.
pub const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Counters, gauges and histograms. Cheap to clone; clones share their figures.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    described: Arc<[Described]>,
    process: Process,
    /// Of requests over HTTP.
    pub requests: Requests,
    /// Of the server and what it stands on.
    pub server: Server,
}

/// The forms in which figures are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The text format of Prometheus, version 0.0.4.
    Text,
    /// OpenMetrics 1.0, the one with exemplars.
    OpenMetrics,
}

impl Form {
    /// What a client takes that sends this `Accept`.
    pub fn accepted(accept: &str) -> Form {
        // Prometheus names it first, with the highest weight; who does not name it gets what everybody reads.
        if accept.contains("application/openmetrics-text") { Form::OpenMetrics } else { Form::Text }
    }

    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Form::Text => "text/plain; version=0.0.4; charset=utf-8",
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Metrics {
    /// Fresh figures. `database` is `sqlite` or `postgres`; `beside` are the figures of others, such as the store's.
    ///
    /// Errors: a name is registered twice, which is a bug.
    pub fn new(database: &str, beside: Vec<Box<dyn Collector>>) -> Result<Metrics, Error> {
        let mut make = Making::default();
        let requests = Requests::new(&mut make)?;
        let server = Server::new(&mut make, database)?;
        for collector in beside {
            make.boxed(collector)?;
        }
        let process = Process::new(&mut make)?;
        let Making { registry, described } = make;
        Ok(Metrics { registry, described: described.into(), process, requests, server })
    }

    /// All of them, by name.
    pub fn described(&self) -> Vec<&Described> {
        let mut all: Vec<_> = self.described.iter().collect();
        all.sort_by_key(|one| &one.name);
        all
    }

    /// Every figure of this moment.
    pub fn render(&self, form: Form) -> Result<String, Error> {
        self.process.look();
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        let text = String::from_utf8(text).map_err(|error| Error::Msg(error.to_string()))?;
        Ok(match form {
            Form::Text => text,
            Form::OpenMetrics => openmetrics::from_text(&text, &self.requests.exemplars()),
        })
    }
}
