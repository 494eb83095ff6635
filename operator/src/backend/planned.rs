//! What one reconciliation comes to: the answer of `plan`, carried out by `apply`.

use std::time::Duration;

use mainstay_crds::api_key::ApiKeyStatus;
use mainstay_crds::backend::BackendStatus;
use mainstay_crds::collection::CollectionStatus;
use mainstay_crds::migration_plan::MigrationPlanStatus;

use crate::desired::{Desired, Doomed, Note};

/// What shall be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planned {
    /// Objects as they shall be, in the order in which they are written.
    pub desired: Vec<Desired>,
    /// Objects that shall go, after the others are written.
    pub doomed: Vec<Doomed>,
    /// The Backend's status.
    pub status: BackendStatus,
    /// The status of each Collection that names the Backend.
    pub collections: Vec<(String, CollectionStatus)>,
    /// The status of each ApiKey that names the Backend.
    pub api_keys: Vec<(String, ApiKeyStatus)>,
    /// The status of MigrationPlans.
    pub plans: Vec<(String, MigrationPlanStatus)>,
    /// What people should hear of.
    pub notes: Vec<Note>,
    /// Time passes until something is due that no watch tells.
    pub again: Option<Duration>,
}
