//! `check --against`: reads the other document, compares, and says where in the documents each change stands.
//!
//! The comparison itself is [`crate::openapi::breaking`]; here are only the file or the server, and the words around.

use std::collections::BTreeMap;
use std::fs;

use mainstay_crds::Problem;
use mainstay_crds::schema::Schema;
use serde_json::{Value as Json, json};

use super::super::{Environment, Exit, Failure, Output, remote, settings};
use crate::documents::{self, Document, Documents, Finding, count};
use crate::openapi::breaking::{self, Change};
use crate::openapi::{document, to_json};
use crate::query::page;

/// The largest document that is read; that of two hundred collections has about ten MiB.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What differs from `against`, with the places in the documents.
pub struct Changes {
    against: String,
    breaking: Vec<Finding>,
    notes: Vec<Finding>,
}

/// Compares the documents with what `against` names, a URL or a file.
///
/// Errors: 69 when it cannot be read; 65 when it is no document of ours.
pub fn compare(against: &str, schema: &Schema, documents: &Documents) -> Result<Changes, Failure> {
    let old = read(against)?;
    breaking::judge(&old).map_err(|reason| {
        let hint = "give a server's /openapi.json, or what `mainstay openapi` wrote";
        Failure::new(Exit::Data, format!("{against}: {reason}; {hint}"))
    })?;
    let bug = |error: serde_json::Error| Failure::new(Exit::Bug, format!("cannot write the document: {error}"));
    let limits = settings(&BTreeMap::new(), &Environment::default(), Some(documents))?.settings.limits;
    let page = page::Limits { default: limits.page_default, max: limits.page_max };
    let new = serde_json::from_str(&to_json(&document(schema, page)).map_err(bug)?).map_err(bug)?;
    let changes = breaking::changes(&old, &new);
    let located = |breaks: bool| {
        let chosen = changes.iter().filter(move |change| change.breaks == breaks);
        chosen.map(|change| locate(change, documents)).collect()
    };
    Ok(Changes { against: against.to_owned(), breaking: located(true), notes: located(false) })
}

fn read(against: &str) -> Result<Json, Failure> {
    let bytes = match remote::is_url(against) {
        true => {
            let mut url = remote::url(against)?;
            // A server's address alone is enough.
            if url.path() == "/" {
                url.set_path("/openapi.json");
            }
            remote::get(&url, MAX_BYTES)?
        }
        false => fs::read(against)
            .map_err(|error| Failure::new(Exit::Unavailable, format!("cannot read {against}: {error}")))?,
    };
    if let Ok(document) = serde_json::from_slice(&bytes) {
        return Ok(document);
    }
    // `mainstay openapi --format yaml` writes the other form.
    let text = String::from_utf8_lossy(&bytes);
    documents::value(&text)
        .map_err(|error| Failure::new(Exit::Data, format!("{against} is neither JSON nor YAML: {error}")))
}

/// The change where it stands in the documents: at the field, else at the fields of its collection, else nowhere.
fn locate(change: &Change, documents: &Documents) -> Finding {
    let problem = |path: String| Problem {
        path,
        code: change.code,
        message: change.message.clone(),
        hint: Some(change.hint.to_owned()),
    };
    let name = change.collection.as_deref().unwrap_or_default();
    let Some(document) = documents.collections.iter().find(|document| named(document) == Some(name)) else {
        let place = if name.is_empty() { String::new() } else { format!("/{name}") };
        return Finding { file: "the documents".to_owned(), line: None, problem: problem(place) };
    };
    let Some(field) = change.field.as_deref().and_then(|field| field.split('.').next()) else {
        return document.locate(problem("/spec".to_owned()));
    };
    let fields = document.value.pointer("/spec/fields").and_then(Json::as_array);
    let position = fields.and_then(|fields| fields.iter().position(|one| one["name"] == field));
    document.locate(problem(match position {
        Some(position) => format!("/spec/fields/{position}"),
        None => "/spec/fields".to_owned(),
    }))
}

/// The name of a document's collection.
fn named(document: &Document) -> Option<&str> {
    let name = document.value.pointer("/spec/name").or_else(|| document.value.pointer("/metadata/name"));
    name.and_then(Json::as_str)
}

impl Changes {
    /// Whether a client may fail.
    pub fn break_clients(&self) -> bool {
        !self.breaking.is_empty()
    }

    /// What clients may notice without failing, and the last word when nothing breaks them.
    pub fn notes(&self) -> String {
        let mut text: String = self.notes.iter().map(|note| format!("Note: {note}\n")).collect();
        if !self.break_clients() {
            text.push_str(&format!("nothing breaks the clients of {}\n", self.against));
        }
        text
    }

    /// Both lists for programs.
    pub fn as_json(&self) -> (Json, Json) {
        (json!(self.breaking), json!(self.notes))
    }

    /// Exit status 3, with a line a change for people.
    pub fn refusal(&self, output: Output) -> Failure {
        if output == Output::Json {
            return Failure::new(Exit::Gate, "");
        }
        let lines: String = self.breaking.iter().map(|change| format!("{change}\n")).collect();
        let verb = if self.breaking.len() == 1 { "breaks" } else { "break" };
        let changes = count(self.breaking.len(), "change");
        Failure::new(Exit::Gate, format!("{lines}{changes} {verb} the clients of {}", self.against))
    }
}
