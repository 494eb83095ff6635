//! The schemas of searches and aggregates of a collection.
//!
//! Called while the document is built. Members that depend on the question are never required.

use mainstay_crds::schema::Field;
use mainstay_crds::schema::json_schema::{Shape, json_schema};
use serde_json::{Map, Value as Json, json};

use super::super::parameters;
use super::{View, object};
use crate::query::aggregate::{adds_up, groups, has_order};
use crate::query::include::MAX_PATHS;
use crate::query::page::MAX_OFFSET;

/// The body of a search.
pub fn search(view: &View<'_>) -> Json {
    let set = |description: &str, words: &[String], max: usize| {
        let items = json!({ "type": "string", "enum": words });
        json!({ "type": "array", "items": items, "minItems": 1, "maxItems": max, "uniqueItems": true, "description": description })
    };
    let tree = "A filter tree. A field with a value or with operators, several of which all have to hold; `and`, `or` and \
        `not`; a reference with a tree for the record that it points to; `exists` with a `collection` and a tree `where`, \
        in which `$field.name` is the field of the record that is asked about. At most 100 tests and 10 levels.";
    let (sort, fields, include) =
        (parameters::sort_keys(view), parameters::names(view), parameters::include_paths(view));
    let mut schema = object(
        &[],
        json!({
            "where": { "type": "object", "description": tree, "examples": [{ "or": [{ "version": { "gte": 2 } }, { "not": { "version": 1 } }] }] },
            "sort": set("The order, as for the list.", &sort, sort.len() / 2),
            "limit": { "type": "integer", "format": "int32", "minimum": 1, "maximum": view.page.max, "default": view.page.default },
            "offset": { "type": "integer", "format": "int32", "minimum": 0, "maximum": MAX_OFFSET },
            "cursor": { "type": "string", "pattern": parameters::CURSOR, "description": "`next_cursor` of the page before, with the same `where` and `sort`." },
            "fields": set("Answers these fields alone.", &fields, fields.len()),
            "count": { "type": "string", "enum": ["exact"], "description": "Counts all matches, as `meta.total`." },
        }),
    );
    if view.collection.search.is_some() {
        schema["properties"]["q"] = parameters::words();
        schema["properties"]["q"]["description"] = json!(parameters::WORDS);
        let order = "The order, as for the list; `relevance` stands alone, and needs `q`.";
        schema["properties"]["sort"]["description"] = json!(order);
    }
    if !include.is_empty() {
        let most = MAX_PATHS.min(include.len());
        schema["properties"]["include"] = set("Adds records at the other end of references.", &include, most);
    }
    schema["additionalProperties"] = json!(false);
    schema
}

/// One group of an aggregate.
pub fn aggregate(view: &View<'_>) -> Json {
    let record = json_schema(view.collection, Shape::Partial);
    let stored = |field: &Field| record["properties"][field.name.as_str()].clone();
    let readable = || view.collection.fields.iter().filter(|field| !field.write_only);
    let mut properties: Map<String, Json> =
        readable().filter(|field| groups(field)).map(|field| (field.name.to_string(), stored(field))).collect();
    let count =
        json!({ "type": "integer", "format": "int64", "minimum": 0, "description": "How many records there are." });
    properties.insert("count".to_owned(), count);
    let mut function = |name: &str, description: &str, fits: fn(&Field) -> bool, schema: &dyn Fn(&Field) -> Json| {
        let fields = readable().filter(|field| fits(field));
        let fields: Map<String, Json> = fields.map(|field| (field.name.to_string(), schema(field))).collect();
        let mut schema = object(&[], Json::Object(fields));
        schema["description"] = json!(description);
        properties.insert(name.to_owned(), schema);
    };
    function("sum", "Sums; null where there is no value. Those of decimals are strings.", adds_up, &sum);
    function(
        "avg",
        "Means with six more places than the field, a half rounded to even; null where there is no value.",
        adds_up,
        &mean,
    );
    let value = |field: &Field| nullable(stored(field));
    function("min", "The least values; null where there is none.", has_order, &value);
    function("max", "The greatest values; null where there is none.", has_order, &value);
    let mut schema = object(&[], Json::Object(properties));
    schema["description"] = json!("The fields of `group`, and what was asked for.");
    schema
}

fn sum(field: &Field) -> Json {
    match field.kind.name() {
        "integer" => json!({ "type": ["integer", "null"], "format": "int64" }),
        "number" => json!({ "type": ["number", "null"], "format": "double" }),
        _ => json!({ "type": ["string", "null"] }),
    }
}

fn mean(field: &Field) -> Json {
    match field.kind.name() {
        "number" => json!({ "type": ["number", "null"], "format": "double" }),
        _ => json!({ "type": ["string", "null"] }),
    }
}

fn nullable(mut schema: Json) -> Json {
    if let Some(Json::String(kind)) = schema.get("type") {
        schema["type"] = json!([kind, "null"]);
    }
    schema
}
