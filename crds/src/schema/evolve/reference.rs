//! Foreign keys: of new fields, of fields that become references, point elsewhere or are references no longer, and of
//! retained ones that return.
//!
//! Called by `steps` and `removal`. PostgreSQL adds a key to a table beside its writers; SQLite, which cannot, moves the
//! values into a column that has it.

use super::super::ddl::{
    create_index, create_unique, drop_index, ident, nullable_column, reference_name, reference_rule,
};
use super::super::stored::Retained;
use super::super::{Collection, Field, Schema, UniqueKey};
use super::removal::key_names;
use super::steps::{cannot_agree, constraint, count, sql, step};
use super::{Pair, resolve::Resolved};
use crate::plan::{Class, Phase, Step, StepSql};
use crate::sql::Dialect;

/// The foreign keys of one collection.
pub(super) fn steps(pair: &Pair, before: &Schema, schema: &Schema, steps: &mut Vec<Step>) {
    for (position, field) in pair.new.collection.declared() {
        let applied = pair.new.fields.get(position).copied().flatten();
        let was = applied.and_then(|at| Some((at, pair.old.as_ref()?.fields.get(at)?)));
        match was {
            Some((at, was)) if was.target() != field.target() => {
                steps.extend(was.target().and_then(|_| leave(pair, at, (was, field), before)));
                steps.extend(field.target().and_then(|_| point(pair, position, field, schema)));
            }
            Some(_) => {}
            None if pair.new.returned.get(position).is_some_and(Option::is_some) => {}
            None => steps.extend(made(pair, field, schema)),
        }
    }
}

fn effect(verb: &str, collection: &Collection, field: &Field) -> String {
    let target = field.target().map_or("", |target| target.as_str());
    format!("{verb} reference {}.{} to {target}", collection.name, field.name)
}

/// The key of a new field; SQLite has made it with the column.
fn made(pair: &Pair, field: &Field, schema: &Schema) -> Option<Step> {
    let (collection, rule) = (&pair.new.collection, reference_rule(field, schema)?);
    let (effect, name) = (effect("add", collection, field), reference_name(collection, field));
    if pair.old.is_some() {
        return Some(constraint(effect, collection, &name, &rule, None));
    }
    let (table, name) = (ident(&collection.table), ident(&name));
    let postgres = sql(
        vec![format!("ALTER TABLE {table} ADD CONSTRAINT {name} {rule}")],
        vec![format!("ALTER TABLE {table} DROP CONSTRAINT {name}")],
    );
    Some(step(effect, collection.name.as_str(), postgres, StepSql::default()))
}

/// New servers write what the former target does not have.
fn leave(pair: &Pair, at: usize, (was, is): (&Field, &Field), before: &Schema) -> Option<Step> {
    let (old, rule) = (pair.old.as_ref()?, reference_rule(was, before)?);
    let name = reference_name(old, was);
    let drop = format!("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}", ident(&old.table), ident(&name));
    let back = constraint(String::new(), old, &name, &rule, None).postgres.up;
    let (free, bound) = (format!("{} TEXT", ident(&was.column)), nullable_column(old, at, before, Dialect::Sqlite));
    let move_to = |definition: &str| {
        // What is no longer required is so by an earlier step, what is newly required by a later one.
        let moved = redefine(&ident(&old.table), &was.column, definition, !(was.required && is.required));
        around(pair, at, None, before, moved)
    };
    let sqlite = sql(move_to(&free), move_to(&bound));
    let left = step(effect("drop", old, was), old.name.as_str(), sql(vec![drop], back), sqlite);
    Some(Step { reversible: false, ..left })
}

/// Until the contract old servers write what refers to nothing.
fn point(pair: &Pair, position: usize, field: &Field, schema: &Schema) -> Option<Step> {
    let (collection, rule) = (&pair.new.collection, reference_rule(field, schema)?);
    let mut added =
        constraint(effect("add", collection, field), collection, &reference_name(collection, field), &rule, None);
    let bound = nullable_column(collection, position, schema, Dialect::Sqlite);
    let at = pair.new.fields.get(position).copied().flatten()?;
    let move_to = |definition: &str| {
        let moved = redefine(&ident(&collection.table), &field.column, definition, !field.required);
        around(pair, at, Some(position), schema, moved)
    };
    let free = format!("{} TEXT", ident(&field.column));
    added.sqlite = sql(move_to(&bound), move_to(&free));
    (added.phase, added.class) = (Phase::Contract, Class::DataDependent);
    let dangling = dangling(collection, field, schema);
    (added.postgres.violations, added.sqlite.violations) = (Some(dangling.clone()), Some(dangling));
    Some(added)
}

