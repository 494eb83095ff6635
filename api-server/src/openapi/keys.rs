//! API keys: their paths and schemas, for admin.
//!
//! Called while the document is built. Follows `service/keys/draft.rs` for what bodies may hold and `service/keys/view.rs` for
//! what is answered; members without a value are absent, never null.

use mainstay_crds::rate_limit::MOST;
use serde_json::{Value as Json, json};
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem, PathsBuilder,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::{ComponentsBuilder, Content, Required};

use super::operations::{ALWAYS, BODY, answer_to, empty, fail, securities};
use super::schemas::{envelope, object};
use super::{errors, parameters, raw, reference};
use crate::query::page;
use crate::service::keys::{LIFE, MAX_ROLES, NAME, OVERLAP};

/// A role, as documents name it.
const ROLE: &str = "^[-a-zA-Z0-9_.:/]+$";
/// Whole seconds from 1s to 24h.
const WINDOW: &str = "^([1-9][0-9]{0,3}s|[1-7][0-9]{4}s|8[0-5][0-9]{3}s|86[0-3][0-9]{2}s|86400s|[1-9][0-9]{0,2}m|1[0-3][0-9]{2}m|14[0-3][0-9]m|1440m|[1-9]h|1[0-9]h|2[0-4]h|1d)$";

/// Adds the paths.
pub fn paths(paths: PathsBuilder, page: page::Limits) -> PathsBuilder {
    let mut all = PathItem::new(HttpMethod::Get, list(page));
    all.merge_operations(PathItem::new(HttpMethod::Post, create()));
    let mut one = PathItem::new(HttpMethod::Get, get());
    one.merge_operations(PathItem::new(HttpMethod::Delete, revoke()));
    one.parameters = Some(vec![ParameterBuilder::from(id()).build().into()]);
    paths
        .path("/api/v1/keys", all)
        .path("/api/v1/keys/{id}", one)
        .path("/api/v1/keys/{id}/rotate", PathItem::new(HttpMethod::Post, rotate()))
}

fn list(page: page::Limits) -> OperationBuilder {
    let limit = json!({
        "type": "integer", "format": "int32", "minimum": 1, "maximum": page.max, "default": page.default,
    });
    let cursor = json!({ "type": "string", "pattern": parameters::CURSOR });
    let operation =
        operation("listKeys", "List API keys", "Newest first, those that have ended or were revoked among them.")
            .parameters(Some([
                parameters::query("limit", "Most keys on a page.", limit),
                parameters::query("cursor", "Goes on after the last page: its `next_cursor` as it is.", cursor),
            ]))
            .response("200", answer_to("One page.", "KeyList").header_ref("Link", errors::header("Link")).build());
    fail(operation, &ALWAYS, &[403])
}

fn create() -> OperationBuilder {
    let description = "A key for a machine. The answer is the only one that shows it. `meta.warnings` tells what may be a \
        mistake, such as a role that no rule names.";
    let operation = operation("createKey", "Make an API key", description)
        .request_body(Some(body("KeyCreate")))
        .response("201", made("Made."));
    fail(fail(operation, &ALWAYS, &BODY), &[403], &[])
}

fn get() -> OperationBuilder {
    let operation = operation("getKey", "Get an API key", "Everything about it but the key itself.")
        .response("200", answer_to("The key.", "KeyAnswer").build());
    fail(operation, &ALWAYS, &[403, 404])
}

fn revoke() -> OperationBuilder {
    let description = "Every server refuses it within five seconds, the asked one at once. It stays listed.";
    let operation =
        operation("revokeKey", "Revoke an API key", description).response("204", empty("Revoked, now or before."));
    fail(operation, &ALWAYS, &[403, 404])
}

fn rotate() -> OperationBuilder {
    let description = "A new key of the same machine, with the same roles and rate limit. The one before ends after `overlap`, \
        or earlier when it was to. 409 for a key that opens nothing any more, or has a valid successor.";
    let operation = operation("rotateKey", "Rotate an API key", description)
        .parameter(id())
        .request_body(Some(body("KeyRotate")))
        .response("201", made("The new key."));
    fail(fail(operation, &ALWAYS, &BODY), &[403, 404, 409], &[])
}

fn operation(id: &str, summary: &str, description: &str) -> OperationBuilder {
    OperationBuilder::new()
        .operation_id(Some(id))
        .tag("keys")
        .summary(Some(summary))
        .description(Some(description))
        .securities(Some(securities(false)))
}

fn body(schema: &str) -> RequestBody {
    let content = Content::new(Some(raw(reference(schema))));
    RequestBodyBuilder::new().required(Some(Required::True)).content("application/json", content).build()
}

fn made(description: &str) -> utoipa::openapi::Response {
    let answer: ResponseBuilder = answer_to(description, "IssuedKeyAnswer");
    answer.header_ref("Location", errors::header("Location")).build()
}

