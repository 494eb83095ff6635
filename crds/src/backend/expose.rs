//! How clients reach a Backend: a Service always, and an Ingress or an HTTPRoute before it.
//!
//! Read by the operator.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shape;

/// How clients reach the API: a Service always, and at most one of an Ingress and an HTTPRoute before it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(transform = shape::rules(&[(
    "!(has(self.ingress) && has(self.gateway))",
    "`ingress` and `gateway` exclude each other, for a Backend has one URL: remove one of the two",
)]))]
pub struct ExposeSpec {
    /// The Service, which is always there. Absent: type ClusterIP, port 80.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceSpec>,
    /// An Ingress before the Service. Not beside `gateway`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressSpec>,
    /// An HTTPRoute of the Gateway API before the Service. Not beside `ingress`. The cluster needs the Gateway API and
    /// a Gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewaySpec>,
}

/// The Service, of the Backend's own name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceSpec {
    /// ClusterIP, NodePort or LoadBalancer. Absent: ClusterIP.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ServiceType>,
    /// Its port: 1 to 65535. Absent: 80.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::number(1, 65_535))]
    pub port: Option<u32>,
    /// Annotations of the Service, for the cloud's controllers. At most 64.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = shape::map(64, shape::text(16_384)))]
    pub annotations: BTreeMap<String, String>,
}

/// How far a Service reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = shape::choice)]
pub enum ServiceType {
    /// Inside the cluster.
    #[default]
    ClusterIP,
    /// On a port of each node.
    NodePort,
    /// By a load balancer outside of the cluster.
    LoadBalancer,
}

/// An Ingress, of the Backend's own name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IngressSpec {
    /// The host name of the API, such as `api.example.com`.
    #[schemars(transform = shape::host)]
    pub host: String,
    /// The IngressClass. Absent: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::object_name)]
    pub class_name: Option<String>,
    /// A Secret of type kubernetes.io/tls in this namespace. Absent: no TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::object_name)]
    pub tls_secret_name: Option<String>,
    /// Annotations of the Ingress, for its controller. At most 64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = shape::map(64, shape::text(16_384)))]
    pub annotations: BTreeMap<String, String>,
}

/// An HTTPRoute, of the Backend's own name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewaySpec {
    /// The Gateways that it hangs on: 1 to 16.
    #[schemars(transform = shape::list(16, |_| ()), transform = shape::filled)]
    pub parent_refs: Vec<ParentRef>,
    /// Host names of the API, such as `api.example.com`. At most 16. Absent: those of the Gateway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::set(16, shape::host))]
    pub hostnames: Vec<String>,
}

/// Names a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParentRef {
    /// metadata.name of the Gateway.
    #[schemars(transform = shape::object_name)]
    pub name: String,
    /// Its namespace. Absent: the Backend's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::label_name)]
    pub namespace: Option<String>,
    /// One of its listeners. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::object_name)]
    pub section_name: Option<String>,
}
