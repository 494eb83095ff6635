//! Options of a field that have changed: which of them refuse values that were taken before, and the steps of those that the
//! database knows too.
//!
//! Called by `steps` for each field that was there. Of a wider rule the database hears first, of a narrower one in the
//! contract; new servers hold what they write to either from the start.

use serde_json::{Value as Json, json};

use super::super::ddl::{ident, value_check, value_check_name};
use super::super::{Collection, DefaultValue, Field};
use super::steps::{constraint, sql, step};
use crate::collection::FieldSpec;
use crate::field::Kind;
use crate::json::canonical;
use crate::plan::{Class, Phase, Step, StepSql};
use crate::problem::Problems;
use crate::sql::literal::literal;
use crate::sql::{ColumnType, Dialect};

/// What a field is now, beside what it was declared as before.
pub(super) struct Change<'a> {
    pub collection: &'a Collection,
    pub was: &'a FieldSpec,
    pub is: &'a FieldSpec,
    pub field: &'a Field,
}

impl Change<'_> {
    fn name(&self) -> String {
        format!("{}.{}", self.collection.name, self.field.name)
    }

    fn step(&self, effect: String, postgres: StepSql) -> Step {
        step(effect, self.collection.name.as_str(), postgres, StepSql::default())
    }

    /// A step that fails when a stored value breaks the new rule.
    fn judged(&self, step: Step) -> Step {
        let judges = Some(self.field.name.to_string());
        Step { phase: Phase::Contract, class: Class::DataDependent, judges, ..step }
    }

    /// The options that refuse values which were taken before, as declared now.
    fn narrower(&self) -> Vec<(&'static str, Json)> {
        let (was, is) = (self.was, self.is);
        let takes = |json: &Json| self.field.kind.parse(json, &mut Problems::new()).is_some();
        if let (Some(values), "text") = (&was.values, is.kind.as_str())
            && values.iter().all(|value| takes(&json!(value)))
        {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut note = |name: &'static str, narrower: bool, is: Json| {
            if narrower {
                found.push((name, is));
            }
        };
        let above = |was: Option<u32>, is: Option<u32>| is.unwrap_or(0) > was.unwrap_or(0);
        let below = |was: Option<u32>, is: Option<u32>| is.is_some_and(|is| was.is_none_or(|was| is < was));
        // The kind itself knows whether the former bound is within the new ones.
        let bound = |was: &Option<Json>, is: &Option<Json>| is.is_some() && was.as_ref().is_none_or(|was| !takes(was));
        note("minLength", above(was.min_length, is.min_length), json!(is.min_length));
        note("maxLength", below(was.max_length, is.max_length), json!(is.max_length));
        note("pattern", is.pattern.is_some() && was.pattern != is.pattern, json!(is.pattern));
        note("format", is.format.is_some() && was.format != is.format, json!(is.format));
        note("minimum", bound(&was.minimum, &is.minimum), json!(is.minimum));
        note("maximum", bound(&was.maximum, &is.maximum), json!(is.maximum));
        note("minItems", above(was.min_items, is.min_items), json!(is.min_items));
        note("maxItems", below(was.max_items, is.max_items), json!(is.max_items));
        note("uniqueItems", is.unique_items && !was.unique_items, json!(true));
        note("schema", is.schema.is_some() && was.schema != is.schema, json!(is.schema));
        let lost = |is: &Vec<String>| was.values.as_ref().is_none_or(|was| was.iter().any(|value| !is.contains(value)));
        note("values", is.values.as_ref().is_some_and(lost), json!(is.values));
        found
    }
}

/// The steps of one field whose column stays.
pub(super) fn steps(change: &Change<'_>, before: &Field, steps: &mut Vec<Step>) {
    steps.extend(default(change, before));
    steps.extend(precision(change, before));
    if matches!((&before.kind, &change.field.kind), (Kind::Enumeration(_), _) | (_, Kind::Enumeration(_))) {
        values(change, before, steps);
    } else {
        steps.extend(hold(change));
    }
}

