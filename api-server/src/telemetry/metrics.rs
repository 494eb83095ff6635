//! The figures at `/metrics`, in one registry of their own.
//!
//! Written by the HTTP middleware and at each scrape by the store's figures. Labels are bounded: a route is its
//! pattern, never a path, and a method that is not of RFC 9110 is `other`.

use std::time::Duration;

use prometheus::{
    Encoder, Error, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::store::{PoolStatus, Status};

/// Seconds. From a cached point read to the default request timeout.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// The methods of RFC 9110 and RFC 5789.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// Counters, gauges and histograms. Cheap to clone; clones share their figures.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    pool: IntGaugeVec,
    refused: IntCounterVec,
    limiter: IntGaugeVec,
}

impl Metrics {
    /// Fresh figures. `database` is `sqlite` or `postgres`.
    ///
    /// Errors: a name is registered twice, which is a bug.
    pub fn new(database: &str) -> Result<Metrics, Error> {
        let registry = Registry::new();
        let requests =
            IntCounterVec::new(Opts::new("http_requests_total", "Requests answered."), &["method", "route", "status"])?;
        let durations = HistogramVec::new(
            HistogramOpts::new("http_request_duration_seconds", "Time from a request's head to its answer.")
                .buckets(BUCKETS.to_vec()),
            &["method", "route"],
        )?;
        let pool = IntGaugeVec::new(
            Opts::new("mainstay_pool_connections", "Connections to the database, and requests that wait for one."),
            &["pool", "state"],
        )?;
        let refused = IntCounterVec::new(
            Opts::new("mainstay_rate_limited_total", "Requests that a rate limit refused, by its policy."),
            &["policy"],
        )?;
        let limiter = IntGaugeVec::new(
            Opts::new("mainstay_rate_limit_backend", "1 where rate limits are counted at the moment, else 0."),
            &["backend"],
        )?;
        let build = IntGaugeVec::new(
            Opts::new("mainstay_build_info", "Always 1; the labels say what is running."),
            &["version", "database"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), database]).set(1);
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(pool.clone()))?;
        registry.register(Box::new(refused.clone()))?;
        registry.register(Box::new(limiter.clone()))?;
        registry.register(Box::new(build))?;
        Ok(Metrics { registry, requests, durations, pool, refused, limiter })
    }

    /// Counts one answered request. `route` is the pattern that matched.
    pub fn request(&self, method: &str, route: &str, status: u16, elapsed: Duration) {
        let method = METHODS.iter().find(|known| **known == method).copied().unwrap_or("other");
        self.requests.with_label_values(&[method, route, &status.to_string()]).inc();
        self.durations.with_label_values(&[method, route]).observe(elapsed.as_secs_f64());
    }

    /// Counts a request that a rate limit refused. Policies are those of the settings, and one for keys.
    pub fn rate_limited(&self, policy: &str) {
        self.refused.with_label_values(&[policy]).inc();
    }

    /// Takes over where rate limits are counted.
    pub fn limiter(&self, shared: bool) {
        for (backend, counts) in [("local", !shared), ("redis", shared)] {
            self.limiter.with_label_values(&[backend]).set(i64::from(counts));
        }
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
        let PoolStatus { max, size, idle, waiting } = status;
        for (state, n) in [("max", max), ("busy", size.saturating_sub(idle)), ("idle", idle), ("waiting", waiting)] {
            self.pool.with_label_values(&[pool, state]).set(i64::try_from(n).unwrap_or(i64::MAX));
        }
    }

    /// The text format of Prometheus (version 0.0.4).
    pub fn render(&self) -> Result<String, Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| Error::Msg(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_carry_bounded_labels() {
        let metrics = Metrics::new("sqlite").unwrap();
        metrics.request("GET", "/api/v1/{collection}", 200, Duration::from_millis(3));
        metrics.request("BREW", "none", 404, Duration::ZERO);
        let idle = PoolStatus { max: 10, size: 4, idle: 1, waiting: 2 };
        metrics.pool(&Status { readers: idle, writer: Some(PoolStatus::default()) });
        metrics.rate_limited("default");
        metrics.limiter(true);
        let text = metrics.render().unwrap();
        for line in [
            r#"http_requests_total{method="GET",route="/api/v1/{collection}",status="200"} 1"#,
            r#"http_requests_total{method="other",route="none",status="404"} 1"#,
            r#"http_request_duration_seconds_bucket{method="GET",route="/api/v1/{collection}",le="0.0025"} 0"#,
            r#"http_request_duration_seconds_bucket{method="GET",route="/api/v1/{collection}",le="0.005"} 1"#,
            r#"mainstay_pool_connections{pool="readers",state="busy"} 3"#,
            r#"mainstay_pool_connections{pool="writer",state="max"} 0"#,
            r#"mainstay_rate_limited_total{policy="default"} 1"#,
            r#"mainstay_rate_limit_backend{backend="local"} 0"#,
            r#"mainstay_rate_limit_backend{backend="redis"} 1"#,
            r#"mainstay_build_info{database="sqlite",version="0.1.0"} 1"#,
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
