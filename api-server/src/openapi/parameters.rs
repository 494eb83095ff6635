//! Parameters: every filter that a field's kind allows, typed; sorting, paging, selection; conditional headers.
//!
//! Called while the document is built. A filter's schema is that of the operand, without the rules that bind only
//! stored values: `title=ab` is a fair question where titles have three characters.

use mainstay_crds::field::text::NO_NUL;
use mainstay_crds::filter::Op;
use mainstay_crds::name::Name;
use mainstay_crds::schema::{Collection, Field};
use mainstay_crds::words::RELEVANCE;
use mainstay_crds::words::query::MAX_CHARACTERS;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};

use super::{View, raw};
use crate::query::bulk::MAX_AFFECTED;
use crate::query::filter::MAX_VALUES;
use crate::query::page::MAX_OFFSET;
use crate::query::{Context, RESERVED, aggregate, include, upsert};

/// Beyond this many paths only the shorter ones are listed.
const MAX_INCLUDE_PATHS: usize = 200;

/// What `q` means.
pub const WORDS: &str = "Records that have all these words; a word stands for all of its stem, where the collection has a \
    language. `\"tall tree\"` is a phrase of these very words, `rain*` the beginning of one, and `-rain` leaves records out. What \
    is written without a space is a phrase.";
/// One or more entity tags, or `*`; RFC 9110, section 13.1.
const ENTITY_TAGS: &str = r#"^(\*|(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*")*)$"#;
/// What base64url is written with.
pub const CURSOR: &str = "^[A-Za-z0-9_-]+$";

/// Parameters of a list.
pub fn list(view: &View<'_>) -> Vec<Parameter> {
    let mut parameters = all_filters(view);
    parameters.extend(sort(&sort_keys(view)));
    parameters.push(limit(view, "Most records on a page."));
    let offset = json!({ "type": "integer", "format": "int32", "minimum": 0, "maximum": MAX_OFFSET });
    parameters.push(query("offset", "Skips this many records. For more, use `cursor`.", offset));
    let cursor = "Goes on after the last page: its `next_cursor` as it is, with the same filters and sort, without \
        `offset`. Any other is refused.";
    parameters.push(query("cursor", cursor, json!({ "type": "string", "pattern": CURSOR })));
    let names = names(view);
    let fields = "Answers these fields alone.";
    parameters.push(set("fields", fields, &names, names.len()));
    parameters.extend(included(view));
    let count = json!({ "type": "string", "enum": ["exact"] });
    parameters.push(query("count", "Counts all matches, as `meta.total`.", count));
    parameters
}

/// Parameters of a history, the record's id among them.
pub fn history(view: &View<'_>) -> Vec<Parameter> {
    let cursor = "Goes on after the last page of this record: its `next_cursor` as it is. Any other is refused.";
    let cursor = query("cursor", cursor, json!({ "type": "string", "pattern": CURSOR }));
    vec![id(), limit(view, "Most versions on a page."), cursor]
}

fn limit(view: &View<'_>, description: &str) -> Parameter {
    let schema = json!({ "type": "integer", "format": "int32", "minimum": 1, "maximum": view.page.max, "default": view.page.default });
    query("limit", description, schema)
}

/// Parameters of a bulk change.
pub fn bulk(view: &View<'_>) -> Vec<Parameter> {
    let mut parameters = all_filters(view);
    let schema = json!({ "type": "integer", "format": "int32", "minimum": 1, "maximum": MAX_AFFECTED });
    let description = "How many records may pass the filters; when there are more, none is changed.";
    parameters.push(builder("max_affected", description, schema).required(Required::True).build());
    parameters
}

fn all_filters(view: &View<'_>) -> Vec<Parameter> {
    filters_beside(view, &[])
}

/// The filters of all fields, where `taken` are parameters beside those that are reserved everywhere, and `q`.
fn filters_beside(view: &View<'_>, taken: &[&str]) -> Vec<Parameter> {
    let filters = readable(view).flat_map(|field| filters(field, taken));
    let words = view.collection.search.iter().map(|_| query("q", WORDS, words()));
    filters.chain(words).collect()
}

