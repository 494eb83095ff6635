//! The keys of a Backend: made, rotated in steps, and never lost.
//!
//! Pure: random bytes come in with what was seen. Writes are guarded by the resourceVersion that was read, so that a
//! stale cache or a second leader never overwrites a key.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use mainstay_crds::api_key::{ApiKey, ApiKeyStatus};
use mainstay_crds::backend::{KeyStatus, KeysStatus};

use super::observed::Observed;
use crate::api_key;
use crate::desired::{Desired, Note};

mod admin_key;
mod api_keys;
pub mod held;
pub mod history;
mod jwk;
mod jwt_keys;

/// The key material of a Backend.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Secrets {
    /// `<backend>-admin-key`, `<backend>-jwt-keys`, the Secrets of ApiKeys, `<backend>-api-keys`, where they have to
    /// change.
    pub desired: Vec<Desired>,
    /// The status of each ApiKey that names the Backend.
    pub api_keys: Vec<(String, ApiKeyStatus)>,
    /// Ids and states, as they were seen: what is to be written now is told once it is there.
    pub keys: KeysStatus,
    /// When the next step is due.
    pub again: Option<Duration>,
    /// For people.
    pub notes: Vec<Note>,
    /// Rotations that are due and wait until the Backend is no longer suspended: one phrase each, for its status.
    pub overdue: Vec<String>,
}

/// The keys as they shall be.
pub fn secrets(seen: &Observed, now: Timestamp) -> Secrets {
    let look = Look::new(seen, now);
    let api_keys: Vec<(&ApiKey, api_key::Planned)> = seen.api_keys.iter().map(|key| look.api_key(key)).collect();
    let mut parts = vec![admin_key::plan(&look), jwt_keys::plan(&look)];
    let mut statuses = parts.iter_mut().map(|part| std::mem::take(&mut part.status));
    let keys = KeysStatus { admin: statuses.next().unwrap_or_default(), jwt: statuses.next().unwrap_or_default() };
    let hashes = api_keys::plan(&look, &api_keys);
    let mut secrets = Secrets { keys, ..Secrets::default() };
    for (key, planned) in api_keys {
        if !look.leaving {
            secrets.api_keys.push((key.name_any(), planned.status));
        }
        let api_key::Planned { desired, notes, again, .. } = planned;
        parts.push(Part { desired, notes, again, ..Part::default() });
    }
    // A hash is published after its key is kept.
    parts.push(hashes);
    let writes = !look.frozen && parts.iter().any(|part| part.desired.is_some());
    let after = writes.then_some(SETTLE);
    secrets.again = parts.iter().filter_map(|part| part.again).chain(after).min();
    for part in parts {
        if look.frozen {
            secrets.overdue.extend(part.overdue);
        } else {
            secrets.desired.extend(part.desired);
            secrets.notes.extend(part.notes);
        }
    }
    secrets
}

/// Whether a step of a rotation waits for what pods report, so that `observe` has to ask them.
pub fn asks_pods(seen: &Observed, now: Timestamp) -> bool {
    jwt_keys::asks_pods(&Look::new(seen, now))
}

/// What the planner of one Secret looks at.
struct Look<'a> {
    seen: &'a Observed,
    /// In whole seconds.
    now: Timestamp,
    /// Nothing is written: the Backend is suspended, or leaves.
    frozen: bool,
    /// The Backend or its namespace is being deleted.
    leaving: bool,
    /// The Backend's name.
    name: String,
}

impl<'a> Look<'a> {
    fn new(seen: &'a Observed, now: Timestamp) -> Look<'a> {
        let leaving = seen.namespace_terminating || seen.backend.metadata.deletion_timestamp.is_some();
        let frozen = leaving || seen.backend.spec.suspend == Some(true);
        Look { seen, now: held::whole_seconds(now), frozen, leaving, name: seen.backend.name_any() }
    }

    fn api_key<'k>(&self, key: &'k ApiKey) -> (&'k ApiKey, api_key::Planned) {
        let own = self.seen.api_key_secrets.get(&key.name_any());
        (key, api_key::plan(key, &self.seen.backend, own, self.now, &self.seen.entropy))
    }
}

/// What the planner of one Secret answers.
#[derive(Default)]
struct Part {
    /// The Secret, when it has to change.
    desired: Option<Desired>,
    /// Its keys, as they were seen.
    status: Vec<KeyStatus>,
    again: Option<Duration>,
    notes: Vec<Note>,
    /// What is due, when it is.
    overdue: Option<String>,
}

/// How soon to look again for what no watch tells.
const SOON: Duration = Duration::from_secs(10);

/// How soon to look at what was written.
const SETTLE: Duration = Duration::from_secs(5);

/// How soon to look again for what only a person can change.
const LATER: Duration = Duration::from_secs(60);

impl Part {
    /// The Secret's name is taken by another's.
    fn conflict(name: &str) -> Part {
        let message = format!("Secret {name} is another's and left as it is: delete it if nobody needs it");
        Part { notes: vec![Part::warning("ObjectConflict", message)], again: Some(LATER), ..Part::default() }
    }

    /// Nothing can be done now.
    fn soon() -> Part {
        Part { again: Some(SOON), ..Part::default() }
    }

    fn note(reason: &str, message: String) -> Note {
        Note { warning: false, reason: reason.to_owned(), message }
    }

    fn warning(reason: &str, message: String) -> Note {
        Note { warning: true, ..Part::note(reason, message) }
    }
}

#[cfg(test)]
mod tests;
