//! From the applied schema to the declared one: a classified plan, or every reason why there is none.
//!
//! Called by `mainstay migrate` and by `serve --migrate auto`, in the server image alone. Pure: sees no database, only
//! what was applied to it. Refuses what it does not know how to do instead of guessing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::stored::{Fate, Removed, Retained, Stored};
use super::{Collection, Schema};
use crate::json::canonical;
use crate::plan::{Class, Phase, Plan, Step};
use crate::problem::{Problem, Problems};

mod cast;
mod compare;
mod conversion;
mod describe;
mod option;
mod reference;
mod removal;
mod rename;
mod required;
mod resolve;
mod search;
mod steps;

pub use describe::{KINDS, kind};

/// The way from the applied schema to the declared one.
#[derive(Clone, Debug)]
pub struct Evolution {
    /// What to run.
    pub plan: Plan,
    /// What to store when it has run: the new revision and the columns.
    pub stored: Stored,
    /// The declared schema with its columns resolved: what a server of that revision serves.
    pub schema: Schema,
    /// For people: what the plan leaves as it is, such as records that a tightened option would refuse today.
    pub notes: Vec<String>,
}

/// Plans the way from `applied` to `declared`, or says why there is none, all at once.
///
/// The path of a problem begins with the collection's name and goes on as in its document:
/// `/markets/spec/fields/3/type`.
pub fn evolve(applied: &Stored, declared: &Schema) -> Result<Evolution, Vec<Problem>> {
    let before = applied.schema().map_err(|found| unreadable(applied, found))?;
    let mut problems = Problems::new();
    let mut notes = Vec::new();
    let next = applied.revision + 1;
    let mut pairs: Vec<Pair> = Vec::with_capacity(declared.collections.len());
    for collection in &declared.collections {
        pairs.push(pair(applied, &before, collection, next, &mut notes, &mut problems));
    }
    let schema = Schema { collections: pairs.iter().map(|pair| Arc::clone(&pair.new.collection)).collect() };
    // Definitions of indexes and checks are compared in terms of columns, so after all columns are known.
    for pair in &mut pairs {
        if let Some(old) = &pair.old {
            resolve::objects(old, &before, &mut pair.new, &schema, next);
        }
    }
    let schema = Schema { collections: pairs.iter().map(|pair| Arc::clone(&pair.new.collection)).collect() };
    problems.finish(())?;

    let objects: BTreeMap<_, _> =
        pairs.iter().map(|pair| (pair.new.collection.name.to_string(), pair.new.objects.clone())).collect();
    let mut stored = Stored::of(&schema, next, &objects);
    for (collection, pair) in stored.collections.iter_mut().zip(&pairs) {
        collection.retained.clone_from(&pair.new.retained);
    }
    stored.removed = gone(applied, &before, declared, &mut notes);
    let same = stored.collections == applied.collections && stored.removed == applied.removed;
    let steps = match same {
        true => Vec::new(),
        false => steps::all(&pairs, &stored.removed, &before, &schema),
    };
    if same {
        stored.revision = applied.revision;
    }
    let plan = hashed(applied, &stored, steps);
    Ok(Evolution { plan, stored, schema, notes })
}

/// Finds the applied collection of a declared one, or the retained table that it takes over.
fn pair(
    applied: &Stored,
    before: &Schema,
    collection: &Arc<Collection>,
    revision: i64,
    notes: &mut Vec<String>,
    problems: &mut Problems,
) -> Pair {
    let name = collection.name.as_str();
    let returned = applied.removed.iter().find(|one| one.name == name).cloned();
    let (old, retained) = match (before.get(name), &returned) {
        (Some(old), _) => (Arc::clone(old), applied.get(name).map_or_else(Vec::new, |stored| stored.retained.clone())),
        (None, Some(removed)) => (Arc::new(removal::emptied(collection, removed)), removed.fields.clone()),
        (None, None) => {
            return Pair { old: None, returned: None, retained: Vec::new(), new: resolve::new(collection) };
        }
    };
    let new = problems.within(name, |problems| {
        let matched = compare::fields(&old, &retained, collection, notes, problems);
        resolve::existing(&old, &retained, collection, matched, revision)
    });
    Pair { old: Some(old), returned, retained, new }
}

