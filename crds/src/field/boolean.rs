//! `boolean`: true or false, nothing that looks like it.

use serde_json::{Value as Json, json};

use super::{FieldKind, Kind, KindRow, write_null, wrong_type};
use crate::filter::Op;
use crate::problem::Problems;
use crate::sql::ColumnType;
use crate::value::Value;

/// The row in the table of kinds.
pub const ROW: KindRow = KindRow { name: "boolean", options: &[], build: |_, _| Some(Kind::Boolean(Boolean {})) };

/// A `boolean` field. It has no options.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Boolean {}

impl FieldKind for Boolean {
    fn name(&self) -> &'static str {
        ROW.name
    }

    fn column(&self) -> ColumnType {
        ColumnType::Boolean
    }

    fn operators(&self) -> &'static [Op] {
        &[Op::Eq, Op::Ne, Op::Isnull]
    }

    fn sortable(&self) -> bool {
        true
    }

    fn key_bytes(&self) -> Option<usize> {
        Some(1)
    }

    fn parse(&self, json: &Json, problems: &mut Problems) -> Option<Value<'static>> {
        if !json.is_boolean() {
            wrong_type("true or false", json, problems);
        }
        json.as_bool().map(Value::Boolean)
    }

    fn parse_parameter(&self, text: &str, problems: &mut Problems) -> Option<Value<'static>> {
        match text {
            "true" => Some(Value::Boolean(true)),
            "false" => Some(Value::Boolean(false)),
            _ => {
                problems.add("wrong_type", "must be true or false");
                None
            }
        }
    }

    fn write_json(&self, value: &Value<'_>, out: &mut Vec<u8>) {
        match value {
            Value::Boolean(true) => out.extend_from_slice(b"true"),
            Value::Boolean(false) => out.extend_from_slice(b"false"),
            _ => write_null(out),
        }
    }

    fn json_schema(&self) -> Json {
        json!({ "type": "boolean" })
    }
}
