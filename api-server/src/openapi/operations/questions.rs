//! Search, aggregate and history: questions about a collection and its records beside its list.
//!
//! Called by the operations of a collection. A search answers with the page of a list.

use utoipa::openapi::path::OperationBuilder;

use super::super::errors;
use super::{ALWAYS, BODY, answer, body, fail, forbidden, operation};
use crate::openapi::{View, parameters};

/// `POST /api/v1/{collection}/search`
pub fn search(view: &View<'_>) -> OperationBuilder {
    let rules = &view.collection.access.read;
    let description =
        "As the list, with a filter tree: `and`, `or`, `not`, conditions on referenced records and `exists`.";
    let operation = operation(view, format!("search{}", view.singular().many), "Search", &[rules])
        .description(Some(description))
        .request_body(Some(body(view, "Search", &["application/json"])))
        .response("200", answer("One page.", "List", view).build());
    let operation = fail(operation, &ALWAYS, &BODY);
    fail(operation, &forbidden(view, &[rules], false), &[])
}

/// `GET /api/v1/{collection}/aggregate`
pub fn aggregate(view: &View<'_>) -> OperationBuilder {
    let rules = &view.collection.access.read;
    let description = "Asks for at least one of `count`, `sum`, `avg`, `min` and `max`: of all records that the filters find, \
        or of each group of them.";
    let operation = operation(view, format!("aggregate{}", view.singular().many), "Aggregate", &[rules])
        .description(Some(description))
        .parameters(Some(parameters::aggregate(view)))
        .response("200", answer("One element, or with `group` one for each group.", "Aggregates", view).build());
    let operation = fail(operation, &ALWAYS, &[409, 422]);
    fail(operation, &forbidden(view, &[rules], false), &[])
}

/// `GET /api/v1/{collection}/{id}/history`
pub fn history(view: &View<'_>, keep: u32) -> OperationBuilder {
    let rules = &view.collection.access.read;
    let description = format!(
        "At most {keep} earlier versions, each with what ended it. Whoever may read the record as it is now may read them; those \
         of one that is gone, admin alone."
    );
    let page = answer("One page, newest first.", "History", view).header_ref("Link", errors::header("Link"));
    let operation = operation(view, format!("get{}History", view.singular().one), "Get earlier versions of", &[rules])
        .description(Some(description))
        .parameters(Some(parameters::history(view)))
        .response("200", page.build());
    let operation = fail(operation, &ALWAYS, &[404]);
    fail(operation, &forbidden(view, &[rules], false), &[])
}