/// The collections that are declared no longer, before and now.
fn gone(applied: &Stored, before: &Schema, declared: &Schema, notes: &mut Vec<String>) -> Vec<Removed> {
    let mut gone = applied.removed.clone();
    for old in &before.collections {
        let name = old.name.as_str();
        if declared.get(name).is_none() {
            let retained = applied.get(name).map_or(&[][..], |stored| &stored.retained);
            let removed = removal::removed(old, retained);
            notes.push(match removed.fate {
                Fate::Drop => format!("`{name}` is declared no longer: its table is dropped by the contract"),
                Fate::Keep | Fate::Release => {
                    format!("`{name}` is declared no longer: its table stays in the database and is served no longer")
                }
            });
            gone.push(removed);
        }
    }
    gone.retain(|one| declared.get(&one.name).is_none());
    gone.sort_by(|a, b| a.name.cmp(&b.name));
    gone
}

/// Whether another plan may be made while the contract of this one is open: the applied schema remembers all that it
/// would have dropped, and the next plan drops it, or finds it declared again.
pub fn may_follow(open: &Plan) -> bool {
    open.steps.iter().filter(|step| step.phase == Phase::Contract).all(removal::is_removal)
}

/// Whether undoing a step loses what was written since: it has made a table or a column.
pub fn loses_when_undone(step: &Step) -> bool {
    [steps::CREATE_TABLE, steps::ADD_FIELD, conversion::CHANGE].iter().any(|effect| step.effect.starts_with(effect))
}

/// A declared collection beside the applied one of its name.
struct Pair {
    old: Option<Arc<Collection>>,
    /// The removed collection that it brings back; `old` has the system fields alone then.
    returned: Option<Removed>,
    /// The columns that were retained.
    retained: Vec<Retained>,
    new: resolve::Resolved,
}

/// The plan with its hashes. The plan hash covers the schema that it leads to as well: a changed access rule has no step.
fn hashed(applied: &Stored, stored: &Stored, steps: Vec<Step>) -> Plan {
    let (from_revision, to_revision) = (applied.revision, stored.revision);
    let whole = json!({ "fromRevision": from_revision, "toRevision": to_revision, "steps": steps, "schema": stored });
    let plan_hash = sha256_hex(canonical(&whole).as_bytes());
    let approval_hash = approval(applied, &steps);
    Plan { from_revision, to_revision, system: Vec::new(), steps, plan_hash, approval_hash }
}

fn approval(applied: &Stored, steps: &[Step]) -> Option<String> {
    let gated = steps.iter().filter(|step| matches!(step.class, Class::DataDependent | Class::Destructive));
    let mut effects: Vec<(&str, Class)> = gated.clone().map(|step| (step.effect.as_str(), step.class)).collect();
    effects.sort_unstable();
    let mut names: Vec<&str> = gated.map(|step| step.collection.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let touched: Vec<_> = names.iter().filter_map(|name| applied.get(name)).collect();
    let mut subject = json!({ "effects": effects, "applied": touched });
    let removed: Vec<_> = applied.removed.iter().filter(|one| names.contains(&one.name.as_str())).collect();
    if !removed.is_empty() {
        subject["removed"] = json!(removed);
    }
    (!effects.is_empty()).then(|| sha256_hex(canonical(&subject).as_bytes()))
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unreadable(applied: &Stored, found: Vec<Vec<Problem>>) -> Vec<Problem> {
    let names = applied.collections.iter().map(|collection| collection.name.as_str());
    let named = found.into_iter().zip(names.chain(std::iter::repeat("")));
    let problems = named.flat_map(|(problems, name)| problems.into_iter().map(move |problem| (name, problem)));
    let problems = problems.map(|(name, problem)| Problem {
        path: format!("/{name}{}", problem.path),
        code: "applied_schema_unreadable",
        message: format!("the applied schema of `{name}` is not understood: {}", problem.message),
        hint: Some("it was applied by a newer version: run that version or a later one".to_owned()),
    });
    problems.collect()
}

#[cfg(test)]
mod tests;
