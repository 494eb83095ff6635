//! How figures are made: each is registered and described in one call.
//!
//! Used by the groups of [`super::Metrics`].

use prometheus::core::Collector;
use prometheus::{Error, Gauge, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// One metric, for the documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// What it tells.
    pub help: String,
}

/// Makes and registers.
#[derive(Default)]
pub struct Making {
    pub(super) registry: Registry,
    pub(super) described: Vec<Described>,
}

impl Making {
    /// Registers what was made elsewhere. Errors: its name is taken.
    pub fn boxed(&mut self, made: Box<dyn Collector>) -> Result<(), Error> {
        for (desc, family) in made.desc().iter().zip(made.collect()) {
            self.described.push(Described {
                name: desc.fq_name.clone(),
                kind: format!("{:?}", family.get_field_type()).to_ascii_lowercase(),
                labels: desc.variable_labels.clone(),
                help: desc.help.clone(),
            });
        }
        self.registry.register(made)
    }

    pub(super) fn add<C: Collector + Clone + 'static>(&mut self, made: Result<C, Error>) -> Result<C, Error> {
        let made = made?;
        self.boxed(Box::new(made.clone()))?;
        Ok(made)
    }

    pub(super) fn counters(&mut self, name: &str, labels: &[&str], help: &str) -> Result<IntCounterVec, Error> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.add(IntGauge::new(name, help))
    }

    pub(super) fn number(&mut self, name: &str, help: &str) -> Result<Gauge, Error> {
        self.add(Gauge::new(name, help))
    }

    pub(super) fn gauges(&mut self, name: &str, labels: &[&str], help: &str) -> Result<IntGaugeVec, Error> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn histograms(
        &mut self,
        name: &str,
        labels: &[&str],
        buckets: &[f64],
        help: &str,
    ) -> Result<HistogramVec, Error> {
        self.add(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels))
    }
}
