//! The steps from one schema to the next, in their order, each with its SQL, phase and class.
//!
//! Called by `evolve` when nothing was refused. What an old server could trip over is contract; a statement that
//! scans a live table never blocks writers, and a step outside a transaction may be run again.

use super::super::ddl::{
    check_rule, column_definition, condition, create_index, create_table, create_unique, drop_index, ident,
    nullable_column, unique_key_part, value_check, value_check_name,
};
use super::super::stored::Removed;
use super::super::{Check, Collection, DefaultValue, Field, Index, SYSTEM_FIELDS, Schema, UniqueKey};
use super::compare::spec;
use super::option::{self, Change};
use super::required::{fill, relax, require, require_new};
use super::{Pair, conversion, describe, reference, removal, search};
use crate::plan::{Class, Phase, Step, StepSql};
use crate::sql::Dialect;

pub(super) const CREATE_TABLE: &str = "create table";
pub(super) const ADD_FIELD: &str = "add field";

/// Every step: tables and columns, then what points to them, then indexes; contract after expand. Tables go last.
pub(super) fn all(pairs: &[Pair], gone: &[Removed], before: &Schema, schema: &Schema) -> Vec<Step> {
    let mut steps = Vec::new();
    for pair in pairs.iter().filter(|pair| pair.old.is_none()) {
        steps.push(table(&pair.new.collection, schema));
    }
    for pair in pairs {
        columns(pair, schema, &mut steps);
        conversion::columns(pair, schema, &mut steps);
    }
    // Before indexes: SQLite redefines a column that none names.
    for pair in pairs {
        if let Some(returned) = &pair.returned {
            removal::former(&pair.new.collection, returned, &mut steps);
        }
        if let Some(old) = &pair.old {
            removal::steps(old, &pair.retained, &pair.new, schema, &mut steps);
        }
    }
    for pair in pairs {
        reference::steps(pair, before, schema, &mut steps);
        conversion::triggers(pair, &mut steps);
    }
    for pair in pairs {
        indexes(pair, schema, &mut steps);
    }
    for pair in pairs {
        rules(pair, schema, &mut steps);
        dropped(pair, before, &mut steps);
    }
    // Of each phase the last: words are those of the values that its other steps leave.
    for pair in pairs {
        search::steps(pair, &mut steps);
    }
    removal::tables(gone, &mut steps);
    steps.sort_by_key(|step| step.phase);
    steps
}

/// A safe, reversible step in one transaction before the rollout; others say how they differ.
pub(super) fn step(effect: String, collection: &str, postgres: StepSql, sqlite: StepSql) -> Step {
    Step {
        effect,
        collection: collection.to_owned(),
        phase: Phase::Expand,
        class: Class::Safe,
        reversible: true,
        transactional: true,
        judges: None,
        indexes_words: false,
        postgres,
        sqlite,
    }
}

pub(super) fn sql(up: Vec<String>, down: Vec<String>) -> StepSql {
    StepSql { up, down, violations: None }
}

fn table(collection: &Collection, schema: &Schema) -> Step {
    let [postgres, sqlite] = [Dialect::Postgres, Dialect::Sqlite].map(|dialect| {
        let kept = collection.history.map(|_| removal::forget(collection.name.as_str()));
        let down = kept.into_iter().chain([format!("DROP TABLE {}", ident(&collection.table))]);
        sql(vec![create_table(collection, schema, dialect)], down.collect())
    });
    step(format!("{CREATE_TABLE} {}", collection.name), collection.name.as_str(), postgres, sqlite)
}

/// Counts the records for which a condition holds, with some of their ids: a query for [`StepSql::violations`].
pub(super) fn count(table: &str, condition: &str) -> String {
    let table = ident(table);
    format!("SELECT count(*) OVER (), CAST(\"id\" AS text) FROM {table} WHERE {condition} ORDER BY 2 LIMIT 10")
}

fn columns(pair: &Pair, schema: &Schema, steps: &mut Vec<Step>) {
    let Some(old) = &pair.old else { return };
    let collection = &*pair.new.collection;
    for (position, field) in collection.declared() {
        let elsewhere = [
            pair.new.returned.get(position).is_some_and(Option::is_some),
            pair.new.converted.get(position).is_some_and(Option::is_some),
        ];
        if elsewhere.contains(&true) {
            continue;
        }
        match pair.new.fields.get(position).copied().flatten().and_then(|before| old.fields.get(before)) {
            None => added(collection, position, field, schema, steps),
            Some(before) => {
                if let (Some(was), Some(is)) = (spec(old, before), spec(collection, field)) {
                    option::steps(&Change { collection, was, is, field }, before, steps);
                }
                match (before.required, field.required) {
                    (true, false) => steps.push(relax(collection, field.name.as_str(), &field.column)),
                    (false, true) => steps.extend(require(collection, field)),
                    _ => {}
                }
            }
        }
    }
}

