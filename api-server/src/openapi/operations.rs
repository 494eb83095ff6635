//! The operations of a collection, each with every status that it can answer and no other.
//!
//! Called while the document is built. The list of errors follows `service/records` and `http/records.rs`: whoever
//! lets an operation fail in a new way adds the status here.

use mainstay_crds::schema::Rule;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, PathItem, PathsBuilder};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, Required, Response};

use super::{View, anonymous, errors, parameters, raw, reference, unconditional};

mod questions;
mod transfer;

/// Errors of every request under `/api`.
pub(super) const ALWAYS: [u16; 7] = [400, 401, 406, 414, 431, 503, 504];
/// Errors of every request with a body.
pub(super) const BODY: [u16; 3] = [408, 413, 415];

/// Said in words alone, so that clients that are generated may count on a body.
const MINIMAL: &str = "With `Prefer: return=minimal` (RFC 7240) the answer has no body.";

/// Adds the paths of a collection.
pub fn paths(paths: PathsBuilder, view: &View<'_>) -> PathsBuilder {
    let collection = format!("/api/v1/{}", view.collection.name);
    let record = format!("{collection}/{{id}}");
    let mut all = PathItem::new(HttpMethod::Get, list(view));
    all.merge_operations(PathItem::new(HttpMethod::Post, once(create(view))));
    all.merge_operations(PathItem::new(HttpMethod::Patch, once(update_many(view))));
    all.merge_operations(PathItem::new(HttpMethod::Delete, once(delete_many(view))));
    let mut one = PathItem::new(HttpMethod::Get, get(view));
    one.merge_operations(PathItem::new(HttpMethod::Put, once(replace(view))));
    one.merge_operations(PathItem::new(HttpMethod::Patch, once(update(view))));
    one.merge_operations(PathItem::new(HttpMethod::Delete, once(delete(view))));
    one.parameters = Some(vec![ParameterBuilder::from(parameters::id()).build().into()]);
    let search = PathItem::new(HttpMethod::Post, questions::search(view));
    let aggregate = PathItem::new(HttpMethod::Get, questions::aggregate(view));
    let export = PathItem::new(HttpMethod::Get, transfer::export(view));
    let import = PathItem::new(HttpMethod::Post, transfer::import(view));
    let history = view.collection.history.map(|keep| PathItem::new(HttpMethod::Get, questions::history(view, keep)));
    let paths = match history {
        Some(history) => paths.path(format!("{record}/history"), history),
        None => paths,
    };
    paths
        .path(format!("{collection}/search"), search)
        .path(format!("{collection}/aggregate"), aggregate)
        .path(format!("{collection}/export"), export)
        .path(format!("{collection}/import"), import)
        .path(collection, all)
        .path(record, one)
}

fn list(view: &View<'_>) -> OperationBuilder {
    let names = view.singular();
    let page = answer("One page.", "List", view).header_ref("Link", errors::header("Link"));
    let rules = &view.collection.access.read;
    let operation = operation(view, format!("list{}", names.many), "List", &[rules])
        .parameters(Some(parameters::list(view)))
        .response("200", page.build());
    fail(operation, &ALWAYS, &forbidden(view, &[rules], false))
}

fn create(view: &View<'_>) -> OperationBuilder {
    let description = format!("Made. An array answers with an array, without `Location` and `ETag`.{}", hidden(view));
    let made = answer(&description, "Created", view).header_ref("Location", errors::header("Location"));
    let rules = &view.collection.access.create;
    let on_conflict = parameters::on_conflict(view);
    let upserts = on_conflict.is_some();
    let description = format!("One record, or with an array up to 1000 of them: all or none. {MINIMAL}");
    let operation = operation(view, format!("create{}", view.singular().one), "Create", &[rules])
        .description(Some(description))
        .parameters(on_conflict.map(|parameter| [parameter]))
        .request_body(Some(body(view, "CreateBody", &["application/json"])))
        .response("201", made.header_ref("ETag", errors::header("ETag")).build());
    let operation = fail(operation, &ALWAYS, &BODY);
    if !upserts {
        return fail(operation, &forbidden(view, &[rules], true), &[]);
    }
    let whole = answer("Changed, by `on_conflict`; of an array, every record.", "Created", view);
    let operation = operation
        .response("200", whole.header_ref("ETag", errors::header("ETag")).build())
        .response("204", empty("Changed, by `on_conflict`, without a body as with 201."));
    let both = [rules.as_slice(), view.collection.access.update.as_slice()];
    fail(operation, &forbidden(view, &both, true), &precondition(view))
}