/// A narrower rule that only servers know.
pub(super) fn hold(change: &Change<'_>) -> Option<Step> {
    let narrower = change.narrower();
    let rules: Vec<String> = narrower.iter().map(|(name, is)| format!("{name} {}", canonical(is))).collect();
    let effect = format!("hold {} to {}", change.name(), rules.join(", "));
    (!rules.is_empty()).then(|| change.judged(change.step(effect, StepSql::default())))
}

/// The constant that PostgreSQL gives to writers that do not know the column. SQLite cannot change its own, and has no
/// other writer.
fn default(change: &Change<'_>, before: &Field) -> Option<Step> {
    let constant = |field: &Field| match &field.default {
        Some(DefaultValue::Value(value)) if !value.is_null() => {
            Some(literal(field.kind.column(), value, Dialect::Postgres))
        }
        _ => None,
    };
    let (was, is) = (constant(before), constant(change.field));
    if was == is {
        return None;
    }
    let (table, column) = (ident(&change.collection.table), ident(&change.field.column));
    let set = |value: &Option<String>| match value {
        Some(value) => vec![format!("ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {value}")],
        None => vec![format!("ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT")],
    };
    let effect = match &change.is.default {
        Some(value) if is.is_some() => format!("set default of {} to {}", change.name(), canonical(value)),
        _ => format!("drop default of {}", change.name()),
    };
    Some(change.step(effect, sql(set(&is), set(&was))))
}

/// More digits of a decimal before the point; fewer take another column.
fn precision(change: &Change<'_>, before: &Field) -> Option<Step> {
    let columns = (before.kind.column(), change.field.kind.column());
    let (ColumnType::Decimal { precision: was, .. }, ColumnType::Decimal { precision: is, .. }) = columns else {
        return None;
    };
    let (table, column) = (ident(&change.collection.table), ident(&change.field.column));
    let alter =
        |to: ColumnType| vec![format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {}", to.name(Dialect::Postgres))];
    let effect = format!("widen {} to precision {is}", change.name());
    (was != is).then(|| lasting(change.step(effect, sql(alter(columns.1), alter(columns.0)))))
}

/// With values that only the new rule takes, the old one cannot be had back.
fn lasting(step: Step) -> Step {
    Step { reversible: false, ..step }
}

/// The values of an `enum`, which PostgreSQL checks. Until the contract it takes the former ones too.
fn values(change: &Change<'_>, before: &Field, steps: &mut Vec<Step>) {
    let Change { collection, field, .. } = change;
    let name = value_check_name(collection, field);
    let check = |field: &Field| value_check(field).map(|rule| format!("CHECK {rule}"));
    let (Kind::Enumeration(was), Kind::Enumeration(is)) = (&before.kind, &field.kind) else {
        let table = ident(&collection.table);
        let drop = vec![format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {}", ident(&name))];
        match (check(before), check(field)) {
            (_, Some(rule)) => {
                let effect = format!("check values of {}", change.name());
                steps.push(change.judged(constraint(effect, collection, &name, &rule, None)));
            }
            (Some(rule), None) => {
                let back = constraint(String::new(), collection, &name, &rule, None).postgres.up;
                let effect = format!("no longer check values of {}", change.name());
                steps.push(lasting(change.step(effect, sql(drop, back))));
                steps.extend(hold(change));
            }
            (None, None) => {}
        }
        return;
    };
    let lack = |these: &[String], those: &[String]| -> Vec<String> {
        those.iter().filter(|value| !these.contains(value)).cloned().collect()
    };
    let (gained, lost) = (lack(&was.values, &is.values), lack(&is.values, &was.values));
    let mut both = (*field).clone();
    if let Kind::Enumeration(all) = &mut both.kind {
        all.values.extend(lost.iter().cloned());
    }
    if let (Some(rule), false) = (check(&both), gained.is_empty()) {
        let effect = format!("allow {}: {}", change.name(), gained.join(", "));
        steps.push(constraint(effect, collection, &name, &rule, check(before).as_deref()));
    }
    if let (Some(rule), false) = (check(field), lost.is_empty()) {
        let effect = format!("no longer allow {}: {}", change.name(), lost.join(", "));
        steps.push(change.judged(constraint(effect, collection, &name, &rule, check(&both).as_deref())));
    }
}