/// What `q` may be.
pub fn words() -> Json {
    json!({ "type": "string", "minLength": 1, "maxLength": MAX_CHARACTERS })
}

/// `on_conflict`, where there is a unique key to name.
pub fn on_conflict(view: &View<'_>) -> Option<Parameter> {
    let visible = |collection: &Collection, field: usize| !collection.fields[field].write_only;
    let context = Context { collection: view.collection, schema: view.schema, visible: &visible, page: view.page };
    let names = upsert::names(context);
    let description = "A unique key: the record that has the given values of it is changed, as by a merge patch. They must be \
        given.";
    (!names.is_empty()).then(|| query("on_conflict", description, json!({ "type": "string", "enum": names })))
}

/// Parameters of an aggregate.
pub fn aggregate(view: &View<'_>) -> Vec<Parameter> {
    let mut parameters = filters_beside(view, &aggregate::NAMES);
    let count = json!({ "type": "boolean", "enum": [true] });
    parameters.push(query("count", "Counts the records.", count));
    let mut fields = |name: &str, description: &str, fits: fn(&Field) -> bool| {
        let names: Vec<&str> = readable(view).filter(|field| fits(field)).map(|field| field.name.as_str()).collect();
        parameters.push(set(name, description, &names, names.len()));
    };
    fields("sum", "Adds up the values of these fields.", aggregate::adds_up);
    fields("avg", "Takes the mean of these fields' values.", aggregate::adds_up);
    fields("min", "Takes the least value of these fields.", aggregate::has_order);
    fields("max", "Takes the greatest value of these fields.", aggregate::has_order);
    let group = "One element for each combination of these fields' values, in their order; at most 1000.";
    fields("group", group, aggregate::groups);
    parameters
}

/// Parameters of an export: a list's, less its pages. A field called `format` is filtered by `format__eq`.
pub fn export(view: &View<'_>) -> Vec<Parameter> {
    let mut parameters = filters_beside(view, &["format"]);
    parameters.extend(sort(&field_keys(view)));
    let names = names(view);
    parameters.push(set("fields", "Writes these fields alone.", &names, names.len()));
    let formats = json!({ "type": "string", "enum": ["ndjson", "csv"] });
    parameters.push(query("format", "A JSON object a line (the default), or CSV with names first.", formats));
    parameters
}

/// Parameters of an import.
pub fn import(view: &View<'_>) -> Vec<Parameter> {
    let on_error = json!({ "type": "string", "enum": ["stop", "skip"] });
    let skip =
        "`skip` leaves bad lines out and goes on; else a batch with a bad line is not written and ends the import.";
    let atomic = "All lines or none, at most 10000 of them. Not with `on_error=skip`.";
    let own = [
        query("on_error", skip, on_error),
        query("dry_run", "Judges every line and changes nothing.", json!({ "type": "boolean" })),
        query("atomic", atomic, json!({ "type": "boolean" })),
    ];
    own.into_iter().chain(on_conflict(view)).collect()
}

/// `include`, where there is a reference to follow.
pub fn included(view: &View<'_>) -> Option<Parameter> {
    let paths = include_paths(view);
    let description = "Adds the records that these references point to, and those of collections that refer to this one, \
        as `included`. Follows at most 10 references in all.";
    (!paths.is_empty()).then(|| set("include", description, &paths, include::MAX_PATHS.min(paths.len())))
}

