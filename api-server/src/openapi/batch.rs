//! The batch: one path about every collection, and its schemas.
//!
//! Called while the document is built. An operation is one flat object with a word that says which: client generators
//! misread a choice of objects (docs/decisions/0004-openapi-shapes.md). A record's fields are free-form here, since they
//! are those of the collection that the operation names.

use mainstay_crds::schema::Schema;
use serde_json::{Value as Json, json};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{ComponentsBuilder, Content, Required};

use super::operations::{ALWAYS, BODY, answer_to, empty, fail, once, securities};
use super::schemas::{envelope, object};
use super::{anonymous, raw, reference};
use crate::service::records::batch::{MAX_OPERATIONS, Verb};

/// A UUID, or a reference to an earlier result.
const ID: &str =
    r"^([0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}|\$[0-9]{1,9}\.[a-z][a-z0-9_]*)$";

/// Adds the path.
pub fn path(paths: PathsBuilder, schema: &Schema) -> PathsBuilder {
    let description = "Up to 1000 operations over any collections, all or none, each as its single request would do it. A string \
        that is exactly `$0.id` stands for that field of the first operation's result, in `id`, `data`, `increment` and \
        `if`. A failure has the status of the operation that caused it. With `Prefer: return=minimal` the answer has no body.";
    let open = schema.collections.iter().any(|collection| {
        let access = &collection.access;
        [&access.create, &access.update, &access.delete].into_iter().any(|rules| anonymous(rules))
    });
    let body = RequestBodyBuilder::new()
        .required(Some(Required::True))
        .content("application/json", Content::new(Some(raw(reference("BatchBody")))));
    let operation = OperationBuilder::new()
        .operation_id(Some("runBatch"))
        .tag("batch")
        .summary(Some("Run a batch"))
        .description(Some(description))
        .securities(Some(securities(open)))
        .request_body(Some(body.build()))
        .response("200", answer_to("What became of each operation.", "BatchAnswer").build())
        .response("204", empty("Done, with `Prefer: return=minimal`."));
    let operation = fail(operation, &ALWAYS, &BODY);
    let operation = fail(operation, &[403, 404, 412], &[]);
    let strict = schema.collections.iter().any(|collection| collection.require_precondition);
    let operation = fail(operation, if strict { &[428] } else { &[] }, &[]);
    paths.path("/api/v1/batch", PathItem::new(HttpMethod::Post, once(operation)))
}

/// Adds the schemas.
pub fn schemas(components: ComponentsBuilder, schema: &Schema) -> ComponentsBuilder {
    components
        .schema("BatchBody", raw(body()))
        .schema("BatchOperation", raw(operation(schema)))
        .schema("BatchAnswer", raw(answer()))
        .schema("BatchResult", raw(result()))
}

fn body() -> Json {
    let operations = json!({
        "type": "array", "items": reference("BatchOperation"), "minItems": 1, "maxItems": MAX_OPERATIONS,
    });
    let mut body = object(&["operations"], json!({ "operations": operations }));
    body["additionalProperties"] = json!(false);
    body
}

fn operation(schema: &Schema) -> Json {
    let verbs = Verb::ALL.map(|(name, ..)| name);
    let takes = Verb::ALL.map(|(name, _, members)| format!("`{name}` takes {}", members.join(", ")));
    let names: Vec<&str> = schema.collections.iter().map(|collection| collection.name.as_str()).collect();
    let free =
        |description: &str| json!({ "type": "object", "additionalProperties": true, "description": description });
    let mut operation = object(
        &["op", "collection"],
        json!({
            "op": { "type": "string", "enum": verbs, "description": "What to do." },
            "collection": { "type": "string", "enum": names, "description": "With a record of what." },
            "id": { "type": "string", "pattern": ID, "description": "Which record: its id, or `$0.id`." },
            "data": free("The record's fields; of an update a merge patch."),
            "increment": free("Numbers to be added to fields: `{\"balance\": \"-10.00\"}`. The sums keep the fields' bounds."),
            "if": free("A filter tree that must hold for the record: `{\"balance\": {\"gte\": \"10.00\"}}`."),
            "version": { "type": "integer", "format": "int64", "minimum": 1, "description": "The version that the record must have." },
            "on_conflict": { "type": "string", "description": "The fields of a unique key, separated by commas." },
        }),
    );
    operation["description"] = json!(format!("One operation: {}.", takes.join("; ")));
    operation["additionalProperties"] = json!(false);
    operation
}

fn answer() -> Json {
    let results = json!({ "type": "array", "items": reference("BatchResult") });
    envelope(object(&["results"], json!({ "results": results })), &[])
}

fn result() -> Json {
    let data = "The record as it is now; absent after a delete, and when the caller may not read it.";
    object(
        &["status"],
        json!({
            "status": { "type": "integer", "format": "int32", "minimum": 200, "maximum": 299, "description": "That of the single request." },
            "data": { "type": "object", "additionalProperties": true, "description": data },
        }),
    )
}
