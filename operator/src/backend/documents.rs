//! From Collections to the documents that servers read: which are accepted, and the ConfigMaps that carry them.
//!
//! Pure. A Collection that is wrong is served as it was accepted last; one that never was is left out, with those that
//! refer to it. Neither ever counts as removed, and no other Collection suffers.

use mainstay_crds::collection::CollectionStatus;
use mainstay_crds::conditions::Reason;

use super::observed::Observed;
use crate::desired::{Desired, Note};

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
pub fn documents(_seen: &Observed, _now: k8s_openapi::jiff::Timestamp) -> Documents {
    Documents::default()
}
