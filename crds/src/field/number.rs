//! `number`: finite doubles, printed as ECMAScript does, without −0.

use serde_json::{Value as Json, json};

use super::{FieldKind, Kind, KindRow, ORDERED, bounds, write_null, wrong_type};
use crate::collection::FieldSpec;
use crate::filter::Op;
use crate::json::{self, write_double};
use crate::problem::Problems;
use crate::sql::ColumnType;
use crate::value::Value;

/// The row in the table of kinds.
pub const ROW: KindRow = KindRow { name: "number", options: &["minimum", "maximum"], build };

/// A `number` field.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Number {
    /// The least value.
    pub minimum: Option<f64>,
    /// The greatest value.
    pub maximum: Option<f64>,
}

fn build(spec: &FieldSpec, problems: &mut Problems) -> Option<Kind> {
    let before = problems.len();
    let (minimum, maximum) = bounds::read(spec, problems, double);
    (problems.len() == before).then_some(Kind::Number(Number { minimum, maximum }))
}

fn double(json: &Json, problems: &mut Problems) -> Option<f64> {
    let found = json.as_f64().filter(|double| double.is_finite());
    if found.is_none() {
        wrong_type("a finite number", json, problems);
    }
    found.map(positive_zero)
}

/// −0 is 0: SQLite would read it back so, and nothing could ask for it.
fn positive_zero(double: f64) -> f64 {
    if double == 0.0 { 0.0 } else { double }
}

impl FieldKind for Number {
    fn name(&self) -> &'static str {
        ROW.name
    }

    fn column(&self) -> ColumnType {
        ColumnType::Number
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
        let double = double(json, problems)?;
        let before = problems.len();
        bounds::judge(double, (self.minimum, self.maximum), problems, write_double);
        (problems.len() == before).then_some(Value::Number(double))
    }

    fn parse_parameter(&self, text: &str, problems: &mut Problems) -> Option<Value<'static>> {
        match json::double(text) {
            Ok(double) => Some(Value::Number(positive_zero(double))),
            Err(("malformed", _)) => {
                problems.add("wrong_type", "must be a number");
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
            Value::Number(double) => write_double(*double, out),
            _ => write_null(out),
        }
    }

    fn json_schema(&self) -> Json {
        let mut schema = json!({ "type": "number", "format": "double" });
        if let Some(minimum) = self.minimum {
            schema["minimum"] = json!(minimum);
        }
        if let Some(maximum) = self.maximum {
            schema["maximum"] = json!(maximum);
        }
        schema
    }
}
