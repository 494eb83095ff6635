//! `timestamp`: points in time to the microsecond, read as RFC 3339 with any offset and answered in UTC.
//!
//! Held as microseconds since 1970-01-01T00:00:00Z, years 0001 to 9999. The calendar is [`super::date`]'s.

use serde_json::{Value as Json, json};

use super::date::{self, MAX_DATE, MIN_DATE, digits, write_date, write_two};
use super::{FieldKind, Kind, KindRow, ORDERED, bounds, string, write_null, write_quoted};
use crate::collection::FieldSpec;
use crate::filter::Op;
use crate::problem::Problems;
use crate::sql::ColumnType;
use crate::value::Value;

/// The row in the table of kinds.
pub const ROW: KindRow = KindRow { name: "timestamp", options: &["minimum", "maximum"], build };

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// 0001-01-01T00:00:00.000000Z.
pub const MIN_TIMESTAMP: i64 = MIN_DATE as i64 * DAY;
/// 9999-12-31T23:59:59.999999Z.
pub const MAX_TIMESTAMP: i64 = (MAX_DATE as i64 + 1) * DAY - 1;

const FORM: &str = "must be an RFC 3339 time with an offset, such as 2024-01-31T12:00:00Z";
const PLACES: &str = "has more than six digits after the second's point; nothing is rounded";
const LEAP: &str = "second 60 is not taken; a leap second is the last microsecond before it";
const RANGE: &str = "years are 0001 to 9999, in UTC";

/// A `timestamp` field.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Timestamp {
    /// The first moment, in microseconds since 1970.
    pub minimum: Option<i64>,
    /// The last moment, in microseconds since 1970.
    pub maximum: Option<i64>,
}

impl Timestamp {
    /// A timestamp without bounds: that of system fields.
    pub const ANY: Timestamp = Timestamp { minimum: None, maximum: None };
}

fn build(spec: &FieldSpec, problems: &mut Problems) -> Option<Kind> {
    let before = problems.len();
    let (minimum, maximum) = bounds::read(spec, problems, timestamp);
    (problems.len() == before).then_some(Kind::Timestamp(Timestamp { minimum, maximum }))
}

fn timestamp(json: &Json, problems: &mut Problems) -> Option<i64> {
    read(string("a string that holds a time", json, problems)?, problems)
}

fn read(text: &str, problems: &mut Problems) -> Option<i64> {
    match parse_rfc3339(text) {
        Ok(micros) => Some(micros),
        // An offset's + that was not percent-encoded arrives as a space. It is not guessed.
        Err(rule) if text.get(19..).is_some_and(|rest| rest.contains(' ')) => {
            problems.hint("malformed", rule, "in a URL, write the + of the offset as %2B");
            None
        }
        Err(rule) => {
            problems.add(if rule == RANGE { "out_of_range" } else { "malformed" }, rule);
            None
        }
    }
}

/// Microseconds since 1970-01-01T00:00:00Z of an RFC 3339 time. The error is the broken rule.
///
/// `T` and `Z` may be lower case; offsets are `Z` or `±hh:mm`; at most six digits of a second; no leap second; the
/// years are 0001 to 9999 as written and in UTC.
pub fn parse_rfc3339(text: &str) -> Result<i64, &'static str> {
    let bytes = text.as_bytes();
    let separators = [(10, b'T'), (13, b':'), (16, b':')];
    if bytes.len() < 20 || separators.iter().any(|(at, byte)| bytes[*at].to_ascii_uppercase() != *byte) {
        return Err(FORM);
    }
    let two = |at: usize| digits(&bytes[at..at + 2]).map(i64::from).ok_or(FORM);
    let day = std::str::from_utf8(&bytes[..10]).ok().and_then(date::parse_date).ok_or(FORM)?;
    let (hour, minute, second) = (two(11)?, two(14)?, two(17)?);
    if second == 60 {
        return Err(LEAP);
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err(FORM);
    }
    let (fraction, offset) = match bytes[19] {
        b'.' => {
            let length = bytes[20..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            (&bytes[20..20 + length], &bytes[20 + length..])
        }
        _ => (&b"0"[..], &bytes[19..]),
    };
    let micros = match fraction.len() {
        0 => return Err(FORM),
        1..=6 => digits(fraction).map(i64::from).ok_or(FORM)? * 10i64.pow(6 - fraction.len() as u32),
        _ => return Err(PLACES),
    };
    let local = i64::from(day) * DAY + ((hour * 60 + minute) * 60 + second) * SECOND + micros;
    let utc = local - offset_minutes(offset).ok_or(FORM)? * 60 * SECOND;
    if (MIN_TIMESTAMP..=MAX_TIMESTAMP).contains(&utc) { Ok(utc) } else { Err(RANGE) }
}

