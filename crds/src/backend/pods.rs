//! What a Backend's pods are given beside what the operator gives them, who may reach them, and who watches them.
//!
//! Read by the operator. Whole objects of Kubernetes stand here as they are, and the API server of their own kind
//! judges them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, Toleration};
use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyPeer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shape;

/// CPU and memory, as quantities such as 250m and 128Mi. Numbers are quoted: `cpu: "1"`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(transform = shape::rules(&[(
    "!has(self.requests) || !has(self.limits) || self.requests.all(name, !(name in self.limits) \
     || !isQuantity(self.requests[name]) || !isQuantity(self.limits[name]) \
     || quantity(self.requests[name]).compareTo(quantity(self.limits[name])) <= 0)",
    "a request is larger than its limit, and no pod could be made: lower the request or raise the limit",
)]))]
pub struct ResourcesSpec {
    /// What is set aside on a node, such as `{cpu: 250m, memory: 64Mi}`. At most 16.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = shape::map(16, shape::quantity))]
    pub requests: BTreeMap<String, String>,
    /// The most that may be used, such as `{memory: 256Mi}`. At most 16.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = shape::map(16, shape::quantity))]
    pub limits: BTreeMap<String, String>,
}

/// What pods have beside what the operator gives them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PodTemplateSpec {
    /// Annotations of the pods. At most 64.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = shape::map(64, shape::text(16_384)))]
    pub annotations: BTreeMap<String, String>,
    /// Labels that a node must have, such as `{kubernetes.io/arch: arm64}`. At most 32.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = shape::map(32, shape::text(63)))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that do not keep the pods away, as in a Pod. At most 32.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::list(32, toleration))]
    pub tolerations: Vec<Toleration>,
    /// Where the pods must or would rather run, as in a Pod. Absent: spread over nodes and zones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::free_object")]
    pub affinity: Option<Affinity>,
    /// The PriorityClass. Absent: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::object_name)]
    pub priority_class_name: Option<String>,
    /// Variables of the server's environment, such as those of a proxy. Names that begin with MAINSTAY_ are settings,
    /// which stand in `config`. At most 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::keyed(64, "name"))]
    pub env: Vec<EnvSpec>,
    /// Secrets of this namespace that hold the credentials of the image's registry. At most 16.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::keyed(16, "name"))]
    pub image_pull_secrets: Vec<LocalName>,
}

/// The texts of a toleration.
fn toleration(schema: &mut schemars::Schema) {
    let properties = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut);
    for (_, property) in properties.into_iter().flatten() {
        let text = property.get("type").is_some_and(|name| name != "integer");
        if let (true, Some(property)) = (text, property.as_object_mut()) {
            property.insert("maxLength".to_owned(), 317.into());
        }
    }
}

/// A variable of the environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvSpec {
    /// Its name: letters, digits and _, not beginning with a digit or with MAINSTAY_.
    #[schemars(
        transform = shape::matching(
            128,
            "^[A-Za-z_][A-Za-z0-9_]*$",
            "this is no variable's name: write letters, digits and _, not beginning with a digit",
        ),
        transform = shape::rules(&[(
            "!self.startsWith('MAINSTAY_')",
            "variables that begin with MAINSTAY_ are the server's settings: write them in `spec.config`",
        )]),
    )]
    pub name: String,
    /// Its value. Never a secret: those are mounted.
    #[schemars(transform = shape::text(4096))]
    pub value: String,
}

/// Names an object of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalName {
    /// metadata.name of it.
    #[schemars(transform = shape::object_name)]
    pub name: String,
}

/// Who may reach the pods, and whom they may reach.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkPolicySpec {
    /// Whether there is a NetworkPolicy. Absent: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Who may reach the API's port, as `from` in a NetworkPolicy. At most 32. Absent: everyone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shape::free_objects")]
    pub from: Vec<NetworkPolicyPeer>,
    /// Who may reach the port of probes and metrics, beside the operator, as `from` in a NetworkPolicy. At most 32.
    /// Absent: nobody, or everyone when the Backend has a ServiceMonitor.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shape::free_objects")]
    pub metrics_from: Vec<NetworkPolicyPeer>,
    /// Whom the pods may reach, as `egress` in a NetworkPolicy; an empty list is nobody. Remember DNS and the database.
    /// At most 32. Absent: everyone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::free_objects")]
    pub egress: Option<Vec<NetworkPolicyEgressRule>>,
}

/// How the servers are watched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MonitoringSpec {
    /// A ServiceMonitor of the Prometheus operator, made as soon as the cluster knows the kind; `{}` is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_monitor: Option<ServiceMonitorSpec>,
}

/// A ServiceMonitor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceMonitorSpec {
    /// How often Prometheus asks, such as 30s. Absent: Prometheus' own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::duration)]
    pub interval: Option<String>,
    /// Labels of the ServiceMonitor, by which Prometheus selects it, such as `{release: prometheus}`. At most 32.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = shape::map(32, shape::text(63)))]
    pub labels: BTreeMap<String, String>,
}
