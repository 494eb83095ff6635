//! Conditions: what is true of an object, why, and since when. Types and reasons are closed lists, so that people and
//! alerts can rely on them.
//!
//! Written by the operator. The shape is that of Kubernetes' `meta/v1.Condition`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shape;

/// One thing that is true, false or unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about, such as Ready.
    #[serde(rename = "type")]
    #[schemars(transform = shape::text(316))]
    pub kind: String,
    /// True, False or Unknown.
    #[schemars(extend("enum" = ["True", "False", "Unknown"]))]
    pub status: String,
    /// The generation of the spec that it was judged by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed, in RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// Why, as one CamelCase word of a closed list, such as ApprovalRequired.
    #[schemars(transform = shape::text(1024))]
    pub reason: String,
    /// For people: what is, and what to do.
    #[schemars(transform = shape::text(32_768))]
    pub message: String,
}

/// What conditions are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// Backend: pods serve some applied revision.
    Available,
    /// Backend, ApiKey: available, and this generation is rolled out.
    Ready,
    /// Backend: the database has the declared schema; a pending contract does not unset it.
    SchemaReady,
    /// Backend: something is under way.
    Reconciling,
    /// Backend: nothing goes on without a person.
    Stalled,
    /// Collection: it is served as declared.
    Accepted,
    /// MigrationPlan: every phase is done.
    Complete,
}

/// Why a condition is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// All is as declared.
    Ready,
    /// The operator has just begun.
    Pending,
    /// A Job computes the plan.
    Planning,
    /// Gated steps wait for their hash.
    ApprovalRequired,
    /// The policy forbids a step.
    Forbidden,
    /// Gated steps wait for the window.
    WaitingForWindow,
    /// Gated steps wait for a backup.
    WaitingForBackup,
    /// A Job changes the database.
    Migrating,
    /// New servers are rolled out.
    RollingOut,
    /// New servers run for a while before the contract.
    Soaking,
    /// The contract waits for its hash.
    ContractPending,
    /// A migration failed; it is tried again.
    MigrationFailed,
    /// There is no plan from the applied schema to the declared one.
    PlanRefused,
    /// Another Backend owns the database.
    DatabaseInUse,
    /// The database cannot be reached.
    DatabaseUnavailable,
    /// The Secret of the database is not there, or lacks the key.
    SecretMissing,
    /// What the Secret holds is no `postgres://` URL.
    SecretInvalid,
    /// The image cannot be pulled or started.
    ImageUnavailable,
    /// Servers do not become ready.
    PodsNotReady,
    /// A rollout made no progress in time.
    RolloutFailed,
    /// `spec.suspend` is set.
    Suspended,
    /// The Backend or its namespace is being deleted.
    Terminating,
    /// An object of the Backend's name belongs to someone else.
    ObjectConflict,
    /// The API server does not take an object of the Backend: it is against a quota, a policy or a rule.
    Refused,
    /// The Backend's documents are larger than ConfigMaps may be.
    DocumentsTooLarge,
    /// The spec says something that only the operator could judge to be wrong.
    InvalidSpec,
    /// Collection, ApiKey: served as declared.
    Accepted,
    /// Collection: it has problems, which `status.problems` lists.
    Invalid,
    /// Collection: it refers to one that was never accepted.
    RefNotAccepted,
    /// Collection, ApiKey: there is no Backend of that name.
    BackendNotFound,
    /// ApiKey: it is past its time.
    Expired,
    /// MigrationPlan: all phases are done.
    Complete,
    /// MigrationPlan: another plan took its place.
    Superseded,
    /// The cluster's custom resource definitions are older than the operator.
    CRDTooOld,
}

/// As in `status.conditions[].type`.
impl Type {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Type::Available => "Available",
            Type::Ready => "Ready",
            Type::SchemaReady => "SchemaReady",
            Type::Reconciling => "Reconciling",
            Type::Stalled => "Stalled",
            Type::Accepted => "Accepted",
            Type::Complete => "Complete",
        }
    }
}

/// The reason's own name is the word.
impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}