/// Takes the indexes of a column away for as long as SQLite moves it, and makes those again that are to be there.
fn around(pair: &Pair, at: usize, position: Option<usize>, schema: &Schema, moved: Vec<String>) -> Vec<String> {
    let (Some(old), Resolved { collection: new, kept, .. }) = (&pair.old, &pair.new) else { return moved };
    let mut drops: Vec<&String> = names(old, at).collect();
    drops.extend(position.into_iter().flat_map(|position| names(new, position)));
    let drops = drops.into_iter().map(|name| drop_index(name, Dialect::Sqlite, true));
    let (collection, at) = position.map_or((old, at), |position| (new, position));
    let there = |key: &&UniqueKey| position.is_none() || kept.contains(&key.name) || cannot_agree(pair, key);
    let keys = collection.unique.iter().filter(|key| key_names(key, at)).filter(there);
    let keys = keys.map(|key| create_unique(key, collection, schema, Dialect::Sqlite, true));
    let indexes = collection.indexes.iter().filter(|index| index.keys.iter().any(|key| key.field == at));
    let indexes = indexes.map(|index| create_index(index, collection, Dialect::Sqlite, true));
    drops.chain(moved).chain(keys).chain(indexes).collect()
}

fn names(collection: &Collection, at: usize) -> impl Iterator<Item = &String> {
    let keys = collection.unique.iter().filter(move |key| key_names(key, at)).map(|key| &key.name);
    let indexes = collection.indexes.iter().filter(move |index| index.keys.iter().any(|key| key.field == at));
    keys.chain(indexes.map(|index| &index.name))
}

/// The key of a retained column that returns and has been without one.
pub(super) fn again(collection: &Collection, position: usize, one: &Retained, schema: &Schema) -> Option<Step> {
    let field = collection.fields.get(position)?;
    let rule = reference_rule(field, schema)?;
    let (table, name) = (ident(&collection.table), reference_name(collection, field));
    let mut added = constraint(effect("add", collection, field), collection, &name, &rule, None);
    added.class = Class::DataDependent;
    let definition = nullable_column(collection, position, schema, Dialect::Sqlite);
    let free = format!("{} TEXT", ident(&field.column));
    let up = redefine(&table, &field.column, &definition, one.nullable || !field.required);
    added.sqlite = sql(up, redefine(&table, &field.column, &free, one.nullable));
    let dangling = dangling(collection, field, schema);
    (added.postgres.violations, added.sqlite.violations) = (Some(dangling.clone()), Some(dangling));
    Some(added)
}

fn dangling(collection: &Collection, field: &Field, schema: &Schema) -> String {
    let (table, column) = (ident(&collection.table), ident(&field.column));
    let target = field.target().and_then(|target| schema.get(target.as_str()));
    let target = target.map_or_else(String::new, |target| ident(&target.table));
    let missing =
        format!("NOT EXISTS (SELECT 1 FROM {target} AS \"target\" WHERE \"target\".\"id\" = {table}.{column})");
    count(&collection.table, &format!("{column} IS NOT NULL AND {missing}"))
}

/// SQLite's way to another definition of a column that no index names.
pub(super) fn redefine(table: &str, column: &str, definition: &str, nullable: bool) -> Vec<String> {
    let (old, column) = (ident(&format!("{column}__before")), ident(column));
    let mut all = vec![
        format!("ALTER TABLE {table} RENAME COLUMN {column} TO {old}"),
        format!("ALTER TABLE {table} ADD COLUMN {definition}"),
        format!("UPDATE {table} SET {column} = {old}"),
        format!("ALTER TABLE {table} DROP COLUMN {old}"),
    ];
    if !nullable {
        // No column can be added that takes no null.
        all.push(format!("ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL"));
    }
    all
}
