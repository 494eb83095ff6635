//! Which `renamedFrom` of the documents is a rename to be done, and of which applied field.
//!
//! Called by `compare`. Nothing is guessed: a rename is done when the documents say so for the first time, and from then on
//! they may keep saying so. Names may be passed on in a chain or swapped, in one change of the documents.

use std::collections::BTreeMap;

use super::super::{Collection, SYSTEM_FIELDS};
use super::compare::spec;
use crate::problem::Problems;

/// Position of a declared field → position of the applied one that it is renamed from.
pub(super) fn due(old: &Collection, new: &Collection, problems: &mut Problems) -> BTreeMap<usize, usize> {
    let wishes: BTreeMap<usize, usize> =
        (0..new.fields.len()).filter_map(|position| Some((position, wish(old, new, position)?))).collect();
    let mut due = wishes.clone();
    due.retain(|position, _| !heard(old, new, *position));
    // What was said before is said anew where the name passes on once more.
    while let Some((position, before)) = wishes.iter().find(|(position, _)| {
        let passes_on = namesake(old, new, **position).is_some_and(|there| due.values().any(|from| *from == there));
        passes_on && !due.contains_key(position)
    }) {
        due.insert(*position, *before);
    }
    // A name that another field has becomes free only by a rename of that field.
    while let Some(position) = due.keys().copied().find(|position| blocked(old, new, *position, &due)) {
        due.remove(&position);
        refuse(new, position, problems);
    }
    due
}

/// The applied field that a `renamedFrom` names.
fn wish(old: &Collection, new: &Collection, position: usize) -> Option<usize> {
    let from = spec(new, new.fields.get(position)?)?.renamed_from.as_deref()?;
    old.position(from).filter(|before| *before >= SYSTEM_FIELDS)
}

/// Whether the applied documents said so already.
fn heard(old: &Collection, new: &Collection, position: usize) -> bool {
    let declared = new.fields.get(position).and_then(|field| spec(new, field));
    declared.is_some_and(|declared| {
        let applied = old.spec.fields.iter().find(|spec| spec.name == declared.name);
        applied.is_some_and(|spec| spec.renamed_from == declared.renamed_from)
    })
}

/// The applied field of the same name.
fn namesake(old: &Collection, new: &Collection, position: usize) -> Option<usize> {
    new.fields.get(position).and_then(|field| old.position(field.name.as_str()))
}

fn blocked(old: &Collection, new: &Collection, position: usize, due: &BTreeMap<usize, usize>) -> bool {
    namesake(old, new, position).is_some_and(|there| !due.values().any(|before| *before == there))
}

fn refuse(new: &Collection, position: usize, problems: &mut Problems) {
    let Some(field) = new.fields.get(position) else { return };
    let fields = new.spec.fields.iter().position(|spec| spec.name == field.name.as_str());
    let Some((at, from)) = fields.and_then(|at| Some((at, new.spec.fields.get(at)?.renamed_from.as_deref()?))) else {
        return;
    };
    let message = format!(
        "`{}.{}` is applied beside `{from}`, so that it cannot take its place: each has data of its own",
        new.name, field.name
    );
    let hint = format!("take `renamedFrom` away, and copy the values; or rename `{}` away as well", field.name);
    problems.within("spec", |p| {
        p.within("fields", |p| p.within(at, |p| p.within("renamedFrom", |p| p.hint("renamed_onto", message, hint))));
    });
}
