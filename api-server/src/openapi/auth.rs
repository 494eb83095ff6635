//! Signing in: the paths under `/api/v1/auth`, and their schemas.
//!
//! Called while the document is built.

use mainstay_crds::field::text::NO_NUL;
use mainstay_crds::schema::Schema;
use mainstay_crds::schema::json_schema::{Shape, json_schema};
use serde_json::{Value as Json, json};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, PathItem, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ComponentsBuilder, Content, Required};

use super::operations::{ALWAYS, BODY, answer_to, empty, fail, securities};
use super::schemas::{envelope, object};
use super::{errors, parameters, raw, reference};
use crate::service::auth::{LONGEST_PASSWORD, SHORTEST_PASSWORD};

/// Errors of every request that asks for no credential.
const UNSIGNED: [u16; 6] = [400, 406, 414, 431, 503, 504];

/// Adds the paths.
pub fn paths(paths: PathsBuilder) -> PathsBuilder {
    let post = |operation| PathItem::new(HttpMethod::Post, operation);
    let mut one = PathItem::new(HttpMethod::Put, set_password());
    one.parameters = Some(vec![ParameterBuilder::from(parameters::id()).build().into()]);
    paths
        .path("/api/v1/auth/login", post(login()))
        .path("/api/v1/auth/refresh", post(refresh()))
        .path("/api/v1/auth/logout", post(logout()))
        .path("/api/v1/auth/register", post(register()))
        .path("/api/v1/auth/me", PathItem::new(HttpMethod::Get, me()))
        .path("/api/v1/auth/password", PathItem::new(HttpMethod::Put, change_password()))
        .path("/api/v1/auth/passwords/{id}", one)
}

fn login() -> OperationBuilder {
    let operation = open("login", "Sign in", "LoginBody")
        .description(Some(
            "The answer to a wrong address is the one to a wrong password. Who guesses waits, ever longer.",
        ))
        .response("200", tokens("Signed in.").build());
    fail(operation, &[401, 403], &[])
}

fn refresh() -> OperationBuilder {
    let description = "Exchanges a refresh token for the next one, with a new access token. The same request within ten seconds \
        has the same refresh token for an answer, so that it may be repeated; later a token that was used ends its session.";
    let operation = open("refresh", "Refresh tokens", "RefreshBody")
        .description(Some(description))
        .response("200", tokens("New tokens.").build());
    fail(operation, &[401, 403], &[])
}

fn logout() -> OperationBuilder {
    open("logout", "Sign out", "RefreshBody")
        .description(Some("Ends the session of a refresh token. One that is not known is no error."))
        .response("204", empty("Signed out."))
}

fn register() -> OperationBuilder {
    let made = tokens("A user, signed in.").header_ref("Location", errors::header("Location"));
    let operation = open("register", "Become a user", "RegisterBody")
        .description(Some(
            "Where the settings allow it. `email`, `password`, and fields of users that people give themselves.",
        ))
        .response("201", made.build());
    fail(operation, &[403, 409, 422], &[])
}

fn me() -> OperationBuilder {
    let operation = operation("getMe", "Whom the server takes the caller for")
        .securities(Some(securities(false)))
        .response("200", answer_to("The caller.", "MeAnswer").build());
    fail(operation, &ALWAYS, &[])
}

fn change_password() -> OperationBuilder {
    let operation = operation("changePassword", "Change your password")
        .description(Some("Ends every other session. A wrong current password is 403."))
        .securities(Some(securities(false)))
        .request_body(Some(body("ChangePasswordBody")))
        .response("204", empty("Changed."));
    let operation = fail(operation, &ALWAYS, &BODY);
    fail(operation, &[403], &[])
}

fn set_password() -> OperationBuilder {
    let operation = operation("setPassword", "Set the password of a user")
        .description(Some("For admin. Ends every session of the user."))
        .securities(Some(securities(false)))
        .request_body(Some(body("SetPasswordBody")))
        .response("204", empty("Set."));
    let operation = fail(operation, &ALWAYS, &BODY);
    fail(operation, &[403, 404], &[])
}

fn operation(id: &str, summary: &str) -> OperationBuilder {
    OperationBuilder::new().operation_id(Some(id)).tag("auth").summary(Some(summary))
}

