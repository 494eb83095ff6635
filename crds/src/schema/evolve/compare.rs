//! Finds which applied field a declared one is, and refuses the differences that no step bridges yet.
//!
//! Called by `evolve`. Every refusal names the field, what differs and the next step.

use std::collections::BTreeSet;

use super::super::{Collection, DefaultValue, Field, SYSTEM_FIELDS, Schema};
use crate::collection::FieldSpec;
use crate::field::Kind;
use crate::problem::Problems;
use crate::sql::Dialect;

/// The code of a difference that a later version will bridge.
const LATER: &str = "not_supported_yet";

/// Collections that are applied and no longer declared.
pub(super) fn removed_collections(before: &Schema, declared: &Schema, problems: &mut Problems) {
    for old in before.collections.iter().filter(|old| declared.get(old.name.as_str()).is_none()) {
        problems.within(&old.name, |problems| {
            problems.hint(
                LATER,
                format!("collection `{}` is applied and no longer declared; removing is not supported yet", old.name),
                "declare it again; without access rules it is for admin alone",
            );
        });
    }
}

/// For each declared field its position in the applied collection, `None` for a new one.
pub(super) fn fields(
    old: &Collection,
    new: &Collection,
    notes: &mut Vec<String>,
    problems: &mut Problems,
) -> Vec<Option<usize>> {
    let matched = matches(old, new, problems);
    for (position, before) in matched.iter().enumerate() {
        let Some(field) = new.fields.get(position) else { continue };
        let spec = new.spec.fields.iter().position(|spec| spec.name == field.name.as_str());
        let mut at = |problems: &mut Problems| match before.and_then(|before| old.fields.get(before)) {
            Some(before) => changed(old, before, new, field, notes, problems),
            None => added(new, field, problems),
        };
        match spec {
            Some(spec) => problems.within("spec", |p| p.within("fields", |p| p.within(spec, at))),
            None => at(problems),
        }
    }
    let kept: BTreeSet<usize> = matched.iter().copied().flatten().collect();
    for (position, field) in old.fields.iter().enumerate().skip(SYSTEM_FIELDS) {
        if !kept.contains(&position) {
            removed(new, field, &matched, problems);
        }
    }
    matched
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

fn removed(new: &Collection, field: &Field, matched: &[Option<usize>], problems: &mut Problems) {
    let mut fresh = new.fields.iter().zip(matched).filter(|(_, before)| before.is_none()).map(|(field, _)| field);
    let twin = fresh.find(|other| other.kind.name() == field.kind.name());
    let hint = match twin {
        Some(twin) => format!("if `{}` is its new name, add `renamedFrom: {}` to it", twin.name, field.name),
        None => "declare it again; `readRoles: []` hides it".to_owned(),
    };
    problems.within("spec", |problems| {
        problems.within("fields", |problems| {
            let message = format!(
                "field `{}.{}` is applied and no longer declared; removing is not supported yet",
                new.name, field.name
            );
            problems.hint(LATER, message, hint);
        });
    });
}

fn added(collection: &Collection, field: &Field, problems: &mut Problems) {
    let constant = matches!(&field.default, Some(DefaultValue::Value(value)) if !value.is_null());
    if field.required && !constant {
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