fn id() -> Parameter {
    ParameterBuilder::new()
        .name("id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("The key's id, which is not the key itself."))
        .schema(Some(raw(json!({ "type": "string", "format": "uuid" }))))
        .build()
}

/// Adds the schemas.
pub fn schemas(components: ComponentsBuilder) -> ComponentsBuilder {
    let warnings =
        json!({ "type": "array", "items": reference("ErrorDetail"), "description": "What may be a mistake." });
    let mut made = envelope(reference("IssuedKey"), &[]);
    made["properties"]["meta"] = object(&["warnings"], json!({ "warnings": warnings }));
    let page = json!({ "type": "array", "items": reference("Key") });
    components
        .schema("Key", raw(key()))
        .schema("IssuedKey", raw(issued_key()))
        .schema("KeyAnswer", raw(envelope(reference("Key"), &[])))
        .schema("IssuedKeyAnswer", raw(made))
        .schema("KeyList", raw(envelope(page, &[("meta", reference("ListMeta"))])))
        .schema("KeyCreate", raw(key_create()))
        .schema("KeyRotate", raw(key_rotate()))
        .schema("KeyRateLimit", raw(rate_limit()))
}

fn key() -> Json {
    let time = |description: &str| json!({ "type": "string", "format": "date-time", "description": description });
    let text = |description: &str, example: &str| json!({ "type": "string", "description": description, "examples": [example] });
    let id = |description: &str| json!({ "type": "string", "format": "uuid", "description": description });
    object(
        &["id", "name", "prefix", "roles", "status", "created_at", "created_by"],
        json!({
            "id": id("Names the key here; it opens nothing."),
            "name": text("What it is for.", "nightly-report"),
            "prefix": text("Its first characters, by which people recognise it.", "ms_1hZ8kQ2p"),
            "roles": { "type": "array", "items": { "type": "string" }, "description": "Beside `machine`." },
            "status": { "type": "string", "enum": ["active", "expired", "revoked"] },
            "created_at": time("When it was made."),
            "created_by": text("Who made it.", "admin"),
            "expires_at": time("When it ends; absent: never."),
            "revoked_at": time("When it was revoked."),
            "last_used_at": time("When it was last used, to a minute."),
            "replaces": id("The key that it was made in place of."),
            "rate_limit": reference("KeyRateLimit"),
        }),
    )
}

fn issued_key() -> Json {
    let mut schema = key();
    let text = json!({ "type": "string", "description": "The key itself: keep it, it is shown this once." });
    schema["properties"]["key"] = text;
    if let Some(Json::Array(required)) = schema.get_mut("required") {
        required.push(json!("key"));
    }
    schema
}

fn key_create() -> Json {
    let role = json!({ "type": "string", "minLength": 1, "maxLength": 64, "pattern": ROLE });
    let mut schema = object(
        &["name"],
        json!({
            "name": { "type": "string", "minLength": 1, "maxLength": 100, "pattern": NAME, "description": "What it is for.", "examples": ["nightly-report"] },
            "roles": {
                "type": "array", "items": role, "maxItems": MAX_ROLES, "uniqueItems": true,
                "description": "As access rules name them; `admin` may do everything. Absent: none but `machine`.",
            },
            "expires_after": life("How long it lives. Absent: without end."),
            "rate_limit": reference("KeyRateLimit"),
        }),
    );
    schema["additionalProperties"] = json!(false);
    schema
}

fn key_rotate() -> Json {
    let overlap = json!({
        "type": "string", "pattern": OVERLAP, "examples": ["24h"],
        "description": "How long the key before stays valid; `0s` ends it at once. Absent: `24h`.",
    });
    let life = life("How long the new key lives. Absent: as long as the one before.");
    let mut schema = object(&[], json!({ "overlap": overlap, "expires_after": life }));
    schema["additionalProperties"] = json!(false);
    schema
}

fn life(description: &str) -> Json {
    json!({ "type": "string", "pattern": LIFE, "description": description, "examples": ["90d"] })
}

fn rate_limit() -> Json {
    let number = |description: &str| json!({ "type": "integer", "format": "int32", "minimum": 1, "maximum": MOST, "description": description });
    let mut schema = object(
        &["limit", "window"],
        json!({
            "limit": number("How many requests a window has."),
            "window": { "type": "string", "pattern": WINDOW, "description": "Whole seconds from 1s to 24h.", "examples": ["60s"] },
            "algorithm": { "type": "string", "enum": ["tokenBucket", "fixedWindow", "slidingWindow"], "description": "How requests are counted. Absent: tokenBucket." },
            "burst": number("How many requests a full token bucket has, with `tokenBucket` alone. Absent: as `limit`."),
        }),
    );
    schema["description"] = json!(
        "How many requests the key's holder may make, in the place of the server's policies by key and by caller."
    );
    schema["additionalProperties"] = json!(false);
    schema
}
