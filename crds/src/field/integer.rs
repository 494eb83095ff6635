//! `integer`: whole numbers that every double around them tells apart, within ±(2^53−1).

use serde_json::{Number, Value as Json, json};

use super::{FieldKind, Kind, KindRow, ORDERED, bounds, write_null, wrong_type};
use crate::collection::FieldSpec;
use crate::filter::Op;
use crate::json::{MAX_SAFE_INTEGER, number, write_integer};
use crate::problem::Problems;
use crate::sql::ColumnType;
use crate::value::Value;

/// The row in the table of kinds.
pub const ROW: KindRow = KindRow { name: "integer", options: &["minimum", "maximum"], build };

/// An `integer` field.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Integer {
    /// The least value.
    pub minimum: Option<i64>,
    /// The greatest value.
    pub maximum: Option<i64>,
}

fn build(spec: &FieldSpec, problems: &mut Problems) -> Option<Kind> {
    let before = problems.len();
    let (minimum, maximum) = bounds::read(spec, problems, integer);
    (problems.len() == before).then_some(Kind::Integer(Integer { minimum, maximum }))
}

impl Integer {
    /// An integer without bounds of its own: that of system fields and of list items.
    pub const ANY: Integer = Integer { minimum: None, maximum: None };
}

fn integer(json: &Json, problems: &mut Problems) -> Option<i64> {
    match json {
        Json::Number(number) => integral(number, problems),
        _ => {
            wrong_type("an integer", json, problems);
            None
        }
    }
}

/// Any number with an integral value in range, however it was written: `1`, `1.0`, `1e2`.
fn integral(number: &Number, problems: &mut Problems) -> Option<i64> {
    let limit = MAX_SAFE_INTEGER as f64;
    let found = match (number.as_i64(), number.as_f64()) {
        (Some(integer), _) => Some(integer),
        (None, Some(double)) if double.fract() != 0.0 => {
            problems.add("not_integral", "must be an integer, has a fraction");
            return None;
        }
        (None, Some(double)) if double.abs() <= limit => Some(double as i64),
        _ => None,
    };
    let found = found.filter(|integer| integer.unsigned_abs() <= MAX_SAFE_INTEGER.unsigned_abs());
    if found.is_none() {
        problems.add("integer_out_of_range", "integers are within ±9007199254740991");
    }
    found
}

impl FieldKind for Integer {
    fn name(&self) -> &'static str {
        ROW.name
    }

    fn column(&self) -> ColumnType {
        ColumnType::Integer
    }

    fn operators(&self) -> &'static [Op] {
        ORDERED
    }

    fn sortable(&self) -> bool {
        true
    }

    fn key_bytes(&self) -> Option<usize> {
        Some(8)
    }

    fn parse(&self, json: &Json, problems: &mut Problems) -> Option<Value<'static>> {
        let integer = integer(json, problems)?;
        let before = problems.len();
        bounds::judge(integer, (self.minimum, self.maximum), problems, write_integer);
        (problems.len() == before).then_some(Value::Integer(integer))
    }

    fn parse_parameter(&self, text: &str, problems: &mut Problems) -> Option<Value<'static>> {
        match number(text) {
            Ok(number) => integral(&number, problems).map(Value::Integer),
            Err(("malformed", _)) => {
                problems.add("wrong_type", "must be an integer");
                None
            }
            Err((code, message)) => {
                problems.add(code, message);
                None
            }
        }
    }

    fn write_json(&self, value: &Value<'_>, out: &mut Vec<u8>) {
        match value {
            Value::Integer(integer) => write_integer(*integer, out),
            _ => write_null(out),
        }
    }

    fn json_schema(&self) -> Json {
        json!({
            "type": "integer",
            "format": "int64",
            "minimum": self.minimum.unwrap_or(-MAX_SAFE_INTEGER),
            "maximum": self.maximum.unwrap_or(MAX_SAFE_INTEGER),
        })
    }
}
