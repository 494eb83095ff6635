//! Logs, metrics and traces of one process: made once by the command line and passed on; metrics are no global.
//!
//! [`init`] is for the program alone; tests make [`Metrics`] and need no logs. Nothing here decides what is secret:
//! whoever logs leaves secrets out.

use std::io;
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::EnvFilter;

use crate::config::{LogFilter, LogFormat};

pub mod metrics;
pub mod trace;

pub use metrics::Metrics;
pub use trace::Tracing;

/// Which events are logged: changeable while the process runs.
pub struct LogLevel {
    current: Mutex<LogFilter>,
    set: Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>,
}

/// Sends events to standard error from now on, for standard output is for answers. Errors: it was done before.
pub fn init(format: LogFormat, filter: &LogFilter) -> Result<LogLevel, String> {
    let builder = tracing_subscriber::fmt().with_env_filter(directives(filter)?).with_writer(io::stderr);
    // Two builders of two types, which have nothing in common but what is done with them.
    macro_rules! install {
        ($builder:expr) => {{
            let builder = $builder.with_filter_reloading();
            let handle = builder.reload_handle();
            let done = builder.try_init().map_err(|error| error.to_string());
            let set = move |filter| handle.reload(filter).map_err(|error| error.to_string());
            done.map(|()| LogLevel { current: Mutex::new(filter.clone()), set: Box::new(set) })
        }};
    }
    match format {
        LogFormat::Text => install!(builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr()))),
        LogFormat::Json => install!(builder.json().flatten_event(true).with_current_span(true).with_span_list(false)),
    }
}

impl LogLevel {
    /// What is logged at the moment.
    pub fn filter(&self) -> String {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).as_str().to_owned()
    }

    /// From now on this is logged, until it is changed again or the process ends.
    pub fn set(&self, filter: LogFilter) -> Result<(), String> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        (self.set)(directives(&filter)?)?;
        *current = filter;
        Ok(())
    }
}

#[cfg(test)]
impl LogLevel {
    /// One that changes nothing.
    pub(crate) fn for_tests() -> LogLevel {
        LogLevel { current: Mutex::default(), set: Box::new(|_| Ok(())) }
    }
}

fn directives(filter: &LogFilter) -> Result<EnvFilter, String> {
    EnvFilter::builder().parse(filter.as_str()).map_err(|error| error.to_string())
}
