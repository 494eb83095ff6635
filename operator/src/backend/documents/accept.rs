//! Which document of each Collection is served: the declared one, the one that was accepted last, or none. Pure.
//!
//! Called by `documents`. Checks all of them together, puts what is wrong back to what it was, and checks again until
//! the rest is right.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::ResourceExt;
use mainstay_crds::collection::{Collection, CollectionSpec, Document, check};
use mainstay_crds::problem::Problem;
use serde_json::{Value as Json, json};

use crate::backend::observed::Observed;

/// What was decided.
#[derive(Debug, Default)]
pub struct Accepted {
    /// The documents that are served, by the collection's name.
    pub documents: BTreeMap<String, Json>,
    /// Every Collection that names the Backend.
    pub judged: Vec<Judged>,
}

/// One Collection, and what became of it.
#[derive(Debug)]
pub struct Judged {
    /// The object.
    pub object: Arc<Collection>,
    /// The name of the collection that it declares.
    pub name: String,
    /// Which document of it is served.
    pub choice: Choice,
    /// What is wrong with the declared one.
    pub problems: Vec<Problem>,
    /// All that is wrong is that it refers to Collections that were never accepted.
    pub only_refers: bool,
    declared: Json,
    before: Option<Json>,
}

/// Which document of a Collection is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// As declared.
    Declared,
    /// As it was accepted last.
    Before,
    /// It is left out.
    Nothing,
}

impl Judged {
    fn document(&self) -> Option<&Json> {
        match self.choice {
            Choice::Declared => Some(&self.declared),
            Choice::Before => self.before.as_ref(),
            Choice::Nothing => None,
        }
    }

    /// Whether it goes on as it was.
    fn is_as_before(&self) -> bool {
        self.document().is_some() && self.document() == self.before.as_ref()
    }

    fn step_back(&mut self) {
        self.choice = match self.choice {
            Choice::Declared if self.before.is_some() && !self.is_as_before() => Choice::Before,
            _ => Choice::Nothing,
        };
    }
}

/// Decides. Every round puts at least one document back or a missing one in, so that it ends.
pub fn accept(seen: &Observed) -> Accepted {
    let mut judged = candidates(seen);
    // Documents of Collections that cannot be read, and of removed ones that served ones still refer to.
    let mut held: BTreeMap<String, Json> = unreadable(seen);
    for _ in 0..=3 * judged.len() + seen.accepted_documents.len() {
        let documents = judged.iter().filter_map(Judged::document).chain(held.values());
        let documents: Vec<Document> = documents.cloned().map(Document).collect();
        let Err(mut found) = check(&documents) else { break };
        let of_held = found.split_off(judged.iter().filter(|one| one.document().is_some()).count());
        let served: Vec<usize> = (0..judged.len()).filter(|at| judged[*at].document().is_some()).collect();
        let wrong: Vec<(usize, Vec<Problem>)> =
            served.into_iter().zip(found).filter(|(_, problems)| !problems.is_empty()).collect();
        if wrong.is_empty() {
            // Only what is held is wrong: nothing refers to it rightly any more.
            let names: Vec<String> = held.keys().cloned().collect();
            let bad = names.iter().zip(&of_held).filter(|(_, problems)| !problems.is_empty());
            let missing: Vec<String> = bad.flat_map(|(_, problems)| targets(problems, &held)).collect();
            if !hold(seen, &missing, &judged, &mut held) {
                break;
            }
            continue;
        }
        round(seen, &mut judged, &wrong, &mut held);
    }
    let served = judged.iter().filter_map(|one| Some((one.name.clone(), one.document()?.clone())));
    let mut documents: BTreeMap<String, Json> = held.clone();
    documents.extend(served);
    only_refers(&mut judged);
    judged.sort_by_key(|one| one.object.name_any());
    Accepted { documents, judged }
}

/// The accepted documents of Collections that are there and cannot be read: they go on.
fn unreadable(seen: &Observed) -> BTreeMap<String, Json> {
    let is = |document: &Json| {
        let of = document.pointer("/metadata/name").and_then(Json::as_str);
        seen.unreadable.iter().any(|one| Some(one.name.as_str()) == of)
    };
    let documents = seen.accepted_documents.iter().filter(|(_, document)| is(document));
    documents.map(|(name, document)| (name.clone(), document.clone())).collect()
}

