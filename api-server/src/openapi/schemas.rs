//! Component schemas: the shared ones, and those of a collection around the shapes that the contract prints.
//!
//! Called while the document is built. No `anyOf` and no `const` here: client generators merge or misread them.

use std::collections::BTreeSet;

use mainstay_crds::json::patch::{MAX_OPERATIONS, OPERATIONS};
use mainstay_crds::name::Name;
use mainstay_crds::schema::json_schema::{Shape, json_schema};
use mainstay_crds::schema::{Collection, Field, Schema};
use serde_json::{Map, Value as Json, json};
use utoipa::openapi::ComponentsBuilder;

use super::{View, raw, reference};
use crate::query::include::MAX_DEPTH;
use crate::service::records::MAX_REFERRERS;
use crate::service::records::aggregate::MAX_GROUPS;
use crate::service::records::create::MAX_RECORDS;

mod history;
mod questions;

/// Adds the schemas that are no collection's.
pub fn shared(components: ComponentsBuilder) -> ComponentsBuilder {
    components
        .schema("ErrorAnswer", raw(error()))
        .schema("ErrorDetail", raw(detail()))
        .schema("ProblemAnswer", raw(problem()))
        .schema("JsonPatch", raw(json_patch()))
        .schema("JsonPatchOperation", raw(json_patch_operation()))
        .schema("ListMeta", raw(list_meta()))
        .schema("AffectedAnswer", raw(affected()))
        .schema("HealthAnswer", raw(envelope(object(&["status"], json!({ "status": { "type": "string" } })), &[])))
        .schema("ReadinessAnswer", raw(readiness()))
        .schema("ImportAnswer", raw(envelope(imported(), &[])))
        .schema("ImportFailure", raw(import_failure()))
}

/// Adds the schemas of a collection.
pub fn of(components: ComponentsBuilder, view: &View<'_>) -> ComponentsBuilder {
    let names = view.singular();
    let shape = |shape| told(json_schema(view.collection, shape));
    let answered = |shape| open(json_schema(view.collection, shape));
    let included = included(view);
    let extra: Vec<(&str, Json)> = included.into_iter().map(|schema| ("included", schema)).collect();
    let meta = [("meta", reference("ListMeta"))].into_iter();
    let listed: Vec<(&str, Json)> = meta.chain(extra.iter().cloned()).collect();
    let groups = json!({ "type": "array", "items": names.reference("Aggregate"), "maxItems": MAX_GROUPS });
    let page = json!({ "type": "array", "items": names.reference("Partial") });
    // A caller who may not read one of the records that an array made finds null in its place.
    let item = match view.hides_what_it_wrote() {
        true => json!({ "oneOf": [names.reference(""), { "type": "null" }] }),
        false => names.reference(""),
    };
    let mut all = vec![
        ("", answered(Shape::Record)),
        ("Partial", answered(Shape::Partial)),
        ("Create", shape(Shape::Create)),
        ("CreateBody", one_or_many(shape(Shape::Create), names.reference("Create"))),
        ("Created", envelope(names.reference("CreatedData"), &[])),
        ("CreatedData", one_or_many(answered(Shape::Record), item)),
        ("Update", shape(Shape::Update)),
        ("Patch", shape(Shape::Patch)),
        ("List", listing(envelope(page, &listed))),
        ("Answer", one(envelope(names.reference(""), &extra))),
        ("Search", questions::search(view)),
        ("Aggregate", questions::aggregate(view)),
        ("Aggregates", envelope(groups, &[])),
    ];
    if view.collection.history.is_some() {
        let versions = json!({ "type": "array", "items": names.reference("Version") });
        all.extend([
            ("History", envelope(versions, &[("meta", reference("ListMeta"))])),
            ("Version", history::version(names.reference("VersionRecord"))),
            ("VersionRecord", history::record(view)),
        ]);
    }
    all.into_iter().fold(components, |all, (suffix, schema)| all.schema(names.schema(suffix), raw(schema)))
}

/// `{"success":true,"data":…}` with required `meta` and optional `included`.
pub(super) fn envelope(data: Json, more: &[(&str, Json)]) -> Json {
    let mut required = vec!["success", "data"];
    let mut properties = Map::new();
    properties.insert("success".to_owned(), json!({ "type": "boolean", "description": "Always true here." }));
    properties.insert("data".to_owned(), data);
    for (name, schema) in more {
        properties.insert((*name).to_owned(), schema.clone());
        required.extend((*name == "meta").then_some("meta"));
    }
    object(&required, Json::Object(properties))
}

