//! How people sign in to a backend.
//!
//! A part of the server's configuration; bounds that need arithmetic are the server's to judge.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shape;

/// How people sign in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AuthConfig {
    /// Whether people become users by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration: Option<RegistrationConfig>,
    /// Who issues access tokens, and whom they are for: their `iss` and `aud`. Absent: mainstay.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::text(500))]
    pub issuer: Option<String>,
    /// How long an access token is valid, from 1m to 1h. Absent: 15m.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::long_duration)]
    pub access_token_life: Option<String>,
    /// How long a session lasts when it is not refreshed; not shorter than an access token. Absent: 720h.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::long_duration)]
    pub refresh_token_life: Option<String>,
    /// What passwords must be like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordConfig>,
}

/// Whether people become users by themselves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RegistrationConfig {
    /// Whether anyone may register. Absent: false, and an admin makes users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// What passwords must be like. They have at most 128 characters, and are none of those that are tried first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PasswordConfig {
    /// Fewest characters of a new password: 8 to 64. Absent: 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::number(8, 64))]
    pub min_length: Option<u32>,
}