/// The record's id in the path.
pub fn id() -> Parameter {
    let schema = raw(json!({ "type": "string", "format": "uuid" }));
    ParameterBuilder::new()
        .name("id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("The record's id: any UUID (RFC 9562) but nil and max."))
        .schema(Some(schema))
        .build()
}

/// `If-Match` or `If-None-Match`.
pub fn condition(name: &str, required: bool) -> Parameter {
    let description = match name {
        "If-Match" => "Goes on only while the record's `ETag` is one of these; `*` is any.",
        _ => "Goes on only unless the record's `ETag` is one of these; `*` is any.",
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(if required { Required::True } else { Required::False })
        .description(Some(description))
        .schema(Some(raw(json!({ "type": "string", "pattern": ENTITY_TAGS }))))
        .build()
}

/// `Idempotency-Key`.
pub fn idempotency_key() -> Parameter {
    let description = "The request has its effect once: sent again within 24 hours, it is answered as before, with \
        `Idempotency-Replayed: true`. Needs a credential.";
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(raw(json!({ "type": "string", "pattern": "^[!-~]{1,255}$" }))))
        .build()
}

fn readable<'a>(view: &'a View<'_>) -> impl Iterator<Item = &'a Field> {
    view.collection.fields.iter().filter(|field| !field.write_only)
}

/// The names of fields that may be answered.
pub fn names(view: &View<'_>) -> Vec<String> {
    readable(view).map(|field| field.name.to_string()).collect()
}

/// The filters of a field, where `taken` are parameters beside those that are reserved everywhere.
fn filters<'a>(field: &'a Field, taken: &'a [&str]) -> impl Iterator<Item = Parameter> + 'a {
    field.kind.operators().iter().map(move |op| filter(field, *op, taken))
}

fn filter(field: &Field, op: Op, taken: &[&str]) -> Parameter {
    let name = field.name.as_str();
    let bare = op == Op::Eq && !RESERVED.contains(&name) && !taken.contains(&name);
    let parameter = if bare { name.to_owned() } else { format!("{name}__{}", op.name()) };
    let description = format!("Records whose `{name}` {}.", says(op));
    match op {
        Op::Isnull => query(&parameter, &description, json!({ "type": "boolean" })),
        Op::In | Op::Nin => {
            let description = format!("{description} A comma in a value is written `\\,`.");
            array(&parameter, &description, operand(field, op), MAX_VALUES).build()
        }
        _ => query(&parameter, &description, operand(field, op)),
    }
}

fn says(op: Op) -> &'static str {
    match op {
        Op::Eq => "is this",
        Op::Ne => "is something else; null is neither",
        Op::Gt => "is greater",
        Op::Gte => "is this or greater",
        Op::Lt => "is less",
        Op::Lte => "is this or less",
        Op::In => "is one of these",
        Op::Nin => "is none of these; null is neither",
        Op::Contains => "contains this",
        Op::Icontains => "contains this, A–Z and a–z alike",
        Op::Startswith => "begins with this",
        Op::Isnull => "is null, or with `false` is not",
        Op::Has => "has this among its items",
    }
}

/// The schema of an operand: form and range of the kind, none of the field's own rules.
fn operand(field: &Field, op: Op) -> Json {
    let item = field.kind.item().filter(|_| op == Op::Has);
    let (kind, schema) = match item {
        Some(item) => (item.name(), item.json_schema()),
        None => (field.kind.name(), field.kind.json_schema()),
    };
    if kind == "text" {
        return json!({ "type": "string", "pattern": NO_NUL });
    }
    let kept = ["type", "format", "enum", "pattern"];
    let all = schema.as_object().cloned().unwrap_or_default();
    let mut schema: Map<String, Json> =
        all.into_iter().filter(|(keyword, _)| kept.contains(&keyword.as_str())).collect();
    if kind == "integer" {
        schema.insert("minimum".to_owned(), json!(-9_007_199_254_740_991_i64));
        schema.insert("maximum".to_owned(), json!(9_007_199_254_740_991_i64));
    }
    // The form of a decimal says that it is not negative when its minimum says so; a question may be.
    if let (Some(pattern), "decimal") = (schema.get("pattern").and_then(Json::as_str), kind)
        && !pattern.starts_with("^-?")
    {
        let signed = pattern.replacen('^', "^-?", 1);
        schema.insert("pattern".to_owned(), json!(signed));
    }
    Json::Object(schema)
}

