//! The MigrationPlan custom resource: one way from an applied schema to a declared one, as the server image computed it.
//!
//! Written by the operator alone; its spec never changes. People read it before they approve.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collection::BackendRef;
use crate::conditions::Condition;
use crate::shape;

/// A MigrationPlan is one way from the schema that a database has to the one that Collections declare, in classified
/// steps, as the server's own image computed it. The operator writes it; people read it before they approve, by putting
/// `approvalHash` into `spec.migrations.approve` of the Backend.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "mainstay.dev",
    version = "v1alpha1",
    kind = "MigrationPlan",
    doc = "A MigrationPlan is one way from the schema that a database has to the one that Collections declare. The operator writes it; people read it before they approve.",
    namespaced,
    category = "mainstay",
    shortname = "msp",
    status = "MigrationPlanStatus",
    derive = "PartialEq",
    derive = "Default",
    printcolumn = r#"{ "name": "Backend", "type": "string", "jsonPath": ".spec.backendRef.name", "description": "Whose database it changes." }"#,
    printcolumn = r#"{ "name": "Phase", "type": "string", "jsonPath": ".status.phase", "description": "How far it is." }"#,
    printcolumn = r#"{ "name": "Revision", "type": "integer", "jsonPath": ".spec.toRevision", "description": "The revision of the schema that it leads to." }"#,
    printcolumn = r#"{ "name": "Approval hash", "type": "string", "jsonPath": ".spec.approvalHash", "description": "What approves it, in spec.migrations.approve of the Backend.", "priority": 1 }"#,
    printcolumn = r#"{ "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" }"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = shape::rules(&[(
    "self == oldSelf",
    "a MigrationPlan never changes, for its hash covers all of it: change the Backend or its Collections, and the operator writes another",
)]))]
pub struct MigrationPlanSpec {
    /// The Backend whose database it changes.
    pub backend_ref: BackendRef,
    /// The server image that computed it and runs it.
    #[schemars(transform = shape::text(512))]
    pub image: String,
    /// The hash of the documents that it leads to, which names their ConfigMaps.
    #[schemars(transform = shape::text(128))]
    pub documents: String,
    /// The revision of the applied schema that it starts from; 0 is an empty database.
    #[schemars(transform = shape::number(0, u32::MAX))]
    pub from_revision: i64,
    /// The revision that it leads to.
    #[schemars(transform = shape::number(0, u32::MAX))]
    pub to_revision: i64,
    /// Covers everything in it, as hex digits; binds the Jobs that run it.
    #[schemars(transform = shape::text(128))]
    pub plan_hash: String,
    /// Covers the gated effects alone, as 64 hex digits: what `spec.migrations.approve` of the Backend names. Absent: nothing
    /// in it needs approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::text(128))]
    pub approval_hash: Option<String>,
    /// What it does, in the order in which it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::list(10_000, |_| ()))]
    pub steps: Vec<PlanStep>,
    /// What the plan leaves as it is, such as a removed field whose data is retained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::list(10_000, shape::text(4096)))]
    pub notes: Vec<String>,
    /// The ConfigMap that holds the SQL, when it is too long to stand in the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::object_name)]
    pub sql_config_map: Option<String>,
}

/// One change of the database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanStep {
    /// What changes, such as `create table markets` or `add field markets.slug`.
    #[schemars(transform = shape::text(1024))]
    pub effect: String,
    /// The collection that it touches.
    #[schemars(transform = shape::text(63))]
    pub collection: String,
    /// expand, backfill or contract.
    #[schemars(transform = shape::text(32))]
    pub phase: String,
    /// safe, locking, dataDependent or destructive.
    #[schemars(transform = shape::text(32))]
    pub class: String,
    /// Whether it can be undone.
    pub reversible: bool,
    /// The SQL statements, as they run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::list(10_000, shape::text(1_048_576)))]
    pub sql: Vec<String>,
}

/// How far it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MigrationPlanStatus {
    /// Complete: every phase is done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::keyed(16, "type"))]
    pub conditions: Vec<Condition>,
    /// Waiting, Expanding, RollingOut, Soaking, ContractPending, Contracting, Complete, Failed or Superseded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// When the expand phase was done, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expanded_at: Option<String>,
    /// When the servers of its revision had all replaced older ones: the soak is counted from here, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled_out_at: Option<String>,
    /// When the contract phase was done, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contracted_at: Option<String>,
    /// Runs of Jobs for the present phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// The reason of the last failure, without a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}
