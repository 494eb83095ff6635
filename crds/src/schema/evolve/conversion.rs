//! A field whose type changes: a new column beside the old one, both kept equal until the contract, filled by a cast.
//!
//! Called by `steps`. The old column leaves like that of a removed field, by the same policy. Old servers write the old
//! column, new ones the new, and triggers carry each write over; what the other side cannot hold is null there.

use super::super::ddl::{ident, nullable_column, object_name};
use super::super::{Collection, DefaultValue, Field, Schema};
use super::Pair;
use super::cast::cast;
use super::compare::spec;
use super::option::{self, Change};
use super::required::{fill, require_new};
use super::steps::{count, sql, step};
use crate::field::Kind;
use crate::plan::{Class, Phase, Step, StepSql};
use crate::sql::literal::literal;
use crate::sql::{ColumnType, Dialect};

pub(super) const CHANGE: &str = "change";

const BOTH: [Dialect; 2] = [Dialect::Postgres, Dialect::Sqlite];

/// Whether values of the one kind can become values of the other. What names records or a set of values takes a second
/// change, for its rule would hold the one side to what the other may write.
pub(super) fn is_known(before: &Field, field: &Field) -> bool {
    let plain = |field: &Field| field.target().is_none() && !matches!(field.kind, Kind::Enumeration(_));
    plain(before) && plain(field) && are_near(before, field.kind.column()) && are_near(field, before.kind.column())
}

/// The type between the two of a `ref` or an `enum` and any other.
pub(super) fn bridge(before: &Field, field: &Field) -> Option<&'static str> {
    let is_enum = |field: &Field| matches!(field.kind, Kind::Enumeration(_));
    let (name, column) = match () {
        () if before.target().is_some() || field.target().is_some() => ("uuid", ColumnType::Uuid),
        () if is_enum(before) || is_enum(field) => ("text", ColumnType::Text),
        () => return None,
    };
    [before, field].into_iter().all(|field| field.kind.column() == column || are_near(field, column)).then_some(name)
}

fn are_near(from: &Field, to: ColumnType) -> bool {
    cast(from.kind.column(), to, "c", Dialect::Postgres).is_some()
}

/// A field and its former self.
struct Conversion<'a> {
    collection: &'a Collection,
    before: &'a Field,
    field: &'a Field,
    position: usize,
}

/// The conversions of a collection.
fn conversions(pair: &Pair) -> impl Iterator<Item = Conversion<'_>> {
    pair.new.collection.declared().filter_map(|(position, field)| {
        let at = pair.new.converted.get(position).copied().flatten()?;
        let before = pair.old.as_ref()?.fields.get(at)?;
        Some(Conversion { collection: &pair.new.collection, before, field, position })
    })
}

/// The new columns, what fills them, and what makes them the only ones.
pub(super) fn columns(pair: &Pair, schema: &Schema, steps: &mut Vec<Step>) {
    for one in conversions(pair) {
        steps.push(one.add(schema));
        steps.push(one.fill());
        steps.push(one.settle());
        let old = pair.old.as_ref().and_then(|old| spec(old, one.before));
        if let (Some(was), Some(is)) = (old, spec(one.collection, one.field)) {
            steps.extend(option::hold(&Change { collection: one.collection, was, is, field: one.field }));
        }
        if one.field.required {
            steps.extend(one.require());
        }
    }
}

/// The triggers, once every column is there and takes null.
pub(super) fn triggers(pair: &Pair, steps: &mut Vec<Step>) {
    steps.extend(conversions(pair).map(|one| one.join()));
}

