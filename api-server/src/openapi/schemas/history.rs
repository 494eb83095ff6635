//! The schemas of earlier versions.
//!
//! Called by the schemas of a collection that keeps a history. What was written under the rules of its time need not keep
//! those of today, so that values are promised by their type alone.

use mainstay_crds::schema::{Field, SYSTEM_FIELDS};
use mainstay_crds::sql::ColumnType;
use serde_json::{Map, Value as Json, json};

use super::{View, object};

/// The fields that an earlier version can have.
pub fn record(view: &View<'_>) -> Json {
    let fields = view.collection.fields.iter().enumerate().filter(|(_, field)| !field.write_only);
    let schema = |(position, field): (usize, &Field)| {
        let schema = if position < SYSTEM_FIELDS { field.kind.json_schema() } else { any_time(field) };
        (field.name.to_string(), schema)
    };
    let properties: Map<String, Json> = fields.map(schema).collect();
    let mut schema = object(&["id", "version", "created_at", "updated_at"], Json::Object(properties));
    schema["description"] = json!(
        "As it was, under the names of today's fields. A field that came later, or got another type since, is left out."
    );
    schema
}

/// An earlier version, and what ended it.
pub fn version(record: Json) -> Json {
    object(
        &["version", "changed_at", "change", "record"],
        json!({
            "version": { "type": "integer", "format": "int64", "minimum": 1, "description": "The record's `version` then." },
            "changed_at": { "type": "string", "format": "date-time", "description": "When it ended." },
            "change": { "type": "string", "enum": ["update", "delete"], "description": "What ended it." },
            "record": record,
        }),
    )
}

/// A value of this field at any time.
fn any_time(field: &Field) -> Json {
    let column = field.kind.column();
    if column == ColumnType::Json {
        return json!({});
    }
    let mut schema = bare(&field.kind.json_schema());
    schema["type"] = json!([schema["type"], "null"]);
    if let (ColumnType::Text, Some(keywords)) = (column, schema.as_object_mut()) {
        // Formats of text are rules; those of other types say what it is.
        keywords.remove("format");
    }
    schema
}

/// What a value is, without how large it may be.
fn bare(schema: &Json) -> Json {
    let mut bare = json!({ "type": schema["type"] });
    if let Some(format) = schema.get("format") {
        bare["format"] = format.clone();
    }
    if let Some(items) = schema.get("items") {
        bare["items"] = self::bare(items);
    }
    bare
}
