//! Fields that become required, and fields that are no longer: what fills the records that lack a value, and NOT NULL.
//!
//! Called by `steps` and `removal`. Old servers may leave the field empty until the contract, so that NOT NULL comes last
//! and what they left is filled once more beside it.

use super::super::ddl::{ident, object_name};
use super::super::{CREATED_AT, Collection, DefaultValue, Field};
use super::steps::{count, sql, step};
use crate::plan::{Class, Phase, Step};
use crate::sql::Dialect;
use crate::sql::literal::literal;

/// SQLite has no function for it: a random UUID (version 4) in the form that the server writes.
const SQLITE_UUID: &str = "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) \
    || '-' || substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))";

/// What a record that lacks the field takes: what a request would have given it when the record was created.
pub(super) fn fill(collection: &Collection, field: &Field, dialect: Dialect) -> Option<String> {
    // Records must not become the same by it, and a reference needs a record, which a constant alone does not make.
    let position = collection.position(field.name.as_str());
    let is_key = collection.unique.iter().any(|key| position.is_some_and(|position| key.fields.contains(&position)));
    match &field.default {
        Some(DefaultValue::Value(value)) if !value.is_null() && !is_key && field.target().is_none() => {
            Some(literal(field.kind.column(), value, dialect))
        }
        Some(DefaultValue::Now) if !is_key => collection.fields.get(CREATED_AT).map(|created| ident(&created.column)),
        Some(DefaultValue::Uuid) => Some(match dialect {
            Dialect::Postgres => "gen_random_uuid()".to_owned(),
            Dialect::Sqlite => SQLITE_UUID.to_owned(),
        }),
        _ => None,
    }
}

/// The steps to NOT NULL of a new column, which goes as a whole when they are undone.
pub(super) fn require_new(collection: &Collection, field: &Field) -> Vec<Step> {
    let undone = |step: Step| Step { reversible: true, ..step };
    require(collection, field).into_iter().map(undone).collect()
}

/// The steps to NOT NULL. Without anything that fills them, records that lack a value stop the plan.
pub(super) fn require(collection: &Collection, field: &Field) -> Vec<Step> {
    let (name, table) = (format!("{}.{}", collection.name, field.name), ident(&collection.table));
    let column = ident(&field.column);
    let update = |dialect: Dialect| {
        let value = fill(collection, field, dialect)?;
        Some(format!("UPDATE {table} SET {column} = {value} WHERE {column} IS NULL"))
    };
    let lax = || vec![format!("ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL")];
    let held = ident(&object_name(&collection.table, &field.column, "required"));
    let strict = format!("ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL");
    let unchecked = format!(
        "ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {held}, ADD CONSTRAINT {held} CHECK ({column} IS NOT NULL) NOT VALID"
    );
    // A validated check spares SET NOT NULL the look at every record, for which nobody could write.
    let postgres = [unchecked]
        .into_iter()
        .chain(update(Dialect::Postgres))
        .chain([format!("ALTER TABLE {table} VALIDATE CONSTRAINT {held}"), strict.clone()])
        .chain([format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {held}")]);
    let sqlite = update(Dialect::Sqlite).into_iter().chain([strict]);
    let (mut postgres, mut sqlite) = (sql(postgres.collect(), lax()), sql(sqlite.collect(), lax()));
    let mut steps = Vec::new();
    let mut class = Class::Safe;
    match (update(Dialect::Postgres), update(Dialect::Sqlite)) {
        (Some(on_postgres), Some(on_sqlite)) => {
            let effect = format!("fill {name} with its default");
            let once = |update: String| sql(vec![update], Vec::new());
            let filled = step(effect, collection.name.as_str(), once(on_postgres), once(on_sqlite));
            steps.push(Step { phase: Phase::Backfill, reversible: false, transactional: false, ..filled });
        }
        _ => {
            let missing = count(&collection.table, &format!("{column} IS NULL"));
            (postgres.violations, sqlite.violations) = (Some(missing.clone()), Some(missing));
            class = Class::DataDependent;
        }
    }
    let required = step(format!("require {name}"), collection.name.as_str(), postgres, sqlite);
    steps.push(Step { phase: Phase::Contract, class, transactional: false, ..required });
    steps
}

/// New servers leave the column empty.
pub(super) fn relax(collection: &Collection, name: &str, column: &str) -> Step {
    let (table, column) = (ident(&collection.table), ident(column));
    let both = || {
        let alter = |what: &str| vec![format!("ALTER TABLE {table} ALTER COLUMN {column} {what}")];
        sql(alter("DROP NOT NULL"), alter("SET NOT NULL"))
    };
    let effect = format!("no longer require {}.{name}", collection.name);
    // Over records that lack a value the rule cannot be had back.
    Step { reversible: false, ..step(effect, collection.name.as_str(), both(), both()) }
}