fn offset_minutes(offset: &[u8]) -> Option<i64> {
    let sign = match offset {
        [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    if offset.len() != 6 || offset[3] != b':' {
        return None;
    }
    let (hours, minutes) = (digits(&offset[1..3])?, digits(&offset[4..])?);
    (hours <= 23 && minutes <= 59).then(|| sign * i64::from(hours * 60 + minutes))
}

/// Appends the moment in UTC with exactly six digits of a second: `2024-01-31T12:00:00.000000Z`.
pub fn write_rfc3339(micros: i64, out: &mut Vec<u8>) {
    let micros = micros.clamp(MIN_TIMESTAMP, MAX_TIMESTAMP);
    let (day, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (seconds, fraction) = ((rest / SECOND) as i32, (rest % SECOND) as i32);
    write_date(day as i32, out);
    out.push(b'T');
    write_two(seconds / 3600, out);
    out.push(b':');
    write_two(seconds / 60 % 60, out);
    out.push(b':');
    write_two(seconds % 60, out);
    out.push(b'.');
    write_two(fraction / 10_000, out);
    write_two(fraction / 100 % 100, out);
    write_two(fraction % 100, out);
    out.push(b'Z');
}

impl FieldKind for Timestamp {
    fn name(&self) -> &'static str {
        ROW.name
    }

    fn column(&self) -> ColumnType {
        ColumnType::Timestamp
    }

    fn operators(&self) -> &'static [Op] {
        ORDERED
    }

    fn sortable(&self) -> bool {
        true
    }

    fn key_bytes(&self) -> Option<usize> {
        Some(27)
    }

    fn parse(&self, json: &Json, problems: &mut Problems) -> Option<Value<'static>> {
        let micros = timestamp(json, problems)?;
        let before = problems.len();
        bounds::judge(micros, (self.minimum, self.maximum), problems, write_rfc3339);
        (problems.len() == before).then_some(Value::Timestamp(micros))
    }

    fn parse_parameter(&self, text: &str, problems: &mut Problems) -> Option<Value<'static>> {
        read(text, problems).map(Value::Timestamp)
    }

    fn write_json(&self, value: &Value<'_>, out: &mut Vec<u8>) {
        match value {
            Value::Timestamp(micros) => write_quoted(out, |out| write_rfc3339(*micros, out)),
            _ => write_null(out),
        }
    }

    fn json_schema(&self) -> Json {
        let time = "[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?";
        let offset = "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])";
        let pattern = format!("^{}{time}{offset}$", date::PATTERN);
        let mut schema = json!({ "type": "string", "format": "date-time", "pattern": pattern });
        // No keyword of JSON Schema, and no pattern, bounds a time with an offset; documents are compared by these.
        for (keyword, bound) in [("x-minimum", self.minimum), ("x-maximum", self.maximum)] {
            if let Some(micros) = bound {
                let mut text = Vec::new();
                write_rfc3339(micros, &mut text);
                schema[keyword] = json!(String::from_utf8_lossy(&text));
            }
        }
        schema
    }
}
