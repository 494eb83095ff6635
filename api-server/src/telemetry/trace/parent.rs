//! `traceparent` and `tracestate` of W3C Trace Context, read and written. Pure.
//!
//! Read strictly, as the Recommendation asks: what breaks its grammar is as if it had not come. The library's own reader takes
//! short ids and several fields for one.

use std::str::FromStr as _;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The caller's span. `parents` are the values of `traceparent`, of which there has to be one; `states` those of `tracestate`,
/// which are one list.
pub fn read<'a>(
    mut parents: impl Iterator<Item = &'a str>,
    states: impl Iterator<Item = &'a str>,
) -> Option<SpanContext> {
    let (parent, None) = (parents.next()?, parents.next()) else { return None };
    let mut parts = parent.trim_matches([' ', '\t']).split('-');
    let [version, trace, span, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    // A later version may have more parts; version 00 has four, and ff is none.
    let grammar = hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    if !grammar || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let states: Vec<&str> = states.collect();
    let state = TraceState::from_str(&states.join(",")).unwrap_or_default();
    let known = SpanContext::new(TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?, flags, true, state);
    known.is_valid().then_some(known)
}

/// As a value of `traceparent`.
pub fn write(known: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", known.trace_id(), known.span_id(), known.trace_flags().to_u8())
}
