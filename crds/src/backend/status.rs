//! What the operator tells of a Backend. All of it can be rebuilt: nothing is decided by it alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::Condition;
use crate::shape;

/// What is: whether it serves, what the database has, and what it waits for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackendStatus {
    /// The generation of the spec that all this was judged by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Available (pods serve some applied revision), Ready (and this generation is rolled out), SchemaReady (the
    /// database has the declared schema), Reconciling (something is under way) and Stalled (nothing goes on without a
    /// person). `kubectl wait --for=condition=Ready` waits for a rollout.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::keyed(16, "type"))]
    pub conditions: Vec<Condition>,
    /// Where clients reach the API, such as `https://api.example.com` or the Service's name inside the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The image of the servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How many servers there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// The label selector of the servers' pods, for the scale subresource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The schema that the database has, as far as it was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<SchemaStatus>,
    /// The plan that is under way or waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,
    /// The keys, by their ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeysStatus>,
}

/// What the database has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchemaStatus {
    /// The revision of the applied schema, from 1.
    pub revision: i64,
    /// SHA-256 of it, its first 12 hex digits.
    pub hash: String,
}

/// The plan that is under way or waits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanStatus {
    /// metadata.name of the MigrationPlan.
    pub name: String,
    /// What to put into `spec.migrations.approve`, when a step waits for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_hash: Option<String>,
    /// The gated effects, such as `drop field markets.legacy`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<String>,
}

/// Ids of keys, never the keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct KeysStatus {
    /// The admin keys that are valid, the current one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub admin: Vec<KeyStatus>,
    /// The keys that sign and verify tokens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jwt: Vec<KeyStatus>,
}

/// One key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyStatus {
    /// Names it, and tells nothing of it.
    pub id: String,
    /// current, previous; published, signing, retiring.
    pub state: String,
    /// Since when it is in this state, in RFC 3339.
    pub since: String,
}
