//! What the store counts: waits for connections, repeated transactions, failures.
//!
//! Made with a [`super::Store`] and shared with its pools; the metrics of the process take the collectors.

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, Opts};

use super::Abort;
use super::error::Error;

/// Seconds. A connection that rests is there at once.
const SECONDS: [f64; 10] = [0.0001, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0];

/// Counters and histograms; clones share them.
#[derive(Clone)]
pub(super) struct Figures {
    waits: HistogramVec,
    again: IntCounterVec,
    failures: IntCounterVec,
}

impl Figures {
    pub(super) fn new() -> Result<Figures, Error> {
        let made = || {
            let waits = HistogramOpts::new(
                "mainstay_pool_wait_seconds",
                "How long requests waited for a connection to the database, opened for them where none was idle.",
            );
            let again = Opts::new(
                "mainstay_database_retries_total",
                "Work that was run again: `conflict` after meeting another transaction, `connection` after a connection \
                 turned out to be dead.",
            );
            let failures = Opts::new(
                "mainstay_database_failures_total",
                "Uses of the database that failed, by what failed: `away`, `busy`, `overloaded`, `timeout`, `read_only`, `disk_full`, \
                 `conflict`, `outcome_unknown`, `refused` or `other`.",
            );
            Ok::<_, prometheus::Error>(Figures {
                waits: HistogramVec::new(waits.buckets(SECONDS.to_vec()), &["pool"])?,
                again: IntCounterVec::new(again, &["reason"])?,
                failures: IntCounterVec::new(failures, &["kind"])?,
            })
        };
        made().map_err(|error| Error::Other(error.to_string()))
    }

    /// For the registry of the process.
    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        let Figures { waits, again, failures } = self.clone();
        vec![Box::new(waits), Box::new(again), Box::new(failures)]
    }

    /// The waits of one pool.
    pub(super) fn waits(&self, pool: &str) -> Histogram {
        self.waits.with_label_values(&[pool])
    }

    /// Work is run again.
    pub(super) fn again(&self, reason: &str) {
        self.again.with_label_values(&[reason]).inc();
    }

    /// Counts a failure of the database, and hands the outcome on. What breaks a rule of the documents is none.
    pub(super) fn note<T, E>(&self, done: Result<T, Abort<E>>) -> Result<T, Abort<E>> {
        if let Err(Abort::Store(error)) = &done
            && let Some(kind) = kind(error)
        {
            self.failures.with_label_values(&[kind]).inc();
        }
        done
    }
}

/// A failure of the database by one word; none for what breaks a rule of the documents.
pub(super) fn kind(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::Unique { .. } | Error::ForeignKey { .. } | Error::Check { .. } => return None,
        Error::Away(_) => "away",
        Error::Busy(_) => "busy",
        Error::Overloaded(_) => "overloaded",
        Error::Timeout => "timeout",
        Error::ReadOnly => "read_only",
        Error::OutcomeUnknown => "outcome_unknown",
        Error::DiskFull => "disk_full",
        Error::Retry => "conflict",
        Error::Refused(_) => "refused",
        Error::Other(_) => "other",
    })
}
