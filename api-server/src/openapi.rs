//! The OpenAPI 3.1 document of one backend, built once from its schema.
//!
//! Called by `serve` at start and by `mainstay openapi`. It promises exactly what the server does: every parameter,
//! every status that an operation can answer and no other. Pure: it reads neither configuration nor database.
//! Why the shapes are what they are: docs/decisions/0004-openapi-shapes.md.

use std::collections::BTreeMap;

use mainstay_crds::filter::Filter;
use mainstay_crds::schema::{Collection, Rule, Schema};
use serde_json::{Value as Json, json};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::tag::Tag;
use utoipa::openapi::{
    Components, ComponentsBuilder, Info, ObjectBuilder, OpenApi, OpenApiBuilder, PathsBuilder, Ref, RefOr, Server,
};

use crate::query::page;
use names::{Names, Singular};

mod auth;
mod batch;
pub mod breaking;
mod errors;
mod keys;
mod limits;
mod names;
mod operations;
mod parameters;
mod schemas;
mod system;
#[cfg(test)]
mod tests;

/// The document of a backend with these collections and page sizes. Serialize it with [`to_json`].
pub fn document(schema: &Schema, page: page::Limits) -> OpenApi {
    let names = Names::of(schema);
    let paths = batch::path(system::paths(PathsBuilder::new()), schema);
    let mut paths = keys::paths(auth::paths(paths), page);
    let components = batch::schemas(schemas::shared(ComponentsBuilder::new()), schema);
    let mut components = keys::schemas(auth::schemas(components, schema));
    let about = |name: &str, text: &str| Tag::builder().name(name).description(Some(text)).build();
    let mut tags = vec![
        about("system", "The server itself."),
        about("auth", "People who sign in."),
        about("batch", "Records of any collections together."),
        about("keys", "API keys of machines, for admin."),
    ];
    for collection in &schema.collections {
        let view = View { schema, collection, names: &names, page };
        paths = operations::paths(paths, &view);
        components = schemas::of(components, &view);
        tags.push(tag(collection));
    }
    let paths = paths.build();
    let components = errors::components(components, &paths);
    let description = "Typed records over HTTP. Answers are `{\"success\":true,\"data\":…}`, errors \
        `{\"success\":false,\"error\":…,\"code\":…}` or, with `Accept: application/problem+json`, those of RFC 9457. \
        Unknown parameters are refused, never ignored.";
    let mut info = Info::new(breaking::TITLE, env!("CARGO_PKG_VERSION"));
    info.description = Some(description.to_owned());
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new("/")]))
        .tags(Some(tags))
        .paths(paths)
        .components(Some(secured(components)))
        .build()
}

/// The document as a server publishes it: with the answers of rate limits, which a key may have though the settings have none.
pub fn published(schema: &Schema, page: page::Limits) -> OpenApi {
    let mut document = document(schema, page);
    limits::declare(&mut document);
    document
}

/// The document as text: the same bytes for the same schema, in any process.
///
/// Errors: none that a document of [`document`] can cause.
pub fn to_json(document: &OpenApi) -> Result<String, serde_json::Error> {
    // Serialized twice because the library keeps schema keywords in a hash map, whose order differs by process.
    serde_json::to_string_pretty(&serde_json::to_value(document)?)
}

/// A collection and what surrounds it.
struct View<'a> {
    schema: &'a Schema,
    collection: &'a Collection,
    names: &'a Names,
    page: page::Limits,
}

impl<'a> View<'a> {
    fn singular(&self) -> &'a Singular {
        self.names.get(&self.collection.name)
    }

    /// Whether somebody may write a record that they may not read, and so get no body back.
    fn hides_what_it_wrote(&self) -> bool {
        !unconditional(&self.collection.access.read)
    }
}

/// Whether rules let an anonymous caller do something: one that names what only known callers have grants nothing.
fn anonymous(rules: &[Rule]) -> bool {
    let open = |rule: &Rule| !rule.condition.as_ref().is_some_and(Filter::names_caller);
    rules.iter().any(|rule| open(rule) && rule.roles.iter().any(|role| role == "anyone"))
}

/// Whether rules let every caller do it with every record.
fn unconditional(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| rule.condition.is_none() && rule.roles.iter().any(|role| role == "anyone"))
}

fn tag(collection: &Collection) -> Tag {
    let name = collection.name.as_str();
    let description = collection.description.clone().unwrap_or_else(|| format!("Records of {name}."));
    Tag::builder().name(name).description(Some(description)).build()
}

fn secured(components: ComponentsBuilder) -> Components {
    let key = ApiKeyValue::with_description("X-API-Key", "A key of this backend.");
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description =
        Some("A key of this backend, or the access token of a person, as RFC 6750 sends it.".to_owned());
    components
        .security_scheme("apiKey", SecurityScheme::ApiKey(ApiKey::Header(key)))
        .security_scheme("bearer", SecurityScheme::Http(bearer))
        .build()
}

/// A JSON Schema as it is: the library's own types know a part of the keywords and sort out the rest.
fn raw(schema: Json) -> RefOr<utoipa::openapi::Schema> {
    let keywords: BTreeMap<String, Json> = match schema {
        Json::Object(keywords) => keywords.into_iter().collect(),
        _ => BTreeMap::new(),
    };
    if let (1, Some(Json::String(target))) = (keywords.len(), keywords.get("$ref")) {
        return Ref::new(target.clone()).into();
    }
    let keywords: Extensions = keywords.into_iter().collect();
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).extensions(Some(keywords)).into()
}

/// A reference to a component schema.
fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}
