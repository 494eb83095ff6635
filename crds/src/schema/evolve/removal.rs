//! Fields and collections that are declared no longer: what becomes of their columns and tables, and how they return.
//!
//! Called by `evolve`. The applied schema's `deletionPolicy` decides: Delete drops in the contract, Retain keeps the data
//! where it is, free of rules that would hold up the rest. Until the contract everything is still there, so that old
//! servers run and a declaration that comes back finds its data.

use std::collections::BTreeSet;

use super::super::ddl::{drop_index, ident, object_name, value_check, value_check_name};
use super::super::stored::{Fate, Removed, Retained};
use super::super::{Collection, DeletionPolicy, Field, SYSTEM_FIELDS, Schema, Search, UniqueKey, ddl};
use super::compare::spec;
use super::reference::redefine;
use super::required::{relax, require};
use super::resolve::Resolved;
use super::steps::{constraint, sql, step};
use super::{option, reference};
use crate::collection::FieldSpec;
use crate::filter::{Filter, Operand};
use crate::plan::{Class, Phase, Step};
use crate::sql::Dialect;
use crate::words::Language;

const DROP_FIELD: &str = "drop field";
const FREE_FIELD: &str = "drop indexes and reference of the retained field";
const DROP_TABLE: &str = "drop table";
const FREE_TABLE: &str = "drop indexes and references of the retained collection";

/// Whether it is a contract step of this file, which the next plan holds again while it has not run.
pub(super) fn is_removal(step: &Step) -> bool {
    [DROP_FIELD, FREE_FIELD, DROP_TABLE, FREE_TABLE].iter().any(|effect| step.effect.starts_with(effect))
}

const BOTH: [Dialect; 2] = [Dialect::Postgres, Dialect::Sqlite];

/// The retained columns of a collection whose declared fields are matched: what was retained before less what has
/// returned, and what is removed now.
pub(super) fn retained(old: &Collection, before: &[Retained], new: &Resolved) -> Vec<Retained> {
    let returned: BTreeSet<&str> = new.returned.iter().flatten().map(|one| one.column.as_str()).collect();
    let stay = before.iter().filter(|one| !returned.contains(one.column.as_str())).cloned();
    let mut all: Vec<Retained> = stay.collect();
    let kept: BTreeSet<usize> = new.fields.iter().copied().flatten().collect();
    for (position, field) in old.fields.iter().enumerate().skip(SYSTEM_FIELDS) {
        if !kept.contains(&position) {
            all.extend(leave(old, position, field));
        }
    }
    for one in &mut all {
        // Its steps see to that before a new server writes.
        one.nullable = true;
    }
    all
}

/// A field that leaves its collection.
fn leave(old: &Collection, position: usize, field: &Field) -> Option<Retained> {
    let spec = old.spec.fields.iter().find(|spec| spec.name == field.name.as_str())?;
    let unique = old.unique.iter().filter(|key| key_names(key, position)).map(|key| key.name.clone());
    let indexes = old.indexes.iter().filter(|index| index.keys.iter().any(|key| key.field == position));
    let indexes: Vec<String> = unique.chain(indexes.map(|index| index.name.clone())).collect();
    let fate = match old.deletion_policy {
        DeletionPolicy::Delete => Fate::Drop,
        DeletionPolicy::Retain if !indexes.is_empty() || field.target().is_some() => Fate::Release,
        DeletionPolicy::Retain => Fate::Keep,
    };
    Some(Retained { field: spec.clone(), column: field.column.clone(), nullable: !field.required, fate, indexes })
}

