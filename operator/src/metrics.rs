//! What the operator counts, in the text form of Prometheus.
//!
//! Made once by `run`. Holds names of Backends and ApiKeys, and nothing that is secret.

use k8s_openapi::jiff::Timestamp;
use mainstay_crds::backend::BackendStatus;
use mainstay_crds::conditions::Condition;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// All of it.
pub struct Metrics {
    registry: Registry,
    /// Reconciliations that ended, by `result`: ok or error.
    pub reconciles: IntCounterVec,
    /// How long they took, in seconds.
    pub seconds: Histogram,
    /// Reconciliations that run.
    pub in_flight: IntGauge,
    /// Backends that wait for their turn.
    pub queue: IntGauge,
    /// Writes, by `verb` and `kind`.
    pub writes: IntCounterVec,
    /// Watches that broke and were begun anew.
    pub watch_failures: IntCounterVec,
    /// 1 for the operator that works, 0 for those that wait.
    pub leader: IntGauge,
    /// 1 while the cluster's definitions are older than this operator.
    pub crd_too_old: IntGauge,
    conditions: IntGaugeVec,
    plan_created: GaugeVec,
    key_expires: GaugeVec,
}

/// The values of a condition's status.
const STATUSES: [&str; 3] = ["True", "False", "Unknown"];

impl Metrics {
    /// All at zero. Errors: two metrics have one name.
    pub fn new() -> Result<Metrics, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let made = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(made.clone())).map(|()| made)
        };
        let gauge = |name: &str, help: &str| {
            let made = IntGauge::new(name, help)?;
            registry.register(Box::new(made.clone())).map(|()| made)
        };
        let times = |name: &str, help: &str| {
            let made = GaugeVec::new(Opts::new(name, help), &["namespace", "name"])?;
            registry.register(Box::new(made.clone())).map(|()| made)
        };
        let seconds = HistogramOpts::new("mainstay_operator_reconcile_seconds", "How long reconciliations took.");
        let seconds = Histogram::with_opts(
            seconds.buckets(vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]),
        )?;
        registry.register(Box::new(seconds.clone()))?;
        let conditions =
            Opts::new("mainstay_backend_condition", "1 for the status that a Backend's condition has, else 0.");
        let conditions = IntGaugeVec::new(conditions, &["namespace", "name", "type", "status"])?;
        registry.register(Box::new(conditions.clone()))?;
        Ok(Metrics {
            reconciles: counters(
                "mainstay_operator_reconciles_total",
                "Reconciliations that ended, by result.",
                &["result"],
            )?,
            seconds,
            in_flight: gauge("mainstay_operator_in_flight", "Reconciliations that run.")?,
            queue: gauge("mainstay_operator_queue", "Backends that wait for their turn.")?,
            writes: counters("mainstay_operator_writes_total", "Writes to the API server.", &["verb", "kind"])?,
            watch_failures: counters("mainstay_operator_watch_failures_total", "Watches that broke.", &["namespace"])?,
            leader: gauge("mainstay_operator_leader", "1 for the operator that works.")?,
            crd_too_old: gauge(
                "mainstay_operator_crd_too_old",
                "1 while the cluster's definitions are older than this operator.",
            )?,
            conditions,
            plan_created: times(
                "mainstay_backend_plan_created_timestamp_seconds",
                "When the plan that is under way or waits was made, since 1970.",
            )?,
            key_expires: times(
                "mainstay_apikey_expires_timestamp_seconds",
                "When the current key of an ApiKey ends, since 1970.",
            )?,
            registry,
        })
    }

    /// All of it as text. Errors: a metric cannot be written.
    pub fn text(&self) -> Result<String, String> {
        TextEncoder::new().encode_to_string(&self.registry.gather()).map_err(|error| error.to_string())
    }

    /// What is true of a Backend now, and when its plan was made if one is under way.
    pub fn backend(&self, namespace: &str, name: &str, status: &BackendStatus, plan_created: Option<Timestamp>) {
        for Condition { kind, status, .. } in &status.conditions {
            for value in STATUSES {
                self.conditions.with_label_values(&[namespace, name, kind, value]).set(i64::from(status == value));
            }
        }
        self.time(&self.plan_created, namespace, name, plan_created);
    }

    /// When the current key of an ApiKey ends; `None` when it does not, or is gone.
    pub fn key(&self, namespace: &str, name: &str, expires: Option<Timestamp>) {
        self.time(&self.key_expires, namespace, name, expires);
    }

    /// A Backend is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        use mainstay_crds::conditions::Type;
        for kind in [Type::Available, Type::Ready, Type::SchemaReady, Type::Reconciling, Type::Stalled] {
            for value in STATUSES {
                forget(self.conditions.remove_label_values(&[namespace, name, kind.as_str(), value]));
            }
        }
        self.time(&self.plan_created, namespace, name, None);
    }

    fn time(&self, gauge: &GaugeVec, namespace: &str, name: &str, time: Option<Timestamp>) {
        match time {
            Some(time) => gauge.with_label_values(&[namespace, name]).set(time.as_second() as f64),
            None => forget(gauge.remove_label_values(&[namespace, name])),
        }
    }
}

/// What was never counted needs no forgetting.
fn forget(removed: Result<(), prometheus::Error>) {
    if let Err(error) = removed {
        tracing::trace!(%error, "there was nothing to forget");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_told_and_forgotten() {
        let metrics = Metrics::new().unwrap();
        let condition = Condition { kind: "Ready".to_owned(), status: "False".to_owned(), ..Condition::default() };
        let status = BackendStatus { conditions: vec![condition], ..BackendStatus::default() };
        metrics.backend("a", "b", &status, Timestamp::from_second(60).ok());
        let text = metrics.text().unwrap();
        let ready = |value| {
            format!("mainstay_backend_condition{{name=\"b\",namespace=\"a\",status=\"{value}\",type=\"Ready\"}}")
        };
        assert!(text.contains(&format!("{} 1\n", ready("False"))), "{text}");
        assert!(text.contains(&format!("{} 0\n", ready("True"))), "{text}");
        assert!(text.contains("mainstay_backend_plan_created_timestamp_seconds{name=\"b\",namespace=\"a\"} 60\n"));
        metrics.forget("a", "b");
        let text = metrics.text().unwrap();
        assert!(!text.contains("namespace=\"a\""), "{text}");
    }
}
