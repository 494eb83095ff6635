//! `enum`: one of a few texts. Sorts as text, not in the order of declaration.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use super::{DISTINCT, FieldKind, Kind, KindRow, string, write_null};
use crate::collection::FieldSpec;
use crate::filter::Op;
use crate::json::write_string;
use crate::name::did_you_mean;
use crate::problem::Problems;
use crate::sql::ColumnType;
use crate::value::Value;

/// The row in the table of kinds.
pub const ROW: KindRow = KindRow { name: "enum", options: &["values"], build };

/// So that the CHECK constraint and the OpenAPI document stay readable.
const MAX_VALUES: usize = 1000;
const MAX_LENGTH: usize = 200;

/// An `enum` field, or an item of a list.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Enumeration {
    /// As declared: at least one, none twice, none empty.
    pub values: Vec<String>,
}

fn build(spec: &FieldSpec, problems: &mut Problems) -> Option<Kind> {
    Enumeration::read(spec, problems).map(Kind::Enumeration)
}

impl Enumeration {
    /// The kind of `values`, or every problem of them.
    pub(super) fn read(spec: &FieldSpec, problems: &mut Problems) -> Option<Enumeration> {
        let before = problems.len();
        let Some(values) = &spec.values else {
            problems.add("missing_option", "an enum needs `values`");
            return None;
        };
        problems.within("values", |problems| {
            if values.is_empty() || values.len() > MAX_VALUES {
                problems.add("invalid_option", format!("`values` holds 1 to {MAX_VALUES} texts"));
            }
            let mut seen = HashSet::new();
            for (position, value) in values.iter().enumerate() {
                problems.within(position, |problems| {
                    if !(1..=MAX_LENGTH).contains(&value.chars().count()) {
                        problems.add("invalid_option", format!("a value has 1 to {MAX_LENGTH} characters"));
                    }
                    if value.contains('\0') {
                        problems.add("nul", "text holds no NUL character");
                    }
                    if !seen.insert(value) {
                        problems.add("duplicate", format!("`{value}` is given twice"));
                    }
                });
            }
        });
        (problems.len() == before).then(|| Enumeration { values: values.clone() })
    }

    fn find(&self, text: &str, problems: &mut Problems) -> Option<Value<'static>> {
        if self.values.iter().any(|value| value == text) {
            return Some(Value::from(text.to_owned()));
        }
        const SHOWN: usize = 10;
        let mut listed = self.values.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        if self.values.len() > SHOWN {
            listed.push_str(", …");
        }
        // Distance is quadratic in the length, and nothing so long is near a value.
        let near = (text.len() <= 4 * MAX_LENGTH).then_some(text);
        let hint = near.and_then(|text| did_you_mean(text, self.values.iter().map(String::as_str)));
        problems.push("unknown_value", format!("must be one of: {listed}"), hint);
        None
    }
}

impl FieldKind for Enumeration {
    fn name(&self) -> &'static str {
        ROW.name
    }

    fn column(&self) -> ColumnType {
        ColumnType::Text
    }

    fn operators(&self) -> &'static [Op] {
        DISTINCT
    }

    fn sortable(&self) -> bool {
        true
    }

    fn key_bytes(&self) -> Option<usize> {
        self.values.iter().map(String::len).max()
    }

    fn parse(&self, json: &Json, problems: &mut Problems) -> Option<Value<'static>> {
        self.find(string("a string", json, problems)?, problems)
    }

    fn parse_parameter(&self, text: &str, problems: &mut Problems) -> Option<Value<'static>> {
        self.find(text, problems)
    }

    fn write_json(&self, value: &Value<'_>, out: &mut Vec<u8>) {
        match value {
            Value::Text(text) => write_string(text, out),
            _ => write_null(out),
        }
    }

    fn json_schema(&self) -> Json {
        json!({ "type": "string", "enum": self.values })
    }
}