/// A new column. Where records lack a value of a required field, older servers go on without it until the contract.
fn added(collection: &Collection, position: usize, field: &Field, schema: &Schema, steps: &mut Vec<Step>) {
    let constant = matches!(&field.default, Some(DefaultValue::Value(value)) if !value.is_null());
    let late = field.required && !constant;
    let [postgres, sqlite] = [Dialect::Postgres, Dialect::Sqlite].map(|dialect| {
        let define = if late { nullable_column } else { column_definition };
        let definition = define(collection, position, schema, dialect);
        let table = ident(&collection.table);
        let add = format!("ALTER TABLE {table} ADD COLUMN {definition}");
        let mut sql = sql(vec![add], vec![format!("ALTER TABLE {table} DROP COLUMN {}", ident(&field.column))]);
        sql.violations = (late && fill(collection, field, dialect).is_none()).then(|| count(&collection.table, "TRUE"));
        sql
    });
    let mut add =
        step(format!("{ADD_FIELD} {}.{}", collection.name, field.name), collection.name.as_str(), postgres, sqlite);
    if add.postgres.violations.is_some() {
        add.class = Class::DataDependent;
    }
    steps.push(add);
    if let Some(rule) = value_check(field) {
        let effect = format!("check values of {}.{}", collection.name, field.name);
        let name = value_check_name(collection, field);
        steps.push(constraint(effect, collection, &name, &format!("CHECK {rule}"), None));
    }
    if late {
        steps.extend(require_new(collection, field));
    }
}

/// Sets a constraint of PostgreSQL, in place of `was` if there is one: checked for new rows at once, for old ones
/// without blocking anybody.
pub(super) fn constraint(effect: String, collection: &Collection, name: &str, rule: &str, was: Option<&str>) -> Step {
    let (table, name) = (ident(&collection.table), ident(name));
    let set = |rule: &str| {
        vec![
            format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}, ADD CONSTRAINT {name} {rule} NOT VALID"),
            format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}"),
        ]
    };
    let drop = || vec![format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")];
    let postgres = sql(set(rule), was.map_or_else(drop, set));
    // With values that only the new rule allows, the old one cannot be had back.
    Step {
        reversible: was.is_none(),
        transactional: false,
        ..step(effect, collection.name.as_str(), postgres, StepSql::default())
    }
}

fn indexes(pair: &Pair, schema: &Schema, steps: &mut Vec<Step>) {
    let collection = &pair.new.collection;
    let live = pair.old.is_some();
    for key in collection.unique.iter().filter(|key| !pair.new.kept.contains(&key.name)) {
        let made = |dialect| {
            let mut made = sql(
                vec![create_unique(key, collection, schema, dialect, live)],
                vec![drop_index(&key.name, dialect, live)],
            );
            made.violations = (live && !cannot_agree(pair, key)).then(|| same_key(key, collection, schema, dialect));
            made
        };
        let effect = format!("add {}", describe::unique(key, collection, schema));
        let mut added = step(effect, collection.name.as_str(), made(Dialect::Postgres), made(Dialect::Sqlite));
        added.transactional = !live;
        if added.postgres.violations.is_some() {
            (added.phase, added.class) = (Phase::Contract, Class::DataDependent);
        }
        steps.push(added);
    }
    for index in collection.indexes.iter().filter(|index| !pair.new.kept.contains(&index.name)) {
        let [postgres, sqlite] = [Dialect::Postgres, Dialect::Sqlite].map(|dialect| {
            sql(vec![create_index(index, collection, dialect, live)], vec![drop_index(&index.name, dialect, live)])
        });
        let effect = format!("add {}", describe::index(index, collection));
        steps.push(Step { transactional: !live, ..step(effect, collection.name.as_str(), postgres, sqlite) });
    }
}

/// A key with a new field that is null everywhere, or of which each record gets a value of its own: nulls never agree.
pub(super) fn cannot_agree(pair: &Pair, key: &UniqueKey) -> bool {
    key.fields.iter().any(|position| {
        let returned = pair.new.returned.get(*position).is_some_and(Option::is_some);
        let converted = pair.new.converted.get(*position).is_some_and(Option::is_some);
        let fresh = !returned && !converted && pair.new.fields.get(*position).is_some_and(Option::is_none);
        let field = pair.new.collection.fields.get(*position);
        fresh && field.is_some_and(|field| !matches!(field.default, Some(DefaultValue::Value(_))))
    })
}

