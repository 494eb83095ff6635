//! Gives a declared collection the names that the database knows its fields, indexes and rules by.
//!
//! Called by `evolve`. A renamed field keeps its column; an index or a rule that says the same as an applied one is
//! that one, whatever the documents would call it. Decides no step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::ddl::{condition, shorten};
use super::super::stored::Retained;
use super::super::{Check, Collection, Index, Schema, Search, UniqueKey};
use super::compare::Matched;
use super::removal;
use crate::sql::Dialect;

/// A declared collection with its database names, and what it has in common with the applied one.
pub(super) struct Resolved {
    pub collection: Arc<Collection>,
    /// For each field its position in the applied collection.
    pub fields: Vec<Option<usize>>,
    /// For each field the applied one whose values it takes over into a column of another type.
    pub converted: Vec<Option<usize>>,
    /// For each field the retained column that it takes over.
    pub returned: Vec<Option<Retained>>,
    /// The columns that no declared field has.
    pub retained: Vec<Retained>,
    /// Name by the documents → name in the database, where they differ.
    pub objects: BTreeMap<String, String>,
    /// Database names of the applied indexes, keys, checks and columns of words that stay.
    pub kept: BTreeSet<String>,
}

/// A collection that is not yet in the database: it gets the names that it declares.
pub(super) fn new(declared: &Arc<Collection>) -> Resolved {
    let fields = vec![None; declared.fields.len()];
    let (objects, kept) = (BTreeMap::new(), BTreeSet::new());
    let (converted, returned, retained) = (Vec::new(), Vec::new(), Vec::new());
    Resolved { collection: Arc::clone(declared), fields, converted, returned, retained, objects, kept }
}

/// The columns of a collection that is there. `before` are the columns that it had retained.
pub(super) fn existing(
    old: &Collection,
    before: &[Retained],
    declared: &Collection,
    matched: Matched,
    revision: i64,
) -> Resolved {
    let Matched { fields, converted, returned } = matched;
    let mut collection = declared.clone();
    let mut taken: BTreeSet<&str> = old.fields.iter().map(|field| field.column.as_str()).collect();
    taken.extend(before.iter().map(|one| one.column.as_str()));
    for (position, field) in collection.fields.iter_mut().enumerate() {
        let applied = fields.get(position).copied().flatten().and_then(|before| old.fields.get(before));
        let back = returned.get(position).and_then(Option::as_ref);
        field.column = match (applied, back) {
            (Some(before), _) => before.column.clone(),
            (None, Some(back)) => back.column.clone(),
            (None, None) => free(field.name.as_str(), &taken, revision),
        };
    }
    let (objects, kept) = (BTreeMap::new(), BTreeSet::new());
    let collection = Arc::new(collection);
    let mut resolved = Resolved { collection, fields, converted, returned, retained: Vec::new(), objects, kept };
    resolved.retained = removal::retained(old, before, &resolved);
    resolved
}

/// The names of indexes, unique keys, checks and the column of words, once the columns are known.
pub(super) fn objects(old: &Collection, before: &Schema, new: &mut Resolved, schema: &Schema, revision: i64) {
    let mut collection = Collection::clone(&new.collection);
    let mut applied: Vec<(String, &str)> = Vec::new();
    applied.extend(old.unique.iter().map(|key| (unique(key, old, before), key.name.as_str())));
    applied.extend(old.indexes.iter().map(|key| (index(key, old), key.name.as_str())));
    applied.extend(old.checks.iter().map(|rule| (check(rule, old, before), rule.name.as_str())));
    applied.extend(old.search.iter().map(|words| (search(words, old), words.column.as_str())));

    let mut wanted: Vec<(String, &mut String)> = Vec::new();
    let here = Arc::clone(&new.collection);
    let declared = here.unique.iter().map(|key| unique(key, &here, schema));
    wanted.extend(declared.zip(collection.unique.iter_mut().map(|key| &mut key.name)));
    let declared = here.indexes.iter().map(|key| index(key, &here));
    wanted.extend(declared.zip(collection.indexes.iter_mut().map(|index| &mut index.name)));
    let declared = here.checks.iter().map(|rule| check(rule, &here, schema));
    wanted.extend(declared.zip(collection.checks.iter_mut().map(|check| &mut check.name)));
    let declared = here.search.iter().map(|words| search(words, &here));
    wanted.extend(declared.zip(collection.search.iter_mut().map(|search| &mut search.column)));

    let taken: BTreeSet<&str> = applied.iter().map(|(_, name)| *name).collect();
    for (definition, name) in wanted {
        let same = applied.iter().position(|(known, _)| *known == definition);
        let known = match same {
            Some(position) => {
                let known = applied.swap_remove(position).1.to_owned();
                new.kept.insert(known.clone());
                known
            }
            None => free(name, &taken, revision),
        };
        if known != *name {
            new.objects.insert(std::mem::replace(name, known.clone()), known);
        }
    }
    new.collection = Arc::new(collection);
}

/// `name`, or `name__<revision>` where the database has another of that name.
fn free(name: &str, taken: &BTreeSet<&str>, revision: i64) -> String {
    match taken.contains(name) {
        true => shorten(&format!("{name}__{revision}")),
        false => name.to_owned(),
    }
}

fn unique(key: &UniqueKey, collection: &Collection, schema: &Schema) -> String {
    let filter = key.condition.as_ref().map(|filter| condition(filter, collection, schema, Dialect::Postgres));
    format!("unique {:?} {} {filter:?}", columns(key.fields.iter(), collection), key.case_insensitive)
}

fn index(index: &Index, collection: &Collection) -> String {
    let descending: Vec<bool> = index.keys.iter().map(|key| key.descending).collect();
    format!("index {:?} {descending:?}", columns(index.keys.iter().map(|key| &key.field), collection))
}

fn check(check: &Check, collection: &Collection, schema: &Schema) -> String {
    format!("check {}", condition(&check.that, collection, schema, Dialect::Postgres))
}

fn search(search: &Search, collection: &Collection) -> String {
    format!("search {:?} in {}", columns(search.fields.iter(), collection), search.language.name)
}

fn columns<'a>(fields: impl Iterator<Item = &'a usize>, collection: &'a Collection) -> Vec<&'a str> {
    fields.filter_map(|field| collection.fields.get(*field)).map(|field| field.column.as_str()).collect()
}
