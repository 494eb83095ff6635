//! The keys of a Backend: made, rotated in steps, and never lost.
//!
//! Pure: random bytes come in with what was seen. Writes are guarded by the resourceVersion that was read, so that a
//! stale cache or a second leader never overwrites a key.

use std::time::Duration;

use mainstay_crds::backend::KeysStatus;

use super::observed::Observed;
use crate::desired::{Desired, Note};

/// The key material of a Backend.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Secrets {
    /// `<backend>-admin-key`, `<backend>-jwt-keys`, `<backend>-api-keys`, where they have to change.
    pub desired: Vec<Desired>,
    /// Ids and states.
    pub keys: KeysStatus,
    /// When the next step is due.
    pub again: Option<Duration>,
    /// For people.
    pub notes: Vec<Note>,
}

/// The keys as they shall be.
pub fn secrets(_seen: &Observed, _now: k8s_openapi::jiff::Timestamp) -> Secrets {
    Secrets::default()
}

/// Whether a step of a rotation waits for what pods report, so that `observe` has to ask them.
pub fn asks_pods(_seen: &Observed, _now: k8s_openapi::jiff::Timestamp) -> bool {
    false
}
