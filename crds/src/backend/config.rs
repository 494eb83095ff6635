//! The server's configuration, the same in a cluster and on a laptop.
//!
//! Which setting wins over which flag, and what a setting means, is decided in the server's `config.rs`, which takes
//! these structs apart completely.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The server's configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServerConfig {
    /// How much one request may ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsConfig>,
    /// How long things may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TimeoutsConfig>,
    /// How the server keeps its connections. Which database it is says a flag or a variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseConfig>,
    /// Which web pages may call the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<CorsConfig>,
}

/// How much one request may ask for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// The largest body, such as 512KiB or 1MiB. Default: 1MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The longest URL, such as 8KiB. Default: 8KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The most levels of a JSON body. Default: 32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// How many records a list answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<PageConfig>,
}

/// How many records a list answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PageConfig {
    /// Without `limit`. Default: 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<u32>,
    /// The greatest `limit`. Default: 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
}

/// How long things may take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TimeoutsConfig {
    /// One request, such as 500ms, 30s or 2m. Default: 30s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// One statement's wait for a lock. Default: 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
    /// The arrival of a request's head or body. Default: 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// How the server keeps its connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// The pool of connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolConfig>,
}

/// The pool of connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PoolConfig {
    /// The most connections to PostgreSQL, or readers of SQLite. Default: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// How long a request waits for one before it is a 503. Default: 5s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
    /// One older than this is replaced. Default: 30m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<String>,
}

/// Which web pages may call the API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CorsConfig {
    /// Origins such as `https://shop.example`; `*` is any. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_origins: Option<Vec<String>>,
}