impl Conversion<'_> {
    fn name(&self) -> String {
        format!("{}.{}", self.collection.name, self.field.name)
    }

    fn step(&self, effect: String, sql: impl Fn(Dialect) -> StepSql) -> Step {
        let [postgres, sqlite] = BOTH.map(sql);
        step(effect, self.collection.name.as_str(), postgres, sqlite)
    }

    fn is_total(&self) -> bool {
        let cast = cast(self.before.kind.column(), self.field.kind.column(), "c", Dialect::Postgres);
        cast.is_some_and(|cast| cast.total)
    }

    /// The value of the new column from the old one of a row named `row`.
    fn forth(&self, row: &str, dialect: Dialect) -> String {
        sql_of(
            self.before.kind.column(),
            self.field.kind.column(),
            &format!("{row}{}", ident(&self.before.column)),
            dialect,
        )
    }

    fn back(&self, row: &str, dialect: Dialect) -> String {
        sql_of(
            self.field.kind.column(),
            self.before.kind.column(),
            &format!("{row}{}", ident(&self.field.column)),
            dialect,
        )
    }

    /// Without its default, which would stand in for what an older server writes into the other column.
    fn add(&self, schema: &Schema) -> Step {
        let (table, column) = (ident(&self.collection.table), ident(&self.field.column));
        let total = self.is_total();
        let told = |field: &Field| match field.kind.column() {
            column @ ColumnType::Decimal { .. } => column.name(Dialect::Postgres).into_owned(),
            _ => field.kind.name().to_owned(),
        };
        let effect = format!("{CHANGE} {} from {} to {}", self.name(), told(self.before), told(self.field));
        let mut bare = self.collection.clone();
        bare.fields[self.position].default = None;
        let mut added = self.step(effect, |dialect| {
            let definition = nullable_column(&bare, self.position, schema, dialect);
            let add = format!("ALTER TABLE {table} ADD COLUMN {definition}");
            let old = ident(&self.before.column);
            let mut lost: Vec<String> = Vec::new();
            if !total {
                lost.push(format!("({old} IS NOT NULL AND ({}) IS NULL)", self.forth("", dialect)));
            }
            if self.field.required && fill(self.collection, self.field, dialect).is_none() && !self.before.required {
                lost.push(format!("{old} IS NULL"));
            }
            let violations = (!lost.is_empty()).then(|| count(&self.collection.table, &lost.join(" OR ")));
            StepSql { violations, ..sql(vec![add], vec![format!("ALTER TABLE {table} DROP COLUMN {column}")]) }
        });
        if added.postgres.violations.is_some() {
            added.class = Class::DataDependent;
        }
        added
    }

    fn update(&self, dialect: Dialect) -> String {
        let (table, old, new) = (ident(&self.collection.table), ident(&self.before.column), ident(&self.field.column));
        format!("UPDATE {table} SET {new} = {} WHERE {new} IS NULL AND {old} IS NOT NULL", self.forth("", dialect))
    }

    fn fill(&self) -> Step {
        let effect = format!("fill {} from its former column", self.name());
        let filled = self.step(effect, |dialect| sql(vec![self.update(dialect)], Vec::new()));
        Step { phase: Phase::Backfill, transactional: false, ..filled }
    }

    /// No old server writes any more; what they wrote meanwhile may have had no counterpart.
    fn settle(&self) -> Step {
        let column = ident(&self.field.column);
        let default = self.default(self.field);
        let (old, total) = (ident(&self.before.column), self.is_total());
        let lost = || count(&self.collection.table, &format!("{column} IS NULL AND {old} IS NOT NULL"));
        let settled = self.step(format!("read {} from its new column alone", self.name()), |dialect| {
            let default = default.iter().filter(|_| dialect == Dialect::Postgres).cloned();
            let up = self.part(dialect).into_iter().chain(default).collect();
            StepSql { violations: (!total).then(lost), ..sql(up, Vec::new()) }
        });
        let class = if total { Class::Safe } else { Class::DataDependent };
        Step { phase: Phase::Contract, class, reversible: false, ..settled }
    }

    /// Where no value is lost, what was required has one. A value without a counterpart is no missing one.
    fn require(&self) -> Vec<Step> {
        let mut steps = require_new(self.collection, self.field);
        for step in steps.iter_mut().filter(|step| step.phase == Phase::Backfill) {
            for update in step.postgres.up.iter_mut().chain(&mut step.sqlite.up) {
                update.push_str(&format!(" AND {} IS NULL", ident(&self.before.column)));
            }
        }
        if self.before.required && self.is_total() {
            for step in &mut steps {
                step.class = Class::Safe;
                (step.postgres.violations, step.sqlite.violations) = (None, None);
            }
        }
        steps
    }

    /// Gives PostgreSQL the constant of a field.
    fn default(&self, field: &Field) -> Option<String> {
        let Some(DefaultValue::Value(value)) = field.default.as_ref().filter(|default| !is_null(default)) else {
            return None;
        };
        let (table, column) = (ident(&self.collection.table), ident(&field.column));
        let value = literal(field.kind.column(), value, Dialect::Postgres);
        Some(format!("ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {value}"))
    }

    fn trigger(&self, what: &str) -> String {
        ident(&object_name(&self.collection.table, &self.field.column, what))
    }

    /// Carries each write over to the other column.
    fn join(&self) -> Step {
        self.step(format!("keep both columns of {} equal", self.name()), |dialect| {
            let joined = match dialect {
                Dialect::Postgres => self.join_on_postgres(),
                Dialect::Sqlite => self.join_on_sqlite(),
            };
            let back = self.default(self.before).filter(|_| dialect == Dialect::Postgres);
            sql(joined, self.part(dialect).into_iter().chain(back).collect())
        })
    }

    fn join_on_postgres(&self) -> Vec<String> {
        let (table, old, new) = (ident(&self.collection.table), ident(&self.before.column), ident(&self.field.column));
        let (name, dialect) = (self.trigger("sync"), Dialect::Postgres);
        let (forth, back) = (self.forth("NEW.", dialect), self.back("NEW.", dialect));
        vec![
            format!("ALTER TABLE {table} ALTER COLUMN {old} DROP DEFAULT"),
            format!(
                "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $mainstay$ BEGIN \
                 IF TG_OP = 'INSERT' THEN \
                 IF NEW.{new} IS NOT NULL THEN NEW.{old} := {back}; ELSE NEW.{new} := {forth}; END IF; \
                 ELSIF NEW.{new} IS DISTINCT FROM OLD.{new} THEN NEW.{old} := {back}; \
                 ELSIF NEW.{old} IS DISTINCT FROM OLD.{old} THEN NEW.{new} := {forth}; END IF; \
                 RETURN NEW; END $mainstay$"
            ),
            format!(
                "CREATE OR REPLACE TRIGGER {name} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
            ),
        ]
    }

    /// A trigger of SQLite writes the row once more; what it has written itself is equal, and ends there.
    fn join_on_sqlite(&self) -> Vec<String> {
        let (table, old, new) = (ident(&self.collection.table), ident(&self.before.column), ident(&self.field.column));
        let dialect = Dialect::Sqlite;
        let (forth, back) = (self.forth("NEW.", dialect), self.back("NEW.", dialect));
        let set_new = format!("UPDATE {table} SET {new} = {forth} WHERE \"id\" = NEW.\"id\"");
        let set_old = format!("UPDATE {table} SET {old} = {back} WHERE \"id\" = NEW.\"id\"");
        let trigger = |what: &str, on: &str, when: String, set: &str| {
            let name = self.trigger(what);
            format!("CREATE TRIGGER {name} AFTER {on} ON {table} WHEN {when} BEGIN {set}; END")
        };
        let differs =
            |column: &str, other: &str| format!("NEW.{column} IS NOT OLD.{column} AND NEW.{column} IS NOT ({other})");
        vec![
            trigger("made", "INSERT", format!("NEW.{new} IS NOT NULL"), &set_old),
            trigger("found", "INSERT", format!("NEW.{new} IS NULL AND NEW.{old} IS NOT NULL"), &set_new),
            trigger("forth", &format!("UPDATE OF {old}"), differs(&old, &back), &set_new),
            trigger("back", &format!("UPDATE OF {new}"), differs(&new, &forth), &set_old),
        ]
    }

    fn part(&self, dialect: Dialect) -> Vec<String> {
        match dialect {
            Dialect::Postgres => {
                let (table, name) = (ident(&self.collection.table), self.trigger("sync"));
                let trigger = format!("DROP TRIGGER IF EXISTS {name} ON {table}");
                vec![trigger, format!("DROP FUNCTION IF EXISTS {name}()")]
            }
            Dialect::Sqlite => {
                let drop = |what: &str| format!("DROP TRIGGER IF EXISTS {}", self.trigger(what));
                ["made", "found", "forth", "back"].map(drop).into()
            }
        }
    }
}

fn is_null(default: &DefaultValue) -> bool {
    matches!(default, DefaultValue::Value(value) if value.is_null())
}

fn sql_of(from: ColumnType, to: ColumnType, column: &str, dialect: Dialect) -> String {
    cast(from, to, column, dialect).map_or_else(|| "NULL".to_owned(), |cast| cast.sql)
}