/// The records that share a key, in one pass over the table.
fn same_key(key: &UniqueKey, collection: &Collection, schema: &Schema, dialect: Dialect) -> String {
    let parts: Vec<String> = key.fields.iter().map(|field| unique_key_part(key, *field, collection, dialect)).collect();
    let mut takes_part: Vec<String> = parts.iter().map(|part| format!("{part} IS NOT NULL")).collect();
    takes_part.extend(key.condition.iter().map(|filter| condition(filter, collection, schema, dialect)));
    format!(
        "SELECT count(*) OVER (), CAST(\"id\" AS text) FROM (SELECT \"id\", count(*) OVER (PARTITION BY {}) AS \"same\" \
         FROM {} WHERE {}) AS \"keys\" WHERE \"same\" > 1 ORDER BY 2 LIMIT 10",
        parts.join(", "),
        ident(&collection.table),
        takes_part.join(" AND "),
    )
}

/// Checks that a table which is there did not have. New tables are made with theirs.
fn rules(pair: &Pair, schema: &Schema, steps: &mut Vec<Step>) {
    if pair.old.is_none() {
        return;
    }
    let collection = &pair.new.collection;
    for check in collection.checks.iter().filter(|check| !pair.new.kept.contains(&check.name)) {
        let rule = format!("CHECK {}", check_rule(check, collection, schema));
        let effect = format!("add {}", describe::check(check, collection, schema));
        let mut added = constraint(effect, collection, &check.name, &rule, None);
        (added.phase, added.class) = (Phase::Contract, Class::DataDependent);
        added.postgres.violations = Some(broken(check, collection, schema, Dialect::Postgres));
        added.sqlite.violations = Some(broken(check, collection, schema, Dialect::Sqlite));
        steps.push(added);
    }
}

fn broken(check: &Check, collection: &Collection, schema: &Schema, dialect: Dialect) -> String {
    count(&collection.table, &format!("NOT ({})", condition(&check.that, collection, schema, dialect)))
}

/// Indexes, keys and checks that are declared no longer.
fn dropped(pair: &Pair, before: &Schema, steps: &mut Vec<Step>) {
    let Some(old) = &pair.old else { return };
    let mut push = |effect: String, phase: Phase, reversible: bool, transactional: bool, sql: [StepSql; 2]| {
        let [postgres, sqlite] = sql;
        let dropped = step(format!("drop {effect}"), old.name.as_str(), postgres, sqlite);
        steps.push(Step { phase, reversible, transactional, ..dropped });
    };
    let both = [Dialect::Postgres, Dialect::Sqlite];
    let gone: Vec<usize> =
        (SYSTEM_FIELDS..old.fields.len()).filter(|at| !pair.new.fields.contains(&Some(*at))).collect();
    // What names a removed field goes with it.
    let stays = |name: &String, names: &dyn Fn(usize) -> bool| {
        pair.new.kept.contains(name) || gone.iter().any(|position| names(*position))
    };
    for key in old.unique.iter().filter(|key| !stays(&key.name, &|at| removal::key_names(key, at))) {
        let sql = both.map(|dialect| sql(vec![drop_index(&key.name, dialect, true)], Vec::new()));
        push(describe::unique(key, old, before), Phase::Contract, false, false, sql);
    }
    let indexed = |index: &Index, at: usize| index.keys.iter().any(|key| key.field == at);
    for index in old.indexes.iter().filter(|index| !stays(&index.name, &|at| indexed(index, at))) {
        let sql = both.map(|dialect| {
            sql(vec![drop_index(&index.name, dialect, true)], vec![create_index(index, old, dialect, true)])
        });
        push(describe::index(index, old), Phase::Contract, true, false, sql);
    }
    for check in old.checks.iter().filter(|check| !pair.new.kept.contains(&check.name)) {
        let (table, name) = (ident(&old.table), ident(&check.name));
        let drop = format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}");
        let rule = check_rule(check, old, before);
        let validate = format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}");
        let down = vec![format!("{drop}, ADD CONSTRAINT {name} CHECK {rule} NOT VALID"), validate];
        let sql = [sql(vec![drop], down), StepSql::default()];
        // New servers leave a removed field empty, which it may not allow; old ones hold to it by themselves.
        let phase = match gone.iter().any(|position| removal::names(&check.that, *position)) {
            true => Phase::Expand,
            false => Phase::Contract,
        };
        push(describe::check(check, old, before), phase, false, true, sql);
    }
}
