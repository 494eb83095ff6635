//! Keys that the operator makes for a Backend, keeps in Secrets and rotates.
//!
//! Read by the operator. No key is ever part of a Backend.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shape;

/// Keys that the operator makes, keeps and rotates. Servers read them from mounted files, without a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SecretsSpec {
    /// The keys that sign tokens, in Secret `<backend>-jwt-keys`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_keys: Option<JwtKeysSpec>,
    /// The key that may do everything, in Secret `<backend>-admin-key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_key: Option<AdminKeySpec>,
}

/// How the keys that sign tokens are made. A new key is published before it signs, and the old one stays until its last
/// token has ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JwtKeysSpec {
    /// EdDSA (Ed25519) or ES256. Holds for the next key. Absent: EdDSA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<JwtAlgorithm>,
    /// How long a key signs, such as 30d. Absent: 90d.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::long_span)]
    pub rotate_every: Option<String>,
}

/// A signature algorithm of RFC 7518 or RFC 8037.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = shape::choice)]
pub enum JwtAlgorithm {
    /// Ed25519.
    #[default]
    EdDSA,
    /// ECDSA over P-256 with SHA-256.
    ES256,
}

/// How the admin key is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AdminKeySpec {
    /// How long a key is the current one, such as 30d. Absent: never rotated by time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::long_span)]
    pub rotate_every: Option<String>,
    /// How long the key before it stays valid, such as 1h. `0s` ends it at once. Absent: 24h.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::span)]
    pub overlap: Option<String>,
}