/// What is not as before goes back; only when everything is as before, what is missing is put in, or it is left out.
fn round(seen: &Observed, judged: &mut [Judged], wrong: &[(usize, Vec<Problem>)], held: &mut BTreeMap<String, Json>) {
    let changed: Vec<usize> = wrong.iter().map(|(at, _)| *at).filter(|at| !judged[*at].is_as_before()).collect();
    for (at, problems) in wrong {
        if judged[*at].problems.is_empty() {
            judged[*at].problems.clone_from(problems);
        }
    }
    if !changed.is_empty() {
        changed.into_iter().for_each(|at| judged[at].step_back());
        return;
    }
    let missing: Vec<String> = wrong.iter().flat_map(|(_, problems)| missing(problems)).collect();
    if hold(seen, &missing, judged, held) {
        // It is right only with what its user took away.
        wrong.iter().for_each(|(at, _)| judged[*at].choice = Choice::Before);
        return;
    }
    // They were right before; so a change elsewhere broke them, and that goes back.
    let mut culprits: Vec<usize> = (0..judged.len()).filter(|at| judged[*at].choice == Choice::Declared).collect();
    culprits.retain(|at| !judged[*at].is_as_before());
    for at in &culprits {
        if judged[*at].problems.is_empty() {
            let (of, problem) = match wrong.first() {
                Some((first, problems)) => (judged[*first].name.clone(), problems.first().cloned()),
                None => (String::new(), None),
            };
            judged[*at].problems.extend(problem.map(|problem| Problem {
                path: "/spec".to_owned(),
                code: "breaks_another",
                message: format!("with it, collection `{of}` is no longer right: {}", problem.message),
                hint: Some(format!("change `{of}` as well")),
            }));
        }
        judged[*at].step_back();
    }
    if culprits.is_empty() {
        wrong.iter().for_each(|(at, _)| judged[*at].choice = Choice::Nothing);
    }
}

/// Puts accepted documents of removed Collections in; whether there was one.
fn hold(seen: &Observed, missing: &[String], judged: &[Judged], held: &mut BTreeMap<String, Json>) -> bool {
    let mut done = false;
    for name in missing {
        let there = held.contains_key(name) || judged.iter().any(|one| one.name == *name);
        if let Some(document) = seen.accepted_documents.get(name).filter(|_| !there) {
            held.insert(name.clone(), document.clone());
            done = true;
        }
    }
    done
}

/// Names of collections that a document refers to and that are not there.
fn missing(problems: &[Problem]) -> Vec<String> {
    let unknown = problems.iter().filter(|problem| problem.code == "unknown_collection");
    unknown.filter_map(|problem| problem.message.split('`').nth(1)).map(str::to_owned).collect()
}

fn targets(problems: &[Problem], held: &BTreeMap<String, Json>) -> Vec<String> {
    missing(problems).into_iter().filter(|name| !held.contains_key(name)).collect()
}

/// Those that were accepted and did not change come first, then by age: of two that are in each other's way, the later
/// is told.
fn candidates(seen: &Observed) -> Vec<Judged> {
    let mut all: Vec<Judged> = seen.collections.iter().map(|object| candidate(seen, object)).collect();
    all.sort_by_cached_key(|one| {
        let made = one.object.creation_timestamp().map(|time| time.0);
        (!one.is_as_before(), made, one.object.name_any())
    });
    all
}

fn candidate(seen: &Observed, object: &Arc<Collection>) -> Judged {
    let declared = document(object);
    let name = object.spec.name.clone().unwrap_or_else(|| object.name_any());
    let own = |document: &&Json| document.pointer("/metadata/name").and_then(Json::as_str) == Some(&object.name_any());
    let before = seen.accepted_documents.get(&name).filter(own).cloned();
    let object = Arc::clone(object);
    let (choice, problems) = (Choice::Declared, Vec::new());
    Judged { object, name, choice, problems, only_refers: false, declared, before }
}

/// The document that servers read: nothing that only a cluster knows.
fn document(object: &Collection) -> Json {
    let spec = CollectionSpec { backend_ref: None, ..object.spec.clone() };
    // A spec that came as JSON goes as JSON; should it not, the check says that it is missing.
    let spec = serde_json::to_value(spec).unwrap_or(Json::Null);
    json!({
        "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection",
        "metadata": { "name": object.name_any() }, "spec": spec,
    })
}

fn only_refers(judged: &mut [Judged]) {
    let out = judged.iter().filter(|one| one.choice == Choice::Nothing);
    let out: BTreeSet<String> = out.map(|one| one.name.clone()).collect();
    for one in judged {
        let refers = |problem: &Problem| missing(std::slice::from_ref(problem)).iter().any(|name| out.contains(name));
        one.only_refers = !one.problems.is_empty() && one.problems.iter().all(refers);
    }
}
