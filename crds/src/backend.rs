//! The Backend custom resource: one deployment of the API server, and the server's configuration.
//!
//! Read by the operator, and by the server from a local document, of which only `spec.config` matters to it. What
//! absence means is decided where a field is used: the definition holds no defaults. Doc comments are what
//! `kubectl explain` prints; rules stand at the type that they judge.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shape::{self, Rule};

mod auth;
mod check;
mod config;
mod database;
mod expose;
mod migrations;
mod pods;
mod redis;
mod secrets;
mod status;

pub use auth::*;
pub use check::check_backend;
pub use config::*;
pub use database::*;
pub use expose::*;
pub use migrations::*;
pub use pods::*;
pub use redis::*;
pub use secrets::*;
pub use status::*;

/// Every object of a Backend is named by it, with up to 23 characters more.
const NAME: Rule = (
    "self.metadata.name.size() <= 40 && self.metadata.name.matches(r'^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "a Backend's name is at most 40 of a-z, 0-9 and -, beginning with a letter and not ending with -, for its Services \
     and Jobs are named by it: choose a shorter or plainer name",
);

/// Rules between fields of the spec.
const RULES: &[Rule] = &[
    (
        "has(self.database)",
        "`database` is missing: set `database.urlFrom` to a Secret with a postgres:// URL, or `database.embedded` for SQLite",
    ),
    (
        "!(has(self.replicas) && has(self.autoscaling))",
        "`replicas` and `autoscaling` exclude each other: remove `replicas` and the autoscaler chooses, or remove `autoscaling`",
    ),
    (
        "!has(self.database) || !has(self.database.embedded) || !has(self.replicas) || self.replicas <= 1",
        "`database.embedded` is a file for one server: set `replicas` to 1 or remove it, or use `database.urlFrom`",
    ),
    (
        "!has(self.database) || !has(self.database.embedded) || !has(self.autoscaling)",
        "`database.embedded` is a file for one server: remove `autoscaling`, or use `database.urlFrom`",
    ),
    (
        "!has(self.database) || !has(self.database.embedded) || !has(self.takeOverFrom)",
        "`takeOverFrom` moves a PostgreSQL database: remove it, or use `database.urlFrom`",
    ),
    (
        "!has(self.autoscaling) \
         || (!has(self.autoscaling.targetCPU) && has(self.autoscaling.metrics) && self.autoscaling.metrics.size() > 0) \
         || (has(self.resources) && ((has(self.resources.requests) && 'cpu' in self.resources.requests) \
         || (has(self.resources.limits) && 'cpu' in self.resources.limits)))",
        "autoscaling by CPU is in percent of what is requested: set `resources.requests.cpu`, or give \
         `autoscaling.metrics` and no `autoscaling.targetCPU`",
    ),
];

/// A Backend runs the API server over one database and serves every Collection of its namespace that refers to it.
/// The operator makes the Deployment, the Service and all that belongs to them, changes the database when Collections
/// change, and keeps the keys.
///
/// The least that works is `database.urlFrom`, which names a Secret with a `postgres://` URL, or `database.embedded`,
/// such as `{size: 1Gi}`, which needs no database.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "mainstay.dev",
    version = "v1alpha1",
    kind = "Backend",
    doc = "A Backend runs the API server over one database, and serves every Collection of its namespace that refers to it.",
    namespaced,
    category = "mainstay",
    shortname = "msb",
    status = "BackendStatus",
    derive = "PartialEq",
    derive = "Default",
    validation = NAME,
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn = r#"{ "name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status", "description": "Whether this generation is rolled out and serves." }"#,
    printcolumn = r#"{ "name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].reason", "description": "Why it is ready, or what it waits for." }"#,
    printcolumn = r#"{ "name": "Replicas", "type": "integer", "jsonPath": ".status.replicas", "description": "How many servers there are." }"#,
    printcolumn = r#"{ "name": "Schema", "type": "integer", "jsonPath": ".status.schema.revision", "description": "The revision of the schema that the database has." }"#,
    printcolumn = r#"{ "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" }"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(transform = shape::rules(RULES))]