/// A collection that is declared no longer.
pub(super) fn removed(old: &Collection, retained: &[Retained]) -> Removed {
    let declared = old.fields.iter().enumerate().skip(SYSTEM_FIELDS);
    let fields = declared.filter_map(|(position, field)| leave(old, position, field));
    let fields: Vec<Retained> = fields.chain(retained.iter().cloned()).collect();
    let search = old.search.as_ref().map(|search| search.column.clone());
    let is_indexed = search.is_some() || !(old.unique.is_empty() && old.indexes.is_empty());
    let bound = is_indexed || fields.iter().any(|one| one.fate != Fate::Keep);
    let fate = match old.deletion_policy {
        DeletionPolicy::Delete => Fate::Drop,
        DeletionPolicy::Retain if bound => Fate::Release,
        DeletionPolicy::Retain => Fate::Keep,
    };
    let checks = old.checks.iter().map(|check| check.name.clone()).collect();
    let indexes = old.indexes.iter().map(|index| &index.name).chain(old.unique.iter().map(|key| &key.name));
    let of_a_field = |name: &&String| fields.iter().any(|one| one.indexes.contains(name));
    let indexes = indexes.filter(|name| !of_a_field(name)).cloned().collect();
    Removed { name: old.name.to_string(), table: old.table.clone(), fate, fields, indexes, checks, search }
}

/// A removed collection as the start of its return: its table with the system fields alone; the others are retained. Words
/// that are still there are of no field, so that none are taken for them.
pub(super) fn emptied(declared: &Collection, removed: &Removed) -> Collection {
    let mut old = declared.clone();
    old.fields.truncate(SYSTEM_FIELDS);
    (old.unique, old.indexes, old.checks) = (Vec::new(), Vec::new(), Vec::new());
    let former = |column: String| Search { column, fields: Vec::new(), language: Language::default() };
    old.search = removed.search.clone().map(former);
    old
}

/// The retained column that a new field of this document takes over: of the name that it had before, else of its own,
/// and of a type that holds its values.
pub(super) fn returning<'a>(spec: &FieldSpec, retained: &'a [Retained]) -> Option<&'a Retained> {
    // Of two columns of one name the earlier has what was there before a change of type.
    let last = |name: &str| retained.iter().rev().find(|one| one.field.name == name);
    let named = |name: &str| last(name).filter(|one| holds(&one.field, spec));
    spec.renamed_from.as_deref().and_then(named).or_else(|| named(&spec.name))
}

fn holds(was: &FieldSpec, is: &FieldSpec) -> bool {
    let (FieldSpec { kind, precision, scale, items, collection, values, .. }, none) = (was, Vec::new());
    let now = is.values.as_ref().unwrap_or(&none);
    let values = values.as_ref().unwrap_or(&none).iter().all(|value| now.contains(value));
    let same = (kind, precision, scale, items, collection);
    values && same == (&is.kind, &is.precision, &is.scale, &is.items, &is.collection)
}

/// Whether a rule names the field at `position`.
pub(super) fn names(filter: &Filter, position: usize) -> bool {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => filters.iter().any(|filter| names(filter, position)),
        Filter::Not(filter) => names(filter, position),
        Filter::Test { field, operands, .. } => {
            let other = |operand: &Operand| matches!(operand, Operand::Field(other) if *other == position);
            *field == position || operands.iter().any(other)
        }
        Filter::Through { field, .. } => *field == position,
        // Checks and keys ask of no other records, and of no words.
        Filter::Exists { .. } | Filter::Words(_) => false,
    }
}

/// Whether a unique key names the field at `position`.
pub(super) fn key_names(key: &UniqueKey, position: usize) -> bool {
    key.fields.contains(&position) || key.condition.as_ref().is_some_and(|filter| names(filter, position))
}

/// The steps of one collection for fields that leave, stay away or return. `before` are the columns that were retained.
pub(super) fn steps(old: &Collection, before: &[Retained], new: &Resolved, schema: &Schema, steps: &mut Vec<Step>) {
    let collection = &new.collection;
    for one in &new.retained {
        let strict = match before.iter().find(|known| known.column == one.column) {
            Some(known) => !known.nullable,
            None => old.fields.iter().any(|field| field.column == one.column && field.required),
        };
        if strict {
            steps.push(relax(collection, &one.field.name, &one.column));
        }
    }
    for (position, one) in new.returned.iter().enumerate() {
        if let (Some(one), Some(field)) = (one, collection.fields.get(position)) {
            come_back(collection, field, position, one, schema, steps);
        }
    }
    for one in &new.retained {
        steps.extend(contract(collection, one));
    }
}

