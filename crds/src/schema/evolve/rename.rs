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
    let mut due: BTreeMap<usize, usize> = (0..new.fields.len())
        .filter_map(|position| Some((position, unheard(old, new, position)?)))
        .filter(|(_, before)| *before >= SYSTEM_FIELDS)
        .collect();
    // A name that another field has becomes free only by a rename of that field.
    while let Some(position) = due.keys().copied().find(|position| blocked(old, new, *position, &due)) {
        due.remove(&position);
        refuse(new, position, problems);
    }
    due
}

/// The applied field that a `renamedFrom` names which the applied documents did not have there.
fn unheard(old: &Collection, new: &Collection, position: usize) -> Option<usize> {
    let field = new.fields.get(position)?;
    let from = spec(new, field)?.renamed_from.as_deref()?;
    let applied = old.spec.fields.iter().find(|spec| spec.name == field.name.as_str());
    let done = applied.is_some_and(|spec| spec.renamed_from.as_deref() == Some(from));
    old.position(from).filter(|_| !done)
}

fn blocked(old: &Collection, new: &Collection, position: usize, due: &BTreeMap<usize, usize>) -> bool {
    let there = new.fields.get(position).and_then(|field| old.position(field.name.as_str()));
    there.is_some_and(|there| !due.values().any(|before| *before == there))
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
