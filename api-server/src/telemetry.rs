//! Logs and metrics of one process: made once by the command line and passed on; metrics are no global.
//!
//! [`init`] is for the program alone; tests make [`Metrics`] and need no logs. Nothing here decides what is secret:
//! whoever logs leaves secrets out.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::config::{LogFilter, LogFormat};

mod metrics;

pub use metrics::Metrics;

/// Sends events to standard error from now on, for standard output is for answers. Errors: it was done before.
pub fn init(format: LogFormat, filter: &LogFilter) -> Result<(), String> {
    let filter = EnvFilter::builder().parse(filter.as_str()).map_err(|error| error.to_string())?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let done = match format {
        LogFormat::Text => builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
    };
    done.map_err(|error| error.to_string())
}