/// The keys that a page may be sorted by: fields in both directions, and relevance where there are words to ask for.
pub fn sort_keys(view: &View<'_>) -> Vec<String> {
    let relevance = view.collection.search.iter().map(|_| RELEVANCE.to_owned());
    field_keys(view).into_iter().chain(relevance).collect()
}

fn field_keys(view: &View<'_>) -> Vec<String> {
    let sortable = readable(view).filter(|field| field.kind.sortable());
    sortable.flat_map(|field| [field.name.to_string(), format!("-{}", field.name)]).collect()
}

fn sort(keys: &[String]) -> Option<Parameter> {
    let by_fields = "The order: fields, from high to low with `-`, each at most once. Null comes before every value. \
        The id is always the last key.";
    let by_relevance =
        " Or `relevance` alone, with `q`: those first that answer it the best, in pages by `offset`, not by `cursor`.";
    let is_ranked = keys.iter().any(|key| key == RELEVANCE);
    let description = format!("{by_fields}{}", if is_ranked { by_relevance } else { "" });
    (!keys.is_empty()).then(|| set("sort", &description, keys, keys.len() / 2))
}

/// Dotted paths of references, shorter ones first.
pub fn include_paths(view: &View<'_>) -> Vec<String> {
    let mut paths = Vec::new();
    let mut edge: Vec<(String, &Name)> = vec![(String::new(), &view.collection.name)];
    for _ in 0..include::MAX_DEPTH {
        edge = edge.iter().flat_map(|(path, name)| steps(view, path, name)).collect();
        if paths.len() + edge.len() > MAX_INCLUDE_PATHS {
            break;
        }
        paths.extend(edge.iter().map(|(path, _)| path.clone()));
    }
    paths
}

/// The references of one collection and those to it, as longer paths with the collections that they lead to.
fn steps<'a>(view: &View<'a>, path: &str, collection: &Name) -> Vec<(String, &'a Name)> {
    let schema = view.schema;
    let Some(collection) = schema.get(collection.as_str()) else { return Vec::new() };
    let own: Vec<&Field> = collection.fields.iter().filter(|f| !f.write_only && f.target().is_some()).collect();
    let referrers = schema.referrers(collection.name.as_str());
    let referrers: Vec<_> = referrers.filter(|(from, field)| !from.fields[*field].write_only).collect();
    let longer = |step: String| if path.is_empty() { step } else { format!("{path}.{step}") };
    let forward = own.iter().filter_map(|field| Some((longer(field.name.to_string()), field.target()?)));
    let reverse = referrers.iter().map(|(from, field)| {
        let one = referrers.iter().filter(|(other, _)| other.name == from.name).count() == 1;
        let plain = one && !own.iter().any(|field| field.name.as_str() == from.name.as_str());
        let step = if plain { from.name.to_string() } else { include::spelled(from, *field) };
        (longer(step), &from.name)
    });
    forward.chain(reverse).collect()
}

/// A parameter of the query.
pub fn query(name: &str, description: &str, schema: Json) -> Parameter {
    builder(name, description, schema).build()
}

/// A list of values in one parameter, separated by commas.
fn array(name: &str, description: &str, item: Json, max: usize) -> ParameterBuilder {
    let schema = json!({ "type": "array", "items": item, "minItems": 1, "maxItems": max });
    builder(name, description, schema).style(Some(ParameterStyle::Form)).explode(Some(false))
}

/// As [`array()`], of words that may each be there once.
fn set(name: &str, description: &str, words: &[impl Serialize], max: usize) -> Parameter {
    let item = json!({ "type": "string", "enum": words });
    let schema = json!({ "type": "array", "items": item, "minItems": 1, "maxItems": max, "uniqueItems": true });
    array(name, description, Json::Null, max).schema(Some(raw(schema))).build()
}

fn builder(name: &str, description: &str, schema: Json) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(raw(schema)))
}
