//! The MigrationPlan custom resource: one way from an applied schema to a declared one, as the server image computed it.
//!
//! Written by the operator alone; its spec never changes. People read it before they approve.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collection::BackendRef;
use crate::conditions::Condition;

/// The way from the applied schema to the declared one, in classified steps. Written by the operator.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "mainstay.dev",
    version = "v1alpha1",
    kind = "MigrationPlan",
    namespaced,
    category = "mainstay",
    status = "MigrationPlanStatus",
    derive = "PartialEq",
    derive = "Default"
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MigrationPlanSpec {
    /// The Backend whose database it changes.
    pub backend_ref: BackendRef,
    /// The image that computed it and runs it.
    pub image: String,
    /// The hash of the documents that it leads to, which names their ConfigMaps.
    pub documents: String,
    /// The revision of the applied schema that it starts from.
    pub from_revision: i64,
    /// The revision that it leads to.
    pub to_revision: i64,
    /// Covers everything in it; binds the Jobs that run it.
    pub plan_hash: String,
    /// Covers the gated effects alone: what `spec.migrations.approve` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_hash: Option<String>,
    /// In the order in which they run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<PlanStep>,
    /// What the plan leaves as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The ConfigMap that holds the SQL, when it is too long to stand in the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql_config_map: Option<String>,
}

/// One change of the database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanStep {
    /// What changes: `create table markets`, `add field markets.slug`.
    pub effect: String,
    /// The collection that it touches.
    pub collection: String,
    /// expand, backfill or contract.
    pub phase: String,
    /// safe, locking, dataDependent or destructive.
    pub class: String,
    /// Whether it can be undone.
    pub reversible: bool,
    /// The statements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sql: Vec<String>,
}

/// How far it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MigrationPlanStatus {
    /// Complete.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
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
