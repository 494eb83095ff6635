//! Unique keys and indexes of a document.
//!
//! Called by the check alone, when all fields of all documents are known. A `unique: true` field is a key of its own,
//! and a reference that nothing begins with gets an index, since deletes look for it.

use serde_json::Value as Json;

use super::access::elements;
use super::{Broken, Draft, structure};
use crate::collection::check::names::identifier;
use crate::filter::parse::{Place, Reader};
use crate::name::did_you_mean;
use crate::problem::Problems;
use crate::schema::{Collection, ID, Index, Schema, SortKey, UniqueKey};
use crate::sql::ColumnType;

/// The most bytes of text in one B-tree row: PostgreSQL refuses rows over 2704, and the id needs room too.
const MAX_TEXT: usize = 2600;
/// The most bytes of all columns together, less the id.
const MAX_BYTES: usize = 2660;
/// What a column of PostgreSQL takes that is not text.
const MAX_SCALAR: usize = 16;
/// The most columns of one key or index.
const MAX_KEYS: usize = 16;

/// Reads `unique` of fields and spec, and `indexes`, into the collection.
pub fn resolve(draft: &mut Draft, schema: &Schema, broken: &Broken) {
    let mut problems = Problems::at("/spec");
    let mut unique = single(draft, &mut problems);
    problems.within("unique", |problems| declared_keys(draft, schema, broken, &mut unique, problems));
    let mut indexes = problems.within("indexes", |problems| declared_indexes(draft, problems));
    let collection = &draft.collection;
    for (position, field) in collection.declared() {
        let begins = unique.iter().any(|key| key.condition.is_none() && key.fields.first() == Some(&position))
            || indexes.iter().any(|index| index.keys.first().is_some_and(|key| key.field == position));
        if field.target().is_some() && !begins {
            indexes.push(index(collection, vec![SortKey { field: position, descending: false }]));
        }
    }
    draft.collection.unique = unique;
    draft.collection.indexes = indexes;
    draft.problems.extend(problems.into_vec());
}

/// The keys of `unique: true` fields, and that of the e-mail addresses of the built-in users.
fn single(draft: &Draft, problems: &mut Problems) -> Vec<UniqueKey> {
    let mut keys = Vec::new();
    for ((position, _), origin) in draft.collection.declared().zip(&draft.origins) {
        let Some(origin) = origin else { continue };
        let at = |key: &str| draft.spec.pointer(&format!("/fields/{origin}/{key}"));
        if at("unique") != Some(&Json::Bool(true)) {
            continue;
        }
        problems.within("fields", |p| {
            p.within(origin, |p| p.within("unique", |p| fits(draft, &[position], p)));
        });
        keys.push(key(&draft.collection, vec![position], false, None));
    }
    let email = draft.collection.position("email").filter(|_| draft.collection.name.as_str() == "users");
    // Stored documents carry the built-in fields as their own.
    keys.extend(email.map(|email| key(&draft.collection, vec![email], true, None)));
    keys
}

fn declared_keys(draft: &Draft, schema: &Schema, broken: &Broken, keys: &mut Vec<UniqueKey>, problems: &mut Problems) {
    for (position, declared) in elements(&draft.spec, "/unique") {
        problems.within(position, |problems| {
            let fields = problems.within("fields", |problems| named(draft, declared, false, problems));
            let case_insensitive = declared.get("caseInsensitive") == Some(&Json::Bool(true));
            let condition = declared.get("where").filter(|tree| !tree.is_null());
            let filter = condition.map(|tree| {
                let reader = Reader::new(schema, Place::Check, broken);
                problems.within("where", |problems| reader.read(tree, &draft.collection, problems))
            });
            let Some(fields) = fields else { return };
            let fields: Vec<usize> = fields.iter().map(|key| key.field).collect();
            problems.within("fields", |problems| fits(draft, &fields, problems));
            let text = |field: &usize| draft.collection.fields[*field].kind.name() == "text";
            if case_insensitive && !fields.iter().any(text) {
                let message = "no field of this key is text, so case does not matter to it";
                problems.within("caseInsensitive", |p| p.hint("contradiction", message, "remove `caseInsensitive`"));
            }
            let mut key = key(&draft.collection, fields, case_insensitive, condition);
            if keys.iter().any(|other| other.name == key.name) {
                problems.hint("duplicate", "this key stands twice", "remove one, or the field's `unique`");
                return;
            }
            key.condition = filter.flatten();
            keys.push(key);
        });
    }
}

fn declared_indexes(draft: &Draft, problems: &mut Problems) -> Vec<Index> {
    let mut indexes: Vec<Index> = Vec::new();
    for (position, declared) in elements(&draft.spec, "/indexes") {
        problems.within(position, |problems| {
            let keys = problems.within("fields", |problems| {
                let keys = named(draft, declared, true, problems)?;
                let fields: Vec<usize> = keys.iter().map(|key| key.field).collect();
                fits(draft, &fields, problems);
                Some(keys)
            });
            let Some(index) = keys.map(|keys| index(&draft.collection, keys)) else { return };
            if indexes.iter().any(|other| other.name == index.name) {
                problems.hint("duplicate", "this index stands twice", "remove one");
                return;
            }
            indexes.push(index);
        });
    }
    indexes
}

