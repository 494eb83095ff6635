//! The Backend custom resource: one deployment of the API server, and the server's configuration.
//!
//! Read by the operator, and by the server from a local document, of which only `spec.config` matters to it. What
//! absence means is decided where a field is used: the definition holds no defaults.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, Toleration};
use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyPeer};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod check;
mod config;
mod status;

pub use check::check_backend;
pub use config::*;
pub use status::*;

/// One deployment of the API server over one database, with all Collections that refer to it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "mainstay.dev",
    version = "v1alpha1",
    kind = "Backend",
    namespaced,
    category = "mainstay",
    status = "BackendStatus",
    derive = "PartialEq",
    derive = "Default"
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BackendSpec {
    /// The server's image. Absent: the image that the operator was installed with, which follows its upgrades.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How many servers run. Not beside `autoscaling`. Absent: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Lets a HorizontalPodAutoscaler choose how many servers run. Not beside `replicas`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<AutoscalingSpec>,
    /// Where the records live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseSpec>,
    /// The server's configuration, the same as in a local file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<ServerConfig>,
    /// How the database is changed when Collections change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrations: Option<MigrationsSpec>,
    /// Keys that the operator makes, keeps in Secrets and rotates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SecretsSpec>,
    /// How clients reach the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expose: Option<ExposeSpec>,
    /// CPU and memory of each server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesSpec>,
    /// What the servers' pods have beside what the operator gives them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplateSpec>,
    /// Who may reach the pods, and whom they may reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkPolicySpec>,
    /// How the servers are watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<MonitoringSpec>,
    /// The operator writes nothing but status; pods, the autoscaler and a running Job go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Takes the database over from another Backend, named `namespace/name`, which must be gone or suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub take_over_from: Option<String>,
}

/// Bounds and targets of the HorizontalPodAutoscaler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AutoscalingSpec {
    /// The fewest servers. Absent: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
    /// The most servers.
    pub max: u32,
    /// The mean CPU use to aim at, in percent of `resources.requests.cpu`. Absent: 80, unless `metrics` are given.
    #[serde(rename = "targetCPU", skip_serializing_if = "Option::is_none")]
    pub target_cpu: Option<u32>,
    /// More metrics, as in an autoscaling/v2 HorizontalPodAutoscaler.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "free_objects")]
    pub metrics: Vec<serde_json::Value>,
    /// How fast it scales, as in an autoscaling/v2 HorizontalPodAutoscaler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_object")]
    pub behavior: Option<serde_json::Value>,
}

/// Where the records live: exactly one of `urlFrom` and `embedded`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DatabaseSpec {
    /// A Secret that holds a `postgres://user:password@host:5432/name` URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_from: Option<SecretSource>,
    /// The same database past any pooler, for migrations. Absent: the first URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct_url_from: Option<SecretSource>,
    /// The PostgreSQL schema of the tables. Absent: public.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// SQLite on a volume of its own, for one server: demos and the edge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedded: Option<EmbeddedSpec>,
}

/// A value in a Secret of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretSource {
    /// The Secret and the key in it.
    pub secret_key_ref: SecretKeyRef,
}

/// A key of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyRef {
    /// metadata.name of the Secret.
    pub name: String,
    /// The key in its data.
    pub key: String,
}

/// A volume for an SQLite file. It is kept when the Backend goes, and found again by its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmbeddedSpec {
    /// How large, such as 1Gi.
    pub size: String,
    /// The StorageClass. Absent: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,
}

/// How the database is changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MigrationsSpec {
    /// What happens to each class of step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<MigrationPolicy>,
    /// Approval hashes, as `status.plan` and `mainstay migrate plan` print them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approve: Vec<String>,
    /// When gated steps may begin. Absent: at any time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowSpec>,
    /// How long one phase may take, such as 30m. Absent: 1h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// How often the pod of a Job is started again. Absent: 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_limit: Option<u32>,
    /// How long new servers run before the contract phase, such as 10m. Absent: 10m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soak: Option<String>,
    /// Which classes wait for a backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupSpec>,
    /// CPU and memory of the Jobs. Absent: 50m and 64Mi requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesSpec>,
}

/// What happens to a step, by its class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MigrationPolicy {
    /// Steps that neither block nor fail. Absent: Auto.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safe: Option<Gate>,
    /// Steps that may hold a lock for as long as the table is large. Absent: Auto.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locking: Option<Gate>,
    /// Steps that fail when the data breaks the new rule. Absent: Approve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dependent: Option<Gate>,
    /// Steps that lose data. Absent: Approve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destructive: Option<Gate>,
}

