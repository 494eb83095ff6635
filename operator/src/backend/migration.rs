//! Where a Backend is on its way from one applied schema to the next, and what the next step is.
//!
//! Pure. Only the Backend's own image computes a plan; here it is asked for, gated, run phase by phase and recorded.
//! A running phase is never interrupted.

use std::time::Duration;

use mainstay_crds::backend::{PlanStatus, SchemaStatus};
use mainstay_crds::conditions::Reason;
use mainstay_crds::migration_plan::MigrationPlanStatus;

use super::documents::Documents;
use super::observed::{Observed, SecretState};
use super::release::Release;
use crate::desired::{Desired, Doomed, Note};
use crate::settings::Settings;

mod applied;
mod contract;
mod course;
mod expand;
mod failure;
mod garbage;
mod gate;
mod job;
mod planning;
mod plans;
mod progress;
mod rollout;
mod settle;
mod target;
mod window;

#[cfg(test)]
mod tests;

use course::Course;

/// The next step of the way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Migration {
    /// What servers shall run now; `None` before the first schema is there.
    pub release: Option<Release>,
    /// Jobs, MigrationPlans, `<backend>-applied`, long SQL.
    pub desired: Vec<Desired>,
    /// Finished Jobs whose result is stored, old plans, documents that nothing names any more.
    pub doomed: Vec<Doomed>,
    /// How far each plan is.
    pub plans: Vec<(String, MigrationPlanStatus)>,
    /// Why the schema is not ready; `None` when it is. A pending contract has its own field.
    pub waits: Option<Wait>,
    /// Why a contract is still open.
    pub contract: Option<Wait>,
    /// What the database has.
    pub schema: Option<SchemaStatus>,
    /// The plan under way.
    pub plan: Option<PlanStatus>,
    /// For people.
    pub notes: Vec<Note>,
    /// When to look again.
    pub again: Option<Duration>,
}

/// What a migration waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// One word.
    pub reason: Reason,
    /// What is, and what to do.
    pub message: String,
    /// Nothing goes on without a person.
    pub stalled: bool,
}

/// The next step, from what was seen.
pub fn migration(
    seen: &Observed,
    settings: &Settings,
    documents: &Documents,
    now: k8s_openapi::jiff::Timestamp,
) -> Migration {
    let mut course = Course::new(seen, settings, documents, now);
    if course.is_embedded() {
        return course.embedded();
    }
    course.take_results();
    let runs = course.phase_runs();
    match blocked(seen, documents) {
        // With nothing left to do, nothing is waited for.
        Some(wait) if wait.reason == Reason::Suspended && course.is_reached() => {}
        Some(wait) => course.block(wait),
        None if runs => {}
        None => course.plan(),
    }
    course.contract();
    let mut way = course.finish();
    if is_frozen(seen) {
        (way.desired, way.doomed, way.notes, way.again) = (Vec::new(), Vec::new(), Vec::new(), None);
    }
    way
}

/// Nothing is written but status.
fn is_frozen(seen: &Observed) -> bool {
    is_leaving(seen) || seen.backend.spec.suspend == Some(true)
}

fn is_leaving(seen: &Observed) -> bool {
    seen.namespace_terminating || seen.backend.metadata.deletion_timestamp.is_some()
}

/// Why no step is made at all.
fn blocked(seen: &Observed, documents: &Documents) -> Option<Wait> {
    let stalled = |reason, message: &str| Some(Wait { reason, message: message.to_owned(), stalled: true });
    if is_leaving(seen) {
        let message = "the Backend or its namespace is being deleted".to_owned();
        return Some(Wait { reason: Reason::Terminating, message, stalled: false });
    }
    if seen.backend.spec.suspend == Some(true) {
        let message = "spec.suspend is set: no step is begun".to_owned();
        return Some(Wait { reason: Reason::Suspended, message, stalled: false });
    }
    if documents.hash.is_empty() {
        return documents.problem.clone().map(|(reason, message)| Wait { reason, message, stalled: true });
    }
    let database = seen.backend.spec.database.as_ref();
    if database.is_none_or(|database| database.url_from.is_none()) {
        return stalled(Reason::InvalidSpec, "spec.database names no database: set urlFrom or embedded");
    }
    secret(seen)
}

/// What is wrong with the Secrets that hold URLs.
pub fn secret(seen: &Observed) -> Option<Wait> {
    let broken = seen.urls.iter().find(|secret| secret.state != SecretState::Usable)?;
    let (name, key) = (&broken.name, &broken.key);
    let (member, _, url) = broken.of.form();
    let (reason, message) = match broken.state {
        SecretState::Usable => return None,
        SecretState::Missing => (
            Reason::SecretMissing,
            format!("there is no Secret `{name}`; make it, with the URL for spec.{member} under `{key}`"),
        ),
        SecretState::KeyMissing => (
            Reason::SecretMissing,
            format!("Secret `{name}` has no key `{key}`; put the URL there, or correct spec.{member}"),
        ),
        SecretState::Invalid => {
            (Reason::SecretInvalid, format!("`{key}` of Secret `{name}` is no {url} URL; correct it"))
        }
    };
    Some(Wait { reason, message, stalled: true })
}
