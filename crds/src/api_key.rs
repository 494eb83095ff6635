//! The ApiKey custom resource: a credential for a machine, made by the operator and kept in a Secret of its own.
//!
//! Read by the operator. The key itself is never part of it.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collection::BackendRef;
use crate::conditions::Condition;
use crate::rate_limit::KeyRateLimit;
use crate::shape::{self, Rule};

/// Rules between fields, and what cannot be changed.
const RULES: &[Rule] = &[
    (
        "self.backendRef.name == oldSelf.backendRef.name",
        "`backendRef` cannot be changed, for a key opens one Backend: make another ApiKey",
    ),
    (
        "(has(self.secretName) ? self.secretName : '') == (has(oldSelf.secretName) ? oldSelf.secretName : '')",
        "`secretName` cannot be changed, for the key's readers would be left behind: make another ApiKey, or put the old name back",
    ),
];

/// An ApiKey is a credential for a machine. The operator makes the key and writes it to a Secret; deleting the ApiKey
/// revokes it: servers refuse the key within 90 seconds.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "mainstay.dev",
    version = "v1alpha1",
    kind = "ApiKey",
    doc = "An ApiKey is a credential for a machine. Deleting it revokes it: servers refuse the key within 90 seconds.",
    namespaced,
    category = "mainstay",
    shortname = "msk",
    status = "ApiKeyStatus",
    derive = "PartialEq",
    derive = "Default",
    printcolumn = r#"{ "name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status", "description": "Whether the key is in its Secret and servers take it." }"#,
    printcolumn = r#"{ "name": "Key id", "type": "string", "jsonPath": ".status.keyId", "description": "The first characters of the current key." }"#,
    printcolumn = r#"{ "name": "Expires", "type": "string", "jsonPath": ".status.expiresAt", "description": "When the current key ends." }"#,
    printcolumn = r#"{ "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" }"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = shape::rules(RULES))]
pub struct ApiKeySpec {
    /// The Backend that it opens, in the same namespace. Cannot be changed.
    pub backend_ref: BackendRef,
    /// The roles that the key has, beside `machine`, as in the access rules of Collections. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::set(32, shape::role))]
    pub roles: Vec<String>,
    /// How long a key lives, such as 90d. Absent: until it is rotated or the ApiKey is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::long_span)]
    pub expires_after: Option<String>,
    /// How long a key is the current one, such as 30d; then the Secret holds a new one. Absent: never rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::long_span)]
    pub rotate_every: Option<String>,
    /// How long the key before it stays valid, so that its readers can take the new one, such as 1h. `0s` ends it at
    /// once. Absent: 24h.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::span)]
    pub overlap: Option<String>,
    /// How many requests the key's holder may make, such as `{limit: 100, window: 60s}`. It stands in the place of the
    /// Backend's policies by caller and by key; those by ip hold beside it. Absent: what the Backend says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<KeyRateLimit>,
    /// The Secret of this namespace that the key is written to, under `key`. Cannot be changed. Absent: the ApiKey's
    /// own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::object_name)]
    pub secret_name: Option<String>,
}

/// What is: which key is the current one, and since when. Never the key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiKeyStatus {
    /// The generation of the spec that this was judged by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: the key is in its Secret and servers take it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::keyed(16, "type"))]
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