pub struct BackendSpec {
    /// The server's image, such as `ghcr.io/example/mainstay:1.4.0` or one with a digest. Absent: the image that the
    /// operator was installed with, which follows the operator's upgrades.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::matching(
        512,
        "^[a-z0-9][-a-zA-Z0-9._:/@]*$",
        "this is no image: write it as registry/name:tag or registry/name@sha256:digest",
    ))]
    pub image: Option<String>,
    /// How many servers run: 0 to 1000. Not beside `autoscaling`. `kubectl scale` changes it where it is set. Absent: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::number(0, 1000), transform = shape::never_null)]
    pub replicas: Option<u32>,
    /// Lets a HorizontalPodAutoscaler choose how many servers run. Not beside `replicas`, and not with
    /// `database.embedded`. Where `replicas` was set before, the count stays until the autoscaler changes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<AutoscalingSpec>,
    /// Where the records live: exactly one of `urlFrom` (PostgreSQL) and `embedded` (SQLite on a volume). Needed in a
    /// cluster; a local server takes its database from a flag or a variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseSpec>,
    /// A Redis 7 in which the servers share the counts of `config.rateLimits`. Without it, and while it is away, each
    /// server counts by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisSpec>,
    /// The server's own configuration: the same keys, with the same meaning, as in a file on a laptop. A change rolls
    /// the servers out anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<ServerConfig>,
    /// How the database is changed when Collections change: which steps wait for whom, when, and for how long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrations: Option<MigrationsSpec>,
    /// Keys that the operator makes, keeps in Secrets of this namespace and rotates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SecretsSpec>,
    /// How clients reach the API. Absent: by a Service of type ClusterIP on port 80.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expose: Option<ExposeSpec>,
    /// CPU and memory of each server, such as `requests: {cpu: 250m, memory: 64Mi}`. Of what is said nothing of, 100m
    /// and 64Mi are requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesSpec>,
    /// What the servers' pods have beside what the operator gives them: where they run, their annotations, variables
    /// and the credentials of the image's registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplateSpec>,
    /// Who may reach the pods, and whom they may reach. Absent: everyone may reach the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkPolicySpec>,
    /// How the servers are watched. They always answer Prometheus on their port of probes and metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<MonitoringSpec>,
    /// When true, the operator writes nothing but status; pods, the autoscaler and a running Job go on. A rotation
    /// that is due is reported and waits. Absent: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Takes the database over from another Backend, named `namespace/name`, which must be gone or suspended. Without
    /// it, a database that another Backend owns is refused with the reason DatabaseInUse.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::matching(
        104,
        "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z]([-a-z0-9]{0,38}[a-z0-9])?$",
        "this names no Backend: write it as namespace/name",
    ))]
    pub take_over_from: Option<String>,
}

/// Bounds and targets of the HorizontalPodAutoscaler. By CPU unless `metrics` say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = shape::rules(&[(
    "!has(self.min) || self.min <= self.max",
    "`min` is larger than `max`: lower `min` or raise `max`",
)]))]
pub struct AutoscalingSpec {
    /// The fewest servers: 1 to 1000. Absent: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::number(1, 1000))]
    pub min: Option<u32>,
    /// The most servers: 1 to 1000, and not fewer than `min`. Each takes up to `config.database.pool.size` connections.
    #[schemars(transform = shape::number(1, 1000))]
    pub max: u32,
    /// The mean CPU use to aim at, in percent of `resources.requests.cpu`, which it needs: 1 to 1000. Absent: 80,
    /// unless `metrics` are given.
    #[serde(rename = "targetCPU", skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::number(1, 1000))]
    pub target_cpu: Option<u32>,
    /// More metrics, each as in `spec.metrics` of an autoscaling/v2 HorizontalPodAutoscaler. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shape::free_objects")]
    pub metrics: Vec<serde_json::Value>,
    /// How fast it scales up and down, as `spec.behavior` of an autoscaling/v2 HorizontalPodAutoscaler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::free_object")]
    pub behavior: Option<serde_json::Value>,
}
