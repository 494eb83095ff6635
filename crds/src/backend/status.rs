//! What the operator tells of a Backend. All of it can be rebuilt: nothing is decided by it alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::Condition;

/// What is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackendStatus {
    /// The generation of the spec that all this was judged by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Available, Ready, SchemaReady, Reconciling and Stalled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Where clients reach the API.
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
    /// What the database has.
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
    /// The revision of the applied schema.
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
