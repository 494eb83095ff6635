//! The paths of the server itself: health, readiness, public keys and this document.
//!
//! Called while the document is built; the answers are written in `http/system.rs` and `http/docs.rs`.

use serde_json::json;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, Response};

use super::{errors, raw, reference};

/// Adds the paths.
pub fn paths(paths: PathsBuilder) -> PathsBuilder {
    let health = operation("getHealth", "Whether the process answers. Asks nothing of anyone.")
        .response("200", answer("It does.", reference("HealthAnswer")));
    let ready = operation("getReadiness", "Whether to send traffic here: each check named and timed.")
        .response("200", answer("Send traffic.", reference("ReadinessAnswer")))
        .response("503", answer("Send none; a check fails.", reference("ReadinessAnswer")));
    let document = operation("getOpenApi", "This document.")
        .response("200", answer("The OpenAPI 3.1 document of this backend.", json!({ "type": "object" })));
    let keys = json!({
        "type": "object", "required": ["keys"],
        "properties": { "keys": { "type": "array", "items": { "type": "object" } } },
    });
    let keys = operation("getJwks", "The public keys of tokens, as a JWK Set (RFC 7517).")
        .response("200", answer("The keys; none while no token is signed.", keys));
    let paths = paths.path("/.well-known/jwks.json", get(keys));
    paths.path("/health", get(health)).path("/health/ready", get(ready)).path("/openapi.json", get(document))
}

fn get(operation: OperationBuilder) -> PathItem {
    PathItem::new(HttpMethod::Get, operation)
}

fn operation(id: &str, summary: &str) -> OperationBuilder {
    let operation = OperationBuilder::new()
        .operation_id(Some(id))
        .tag("system")
        .summary(Some(summary))
        .security(SecurityRequirement::default());
    [414, 431].into_iter().fold(operation, |operation, status| match errors::named(status) {
        Some(error) => operation.response(status.to_string(), error),
        None => operation,
    })
}

fn answer(description: &str, schema: serde_json::Value) -> Response {
    ResponseBuilder::new()
        .description(description)
        .header_ref("X-Request-Id", errors::header("RequestId"))
        .content("application/json", Content::new(Some(raw(schema))))
        .build()
}
