//! `decimal`: exact numbers of at most 18 digits, always strings in JSON, never rounded.
//!
//! Held as an integer, the value times 10^scale: that is what SQLite stores, too.

use serde_json::{Value as Json, json};

use super::{FieldKind, Kind, KindRow, ORDERED, bounds, range, write_null, write_quoted, wrong_type};
use crate::collection::FieldSpec;
use crate::filter::Op;
use crate::problem::Problems;
use crate::sql::ColumnType;
use crate::value::Value;

/// The row in the table of kinds.
pub const ROW: KindRow = KindRow { name: "decimal", options: &["precision", "scale", "minimum", "maximum"], build };

/// As many digits as an `i64` holds whatever they are.
const MAX_PRECISION: u8 = 18;

/// A `decimal` field.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Decimal {
    /// All digits, 1 to 18.
    pub precision: u8,
    /// Digits after the point, at most `precision`.
    pub scale: u8,
    /// The least value, times 10^scale.
    pub minimum: Option<i64>,
    /// The greatest value, times 10^scale.
    pub maximum: Option<i64>,
}

fn build(spec: &FieldSpec, problems: &mut Problems) -> Option<Kind> {
    let before = problems.len();
    let precision = spec.precision.unwrap_or(u32::from(MAX_PRECISION));
    let precision = u8::try_from(precision).ok().filter(|precision| (1..=MAX_PRECISION).contains(precision));
    if precision.is_none() {
        problems.within("precision", |p| p.add("invalid_option", "`precision` is 1 to 18"));
    }
    let most = precision.unwrap_or(MAX_PRECISION);
    let scale = spec.scale.and_then(|scale| u8::try_from(scale).ok()).filter(|scale| *scale <= most);
    match (spec.scale, scale) {
        (None, _) => problems.hint(
            "missing_option",
            "a decimal needs `scale`, its digits after the point",
            "for money, `scale: 2`",
        ),
        (Some(_), None) => {
            problems.within("scale", |p| p.add("invalid_option", format!("`scale` is 0 to `precision`, {most}")));
        }
        _ => {}
    }
    let mut kind = Decimal { precision: precision?, scale: scale?, minimum: None, maximum: None };
    let (minimum, maximum) = bounds::read(spec, problems, |json, problems| kind.unscaled(json, problems));
    (kind.minimum, kind.maximum) = (minimum, maximum);
    (problems.len() == before).then_some(Kind::Decimal(kind))
}

impl Decimal {
    fn unscaled(&self, json: &Json, problems: &mut Problems) -> Option<i64> {
        match json {
            Json::String(text) => self.read(text, problems),
            Json::Number(number) => {
                let hint = format!("write it in quotes: \"{number}\"");
                problems.hint("wrong_type", "must be a string that holds a decimal, is a number", hint);
                None
            }
            _ => {
                wrong_type("a string that holds a decimal", json, problems);
                None
            }
        }
    }

    fn read(&self, text: &str, problems: &mut Problems) -> Option<i64> {
        let parsed = parse_decimal(text, self.precision, self.scale);
        parsed.map_err(|(code, message)| problems.add(code, message)).ok()
    }
}

/// Reads `-?digits(.digits)?` as an integer, the value times 10^scale. At most `scale` digits after the point and
/// `precision − scale` before it (a single 0 always goes). The error is a code and a sentence.
pub fn parse_decimal(text: &str, precision: u8, scale: u8) -> Result<i64, (&'static str, String)> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(("malformed", "must be a decimal such as -12.50: digits, and no exponent".to_owned()));
    }
    let fraction = if unsigned.contains('.') { fraction } else { "" };
    if fraction.len() > usize::from(scale) {
        return Err(("too_many_places", format!("has more than {scale} digits after the point; nothing is rounded")));
    }
    let most = usize::from(precision - scale.min(precision));
    if whole.len() > most && whole != "0" {
        return Err(("too_many_digits", format!("has more than {most} digits before the point")));
    }
    let padding = usize::from(scale) - fraction.len();
    let all = whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', padding));
    let unscaled = all.fold(0i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    Ok(if text.starts_with('-') { -unscaled } else { unscaled })
}

/// Appends `unscaled` ÷ 10^scale with exactly `scale` places, without quotes.
pub fn write_decimal(unscaled: i64, scale: u8, out: &mut Vec<u8>) {
    let places = usize::from(scale);
    let mut digits = [b'0'; 40];
    let mut start = digits.len();
    let mut rest = unscaled.unsigned_abs();
    while rest > 0 {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    // At least one digit stands before the point; scale is 18 at most, so 40 digits are enough.
    let point = digits.len() - places.min(MAX_PRECISION.into());
    let start = start.min(point - 1);
    if unscaled < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[start..point]);
    if places > 0 {
        out.push(b'.');
        out.extend_from_slice(&digits[point..]);
    }
}

impl FieldKind for Decimal {
    fn name(&self) -> &'static str {
        ROW.name
    }

    fn column(&self) -> ColumnType {
        ColumnType::Decimal { precision: self.precision, scale: self.scale }
    }

    fn operators(&self) -> &'static [Op] {
        ORDERED
    }

    fn sortable(&self) -> bool {
        true
    }

    fn key_bytes(&self) -> Option<usize> {
        Some(16)
    }

    fn parse(&self, json: &Json, problems: &mut Problems) -> Option<Value<'static>> {
        let unscaled = self.unscaled(json, problems)?;
        let before = problems.len();
        bounds::judge(unscaled, (self.minimum, self.maximum), problems, |bound, out| {
            write_decimal(bound, self.scale, out);
        });
        (problems.len() == before).then_some(Value::Decimal(unscaled))
    }

    fn parse_parameter(&self, text: &str, problems: &mut Problems) -> Option<Value<'static>> {
        self.read(text, problems).map(Value::Decimal)
    }

    fn write_json(&self, value: &Value<'_>, out: &mut Vec<u8>) {
        match value {
            Value::Decimal(unscaled) => write_quoted(out, |out| write_decimal(*unscaled, self.scale, out)),
            _ => write_null(out),
        }
    }

    fn json_schema(&self) -> Json {
        // No `format`: client generators take `decimal` for a floating-point number.
        let not_negative = self.minimum == Some(0) && self.maximum.is_none();
        if !not_negative && (self.minimum.is_some() || self.maximum.is_some()) {
            let limit = 10i64.pow(self.precision.into()) - 1;
            let range = range::decimal(self.minimum.unwrap_or(-limit), self.maximum.unwrap_or(limit), self.scale);
            return json!({ "type": "string", "pattern": format!("^{range}$") });
        }
        let whole = match self.precision - self.scale {
            0 => "0".to_owned(),
            most => format!("[0-9]{{1,{most}}}"),
        };
        let fraction = match self.scale {
            0 => String::new(),
            most => format!("(?:\\.[0-9]{{1,{most}}})?"),
        };
        let sign = if not_negative { "" } else { "-?" };
        json!({ "type": "string", "pattern": format!("^{sign}{whole}{fraction}$") })
    }
}
