//! The structural layer of every document check: raw JSON against the JSON Schema that schemars derives.
//!
//! Called by [`super::check()`] and [`crate::backend::check_backend()`]. Only the keywords that schemars writes for
//! our types are read, and CEL rules are not: whoever takes a value judges it. Everything wrong is recorded and left
//! out of the answer, so that later checks can go on without a second alarm; elements of arrays keep their place as
//! null, and required keys may lack. What is only too long or too much stays. Knows nothing of what a document means.

use serde_json::{Map, Value as Json, json};

pub mod bounds;

use crate::name::did_you_mean;
use crate::problem::Problems;

/// The group and version of every document.
pub const API_VERSION: &str = "mainstay.dev/v1alpha1";

/// The keys of Kubernetes' `ObjectMeta`, which a document copied from a cluster holds.
const METADATA: [&str; 15] = [
    "name",
    "namespace",
    "labels",
    "annotations",
    "generateName",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "finalizers",
    "ownerReferences",
    "managedFields",
    "selfLink",
];

/// The schema of a document of `kind` whose spec is `spec`, an object schema with its own `$defs`.
pub fn document_schema(kind: &str, spec: &schemars::Schema) -> Json {
    let mut spec = spec.clone().to_value();
    let definitions = spec.as_object_mut().and_then(|spec| spec.remove("$defs")).unwrap_or_else(|| json!({}));
    let mut metadata: Map<String, Json> = METADATA.iter().map(|key| ((*key).to_owned(), json!({}))).collect();
    metadata.insert("name".to_owned(), json!({ "type": "string" }));
    json!({
        "type": "object",
        "properties": {
            "apiVersion": { "type": "string", "const": API_VERSION },
            "kind": { "type": "string", "const": kind },
            "metadata": {
                "type": "object", "properties": metadata, "required": ["name"], "additionalProperties": false
            },
            "spec": spec,
            "status": {},
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": false,
        "$defs": definitions,
    })
}

/// `value` less everything that `root` does not allow; each such thing is a problem. What stands at a path of `later`
/// belongs to a feature that is not there yet. `None` when nothing of the value can be used.
pub fn prune(value: &Json, root: &Json, later: &[&str], problems: &mut Problems) -> Option<Json> {
    Walker { root, later }.walk(value, root, problems)
}

struct Walker<'a> {
    root: &'a Json,
    later: &'a [&'a str],
}

impl<'a> Walker<'a> {
    fn walk(&self, value: &Json, schema: &'a Json, problems: &mut Problems) -> Option<Json> {
        let (schema, nullable) = self.resolve(schema);
        if value.is_null() && (nullable || schema.get("type").is_none() && schema.get("oneOf").is_none()) {
            return Some(Json::Null);
        }
        if let Some(words) = words(schema) {
            return one_of(value, &words, problems);
        }
        let Some(expected) = type_of(schema) else { return Some(value.clone()) };
        match (expected, value) {
            ("object", Json::Object(members)) => {
                bounds::size(members.len(), schema, &bounds::MEMBERS, problems);
                Some(self.object(members, schema, problems))
            }
            ("array", Json::Array(elements)) => {
                bounds::size(elements.len(), schema, &bounds::ELEMENTS, problems);
                bounds::distinct(elements, schema, problems);
                Some(self.array(elements, schema, problems))
            }
            ("string", Json::String(text)) => {
                bounds::size(text.chars().count(), schema, &bounds::CHARACTERS, problems);
                Some(value.clone())
            }
            ("boolean", Json::Bool(_)) => Some(value.clone()),
            ("integer", Json::Number(number)) => bounds::whole(number, schema, problems).then(|| value.clone()),
            _ => {
                wrong_type(expected, value, problems);
                None
            }
        }
    }

    /// The schema without references and without its null branch, and whether it had one.
    fn resolve(&self, schema: &'a Json) -> (&'a Json, bool) {
        let mut schema = schema;
        let mut nullable = false;
        loop {
            let types = schema.get("type").and_then(Json::as_array);
            nullable |= types.is_some_and(|types| types.iter().any(|name| name == "null"));
            if let Some(reference) = schema.get("$ref").and_then(Json::as_str) {
                match self.root.pointer(reference.trim_start_matches('#')) {
                    Some(target) => schema = target,
                    None => return (&Json::Null, true),
                }
            } else if let Some(branches) = schema.get("anyOf").and_then(Json::as_array) {
                let is_null = |branch: &&Json| branch.get("type").is_some_and(|name| name == "null");
                nullable |= branches.iter().any(|branch| is_null(&branch));
                match branches.iter().find(|branch| !is_null(branch)) {
                    Some(branch) => schema = branch,
                    None => return (&Json::Null, true),
                }
            } else {
                return (schema, nullable);
            }
        }
    }

