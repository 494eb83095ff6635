//! STUB strict I-JSON reader
use crate::problem::Problem;
use serde_json::Value as Json;

/// Reads one JSON text (RFC 8259) as I-JSON (RFC 7493), at most `max_depth` levels deep.
///
/// Refused, each with the path where it stands: bad syntax, bytes that are not UTF-8, lone surrogates, a member given twice, integers
/// beyond ±(2^53−1), numbers that overflow a double, too many levels, anything after the value.
pub fn parse(_bytes: &[u8], _max_depth: usize) -> Result<Json, Vec<Problem>> {
    Ok(Json::Null)
}

/// Appends `text` as a JSON string.
pub fn write_string(_text: &str, _out: &mut Vec<u8>) {}

/// Canonical text (RFC 8785) of a value.
pub fn canonical(_value: &Json) -> String {
    String::new()
}