fn listing(mut schema: Json) -> Json {
    schema["description"] = json!("One page. Without `fields` every record is whole.");
    schema
}

/// What is told of one record beside it, where records are included.
fn one(mut schema: Json) -> Json {
    if schema["properties"].get("included").is_some() {
        schema["properties"]["meta"] = object(&[], json!({ "truncated": truncated() }));
    }
    schema
}

fn truncated() -> Json {
    let description = format!("Paths of `include` with more than {MAX_REFERRERS} records: the rest is left out.");
    json!({ "type": "array", "items": { "type": "string" }, "description": description })
}

/// What is answered may gain fields: a client that was generated before must go on reading it.
fn open(mut schema: Json) -> Json {
    if let Some(keywords) = schema.as_object_mut() {
        keywords.remove("additionalProperties");
    }
    schema
}

/// Defaults in words: generators make constants of the keyword, which do not compile for times and nullable enums, and
/// clients would send what the server fills in anyway.
fn told(mut schema: Json) -> Json {
    let properties = schema.get_mut("properties").and_then(Json::as_object_mut).into_iter().flatten();
    for property in properties.filter_map(|(_, property)| property.as_object_mut()) {
        let Some(default) = property.remove("default") else { continue };
        let before =
            property.get("description").and_then(Json::as_str).map(|text| format!("{text} ")).unwrap_or_default();
        property.insert("description".to_owned(), json!(format!("{before}Default: `{default}`.")));
    }
    schema
}

/// The object `one`, or an array of `item`s: as two types of one schema, which generators read as the object.
fn one_or_many(mut one: Json, item: Json) -> Json {
    if let Some(keywords) = one.as_object_mut() {
        keywords.remove("description");
        keywords.insert("type".to_owned(), json!(["object", "array"]));
        keywords.insert("items".to_owned(), item);
        keywords.insert("minItems".to_owned(), json!(1));
        keywords.insert("maxItems".to_owned(), json!(MAX_RECORDS));
    }
    one
}

/// Records by collection and id, of each collection that `include` can reach; `None` when it can reach none.
fn included(view: &View<'_>) -> Option<Json> {
    let mut reached: BTreeSet<&Name> = BTreeSet::new();
    let mut edge = vec![view.collection];
    for _ in 0..MAX_DEPTH {
        let targets: BTreeSet<&Name> = edge.iter().flat_map(|from| ends(view.schema, from)).collect();
        reached.extend(&targets);
        edge = targets.iter().filter_map(|name| view.schema.get(name.as_str()).map(|found| &**found)).collect();
    }
    let records = |name: &&Name| {
        let record = view.names.get(name).reference("");
        (name.to_string(), json!({ "type": "object", "additionalProperties": record }))
    };
    let properties: Map<String, Json> = reached.iter().map(records).collect();
    let description = "What `include` asked for: each record once, by collection and id.";
    let schema = json!({ "type": "object", "description": description, "properties": properties });
    (!reached.is_empty()).then_some(schema)
}

/// The collections at the other end of references from and to this one.
fn ends<'a>(schema: &'a Schema, of: &'a Collection) -> impl Iterator<Item = &'a Name> + 'a {
    let readable = |field: &&Field| !field.write_only;
    let forward = of.fields.iter().filter(readable).filter_map(|field| field.target());
    let referrers = schema.referrers(of.name.as_str());
    forward.chain(referrers.filter(move |(from, field)| readable(&&from.fields[*field])).map(|(from, _)| &from.name))
}

pub(super) fn object(required: &[&str], properties: Json) -> Json {
    match required {
        [] => json!({ "type": "object", "properties": properties }),
        _ => json!({ "type": "object", "required": required, "properties": properties }),
    }
}

fn affected() -> Json {
    let number = json!({
        "type": "integer", "format": "int32", "minimum": 0, "description": "How many records passed the filters.",
    });
    envelope(object(&["affected"], json!({ "affected": number })), &[])
}

fn list_meta() -> Json {
    object(
        &["limit", "has_more"],
        json!({
            "limit": { "type": "integer", "format": "int32", "minimum": 1, "description": "Most records on a page." },
            "offset": { "type": "integer", "format": "int32", "minimum": 0, "description": "As asked for." },
            "has_more": { "type": "boolean", "description": "Whether another page follows." },
            "next_cursor": { "type": "string", "description": "Gets the next page as `cursor`." },
            "total": { "type": "integer", "format": "int64", "minimum": 0, "description": "All matches, with `count=exact`." },
            "truncated": truncated(),
        }),
    )
}

