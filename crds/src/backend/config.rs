//! The server's configuration, the same in a cluster and on a laptop.
//!
//! Which setting wins over which flag, and what a setting means, is decided in the server's `config.rs`, which takes
//! these structs apart completely.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::AuthConfig;
use crate::rate_limit::RateLimitSpec;
use crate::shape;

/// The server's configuration: the same keys as in a local file, where `mainstay config` prints each with its flag and
/// variable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServerConfig {
    /// How much one request may ask for; more is answered with 400, 413, 414 or 431.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsConfig>,
    /// How long things may take; longer is answered with 408, 503 or 504.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TimeoutsConfig>,
    /// How each server keeps its connections. Which database it is stands in `spec.database`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseConfig>,
    /// Which web pages may call the API. Absent: none but those of its own origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<CorsConfig>,
    /// How people sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthConfig>,
    /// How many requests clients may make; more are answered with 429. At most 16 policies, and each that fits a request
    /// has to allow it. Absent: as many as they like.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::keyed(16, "name"))]
    pub rate_limits: Option<Vec<RateLimitSpec>>,
    /// Who stands between clients and the server, and tells who they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxies: Option<ProxiesConfig>,
    /// What servers tell of their requests. Logs and metrics need no setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<TelemetryConfig>,
}

/// How much one request may ask for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// The largest body, such as 512KiB or 4MiB: a whole number of B, KiB, MiB, GiB, kB, MB or GB. Absent: 1MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::size)]
    pub body: Option<String>,
    /// The longest URL, from 64B to 64KiB. Absent: 8KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::size)]
    pub url: Option<String>,
    /// The largest headers of a request, all of them together, from 1KiB to 128KiB. Absent: 32KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::size)]
    pub headers: Option<String>,
    /// The most connections of clients to one server at once: 1 to 1000000. More wait until one has ended. Absent: 10000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::number(1, 1_000_000))]
    pub connections: Option<u32>,
    /// The most levels of objects and lists in a JSON body: 1 to 128. Absent: 32.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::number(1, 128))]
    pub depth: Option<u32>,
    /// How many records a list answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<PageConfig>,
}

/// How many records a list answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(transform = shape::rules(&[(
    "(has(self.default) ? self.default : 20) <= (has(self.max) ? self.max : 200)",
    "`default` (20 when absent) is larger than `max` (200 when absent): lower `default` or raise `max`",
)]))]
pub struct PageConfig {
    /// Records of a list without `limit`: at least 1 and not more than `max`. Absent: 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::number(1, u32::MAX))]
    pub default: Option<u32>,
    /// The greatest `limit`: at least 1. Absent: 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::number(1, u32::MAX))]
    pub max: Option<u32>,
}

/// How long things may take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TimeoutsConfig {
    /// How long the database may take for a request, the wait for a connection included, such as 500ms, 30s or 2m; more
    /// than zero. Of an export or import, for each page. Absent: 30s.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::long_duration)]
    pub request: Option<String>,
    /// How long a statement may wait for a lock, such as 10s. Absent: 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::duration)]
    pub lock: Option<String>,
    /// How long a request's head or body may take to arrive, such as 10s; more than zero. A client that takes nothing of
    /// its answer for six times as long is left. Absent: 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::long_duration)]
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
    /// The most connections of one server to PostgreSQL, or readers of SQLite: 1 to 1000. Absent: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::number(1, 1000))]
    pub size: Option<u32>,
    /// How long a request waits for a connection before it is answered with 503, such as 5s. One that would wait longer is
    /// answered so at once. Absent: 5s.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::duration)]
    pub wait: Option<String>,
    /// A connection older than this is replaced, such as 30m. Absent: 30m.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::duration)]
    pub lifetime: Option<String>,
}

/// Which web pages may call the API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(transform = shape::rules(&[(
    "!has(self.allowCredentials) || !self.allowCredentials || !has(self.allowedOrigins) || !('*' in self.allowedOrigins)",
    "`allowCredentials` would let every web page act for its visitors: name the origins instead of *",
)]))]
pub struct CorsConfig {
    /// Origins such as `https://shop.example.com` or `http://localhost:3000`, without a path; `*` is any. At most 100.
    /// Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::set(100, shape::origin))]
    pub allowed_origins: Option<Vec<String>>,
    /// The methods that they may call with: GET, HEAD, POST, PUT, PATCH, DELETE. Absent: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::set(6, shape::method))]
    pub allowed_methods: Option<Vec<String>>,
    /// The headers that they may send, such as X-API-Key. At most 50. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::set(50, shape::header_name))]
    pub allowed_headers: Option<Vec<String>>,
    /// Whether they may send cookies and what else a browser adds by itself; the API itself needs none. Not with the
    /// origin `*`. Absent: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_credentials: Option<bool>,
    /// How long a browser may remember this, such as 10m. Absent: 10m.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::duration)]
    pub max_age: Option<String>,
}

/// Who stands between clients and the server. A client's address is the last one that a trusted proxy was called from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxiesConfig {
    /// Addresses or ranges of proxies that are believed, such as 10.0.0.0/8, 192.0.2.7 or fd00::/8. At most 100.
    /// Absent: none, and the address of a connection is the client's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::set(100, shape::address_range))]
    pub trusted: Option<Vec<String>>,
    /// Where the proxies write whom they were called by: xForwardedFor (`X-Forwarded-For`) or forwarded (`Forwarded`, RFC
    /// 7239). The other one is not read, for a client may send it. Absent: xForwardedFor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<ForwardedHeader>,
}

/// A header that names the clients of proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = shape::choice)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded`.
    Forwarded,
}

/// Which traces of requests are kept, and where they go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// The base URL of a collector that takes OTLP over HTTP, such as `http://otel-collector.monitoring:4318`; `/v1/traces` is
    /// added. Absent: no traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::base_url)]
    pub otlp_endpoint: Option<String>,
    /// The part of the requests whose traces are kept, from "0" to "1", such as "0.01"; a caller that sends `traceparent` has
    /// decided for its own. Absent: "1".
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::ratio)]
    pub sample_ratio: Option<String>,
}
