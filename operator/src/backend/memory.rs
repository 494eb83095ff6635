//! What is remembered of a Backend between two reconciliations of one process, to read and write less. Never needed for
//! a right decision: without it, a few requests more are made.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_crds::api_key::ApiKeyStatus;
use mainstay_crds::collection::CollectionStatus;

use super::report::Report;
use crate::desired::Note;

/// Of one Backend.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// metadata.uid of the Backend.
    pub uid: String,
    /// What finished Jobs printed, by the Job's UID: a log does not change any more.
    pub reports: BTreeMap<String, Report>,
    /// Objects that the API server keeps in another form than the desired one: by kind and name, the hash of what was
    /// desired and of what became of it.
    pub normalised: BTreeMap<(&'static str, String), (String, String)>,
    /// What people were told last.
    pub notes: Vec<Note>,
    /// Statuses of Collections that a watch may not have brought yet, by name, with their resourceVersion.
    pub told: BTreeMap<String, (u64, CollectionStatus)>,
    /// The same of ApiKeys.
    pub told_keys: BTreeMap<String, (u64, ApiKeyStatus)>,
    /// ApiKeys whose end is counted.
    pub keys: BTreeSet<String>,
}

impl Memory {
    /// Nothing yet.
    pub fn new(uid: &str) -> Memory {
        Memory { uid: uid.to_owned(), ..Memory::default() }
    }
}
