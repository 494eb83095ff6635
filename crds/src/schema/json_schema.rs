//! JSON Schemas (2020-12) of records and bodies, for the OpenAPI document.
//!
//! Called by the server's OpenAPI module. What a value of a kind looks like is the kind's own; here are which
//! fields each shape holds, which are required, and null.

use serde_json::{Map, Value as Json, json};

use super::{Collection, DefaultValue, Field, ID, SYSTEM_FIELDS};
use crate::sql::ColumnType;

/// Which schema of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A whole record as answered: `Market`. All fields required.
    Record,
    /// A record with some fields left out: `MarketPartial`. Nothing required.
    Partial,
    /// The body of a create: `MarketCreate`.
    Create,
    /// The body of a PUT: `MarketUpdate`.
    Update,
    /// The body of a merge patch: `MarketPatch`. Nothing required; null resets.
    Patch,
}

/// The schema of one shape of the collection's records. Self-contained: no references, no `$defs`.
///
/// In bodies of PUT and PATCH the system and `readOnly` fields are allowed, so that an answer can be sent back, and
/// are marked `readOnly`; so are required `immutable` ones in a patch. Only nullable fields take null, in a patch too: a required field cannot be reset.
pub fn json_schema(collection: &Collection, shape: Shape) -> Json {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (position, field) in collection.fields.iter().enumerate() {
        if !holds(field, position, shape) {
            continue;
        }
        properties.insert(field.name.to_string(), property(field, position, shape));
        if demands(field, position, shape) {
            required.push(Json::String(field.name.to_string()));
        }
    }
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let Json::Object(schema) = &mut schema {
        if !required.is_empty() {
            schema.insert("required".to_owned(), Json::Array(required));
        }
        if let Some(description) = &collection.description {
            schema.insert("description".to_owned(), json!(description));
        }
    }
    schema
}

/// Whether the shape has the field at all.
fn holds(field: &Field, position: usize, shape: Shape) -> bool {
    match shape {
        Shape::Record | Shape::Partial => !field.write_only,
        Shape::Create => !field.read_only && (position >= SYSTEM_FIELDS || position == ID),
        Shape::Update | Shape::Patch => true,
    }
}

/// Whether the shape demands the field.
fn demands(field: &Field, position: usize, shape: Shape) -> bool {
    let must_give = position >= SYSTEM_FIELDS && field.required && field.default.is_none() && !field.read_only;
    match shape {
        Shape::Record => field.read_roles.is_none(),
        Shape::Create => must_give,
        // Absent ones keep their value.
        Shape::Update => must_give && !field.write_only && !field.immutable,
        Shape::Partial | Shape::Patch => false,
    }
}

fn property(field: &Field, position: usize, shape: Shape) -> Json {
    let body = !matches!(shape, Shape::Record | Shape::Partial);
    let schema = field.kind.json_schema();
    let mut schema = match (field.required, field.kind.column()) {
        (true, _) => schema,
        (false, ColumnType::Json) => either(schema),
        (false, _) => nullable(schema),
    };
    let Json::Object(members) = &mut schema else { return schema };
    if let Some(description) = &field.description {
        members.insert("description".to_owned(), json!(description));
    }
    if let Some(example) = &field.example {
        members.insert("examples".to_owned(), json!([example]));
    }
    // A stored record has a value in every required field: an immutable one can only be repeated.
    let fixed = field.immutable && field.required && shape == Shape::Patch;
    if body && (field.read_only || fixed || position < SYSTEM_FIELDS && shape != Shape::Create) {
        members.insert("readOnly".to_owned(), Json::Bool(true));
    }
    if field.immutable && matches!(shape, Shape::Update | Shape::Patch) {
        // Set while it is null: no keyword says that, and comparisons of documents have to know.
        members.insert("x-immutable".to_owned(), Json::Bool(true));
    }
    if body && field.write_only {
        members.insert("writeOnly".to_owned(), Json::Bool(true));
    }
    if matches!(shape, Shape::Create | Shape::Update)
        && let Some(DefaultValue::Value(value)) = &field.default
    {
        let mut text = Vec::new();
        field.kind.write_json(value, &mut text);
        if let Ok(default) = serde_json::from_slice(&text) {
            members.insert("default".to_owned(), default);
        }
    }
    schema
}

/// A type array, which generators read better than a union.
fn nullable(schema: Json) -> Json {
    let Json::Object(mut members) = schema else { return either(schema) };
    let Some(Json::String(name)) = members.get("type").cloned() else { return either(Json::Object(members)) };
    members.insert("type".to_owned(), json!([name, "null"]));
    if let Some(Json::Array(values)) = members.get_mut("enum") {
        values.push(Json::Null);
    }
    Json::Object(members)
}

/// The schema or null, for schemas whose keywords are not ours. One that allows everything stays as it is.
fn either(schema: Json) -> Json {
    match schema {
        Json::Bool(true) => json!({}),
        Json::Object(members) if members.is_empty() => Json::Object(members),
        schema => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}

#[cfg(test)]
mod tests;
