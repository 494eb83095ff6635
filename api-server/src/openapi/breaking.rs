//! What a new document would break for the clients of an old one: removed, re-typed, narrower.
//!
//! Called by `mainstay check --against`. Pure: two documents of ours go in, changes come out, one for each thing that
//! changed, however many schemas show it. What only gives clients more is no change; what they may notice without
//! failing is a note.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

mod found;
mod operation;
mod pattern;
mod schema;
#[cfg(test)]
mod tests;

use found::Found;

/// The title of every document of ours.
pub(super) const TITLE: &str = "Mainstay backend";
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The collection, when it is one's.
    pub collection: Option<String>,
    /// The field, when it is one's; deeper members follow after a dot.
    pub field: Option<String>,
    /// The kind of change, for machines.
    pub code: &'static str,
    /// What changed, for people.
    pub message: String,
    /// What to do.
    pub hint: &'static str,
    /// Whether a client of the old document may fail; else it is a note.
    pub breaks: bool,
}

/// Whether it is a document that a server of ours, or `mainstay openapi`, has made; else why not.
pub fn judge(document: &Json) -> Result<(), &'static str> {
    let version = document.get("openapi").and_then(Json::as_str);
    let title = document.pointer("/info/title").and_then(Json::as_str);
    match (version, title, document.get("paths").and_then(Json::as_object)) {
        (None, ..) => Err("it is no OpenAPI document"),
        (Some(version), ..) if !version.starts_with("3.") => Err("it is an OpenAPI document of another version than 3"),
        (_, Some(TITLE), Some(_)) => Ok(()),
        _ => Err("it is not the document of a Mainstay backend"),
    }
}

/// Everything that differs, in the order of the old document's paths.
pub fn changes(old: &Json, new: &Json) -> Vec<Change> {
    let mut found = Found::default();
    let mut pairs = Vec::new();
    for (path, item) in members(old.get("paths")) {
        let next = new.get("paths").and_then(|paths| paths.get(path));
        let collection = collection(path).filter(|name| {
            // `/api/v1/batch` and the like are no collections.
            old.pointer(&format!("/paths/~1api~1v1~1{name}~1{{id}}")).is_some()
        });
        match (next, collection) {
            (Some(next), _) => pairs.push((path, collection, item, next)),
            (None, Some(name)) if new.pointer(&format!("/paths/~1api~1v1~1{name}")).is_none() => {
                found.collection_gone(name);
            }
            (None, _) => found.route_gone(path, collection),
        }
    }
    // Bodies and answers first: a parameter that goes with its field is not told again.
    for (path, collection, before, after) in &pairs {
        for method in METHODS {
            let Some(was) = before.get(method) else { continue };
            match after.get(method) {
                Some(is) => operation::bodies(old, new, was, is, &name(method, path), *collection, &mut found),
                None => found.route_gone(&name(method, path), *collection),
            }
        }
    }
    for (path, collection, before, after) in &pairs {
        for method in METHODS {
            if let (Some(was), Some(is)) = (before.get(method), after.get(method)) {
                let (was, is) = ((*before, was), (*after, is));
                operation::parameters(old, new, was, is, &name(method, path), *collection, &mut found);
            }
        }
    }
    found.into_changes()
}

fn name(method: &str, path: &str) -> String {
    format!("{} {path}", method.to_uppercase())
}

/// The collection of a path below `/api/v1/`.
fn collection(path: &str) -> Option<&str> {
    path.strip_prefix("/api/v1/")?.split('/').next()
}

/// The members of an object; none of anything else.
fn members(json: Option<&Json>) -> impl Iterator<Item = (&String, &Json)> {
    json.and_then(Json::as_object).into_iter().flat_map(Map::iter)
}

/// The texts of an array; none of anything else.
fn texts(json: Option<&Json>) -> BTreeSet<&str> {
    json.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect()
}

/// What a reference within the document leads to; anything else is itself. A reference that leads nowhere, or in a circle,
/// allows everything.
fn resolve<'a>(document: &'a Json, json: &'a Json) -> &'a Json {
    static ANYTHING: Json = Json::Bool(true);
    let mut here = json;
    for _ in 0..16 {
        let Some(target) = here.get("$ref").and_then(Json::as_str) else { return here };
        match target.strip_prefix('#').and_then(|pointer| document.pointer(pointer)) {
            Some(next) => here = next,
            None => return &ANYTHING,
        }
    }
    &ANYTHING
}
