//! Every kind of object that the operator makes, as one table.
//!
//! Read by `observe` and `apply`, which know objects only as JSON, and by the watches. Decides nothing.

use kube::core::ApiResource;

/// A kind of object.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// `apps` of `apps/v1`; empty for the core group.
    pub group: &'static str,
    /// `v1` of `apps/v1`.
    pub version: &'static str,
    /// As in `kind:`.
    pub kind: &'static str,
    /// As in URLs.
    pub plural: &'static str,
}

macro_rules! kinds {
    ($($name:ident: $group:literal, $version:literal, $kind:literal, $plural:literal;)*) => {
        $(#[doc = concat!("`", $kind, "`.")]
        pub const $name: Kind =
            Kind { group: $group, version: $version, kind: $kind, plural: $plural };)*
    };
}

kinds! {
    CONFIG_MAP: "", "v1", "ConfigMap", "configmaps";
    DEPLOYMENT: "apps", "v1", "Deployment", "deployments";
    HPA: "autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers";
    HTTP_ROUTE: "gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes";
    INGRESS: "networking.k8s.io", "v1", "Ingress", "ingresses";
    JOB: "batch", "v1", "Job", "jobs";
    MIGRATION_PLAN: "mainstay.dev", "v1alpha1", "MigrationPlan", "migrationplans";
    NETWORK_POLICY: "networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies";
    PDB: "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets";
    SECRET: "", "v1", "Secret", "secrets";
    SERVICE: "", "v1", "Service", "services";
    SERVICE_ACCOUNT: "", "v1", "ServiceAccount", "serviceaccounts";
    SERVICE_MONITOR: "monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors";
    STATEFUL_SET: "apps", "v1", "StatefulSet", "statefulsets";
}

impl Kind {
    /// `apps/v1`, `v1`.
    pub fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// For a dynamic client.
    pub fn resource(&self) -> ApiResource {
        ApiResource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            api_version: self.api_version(),
            kind: self.kind.to_owned(),
            plural: self.plural.to_owned(),
        }
    }
}