fn json_patch() -> Json {
    let items = reference("JsonPatchOperation");
    json!({ "type": "array", "items": items, "maxItems": MAX_OPERATIONS, "description": "Operations in their order: all or none." })
}

fn json_patch_operation() -> Json {
    let pointer = "^(/([^~/]|~[01])*)+$";
    object(
        &["op", "path"],
        json!({
            "op": { "type": "string", "enum": OPERATIONS },
            "path": { "type": "string", "pattern": pointer, "description": "JSON Pointer (RFC 6901) that begins with a field.", "examples": ["/title"] },
            "from": { "type": "string", "pattern": pointer, "description": "Of `move` and `copy`: where the value is." },
            "value": { "description": "Of `add`, `replace` and `test`." },
        }),
    )
}

fn detail() -> Json {
    object(
        &["path", "code", "message"],
        json!({
            "path": { "type": "string", "description": "JSON Pointer (RFC 6901) into the body, or `?` and a parameter of the query or the path.", "examples": ["/title"] },
            "code": { "type": "string", "description": "The rule, for machines.", "examples": ["too_long"] },
            "message": { "type": "string", "description": "The rule, for people." },
            "hint": { "type": "string", "description": "The next step." },
        }),
    )
}

fn imported() -> Json {
    object(
        &["imported", "failed", "last_line"],
        json!({
            "imported": { "type": "integer", "format": "int64", "minimum": 0, "description": "How many records were made or changed, or with `dry_run` would have been." },
            "updated": { "type": "integer", "format": "int64", "minimum": 0, "description": "With `on_conflict`: how many of them were there before." },
            "failed": { "type": "array", "items": reference("ImportFailure"), "description": "What is wrong with lines: the first 1000 problems." },
            "last_line": { "type": "integer", "format": "int64", "minimum": 0, "description": "All lines up to this one are imported or left out." },
        }),
    )
}

fn import_failure() -> Json {
    let mut schema = detail();
    if let Some(Json::Array(required)) = schema.get_mut("required") {
        required.push(json!("line"));
    }
    schema["properties"]["line"] =
        json!({ "type": "integer", "format": "int64", "minimum": 1, "description": "The first line of the record." });
    schema["properties"]["path"]["description"] = json!("JSON Pointer (RFC 6901) into the record.");
    schema
}

fn error() -> Json {
    object(
        &["success", "error", "code", "details", "request_id"],
        json!({
            "success": { "type": "boolean", "description": "Always false here." },
            "error": { "type": "string", "description": "What is wrong, for people." },
            "code": { "type": "string", "description": "What is wrong, for machines.", "examples": ["VALIDATION_ERROR"] },
            "details": { "type": "array", "items": reference("ErrorDetail") },
            "outcome": { "type": "string", "description": "`unknown` when the change may or may not have been made." },
            "request_id": { "type": "string", "description": "Names the request in the server's log." },
        }),
    )
}

fn problem() -> Json {
    object(
        &["type", "title", "status", "detail", "code", "errors", "request_id"],
        json!({
            "type": { "type": "string", "format": "uri-reference", "examples": ["about:blank"] },
            "title": { "type": "string" },
            "status": { "type": "integer", "format": "int32", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "What is wrong, for people." },
            "code": { "type": "string", "description": "What is wrong, for machines.", "examples": ["VALIDATION_ERROR"] },
            "errors": { "type": "array", "items": reference("ErrorDetail") },
            "outcome": { "type": "string", "description": "`unknown` when the change may or may not have been made." },
            "request_id": { "type": "string", "description": "Names the request in the server's log." },
        }),
    )
}

fn readiness() -> Json {
    let check = object(
        &["name", "ok", "message", "micros"],
        json!({
            "name": { "type": "string" },
            "ok": { "type": "boolean" },
            "message": { "type": "string" },
            "micros": { "type": "integer", "format": "int64", "minimum": 0 },
        }),
    );
    let data = object(
        &["status", "checks"],
        json!({ "status": { "type": "string", "examples": ["ready"] }, "checks": { "type": "array", "items": check } }),
    );
    let success = json!({ "type": "boolean", "description": "Whether every check passed." });
    object(&["success", "data"], json!({ "success": success, "data": data }))
}
