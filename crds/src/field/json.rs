//! `json`: any JSON but null, stored and answered as its canonical text (RFC 8785), optionally under a JSON Schema.
//!
//! The schema is compiled once, offline, with regular expressions that run in linear time.

use std::borrow::Cow;
use std::sync::Arc;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Value as Json, json};

use super::{FieldKind, Kind, KindRow, OPAQUE, write_null};
use crate::collection::FieldSpec;
use crate::filter::Op;
use crate::json::{canonical, parse};
use crate::problem::{Problem, Problems};
use crate::sql::ColumnType;
use crate::value::Value;

/// The row in the table of kinds.
pub const ROW: KindRow = KindRow { name: "json", options: &["schema"], build };

/// Levels of arrays and objects in a query parameter and in a published schema.
const MAX_DEPTH: usize = 64;

/// A `json` field.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JsonText {
    /// What its values must be.
    pub schema: Option<Arc<JsonSchema>>,
}

/// A checked JSON Schema (2020-12).
#[derive(Debug)]
#[non_exhaustive]
pub struct JsonSchema {
    /// As declared.
    pub source: Json,
    /// Without references, for the OpenAPI document, in which they would point elsewhere.
    published: Json,
    validator: Validator,
}

fn build(spec: &FieldSpec, problems: &mut Problems) -> Option<Kind> {
    let before = problems.len();
    let schema = spec.schema.as_ref().and_then(|source| problems.within("schema", |p| JsonSchema::new(source, p)));
    (problems.len() == before).then(|| Kind::Json(JsonText { schema: schema.map(Arc::new) }))
}

impl JsonSchema {
    fn new(source: &Json, problems: &mut Problems) -> Option<JsonSchema> {
        let before = problems.len();
        if !source.is_object() {
            super::wrong_type("a JSON Schema: an object", source, problems);
            return None;
        }
        refuse_outside(source, problems, MAX_DEPTH);
        if problems.len() > before {
            return None;
        }
        for error in jsonschema::draft202012::meta::validator().iter_errors(source) {
            record(&error, "invalid_option", problems);
        }
        if problems.len() > before {
            return None;
        }
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex())
            .offline();
        let compiled = options.build(source);
        let validator = compiled.map_err(|error| problems.add("invalid_option", error.masked().to_string())).ok()?;
        let published = match has_reference(source) {
            false => source.clone(),
            true => {
                options.dereference(source).ok().filter(|schema| !has_reference(schema)).unwrap_or_else(|| json!({}))
            }
        };
        Some(JsonSchema { source: source.clone(), published, validator })
    }
}

/// Takes over a validator's error, with its place and without the offending value, which may be large or secret.
fn record(error: &jsonschema::ValidationError<'_>, code: &'static str, problems: &mut Problems) {
    let path = format!("{}{}", problems.path(), error.instance_path());
    problems.extend([Problem { path, code, message: error.masked().to_string(), hint: None }]);
}

/// Records every reference that does not stay inside the schema, another dialect, and too many levels.
fn refuse_outside(schema: &Json, problems: &mut Problems, levels: usize) {
    if levels == 0 {
        return problems.add("too_deep", format!("a schema is at most {MAX_DEPTH} levels deep"));
    }
    match schema {
        Json::Object(members) => {
            for (name, member) in members {
                problems.within(name, |problems| match (name.as_str(), member) {
                    ("$ref" | "$dynamicRef", Json::String(target)) if !target.starts_with('#') => problems.add(
                        "invalid_option",
                        "a reference stays inside the schema and begins with `#`: nothing is fetched",
                    ),
                    ("$schema", Json::String(dialect)) if !dialect.contains("2020-12") => {
                        problems.add("invalid_option", "the dialect is JSON Schema 2020-12");
                    }
                    _ => refuse_outside(member, problems, levels - 1),
                });
            }
        }
        Json::Array(elements) => {
            for (position, element) in elements.iter().enumerate() {
                problems.within(position, |problems| refuse_outside(element, problems, levels - 1));
            }
        }
        _ => {}
    }
}

/// Whether a schema, which is not deeper than [`MAX_DEPTH`], refers to a place inside itself.
fn has_reference(schema: &Json) -> bool {
    match schema {
        Json::Object(members) => {
            let refers = |name: &str| matches!(name, "$ref" | "$dynamicRef" | "$id" | "$anchor" | "$dynamicAnchor");
            members.iter().any(|(name, member)| refers(name) || has_reference(member))
        }
        Json::Array(elements) => elements.iter().any(has_reference),
        _ => false,
    }
}

impl FieldKind for JsonText {
    fn name(&self) -> &'static str {
        ROW.name
    }

    fn column(&self) -> ColumnType {
        ColumnType::Json
    }

    fn operators(&self) -> &'static [Op] {
        OPAQUE
    }

    fn sortable(&self) -> bool {
        false
    }

    fn key_bytes(&self) -> Option<usize> {
        None
    }

    fn parse(&self, json: &Json, problems: &mut Problems) -> Option<Value<'static>> {
        let before = problems.len();
        if let Some(schema) = &self.schema {
            for error in schema.validator.iter_errors(json) {
                record(&error, "schema", problems);
            }
        }
        (problems.len() == before).then(|| Value::Json(Cow::Owned(canonical(json))))
    }

    fn parse_parameter(&self, text: &str, problems: &mut Problems) -> Option<Value<'static>> {
        match parse(text.as_bytes(), MAX_DEPTH) {
            Ok(json) => Some(Value::Json(Cow::Owned(canonical(&json)))),
            Err(found) => {
                let here = problems.path().to_owned();
                problems.extend(
                    found.into_iter().map(|problem| Problem { path: format!("{here}{}", problem.path), ..problem }),
                );
                None
            }
        }
    }

    fn write_json(&self, value: &Value<'_>, out: &mut Vec<u8>) {
        match value {
            Value::Json(text) => out.extend_from_slice(text.as_bytes()),
            _ => write_null(out),
        }
    }

    fn json_schema(&self) -> Json {
        self.schema.as_ref().map_or_else(|| json!({}), |schema| schema.published.clone())
    }
}
