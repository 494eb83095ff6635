//! Finds which applied or retained field a declared one is, and refuses the differences that no step bridges yet.
//!
//! Called by `evolve`. Every refusal names the field, what differs and the next step.

use std::collections::BTreeSet;

use super::super::stored::Retained;
use super::super::{Collection, DefaultValue, DeletionPolicy, Field, SYSTEM_FIELDS};
use super::removal;
use crate::collection::FieldSpec;
use crate::field::Kind;
use crate::problem::Problems;
use crate::sql::Dialect;

/// The code of a difference that a later version will bridge.
const LATER: &str = "not_supported_yet";

/// Which declared fields are in the database.
pub(super) struct Matched {
    /// For each declared field its position in the applied collection, `None` for one that is not in it.
    pub fields: Vec<Option<usize>>,
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
    for (position, before) in matched.iter().enumerate() {
        let Some(field) = new.fields.get(position) else { continue };
        let back = self::spec(new, field).filter(|_| before.is_none());
        let back = back.and_then(|spec| removal::returning(spec, retained));
        returned.push(back.cloned());
        let spec = new.spec.fields.iter().position(|spec| spec.name == field.name.as_str());
        let mut at = |problems: &mut Problems| match before.and_then(|before| old.fields.get(before)) {
            Some(before) => changed(old, before, new, field, notes, problems),
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
    Matched { fields: matched, returned }
}

/// A rename counts only until it is applied, so that the documents may keep their `renamedFrom`.
fn matches(old: &Collection, new: &Collection, problems: &mut Problems) -> Vec<Option<usize>> {
    let mut claimed: BTreeSet<usize> = BTreeSet::new();
    let mut matched = vec![None; new.fields.len()];
    for (position, field) in new.fields.iter().enumerate() {
        let from = spec(new, field).and_then(|spec| spec.renamed_from.as_deref());
        let from = from.filter(|_| old.position(field.name.as_str()).is_none());
        if let Some(before) = from.and_then(|from| old.position(from)).filter(|before| *before >= SYSTEM_FIELDS) {
            if !claimed.insert(before) {
                problems.hint(
                    "renamed_twice",
                    format!("`{}.{}` is not the only field renamed from that name", new.name, field.name),
                    "keep `renamedFrom` on one of them",
                );
            }
            matched[position] = Some(before);
        }
    }
    for (before, field) in matched.iter_mut().zip(&new.fields).filter(|(before, _)| before.is_none()) {
        *before = old.position(field.name.as_str()).filter(|before| claimed.insert(*before));
    }
    matched
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
    if field.required && !constant && !returns {
        problems.hint(
            LATER,
            format!("`{}.{}` is new and required, but existing records have no value", collection.name, field.name),
            "give it a constant default, or do not require it",
        );
    } else if constant && field.target().is_some() {
        problems.hint(
            LATER,
            format!("`{}.{}` is a new reference with a constant default", collection.name, field.name),
            "leave the default out until the field is applied",
        );
    }
}

fn changed(
    old: &Collection,
    before: &Field,
    new: &Collection,
    field: &Field,
    notes: &mut Vec<String>,
    problems: &mut Problems,
) {
    let name = format!("`{}.{}`", new.name, field.name);
    let mut refuse = |step: &str, what: String, hint: String| {
        problems.within(step, |problems| problems.hint(LATER, format!("{name}: {what} is not supported yet"), hint));
    };
    let types = (before.kind.name(), field.kind.name());
    if types.0 != types.1 {
        let hint = format!("keep `type: {}`, or add a field of the new type beside it", types.0);
        refuse("type", format!("changing the type from {} to {}", types.0, types.1), hint);
    } else if before.kind.column() != field.kind.column() {
        let columns = [before, field].map(|field| field.kind.column().name(Dialect::Postgres));
        let hint = "keep the applied one, or add a field beside it".to_owned();
        refuse("type", format!("changing the column from {} to {}", columns[0], columns[1]), hint);
    }
    if before.required != field.required {
        let (now, keep) = if field.required { ("requiring it", "false") } else { ("no longer requiring it", "true") };
        refuse("required", now.to_owned(), format!("keep `required: {keep}`"));
    }
    if let (Some(was), Some(is)) = (before.target(), field.target())
        && was != is
    {
        refuse("collection", format!("pointing to `{is}` instead of `{was}`"), format!("keep `collection: {was}`"));
    }
    if let (Kind::Enumeration(was), Kind::Enumeration(is)) = (&before.kind, &field.kind) {
        let lost: Vec<&str> = was.values.iter().filter(|v| !is.values.contains(v)).map(String::as_str).collect();
        if !lost.is_empty() {
            let lost = lost.join("`, `");
            refuse("values", format!("removing `{lost}` from its values"), format!("keep `{lost}` in `values`"));
        }
    }
    if let (Some(was), Some(is)) = (spec(old, before), spec(new, field))
        && options(was) != options(is)
    {
        notes.push(format!("{name}: its changed options hold for new writes; existing records are not checked"));
    }
}

/// The options that judge a value and that only the server enforces.
fn options(spec: &FieldSpec) -> impl PartialEq + '_ {
    let FieldSpec { min_length, max_length, pattern, format, minimum, maximum, .. } = spec;
    let FieldSpec { schema, min_items, max_items, unique_items, items, .. } = spec;
    ((min_length, max_length, pattern, format, minimum, maximum), (schema, min_items, max_items, unique_items, items))
}

fn spec<'a>(collection: &'a Collection, field: &Field) -> Option<&'a FieldSpec> {
    collection.spec.fields.iter().find(|spec| spec.name == field.name.as_str())
}
