//! The time of a request: read once, at the edge, and passed inwards.

/// Microseconds since 1970-01-01T00:00:00Z.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or(0)
}
