//! Names for what a step changes, for people and for the approval hash.
//!
//! Called by `steps`; by tests, which have a case of each kind. Says the meaning (fields, directions, conditions), never SQL,
//! so that a better statement for the same effect needs no new approval.

use serde_json::{Map, Value as Json, json};

use super::super::{Check, Collection, Index, Schema, Search, UniqueKey};
use crate::filter::{Filter, Op, Operand};
use crate::json::canonical;
use crate::plan::Step;
use crate::value::Value;

/// The kinds of steps, as the words that their effects begin with.
pub const KINDS: [&str; 34] = [
    "add check",
    "add field",
    "add index",
    "add reference",
    "add search",
    "add unique key",
    "allow",
    "change",
    "check values of",
    "create table",
    "drop check",
    "drop default of",
    "drop field",
    "drop former indexes of",
    "drop former rules of",
    "drop former search of",
    "drop index",
    "drop indexes and reference of the retained field",
    "drop indexes and references of the retained collection",
    "drop reference",
    "drop search",
    "drop table",
    "drop unique key",
    "fill",
    "hold",
    "index the words of",
    "keep both columns of",
    "no longer allow",
    "no longer check values of",
    "no longer require",
    "read",
    "require",
    "set default of",
    "widen",
];

/// The kind of a step; none is a step that [`KINDS`] does not know yet.
pub fn kind(step: &Step) -> Option<&'static str> {
    let begins = |kind: &&str| step.effect.strip_prefix(*kind).is_some_and(|rest| rest.starts_with(' '));
    KINDS.into_iter().find(begins)
}

/// `unique key markets (creator, title) ignoring case where {…}`.
pub(super) fn unique(key: &UniqueKey, collection: &Collection, schema: &Schema) -> String {
    let fields: Vec<&str> = key.fields.iter().map(|field| name(collection, *field)).collect();
    let mut text = format!("unique key {} ({})", collection.name, fields.join(", "));
    if key.case_insensitive {
        text.push_str(" ignoring case");
    }
    if let Some(filter) = &key.condition {
        text.push_str(&format!(" where {}", canonical(&tree(filter, collection, schema))));
    }
    text
}

/// `index markets (status, -created_at)`.
pub(super) fn index(index: &Index, collection: &Collection) -> String {
    let sign = |descending: bool| if descending { "-" } else { "" };
    let keys = index.keys.iter().map(|key| format!("{}{}", sign(key.descending), name(collection, key.field)));
    format!("index {} ({})", collection.name, keys.collect::<Vec<_>>().join(", "))
}

/// `search markets (title, description) in english`.
pub(super) fn search(search: &Search, collection: &Collection) -> String {
    let fields: Vec<&str> = search.fields.iter().map(|field| name(collection, *field)).collect();
    format!("search {} ({}) in {}", collection.name, fields.join(", "), search.language.name)
}

/// `check markets {…}`.
pub(super) fn check(check: &Check, collection: &Collection, schema: &Schema) -> String {
    format!("check {} {}", collection.name, canonical(&tree(&check.that, collection, schema)))
}

fn name(collection: &Collection, field: usize) -> &str {
    collection.fields.get(field).map_or("", |field| field.name.as_str())
}

/// A tree as it would be written in a document.
fn tree(filter: &Filter, collection: &Collection, schema: &Schema) -> Json {
    let all = |filters: &[Filter]| filters.iter().map(|filter| tree(filter, collection, schema)).collect::<Json>();
    match filter {
        Filter::And(filters) => json!({ "and": all(filters) }),
        Filter::Or(filters) => json!({ "or": all(filters) }),
        Filter::Not(filter) => json!({ "not": tree(filter, collection, schema) }),
        Filter::Test { field, op, operands } => {
            let operands: Vec<Json> =
                operands.iter().map(|operand| self::operand(operand, *field, *op, collection)).collect();
            let right = match operands.as_slice() {
                [one] if !op.takes_list() => one.clone(),
                _ => Json::Array(operands),
            };
            member(name(collection, *field), member(op.name(), right))
        }
        Filter::Through { field, target, filter, .. } => {
            let inner = schema.get(target.as_str()).map_or(Json::Null, |target| tree(filter, target, schema));
            member(name(collection, *field), inner)
        }
        // Neither checks nor keys hold one of these.
        Filter::Exists { collection, .. } => member("exists", Json::from(collection.as_str())),
        Filter::Words(_) => Json::Null,
    }
}

fn member(name: &str, value: Json) -> Json {
    Json::Object(Map::from_iter([(name.to_owned(), value)]))
}

fn operand(operand: &Operand, field: usize, op: Op, collection: &Collection) -> Json {
    match operand {
        Operand::Value(Value::Boolean(b)) if op == Op::Isnull => Json::Bool(*b),
        Operand::Value(value) => {
            let Some(kind) = collection.fields.get(field).map(|field| &field.kind) else { return Json::Null };
            let mut text = Vec::new();
            match kind.item().filter(|_| op == Op::Has) {
                Some(item) => item.write_json(value, &mut text),
                None => kind.write_json(value, &mut text),
            }
            serde_json::from_slice(&text).unwrap_or(Json::Null)
        }
        Operand::Field(other) => Json::from(format!("$field.{}", name(collection, *other))),
        Operand::Outer(_) => Json::from("$field"),
        Operand::Now => Json::from("$now"),
        Operand::AuthId => Json::from("$auth.id"),
        Operand::AuthRoles => Json::from("$auth.roles"),
        Operand::AuthClaim { name, .. } => Json::from(format!("$auth.claims.{name}")),
    }
}
