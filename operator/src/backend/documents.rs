//! From Collections to the documents that servers read: which are accepted, and the ConfigMaps that carry them.
//!
//! Pure. A Collection that is wrong is served as it was accepted last; one that never was is left out, with those that
//! refer to it. Neither ever counts as removed, and no other Collection suffers.

use std::collections::BTreeMap;

use kube::ResourceExt;
use mainstay_crds::collection::CollectionStatus;
use mainstay_crds::conditions::Reason;

use super::observed::Observed;
use crate::desired::{Desired, Note};

mod accept;
mod files;
mod tell;

#[cfg(test)]
mod tests;

/// The accepted documents of a Backend.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Documents {
    /// SHA-256 over all files, its first 12 hex digits: names the ConfigMaps `<backend>-r<hash>-<i>`.
    pub hash: String,
    /// How many ConfigMaps they fill.
    pub parts: usize,
    /// The names of the collections.
    pub names: Vec<String>,
    /// The ConfigMaps, and `<backend>-documents`, which says what was accepted last.
    pub desired: Vec<Desired>,
    /// What each Collection is told.
    pub statuses: Vec<(String, CollectionStatus)>,
    /// Why nothing can be made of them.
    pub problem: Option<(Reason, String)>,
    /// For people.
    pub notes: Vec<Note>,
}

/// The accepted documents of what was seen.
pub fn documents(seen: &Observed, now: k8s_openapi::jiff::Timestamp) -> Documents {
    let accepted = accept::accept(seen);
    let generations = tell::generations(seen, &accepted);
    let statuses = tell::statuses(seen, &accepted, &generations, now);
    let notes = tell::notes(seen, &statuses);
    let names = accepted.documents.keys().cloned().collect();
    match files::files(&accepted.documents) {
        Ok(files) => {
            let desired = files.desired(seen, &generations);
            let (hash, parts) = (files.hash, files.parts.len());
            Documents { hash, parts, names, desired, statuses, problem: None, notes }
        }
        Err(message) => {
            // What was accepted last stays.
            let (hash, parts) = last(seen);
            let names = seen.accepted_documents.keys().cloned().collect();
            let problem = Some((Reason::DocumentsTooLarge, message));
            Documents { hash, parts, names, desired: Vec::new(), statuses, problem, notes }
        }
    }
}

/// The hash and the parts of what was accepted last; empty when nothing was.
fn last(seen: &Observed) -> (String, usize) {
    let data = seen.accepted.as_ref().and_then(|map| map.data.as_ref());
    let text = |key: &str| data.and_then(|data| data.get(key)).cloned().unwrap_or_default();
    (text("hash"), text("parts").parse().unwrap_or(0))
}

/// The generations of each Collection's object that was accepted last, by the object's name.
type Generations = BTreeMap<String, i64>;

/// metadata.name of the ConfigMap that says what was accepted last.
fn accepted_name(seen: &Observed) -> String {
    format!("{}-documents", seen.backend.name_any())
}
