//! Names of collections and of what is derived from them.
//!
//! Called by the check alone: metadata.name and spec.name, the singular, the schemas of the OpenAPI document, and
//! the names of indexes and constraints.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{Draft, builtin};
use crate::collection::CollectionSpec;
use crate::name::Name;
use crate::problem::{Problem, Problems};
use crate::schema::{Access, Collection, DeletionPolicy};

/// Collection names that are paths of the system's own endpoints.
pub const RESERVED: [&str; 7] = ["auth", "batch", "jobs", "schedules", "keys", "webhooks", "audit"];

/// Prefixes of tables that are ours or a database's.
const PREFIXES: [&str; 3] = ["mainstay-", "sqlite-", "pg-"];

/// What is added to a collection's singular to name its schemas.
const SUFFIXES: [&str; 6] = ["", "Partial", "Create", "Update", "Patch", "List"];

/// PostgreSQL identifiers hold this many bytes.
const IDENTIFIER: usize = 63;

/// The collection's name, from `spec.name`, else `metadata.name`.
pub fn collection(document: &Json, problems: &mut Problems) -> Option<Name> {
    let text = |pointer| document.pointer(pointer).and_then(Json::as_str);
    match (text("/spec/name"), text("/metadata/name")) {
        (Some(name), given) => {
            if let Some(given) = given {
                problems.within("metadata", |p| p.within("name", |p| kubernetes(given, p)));
            }
            problems.within("spec", |p| p.within("name", |p| checked(name, p)))
        }
        (None, Some(name)) => problems.within("metadata", |p| p.within("name", |p| checked(name, p))),
        (None, None) => None,
    }
}

fn checked(name: &str, problems: &mut Problems) -> Option<Name> {
    let checked = match Name::collection(name) {
        Ok(checked) => checked,
        Err(rule) => {
            let hint = corrected(name).map(|name| format!("did you mean `{name}`?"));
            problems.push("bad_name", format!("`{name}` is not a collection's name: {rule}"), hint);
            return None;
        }
    };
    if RESERVED.contains(&name) {
        problems.hint("reserved", format!("`{name}` names a system endpoint"), "choose another name");
        return None;
    }
    if let Some(prefix) = PREFIXES.iter().find(|prefix| name.starts_with(**prefix)) {
        problems.hint("reserved", format!("names that start with `{prefix}` are taken"), "choose another name");
        return None;
    }
    Some(checked)
}

/// A Kubernetes object's name: a DNS subdomain (RFC 1123).
fn kubernetes(name: &str, problems: &mut Problems) {
    let label = |label: &str| {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty() && label.chars().all(allowed) && !label.starts_with('-') && !label.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        problems.add("bad_name", format!("`{name}` is not a Kubernetes name: a-z, 0-9, - and ., at most 253"));
    }
}

/// The name that was meant: `Order_Lines` as `order-lines`.
pub fn corrected(name: &str) -> Option<Name> {
    Name::collection(&name.trim().to_lowercase().replace(['_', ' ', '.'], "-")).ok()
}

/// The collection as its spec describes it, with system fields alone.
pub fn empty(name: Name, spec: &Json, problems: &mut Problems) -> Collection {
    let text = |key| spec.get(key).and_then(Json::as_str);
    let singular = match text("singular") {
        Some(singular) => {
            if let Err(rule) = Name::collection(singular) {
                let message =
                    format!("`{singular}` is not a singular: {}", rule.replace("collection name", "singular"));
                problems.within("spec", |p| p.within("singular", |p| p.add("bad_name", message)));
            }
            singular
        }
        None => name.as_str().strip_suffix('s').filter(|name| !name.is_empty()).unwrap_or(name.as_str()),
    };
    Collection {
        table: name.as_str().replace('-', "_"),
        singular: singular.to_owned(),
        description: text("description").map(str::to_owned),
        fields: builtin::system(),
        unique: Vec::new(),
        indexes: Vec::new(),
        checks: Vec::new(),
        access: Access::default(),
        history: spec.pointer("/history/keep").and_then(Json::as_u64).and_then(|keep| u32::try_from(keep).ok()),
        search: None,
        require_precondition: spec.get("requirePrecondition") == Some(&Json::Bool(true)),
        spec: CollectionSpec::default(),
        deletion_policy: match text("deletionPolicy") {
            Some("Delete") => DeletionPolicy::Delete,
            _ => DeletionPolicy::Retain,
        },
        name,
    }
}

/// No two collections share a name or the name of a schema. The first of two keeps it.
pub fn distinct(drafts: &mut [Draft]) {
    let mut collections: BTreeMap<String, Option<usize>> = BTreeMap::new();
    let mut schemas: BTreeMap<String, String> = BTreeMap::new();
    for draft in drafts {
        if !draft.visible {
            continue;
        }
        let name = draft.collection.name.to_string();
        if let Some(first) = collections.get(&name) {
            draft.visible = false;
            let place = if draft.spec.get("name").is_some() { "/spec/name" } else { "/metadata/name" };
            let first = first.map_or_else(String::new, |first| format!(" (the first is document {})", first + 1));
            let message = format!("the collection `{name}` is declared twice{first}");
            draft.problems.extend([problem(place, "duplicate", message, "give it another name, or remove one")]);
            continue;
        }
        collections.insert(name.clone(), draft.document);
        let taken = SUFFIXES.iter().find_map(|suffix| {
            let schema = format!("{}{suffix}", pascal(&draft.collection.singular));
            schemas.get(&schema.to_lowercase()).map(|other| (schema, other.clone()))
        });
        if let Some((schema, other)) = taken {
            let place = if draft.spec.get("singular").is_some() { "/spec/singular" } else { "/spec" };
            let message = format!("the OpenAPI schema `{schema}` is already that of the collection `{other}`");
            draft.problems.extend([problem(place, "duplicate", message, "give one of the two another `singular`")]);
            continue;
        }
        for suffix in SUFFIXES {
            schemas.insert(format!("{}{suffix}", pascal(&draft.collection.singular)).to_lowercase(), name.clone());
        }
    }
}

/// A problem at a place that is known as a whole.
pub fn problem(path: impl Into<String>, code: &'static str, message: String, hint: &str) -> Problem {
    Problem { path: path.into(), code, message, hint: Some(hint.to_owned()) }
}

/// `order-line` as `OrderLine`.
fn pascal(name: &str) -> String {
    let words = name.split(['-', '_']).map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
    });
    words.collect()
}

/// The name of an index or constraint: `<table>_<fields>_<hash>_<kind>`, at most 63 bytes. `definition` is all
/// that makes it what it is, so that a changed one gets another name and both can exist while one replaces the other.
pub fn identifier(table: &str, fields: &[&str], kind: &str, definition: &str) -> String {
    let digest = Sha256::digest(format!("{table}\n{kind}\n{definition}"));
    let hash: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let mut name = std::iter::once(table).chain(fields.iter().copied()).collect::<Vec<_>>().join("_");
    name.truncate(IDENTIFIER - "_".len() * 2 - hash.len() - kind.len());
    format!("{}_{hash}_{kind}", name.trim_end_matches('_'))
}