/// Whether a step runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Gate {
    /// Without asking.
    Auto,
    /// When its hash is in `approve`.
    Approve,
    /// Never.
    Forbid,
}

/// A time of the day, in UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WindowSpec {
    /// When it opens, such as 02:00, in UTC.
    pub start: String,
    /// How long it stays open, such as 2h. A phase that began in it is finished.
    pub duration: String,
    /// On which days it opens. Absent: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Weekday>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// Which steps wait for a backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupSpec {
    /// Classes of steps. A plan with one waits until the Backend's annotation `mainstay.dev/backup` names the plan.
    pub before: Vec<StepClass>,
}

/// How dangerous a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StepClass {
    /// Neither blocks nor fails.
    Safe,
    /// May hold a lock for as long as the table is large.
    Locking,
    /// Fails when the data breaks the new rule.
    DataDependent,
    /// Loses data.
    Destructive,
}

/// Keys that the operator makes.
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

/// How the keys that sign tokens are made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JwtKeysSpec {
    /// EdDSA or ES256. Absent: EdDSA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<JwtAlgorithm>,
    /// How long a key signs, such as 30d. Absent: 90d.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate_every: Option<String>,
}

/// A signature algorithm of RFC 7518 or RFC 8037.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    pub rotate_every: Option<String>,
    /// How long the key before it stays valid, such as 1h. Absent: 24h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<String>,
}

/// How clients reach the API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExposeSpec {
    /// The Service, which is always there. Absent: a ClusterIP on port 80.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceSpec>,
    /// An Ingress before the Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressSpec>,
    /// An HTTPRoute of the Gateway API before the Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewaySpec>,
}

/// The Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceSpec {
    /// ClusterIP, NodePort or LoadBalancer. Absent: ClusterIP.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ServiceType>,
    /// Its port. Absent: 80.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u32>,
    /// Annotations for the cloud's controllers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// How far a Service reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// Inside the cluster.
    #[default]
    ClusterIP,
    /// On a port of each node.
    NodePort,
    /// By a load balancer outside of the cluster.
    LoadBalancer,
}

/// An Ingress.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IngressSpec {
    /// The host name of the API.
    pub host: String,
    /// The IngressClass. Absent: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_name: Option<String>,
    /// A kubernetes.io/tls Secret of the same namespace. Absent: no TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_secret_name: Option<String>,
    /// Annotations for the Ingress controller.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An HTTPRoute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewaySpec {
    /// The Gateways that it hangs on.
    pub parent_refs: Vec<ParentRef>,
    /// Host names of the API. Absent: those of the Gateway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
}

/// Names a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParentRef {
    /// metadata.name of the Gateway.
    pub name: String,
    /// Its namespace. Absent: the Backend's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// One of its listeners. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
}

/// CPU and memory, as quantities such as 250m and 128Mi.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ResourcesSpec {
    /// What is set aside.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, String>,
    /// The most that may be used.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, String>,
}

/// What pods have beside what the operator gives them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PodTemplateSpec {
    /// Annotations of the pods.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels that a node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that do not keep the pods away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Where the pods would rather run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_object")]
    pub affinity: Option<Affinity>,
    /// The PriorityClass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// Variables of the server's environment. Names that begin with MAINSTAY_ are the operator's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvSpec>,
    /// Secrets that hold the credentials of the image's registry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<LocalName>,
}

/// A variable of the environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvSpec {
    /// Its name.
    pub name: String,
    /// Its value. Never a secret: those are mounted.
    pub value: String,
}

/// Names an object of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalName {
    /// metadata.name of it.
    pub name: String,
}

/// Who may reach the pods, and whom they may reach.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkPolicySpec {
    /// Whether there is one. Absent: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Who may reach the API's port. Absent: everyone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "free_objects")]
    pub from: Vec<NetworkPolicyPeer>,
    /// Who may reach the port of probes and metrics, beside the operator. Absent: everyone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "free_objects")]
    pub metrics_from: Vec<NetworkPolicyPeer>,
    /// Whom the pods may reach, as in a NetworkPolicy. Absent: everyone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_objects")]
    pub egress: Option<Vec<NetworkPolicyEgressRule>>,
}

/// How the servers are watched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MonitoringSpec {
    /// A ServiceMonitor of the Prometheus operator, as soon as the cluster knows the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_monitor: Option<ServiceMonitorSpec>,
}

/// A ServiceMonitor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceMonitorSpec {
    /// How often Prometheus asks, such as 30s. Absent: Prometheus' own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Labels by which Prometheus selects it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// An object that the API server of its own kind judges, not ours: its schema is long and changes with Kubernetes.
fn free_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// A list of such objects.
fn free_objects(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array", "maxItems": 32,
        "items": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
    })
}
