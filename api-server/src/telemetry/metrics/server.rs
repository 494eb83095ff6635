//! Figures of the server and of what it stands on. Written at each scrape, and by the command line at a start.

use std::time::Duration;

use prometheus::{Error, Gauge, IntCounterVec, IntGauge, IntGaugeVec};

use super::making::Making;
use crate::store::{PoolStatus, Status};

/// The group.
#[derive(Clone)]
pub struct Server {
    pool: IntGaugeVec,
    shed: IntCounterVec,
    certificates: IntCounterVec,
    limited: IntCounterVec,
    limiter: IntGaugeVec,
    revision: IntGauge,
    ready: IntGauge,
    preparation: Gauge,
    spans: IntCounterVec,
}

impl Server {
    pub(super) fn new(make: &mut Making, database: &str) -> Result<Server, Error> {
        let build =
            make.gauges("mainstay_build_info", &["version", "database"], "Always 1; the labels say what is running.")?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), database]).set(1);
        Ok(Server {
            pool: make.gauges(
                "mainstay_pool_connections",
                &["pool", "state"],
                "Connections to the database: the most there may be (`max`), `busy`, `idle`; and requests `waiting` for one.",
            )?,
            shed: make.counters(
                "mainstay_pool_refused_total",
                &["pool"],
                "Requests turned away at once (503), because too many waited for a connection already.",
            )?,
            certificates: make.counters(
                "mainstay_tls_reloads_total",
                &["result"],
                "Changed certificates that were read: `ok`, or `failed`, in which case the one before stays.",
            )?,
            limited: make.counters(
                "mainstay_rate_limited_total",
                &["policy"],
                "Requests that a rate limit refused, by its policy; `own` are the limits of keys. One that rises for long \
                 is too low, or somebody tries.",
            )?,
            limiter: make.gauges(
                "mainstay_rate_limit_backend",
                &["backend"],
                "1 where rate limits are counted at the moment, `local` or `redis`, else 0.",
            )?,
            revision: make.gauge(
                "mainstay_schema_revision",
                "The revision of the schema that is served; 0 before one is.",
            )?,
            ready: make.gauge("mainstay_ready", "1 while the schema is applied and may be served, else 0.")?,
            preparation: make.number(
                "mainstay_migration_duration_seconds",
                "How long the last preparation of the database took at a start or a reload, migrations included.",
            )?,
            spans: make.counters(
                "mainstay_trace_spans_total",
                &["result"],
                "Spans of traces: `exported`, `dropped` because the queue was full, or `failed` at the collector.",
            )?,
        })
    }

    /// Counts a request that a rate limit refused. Policies are those of the settings, and one for keys.
    pub fn rate_limited(&self, policy: &str) {
        self.limited.with_label_values(&[policy]).inc();
    }

    /// Counts one changed certificate.
    pub fn certificate_read(&self, usable: bool) {
        self.certificates.with_label_values(&[if usable { "ok" } else { "failed" }]).inc();
    }

    /// Takes over where rate limits are counted.
    pub fn limiter(&self, shared: bool) {
        for (backend, counts) in [("local", !shared), ("redis", shared)] {
            self.limiter.with_label_values(&[backend]).set(i64::from(counts));
        }
    }

    /// Takes over what is served.
    pub fn schema(&self, revision: i64, ready: bool) {
        self.revision.set(revision);
        self.ready.set(i64::from(ready));
    }

    /// A preparation of the database has ended.
    pub fn prepared(&self, took: Duration) {
        self.preparation.set(took.as_secs_f64());
    }

    /// What becomes of spans.
    pub fn spans(&self) -> IntCounterVec {
        self.spans.clone()
    }

    /// Takes over the figures of the pools.
    pub fn pool(&self, status: &Status) {
        let Status { readers, writer } = *status;
        self.one_pool(if writer.is_some() { "readers" } else { "main" }, readers);
        if let Some(writer) = writer {
            self.one_pool("writer", writer);
        }
    }

    fn one_pool(&self, pool: &str, status: PoolStatus) {
        let PoolStatus { max, size, idle, waiting, refused } = status;
        let shed = self.shed.with_label_values(&[pool]);
        shed.inc_by(refused.saturating_sub(shed.get()));
        for (state, n) in [("max", max), ("busy", size.saturating_sub(idle)), ("idle", idle), ("waiting", waiting)] {
            self.pool.with_label_values(&[pool, state]).set(i64::try_from(n).unwrap_or(i64::MAX));
        }
    }
}