    fn object(&self, members: &Map<String, Json>, schema: &'a Json, problems: &mut Problems) -> Json {
        let Some(properties) = schema.get("properties").and_then(Json::as_object) else {
            return self.map(members, schema, problems);
        };
        let mut kept = Map::new();
        for (key, value) in members {
            let Some(property) = properties.get(key) else {
                self.unknown(key, value, (members, properties), &mut kept, problems);
                continue;
            };
            if let Some(value) = problems.within(key, |problems| self.walk(value, property, problems)) {
                kept.insert(key.clone(), value);
            }
        }
        for key in schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
            if !members.contains_key(key) && !kept.contains_key(key) {
                problems.hint("required", format!("`{key}` is missing"), format!("add `{key}:`"));
            }
        }
        Json::Object(kept)
    }

    /// An object whose keys are the user's own: a map, whose values have one schema, or one that is free.
    fn map(&self, members: &Map<String, Json>, schema: &'a Json, problems: &mut Problems) -> Json {
        let Some(each) = schema.get("additionalProperties").filter(|each| each.is_object()) else {
            return Json::Object(members.clone());
        };
        let mut kept = Map::new();
        for (key, value) in members {
            if let Some(value) = problems.within(key, |problems| self.walk(value, each, problems)) {
                kept.insert(key.clone(), value);
            }
        }
        Json::Object(kept)
    }

    /// A key that is not in the schema. One that is plainly a mistyped one is read as that, to judge its value.
    fn unknown(
        &self,
        key: &str,
        value: &Json,
        (members, properties): (&Map<String, Json>, &'a Map<String, Json>),
        kept: &mut Map<String, Json>,
        problems: &mut Problems,
    ) {
        problems.within(key, |problems| {
            if self.later.contains(&problems.path()) {
                problems.hint("not_supported", format!("`{key}` is not supported yet"), "remove it for now");
                return;
            }
            let free = || properties.keys().map(String::as_str).filter(|known| !members.contains_key(*known));
            let hint = did_you_mean(key, free());
            let meant = hint.as_deref().and_then(|hint| hint.split('`').nth(1)).map(str::to_owned);
            let hint = hint.unwrap_or_else(|| format!("known here: {}", list(properties.keys().map(String::as_str))));
            problems.hint("unknown_key", format!("there is no `{key}` here"), hint);
            if let Some(meant) = meant.filter(|meant| !kept.contains_key(meant))
                && let Some(property) = properties.get(&meant)
                && let Some(value) = self.walk(value, property, problems)
            {
                kept.insert(meant, value);
            }
        });
    }

    fn array(&self, elements: &[Json], schema: &'a Json, problems: &mut Problems) -> Json {
        let Some(items) = schema.get("items") else { return Json::Array(elements.to_vec()) };
        let each = elements.iter().enumerate().map(|(position, element)| {
            problems.within(position, |problems| self.walk(element, items, problems)).unwrap_or(Json::Null)
        });
        Json::Array(each.collect())
    }
}

/// The name of the type that is not null.
fn type_of(schema: &Json) -> Option<&str> {
    match schema.get("type")? {
        Json::String(name) => Some(name),
        Json::Array(names) => names.iter().filter_map(Json::as_str).find(|name| *name != "null"),
        _ => None,
    }
}

/// The words that an enumeration allows, in each form that schemars writes.
fn words(schema: &Json) -> Option<Vec<&str>> {
    if let Some(word) = schema.get("const").and_then(Json::as_str) {
        return Some(vec![word]);
    }
    if let Some(words) = schema.get("enum").and_then(Json::as_array) {
        return Some(words.iter().filter_map(Json::as_str).collect());
    }
    let branches = schema.get("oneOf").and_then(Json::as_array)?;
    Some(branches.iter().filter_map(words).flatten().collect())
}

fn one_of(value: &Json, words: &[&str], problems: &mut Problems) -> Option<Json> {
    match value {
        Json::String(text) if words.contains(&text.as_str()) => Some(value.clone()),
        Json::String(text) => {
            let hint = did_you_mean(text, words.iter().copied()).unwrap_or_else(|| format!("write {}", list(words)));
            problems.hint("not_allowed", format!("`{text}` is not one of {}", list(words)), hint);
            None
        }
        _ => {
            wrong_type("string", value, problems);
            None
        }
    }
}

fn wrong_type(expected: &str, found: &Json, problems: &mut Problems) {
    let (message, quoted) = (format!("{} is expected, not {}", article(expected), kind(found)), expected == "string");
    match found {
        Json::Number(_) | Json::Bool(_) if quoted => problems.hint("wrong_type", message, format!("write \"{found}\"")),
        Json::String(text) if !quoted && serde_json::from_str::<Json>(text).is_ok_and(|json| !json.is_string()) => {
            problems.hint("wrong_type", message, format!("write {text} without quotes"));
        }
        _ => problems.add("wrong_type", message),
    }
}

fn article(name: &str) -> &'static str {
    match name {
        "object" => "an object",
        "array" => "a list",
        "string" => "text",
        "boolean" => "true or false",
        _ => "a whole number",
    }
}

/// What a value is, for people.
pub fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

/// `a, b, c`, each in backquotes.
pub fn list<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{}`", word.as_ref())).collect();
    words.join(", ")
}