fn update_many(view: &View<'_>) -> OperationBuilder {
    let rules = &view.collection.access.update;
    let types = ["application/merge-patch+json", "application/json"];
    let operation = bulk(view, "Update", "A merge patch of every record that passes the filters, or of none.", rules)
        .request_body(Some(body(view, "Patch", &types)));
    fail(operation, &BODY, &forbidden(view, &[rules], true))
}

fn delete_many(view: &View<'_>) -> OperationBuilder {
    let rules = &view.collection.access.delete;
    let operation = bulk(view, "Delete", "Deletes every record that passes the filters, or none.", rules);
    fail(operation, &forbidden(view, &[rules], false), &[])
}

/// A change of many records: how many passed the filters.
fn bulk(view: &View<'_>, verb: &str, description: &str, rules: &[Rule]) -> OperationBuilder {
    let operation = operation(view, format!("bulk{verb}{}", view.singular().many), verb, &[rules])
        .summary(Some(format!("{verb} many of {}", view.collection.name)))
        .description(Some(description))
        .parameters(Some(parameters::bulk(view)))
        .response("200", answer_to("How many.", "AffectedAnswer").build());
    fail(operation, &ALWAYS, &precondition(view))
}

fn get(view: &View<'_>) -> OperationBuilder {
    let rules = &view.collection.access.read;
    let fields = "Takes `fields` too, as the list does. It is not among the parameters, so that generated clients may \
        count on every field here; with it the answer has no `ETag`.";
    let conditions = ["If-Match", "If-None-Match"].map(|name| parameters::condition(name, false));
    let whole = answer("The record.", "Answer", view).header_ref("ETag", errors::header("ETag"));
    let same = ResponseBuilder::new()
        .description("The record is still the one of `If-None-Match`.")
        .header_ref("ETag", errors::header("ETag"))
        .header_ref("X-Request-Id", errors::header("RequestId"));
    let operation = operation(view, format!("get{}", view.singular().one), "Get", &[rules])
        .description(Some(fields))
        .parameters(Some(conditions.into_iter().chain(parameters::included(view))))
        .response("200", whole.build())
        .response("304", same.build());
    let operation = fail(operation, &ALWAYS, &[404, 412]);
    fail(operation, &forbidden(view, &[rules], false), &[])
}

fn replace(view: &View<'_>) -> OperationBuilder {
    let access = &view.collection.access;
    let rules = [access.update.as_slice(), access.create.as_slice()];
    let conditions = ["If-Match", "If-None-Match"].map(|name| parameters::condition(name, false));
    let description = format!("Made: the id was new.{}", hidden(view));
    let made = answer(&description, "Answer", view).header_ref("Location", errors::header("Location"));
    let operation = operation(view, format!("replace{}", view.singular().one), "Replace, or create", &rules)
        .description(Some(format!(
            "An absent field takes its default or null; an absent write-only or immutable one keeps its value. {MINIMAL}"
        )))
        .parameters(Some(conditions))
        .request_body(Some(body(view, "Update", &["application/json"])))
        .response("201", made.header_ref("ETag", errors::header("ETag")).build());
    let operation = changed(operation, view);
    let operation = fail(operation, &ALWAYS, &BODY);
    let operation = fail(operation, &[412], &precondition(view));
    fail(operation, &forbidden(view, &rules, true), &[])
}

fn update(view: &View<'_>) -> OperationBuilder {
    let rules = &view.collection.access.update;
    let types = ["application/merge-patch+json", "application/json"];
    let mut patch = body(view, "Patch", &types);
    let operations = Content::new(Some(raw(reference("JsonPatch"))));
    patch.content.insert("application/json-patch+json".to_owned(), operations.into());
    let operation = operation(view, format!("update{}", view.singular().one), "Update", &[rules])
        .description(Some(format!(
            "A merge patch (RFC 7396): null sets a field to null, an absent field keeps its value. Or a JSON Patch \
             (RFC 6902): operations on the record as the caller reads it, all or none. {MINIMAL}"
        )))
        .parameter(parameters::condition("If-Match", view.collection.require_precondition))
        .request_body(Some(patch));
    let operation = changed(operation, view);
    let operation = fail(operation, &ALWAYS, &BODY);
    let operation = fail(operation, &[404, 412], &precondition(view));
    fail(operation, &forbidden(view, &[rules], true), &[])
}

