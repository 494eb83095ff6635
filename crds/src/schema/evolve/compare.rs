//! Finds which applied or retained field a declared one is, and refuses the differences that no step bridges.
//!
//! Called by `evolve`. Every refusal names the field, what differs and the next step.

use std::collections::BTreeSet;

use super::super::stored::Retained;
use super::super::{Collection, DefaultValue, DeletionPolicy, Field, SYSTEM_FIELDS};
use super::{conversion, removal, rename};
use crate::collection::FieldSpec;
use crate::problem::Problems;
use crate::sql::ColumnType;

/// The code of a difference that no step bridges.
const REFUSED: &str = "not_supported";

/// Which declared fields are in the database.
pub(super) struct Matched {
    /// For each declared field its position in the applied collection, `None` for one that is not in it or whose column
    /// cannot be the same.
    pub fields: Vec<Option<usize>>,
    /// For each declared field the applied one whose values it takes over into a column of another type.
    pub converted: Vec<Option<usize>>,
    /// For each declared field the retained column that it takes over.
    pub returned: Vec<Option<Retained>>,
}

/// Finds each declared field.
pub(super) fn fields(
    old: &Collection,
    retained: &[Retained],
    new: &Collection,
    notes: &mut Vec<String>,
    problems: &mut Problems,
) -> Matched {
    let matched = matches(old, new, problems);
    let mut returned = Vec::with_capacity(matched.len());
    let mut converted = vec![None; matched.len()];
    for (position, before) in matched.iter().enumerate() {
        let Some(field) = new.fields.get(position) else { continue };
        let back = self::spec(new, field).filter(|_| before.is_none());
        let back = back.and_then(|spec| removal::returning(spec, retained));
        let back = back.filter(|back| !returned.iter().flatten().any(|taken: &Retained| taken.column == back.column));
        returned.push(back.cloned());
        let spec = new.spec.fields.iter().position(|spec| spec.name == field.name.as_str());
        let mut at = |problems: &mut Problems| match before.and_then(|before| old.fields.get(before)) {
            Some(before) => {
                notes.extend((before.name != field.name).then(|| renamed(new, before, field)));
                if !in_place(before, field) {
                    converted[position] = matched[position];
                    notes.push(replaced(old, new, before, field));
                    convertible(before, new, field, problems);
                }
            }
            None => added(new, field, back.is_some(), problems),
        };
        match spec {
            Some(spec) => problems.within("spec", |p| p.within("fields", |p| p.within(spec, at))),
            None => at(problems),
        }
    }
    let kept: BTreeSet<usize> = matched.iter().copied().flatten().collect();
    for (position, field) in old.fields.iter().enumerate().skip(SYSTEM_FIELDS) {
        if !kept.contains(&position) {
            notes.push(removed(old, new, field, &matched));
        }
    }
    let mut fields = matched;
    for (before, _) in fields.iter_mut().zip(&converted).filter(|(_, converted)| converted.is_some()) {
        *before = None;
    }
    Matched { fields, converted, returned }
}

/// The applied field of each declared one: the one that it is renamed from, else the one of its name.
fn matches(old: &Collection, new: &Collection, problems: &mut Problems) -> Vec<Option<usize>> {
    let renames = rename::due(old, new, problems);
    let of = |(position, field): (usize, &Field)| match renames.get(&position) {
        Some(before) => Some(*before),
        None => old.position(field.name.as_str()).filter(|before| !renames.values().any(|taken| taken == before)),
    };
    new.fields.iter().enumerate().map(of).collect()
}

/// What is said of a field that has another name.
fn renamed(new: &Collection, before: &Field, field: &Field) -> String {
    let (old, column) = (&before.name, &before.column);
    format!("`{}.{old}` is called `{}` from now on; its column stays `{column}`", new.name, field.name)
}

/// What is said of a field whose type changes.
fn replaced(old: &Collection, new: &Collection, before: &Field, field: &Field) -> String {
    let fate = match old.deletion_policy {
        DeletionPolicy::Retain => "stays in the database and is written no longer after the contract",
        DeletionPolicy::Delete => "is dropped by the contract",
    };
    format!("`{}.{}` gets a new column; the former one, `{}`, {fate}", new.name, field.name, before.column)
}

/// What is said of a field that is declared no longer.
fn removed(old: &Collection, new: &Collection, field: &Field, matched: &[Option<usize>]) -> String {
    let mut fresh = new.fields.iter().zip(matched).filter(|(_, before)| before.is_none()).map(|(field, _)| field);
    let twin = fresh.find(|other| other.kind.name() == field.kind.name());
    let fate = match old.deletion_policy {
        DeletionPolicy::Retain => "its data stays in the database and is served no longer",
        DeletionPolicy::Delete => "its data is dropped by the contract",
    };
    let hint =
        twin.map(|twin| format!("; if `{}` is its new name, add `renamedFrom: {}` to it", twin.name, field.name));
    format!("`{}.{}` is declared no longer: {fate}{}", new.name, field.name, hint.unwrap_or_default())
}

fn added(collection: &Collection, field: &Field, returns: bool, problems: &mut Problems) {
    let constant = matches!(&field.default, Some(DefaultValue::Value(value)) if !value.is_null());
    if constant && field.target().is_some() && !returns {
        problems.hint(
            REFUSED,
            format!("`{}.{}` is a new reference with a constant default", collection.name, field.name),
            "leave the default out until the field is applied",
        );
    }
}

/// Kinds that share a column type change in place, and so do more digits before the point of a decimal. For fewer
/// PostgreSQL would rewrite the table, which nobody could use meanwhile.
fn in_place(before: &Field, field: &Field) -> bool {
    match (before.kind.column(), field.kind.column()) {
        (ColumnType::Decimal { precision: had, scale: was }, ColumnType::Decimal { precision: has, scale: is }) => {
            was == is && had <= has
        }
        (was, is) => was == is,
    }
}

fn convertible(before: &Field, new: &Collection, field: &Field, problems: &mut Problems) {
    if conversion::is_known(before, field) {
        return;
    }
    let name = format!("`{}.{}`", new.name, field.name);
    let (was, is) = (before.kind.name(), field.kind.name());
    let hint = match conversion::bridge(before, field) {
        Some(first) => format!("make it a `{first}` first, in a change of its own"),
        None => format!("keep `type: {was}`, or add a field beside it and copy the values"),
    };
    let message = format!("{name}: changing the type from {was} to {is} is not supported");
    problems.within("type", |problems| problems.hint(REFUSED, message, hint));
}

/// What a field is declared as; none of a system field.
pub(super) fn spec<'a>(collection: &'a Collection, field: &Field) -> Option<&'a FieldSpec> {
    collection.spec.fields.iter().find(|spec| spec.name == field.name.as_str())
}