/// The fields that a key or index names; `None` when one of them cannot be used.
fn named(draft: &Draft, declared: &Json, directed: bool, problems: &mut Problems) -> Option<Vec<SortKey>> {
    let names = declared.get("fields")?.as_array()?;
    if names.is_empty() {
        problems.add("required", "name at least one field");
    }
    if names.len() > MAX_KEYS {
        problems.add("too_many", format!("a key has at most {MAX_KEYS} fields, and these are {}", names.len()));
    }
    let mut keys: Vec<SortKey> = Vec::with_capacity(names.len());
    for (place, name) in names.iter().enumerate() {
        let Some(text) = name.as_str() else { continue };
        let (name, descending) = match text.strip_prefix('-').filter(|_| directed) {
            Some(name) => (name, true),
            None => (text, false),
        };
        problems.within(place, |problems| {
            let known = draft.collection.fields.iter().map(|field| field.name.as_str());
            let Some(field) = draft.collection.position(name) else {
                if !draft.broken.contains(name) {
                    let hint = did_you_mean(name, known.clone().chain(draft.broken.iter().map(String::as_str)));
                    let hint = hint.unwrap_or_else(|| format!("the fields are {}", structure::list(known)));
                    problems.hint("unknown_field", format!("there is no field `{name}`"), hint);
                }
                return;
            };
            if field == ID {
                let why = if directed { "the id is the last key of every index" } else { "the id is unique by itself" };
                problems.hint("reserved", why, "remove it");
            } else if keys.iter().any(|key| key.field == field) {
                problems.hint("duplicate", format!("`{name}` is named twice"), "remove one");
            } else if !draft.collection.fields[field].kind.sortable() {
                let kind = draft.collection.fields[field].kind.name();
                problems.add("not_allowed", format!("`{name}` is of the kind `{kind}`, which cannot be part of a key"));
            } else {
                keys.push(SortKey { field, descending });
            }
        });
    }
    (keys.len() == names.len() && !keys.is_empty()).then_some(keys)
}

/// Whether the largest row of these fields fits a B-tree.
fn fits(draft: &Draft, fields: &[usize], problems: &mut Problems) {
    let collection = &draft.collection;
    let (mut text, mut bytes) = (0, 0);
    for field in fields.iter().map(|field| &collection.fields[*field]) {
        if !field.kind.sortable() {
            let kind = field.kind.name();
            problems
                .add("not_allowed", format!("`{}` is of the kind `{kind}`, which cannot be part of a key", field.name));
            return;
        }
        match field.kind.key_bytes() {
            Some(size) => {
                let is_text = field.kind.column() == ColumnType::Text;
                text += if is_text { size } else { 0 };
                bytes += if is_text { size } else { size.min(MAX_SCALAR) };
            }
            None if draft.tainted.contains(field.name.as_str()) => return,
            None => {
                let message =
                    format!("`{}` needs a `maxLength` to be part of a key: 4 × Σ maxLength ≤ {MAX_TEXT}", field.name);
                problems.hint(
                    "too_large",
                    message,
                    format!("add `maxLength` to `{}`, at most {}", field.name, MAX_TEXT / 4),
                );
                return;
            }
        }
    }
    if text > MAX_TEXT || bytes > MAX_BYTES {
        let message = format!("the text of this key takes up to {bytes} bytes: 4 × Σ maxLength ≤ {MAX_TEXT}");
        problems.hint("too_large", message, "lower `maxLength`, or leave a field out");
    }
}

fn key(collection: &Collection, fields: Vec<usize>, case_insensitive: bool, condition: Option<&Json>) -> UniqueKey {
    let names = names(collection, fields.iter().copied());
    let condition = condition.map(Json::to_string).unwrap_or_default();
    let definition = format!("{}\n{case_insensitive}\n{condition}", names.join(","));
    let name = identifier(&collection.table, &names, "key", &definition);
    UniqueKey { name, fields, case_insensitive, condition: None }
}

fn index(collection: &Collection, keys: Vec<SortKey>) -> Index {
    let names = names(collection, keys.iter().map(|key| key.field));
    let directed =
        names.iter().zip(&keys).map(|(name, key)| format!("{}{name}", if key.descending { "-" } else { "" }));
    let definition: Vec<String> = directed.collect();
    let name = identifier(&collection.table, &names, "idx", &definition.join(","));
    Index { name, keys }
}

fn names(collection: &Collection, fields: impl Iterator<Item = usize>) -> Vec<&str> {
    fields.map(|field| collection.fields[field].name.as_str()).collect()
}