fn delete(view: &View<'_>) -> OperationBuilder {
    let rules = &view.collection.access.delete;
    let operation = operation(view, format!("delete{}", view.singular().one), "Delete", &[rules])
        .parameter(parameters::condition("If-Match", view.collection.require_precondition))
        .response("204", empty("Deleted."));
    let operation = fail(operation, &ALWAYS, &[404, 412]);
    fail(operation, &precondition(view), &forbidden(view, &[rules], false))
}

fn operation(view: &View<'_>, id: String, verb: &str, rules: &[&[Rule]]) -> OperationBuilder {
    let what = match verb {
        "List" | "Search" | "Aggregate" | "Export" | "Import" => view.collection.name.to_string(),
        _ => format!("one of {}", view.collection.name),
    };
    OperationBuilder::new()
        .operation_id(Some(id))
        .tag(view.collection.name.as_str())
        .summary(Some(format!("{verb} {what}")))
        .securities(Some(securities(rules.iter().any(|rules| anonymous(rules)))))
}

/// A key either way, or where it is open nothing.
pub(super) fn securities(open: bool) -> impl Iterator<Item = SecurityRequirement> {
    let none: [&str; 0] = [];
    let keys = ["apiKey", "bearer"].map(|scheme| SecurityRequirement::new(scheme, none));
    open.then(SecurityRequirement::default).into_iter().chain(keys)
}

/// A write, which may happen once: 409 and 422 come of a key too, that is under way or was used for another request, so that
/// every write has both whatever its collection is like.
pub(super) fn once(operation: OperationBuilder) -> OperationBuilder {
    fail(operation.parameter(parameters::idempotency_key()), &[409, 422], &[])
}

pub(super) fn fail(operation: OperationBuilder, some: &[u16], more: &[u16]) -> OperationBuilder {
    some.iter().chain(more).fold(operation, |operation, status| match errors::named(*status) {
        Some(error) => operation.response(status.to_string(), error),
        None => operation,
    })
}

/// 403, unless every caller may do it with every record and every field.
fn forbidden(view: &View<'_>, rules: &[&[Rule]], writes: bool) -> Vec<u16> {
    let restricted = writes && view.collection.fields.iter().any(|field| field.write_roles.is_some());
    if rules.iter().all(|rules| unconditional(rules)) && !restricted { Vec::new() } else { vec![403] }
}

fn precondition(view: &View<'_>) -> Vec<u16> {
    if view.collection.require_precondition { vec![428] } else { Vec::new() }
}

fn hidden(view: &View<'_>) -> &'static str {
    if view.hides_what_it_wrote() { " Without a body when the caller may not read it." } else { "" }
}

/// The answers to a change: the record, or nothing for a caller who may not read it.
fn changed(operation: OperationBuilder, view: &View<'_>) -> OperationBuilder {
    let whole = answer("The record as it is now.", "Answer", view).header_ref("ETag", errors::header("ETag"));
    let without = match view.hides_what_it_wrote() {
        true => "Changed, with `Prefer: return=minimal`, or when the caller may not read the record as it is now.",
        false => "Changed, with `Prefer: return=minimal`.",
    };
    operation.response("200", whole.build()).response("204", empty(without))
}

fn answer(description: &str, suffix: &str, view: &View<'_>) -> ResponseBuilder {
    answer_to(description, &view.singular().schema(suffix))
}

/// An answer of a component schema.
pub(super) fn answer_to(description: &str, schema: &str) -> ResponseBuilder {
    ResponseBuilder::new()
        .description(description)
        .header_ref("X-Request-Id", errors::header("RequestId"))
        .header_ref("Vary", errors::header("Vary"))
        .content("application/json", Content::new(Some(raw(reference(schema)))))
}

pub(super) fn empty(description: &str) -> Response {
    ResponseBuilder::new().description(description).header_ref("X-Request-Id", errors::header("RequestId")).build()
}

fn body(view: &View<'_>, suffix: &str, types: &[&str]) -> RequestBody {
    let content = || Content::new(Some(raw(view.singular().reference(suffix))));
    let body = RequestBodyBuilder::new().required(Some(Required::True));
    types.iter().fold(body, |body, media_type| body.content(*media_type, content())).build()
}
