//! The operations that move whole collections: export and import.
//!
//! Called while the document is built.

use mainstay_crds::schema::Rule;
use serde_json::json;
use utoipa::openapi::path::OperationBuilder;
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::{Content, Required};

use super::super::{View, errors, parameters, raw, reference};
use super::{ALWAYS, BODY, fail, forbidden, operation};

/// Records as lines, in either form.
const MEDIA: [&str; 2] = ["application/x-ndjson", "text/csv"];

pub fn export(view: &View<'_>) -> OperationBuilder {
    let lines = || Content::new(Some(raw(json!({ "type": "string" }))));
    let answer = ResponseBuilder::new()
        .description("The records, as a stream. One that breaks off is not whole.")
        .header_ref("X-Request-Id", errors::header("RequestId"))
        .header_ref("Vary", errors::header("Vary"));
    let answer = MEDIA.iter().fold(answer, |answer, media| answer.content(*media, lines()));
    let rules = &view.collection.access.read;
    let description = "Every record that fits, without a limit of time or number. Read page by page, so it is not one point \
        in time: a record that changes meanwhile is written as it is when its page is read.";
    let operation = operation(view, format!("export{}", view.singular().many), "Export", &[rules])
        .description(Some(description))
        .parameters(Some(parameters::export(view)))
        .response("200", answer.build());
    fail(operation, &ALWAYS, &forbidden(view, &[rules], false))
}

pub fn import(view: &View<'_>) -> OperationBuilder {
    let body = RequestBodyBuilder::new()
        .description(Some("A record a line: the body of a create or, with `on_conflict`, of an upsert, or CSV with the names of fields first."))
        .required(Some(Required::True));
    let lines = || Content::new(Some(raw(json!({ "type": "string" }))));
    let body = MEDIA.iter().fold(body, |body, media| body.content(*media, lines()));
    let answer = ResponseBuilder::new()
        .description("What was imported, and what is wrong with which lines.")
        .header_ref("X-Request-Id", errors::header("RequestId"))
        .header_ref("Vary", errors::header("Vary"))
        .content("application/json", Content::new(Some(raw(reference("ImportAnswer")))));
    let access = &view.collection.access;
    let on_conflict = parameters::on_conflict(view).map(|_| access.update.as_slice());
    let rules: Vec<&[Rule]> = on_conflict.into_iter().chain([access.create.as_slice()]).collect();
    let description = "Each 1000 lines are written together or not at all, and the import stops at the first that are not. \
        The limit of a body holds for a line. `version`, `created_at` and `updated_at` of an export are read past.";
    let operation = operation(view, format!("import{}", view.singular().many), "Import", &[&access.create])
        .description(Some(description))
        .parameters(Some(parameters::import(view)))
        .request_body(Some(body.build()))
        .response("200", answer.build());
    let operation = fail(operation, &ALWAYS, &BODY);
    fail(operation, &forbidden(view, &rules, false), &[])
}