/// What a collection that has returned does not declare any more, as PostgreSQL would hold new records to it.
pub(super) fn former(collection: &Collection, removed: &Removed, steps: &mut Vec<Step>) {
    let table = ident(&collection.table);
    let checks = removed.checks.iter().filter(|name| !collection.checks.iter().any(|check| check.name == **name));
    let checks = checks.map(|name| format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {}", ident(name)));
    let indexes: Vec<&String> = removed.indexes.iter().filter(|name| !has_index(collection, name)).collect();
    let drop = |dialect| indexes.iter().map(move |name| drop_index(name, dialect, false));
    let postgres = sql(checks.chain(drop(Dialect::Postgres)).collect(), Vec::new());
    let sqlite = sql(drop(Dialect::Sqlite).collect(), Vec::new());
    if !postgres.up.is_empty() {
        let effect = format!("drop former rules of {}", collection.name);
        steps.push(Step { reversible: false, ..step(effect, collection.name.as_str(), postgres, sqlite) });
    }
}

fn has_index(collection: &Collection, name: &str) -> bool {
    let unique = collection.unique.iter().any(|key| key.name == name);
    unique || collection.indexes.iter().any(|index| index.name == name)
}

/// What makes a retained column the field's again.
fn come_back(
    collection: &Collection,
    field: &Field,
    position: usize,
    one: &Retained,
    schema: &Schema,
    steps: &mut Vec<Step>,
) {
    let name = format!("{}.{}", collection.name, field.name);
    if let Some(is) = spec(collection, field) {
        steps.extend(option::hold(&option::Change { collection, was: &one.field, is, field }));
    }
    if let Some(rule) = value_check(field) {
        let (check, rule) = (value_check_name(collection, field), format!("CHECK {rule}"));
        steps.push(constraint(format!("check values of {name}"), collection, &check, &rule, None));
    }
    if field.required && one.nullable {
        steps.extend(require(collection, field));
    } else if !field.required && !one.nullable {
        steps.push(relax(collection, field.name.as_str(), &field.column));
    }
    // Before its contract the reference is still there.
    if one.fate == Fate::Keep {
        steps.extend(reference::again(collection, position, one, schema));
    }
    let left: Vec<&String> = one.indexes.iter().filter(|index| !has_index(collection, index)).collect();
    if !left.is_empty() {
        let [postgres, sqlite] =
            BOTH.map(|dialect| sql(left.iter().map(|index| drop_index(index, dialect, false)).collect(), Vec::new()));
        let former = step(format!("drop former indexes of {name}"), collection.name.as_str(), postgres, sqlite);
        steps.push(Step { phase: Phase::Contract, reversible: false, ..former });
    }
}

/// What the contract does to a retained column.
fn contract(collection: &Collection, one: &Retained) -> Option<Step> {
    let name = format!("{}.{}", collection.name, one.field.name);
    let table = ident(&collection.table);
    let [postgres, sqlite] = match one.fate {
        Fate::Keep => return None,
        Fate::Drop => {
            let drop = |dialect| {
                let guard = if dialect == Dialect::Postgres { "IF EXISTS " } else { "" };
                let column = format!("ALTER TABLE {table} DROP COLUMN {guard}{}", ident(&one.column));
                let indexes = one.indexes.iter().map(|index| drop_index(index, dialect, false));
                sql(indexes.chain([column]).collect(), Vec::new())
            };
            BOTH.map(drop)
        }
        Fate::Release => BOTH.map(|dialect| sql(release(&collection.table, one, dialect), Vec::new())),
    };
    let (verb, class) = match one.fate {
        Fate::Drop => (DROP_FIELD, Class::Destructive),
        Fate::Release | Fate::Keep => (FREE_FIELD, Class::Safe),
    };
    let step = step(format!("{verb} {name}"), collection.name.as_str(), postgres, sqlite);
    Some(Step { phase: Phase::Contract, class, reversible: false, ..step })
}

/// Frees a retained column of what would hold up others: its indexes, and the reference that keeps its target from going.
fn release(table: &str, one: &Retained, dialect: Dialect) -> Vec<String> {
    let mut all: Vec<String> = one.indexes.iter().map(|index| drop_index(index, dialect, false)).collect();
    if one.field.kind == "ref" {
        match dialect {
            Dialect::Postgres => all.push(drop_reference(table, one)),
            Dialect::Sqlite => {
                let free = format!("{} TEXT", ident(&one.column));
                all.extend(redefine(&ident(table), &one.column, &free, one.nullable));
            }
        }
    }
    all
}

fn drop_reference(table: &str, one: &Retained) -> String {
    let name = ident(&object_name(table, &one.column, "fkey"));
    format!("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {name}", ident(table))
}

/// The earlier versions of a collection's records go with their table, also those of a time when it kept them.
pub(super) fn forget(collection: &str) -> String {
    format!("DELETE FROM mainstay_history WHERE collection = '{collection}'")
}

/// The contract steps of collections that are declared no longer.
pub(super) fn tables(removed: &[Removed], steps: &mut Vec<Step>) {
    for one in removed.iter().filter(|one| one.fate == Fate::Release) {
        let bound = |field: &&Retained| field.fate != Fate::Keep;
        let [postgres, sqlite] = BOTH.map(|dialect| {
            let own = one.indexes.iter().map(|index| drop_index(index, dialect, false));
            let freed = one.fields.iter().filter(bound).flat_map(|field| release(&one.table, field, dialect));
            let words = one.search.iter().flat_map(|column| ddl::search::remove(&one.table, column, dialect));
            sql(words.chain(own).chain(freed).collect(), Vec::new())
        });
        let effect = format!("{FREE_TABLE} {}", one.name);
        steps.push(Step { phase: Phase::Contract, reversible: false, ..step(effect, &one.name, postgres, sqlite) });
    }
    let dropped: Vec<&Removed> = removed.iter().filter(|one| one.fate == Fate::Drop).collect();
    for (position, one) in dropped.iter().enumerate() {
        // Before the table's lock, which stops everybody.
        let (mut postgres, mut sqlite) = (vec![forget(&one.name)], vec![forget(&one.name)]);
        if position == 0 {
            // They may refer to each other in a circle.
            let references = |one: &&Removed| {
                let refs = one.fields.iter().filter(|field| field.field.kind == "ref").cloned().collect::<Vec<_>>();
                let table = one.table.clone();
                refs.into_iter().map(move |field| drop_reference(&table, &field))
            };
            postgres.extend(dropped.iter().flat_map(references));
            sqlite.push("PRAGMA defer_foreign_keys = ON".to_owned());
            sqlite.extend(dropped.iter().map(|one| format!("DELETE FROM {}", ident(&one.table))));
        }
        let drop = format!("DROP TABLE IF EXISTS {}", ident(&one.table));
        postgres.push(drop.clone());
        sqlite.push(drop);
        let beside = |column: &String| ddl::search::remove_beside(&one.table, column, Dialect::Sqlite);
        sqlite.extend(one.search.iter().flat_map(beside));
        let (postgres, sqlite) = (sql(postgres, Vec::new()), sql(sqlite, Vec::new()));
        let dropped = step(format!("{DROP_TABLE} {}", one.name), &one.name, postgres, sqlite);
        steps.push(Step { phase: Phase::Contract, class: Class::Destructive, reversible: false, ..dropped });
    }
}

#[cfg(test)]
mod tests;
