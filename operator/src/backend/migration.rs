//! Where a Backend is on its way from one applied schema to the next, and what the next step is.
//!
//! Pure. Only the Backend's own image computes a plan; here it is asked for, gated, run phase by phase and recorded.
//! A running phase is never interrupted.

use std::time::Duration;

use mainstay_crds::backend::{PlanStatus, SchemaStatus};
use mainstay_crds::conditions::Reason;
use mainstay_crds::migration_plan::MigrationPlanStatus;

use super::documents::Documents;
use super::observed::Observed;
use super::release::Release;
use crate::desired::{Desired, Doomed, Note};
use crate::settings::Settings;

/// The next step of the way.
#[derive(Clone, Debug, PartialEq)]
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
    _seen: &Observed,
    _settings: &Settings,
    _documents: &Documents,
    _now: k8s_openapi::jiff::Timestamp,
) -> Migration {
    Migration {
        release: None,
        desired: Vec::new(),
        doomed: Vec::new(),
        plans: Vec::new(),
        waits: None,
        contract: None,
        schema: None,
        plan: None,
        notes: Vec::new(),
        again: None,
    }
}
