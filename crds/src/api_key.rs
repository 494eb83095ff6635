//! The ApiKey custom resource: a credential for a machine, made by the operator and kept in a Secret of its own.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collection::BackendRef;
use crate::conditions::Condition;

/// A credential for a machine. Deleting it revokes it: servers refuse the key within 90 seconds.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "mainstay.dev",
    version = "v1alpha1",
    kind = "ApiKey",
    namespaced,
    category = "mainstay",
    status = "ApiKeyStatus",
    derive = "PartialEq",
    derive = "Default"
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKeySpec {
    /// The Backend that it opens, in the same namespace.
    pub backend_ref: BackendRef,
    /// The roles that the key has, beside `machine`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// How long a key lives, such as 90d. Absent: until it is rotated or the ApiKey is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_after: Option<String>,
    /// How long a key is the current one, such as 30d. Absent: never rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate_every: Option<String>,
    /// How long the key before it stays valid, such as 1h. Absent: 24h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<String>,
    /// The Secret that the key is written to, under `key`. Absent: the ApiKey's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
}

/// What is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiKeyStatus {
    /// The generation of the spec that this was judged by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The first characters of the current key, by which people recognise it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// When the current key was made, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotated_at: Option<String>,
    /// When the current key ends, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}