/// An operation without a credential.
fn open(id: &str, summary: &str, schema: &str) -> OperationBuilder {
    let operation =
        operation(id, summary).securities(Some([SecurityRequirement::default()])).request_body(Some(body(schema)));
    fail(operation, &UNSIGNED, &BODY)
}

fn body(schema: &str) -> utoipa::openapi::request_body::RequestBody {
    let content = Content::new(Some(raw(reference(schema))));
    RequestBodyBuilder::new().required(Some(Required::True)).content("application/json", content).build()
}

fn tokens(description: &str) -> ResponseBuilder {
    answer_to(description, "TokensAnswer").header_ref("Cache-Control", errors::header("NoStore"))
}

/// Adds the schemas.
pub fn schemas(components: ComponentsBuilder, schema: &Schema) -> ComponentsBuilder {
    let text = |most: usize| json!({ "type": "string", "minLength": 1, "maxLength": most, "pattern": NO_NUL });
    let current = text(LONGEST_PASSWORD);
    let email = text(254);
    let closed = |required: &[&str], properties: Json| {
        let mut body = object(required, properties);
        body["additionalProperties"] = json!(false);
        raw(body)
    };
    components
        .schema("LoginBody", closed(&["email", "password"], json!({ "email": email, "password": current })))
        .schema("RefreshBody", closed(&["refresh_token"], json!({ "refresh_token": text(200) })))
        .schema("ChangePasswordBody", closed(&["current", "new"], json!({ "current": current, "new": password() })))
        .schema("SetPasswordBody", closed(&["password"], json!({ "password": password() })))
        .schema("RegisterBody", raw(register_body(schema)))
        .schema("TokensAnswer", raw(envelope(token_members(), &[])))
        .schema("MeAnswer", raw(envelope(me_members(), &[])))
}

/// A new one. That it is none of those that are tried first is not told by a schema.
fn password() -> Json {
    json!({
        "type": "string", "format": "password", "minLength": SHORTEST_PASSWORD, "maxLength": LONGEST_PASSWORD,
        "pattern": NO_NUL,
        "example": "correct horse battery staple",
        "description": "The server may ask for more characters. Neither the e-mail address nor one that is tried first.",
    })
}

/// The body of a create of `users`, with a password and without what people do not give themselves.
fn register_body(schema: &Schema) -> Json {
    let Some(users) = schema.get("users") else { return json!({ "type": "object" }) };
    let mut body = json_schema(users, Shape::Create);
    let own = |name: &str| {
        name != "id" && users.fields.iter().any(|field| field.name.as_str() == name && field.write_roles.is_none())
    };
    if let Some(properties) = body["properties"].as_object_mut() {
        properties.retain(|name, _| own(name));
        properties.insert("password".to_owned(), password());
    }
    if let Some(required) = body["required"].as_array_mut() {
        required.push(json!("password"));
    }
    body
}

fn token_members() -> Json {
    let seconds =
        |description: &str| json!({ "type": "integer", "format": "int64", "minimum": 0, "description": description });
    object(
        &["access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in"],
        json!({
            "access_token": { "type": "string", "description": "A JWT of RFC 9068, for `Authorization: Bearer`." },
            "token_type": { "type": "string", "enum": ["Bearer"] },
            "expires_in": seconds("Seconds for which the access token is valid."),
            "refresh_token": { "type": "string", "description": "For the next tokens; it may be used once." },
            "refresh_expires_in": seconds("Seconds after which the session ends, unless it is refreshed."),
        }),
    )
}

fn me_members() -> Json {
    let nullable = |format: Json, description: &str| {
        let mut schema = json!({ "type": ["string", "null"], "description": description });
        if let (Some(format), Some(members)) = (format.as_str(), schema.as_object_mut()) {
            members.insert("format".to_owned(), json!(format));
        }
        schema
    };
    object(
        &["kind", "id", "email", "name", "roles"],
        json!({
            "kind": { "type": "string", "enum": ["user", "machine", "admin"] },
            "id": nullable(json!("uuid"), "Of the record of users; null for keys."),
            "email": nullable(Json::Null, "Of a person."),
            "name": nullable(Json::Null, "Of a person, or of a key."),
            "roles": { "type": "array", "items": { "type": "string" }, "description": "What access rules may name." },
        }),
    )
}
