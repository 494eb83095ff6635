//! Everything about one Backend that its reconciliation may depend on, read before anything is decided.
//!
//! Filled by `observe`; the planners read it and nothing else, so that the same observation always leads to the same
//! plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use mainstay_crds::api_key::ApiKey;
use mainstay_crds::backend::Backend;
use mainstay_crds::collection::Collection;
use mainstay_crds::migration_plan::MigrationPlan;
use sha2::{Digest, Sha256};

use crate::backend::report::Report;

/// What was seen.
#[derive(Clone, Default)]
pub struct Observed {
    /// The Backend itself.
    pub backend: Arc<Backend>,
    /// metadata.uid of its namespace: tells it from a namespace of the same name in another cluster.
    pub namespace_uid: String,
    /// Its namespace is being deleted.
    pub namespace_terminating: bool,
    /// The Collections that name it, by name; none that is being deleted.
    pub collections: Vec<Arc<Collection>>,
    /// Collections of the namespace that this operator cannot read, whichever Backend they name. They are there: one
    /// that was accepted goes on as it was accepted last.
    pub unreadable: Vec<Unreadable>,
    /// The ApiKeys that name it, by name; none that is being deleted.
    pub api_keys: Vec<Arc<ApiKey>>,
    /// `<backend>`, when there is one.
    pub deployment: Option<Deployment>,
    /// `<backend>`, when the database is embedded.
    pub stateful_set: Option<StatefulSet>,
    /// Metadata and pod template annotations of the Deployment's ReplicaSets.
    pub replica_sets: Vec<ReplicaSet>,
    /// The servers' pods.
    pub pods: Vec<Pod>,
    /// The Backend's Jobs.
    pub jobs: Vec<Job>,
    /// The pods of those Jobs that are not finished.
    pub job_pods: Vec<Pod>,
    /// What finished Jobs printed, by the Job's name.
    pub reports: BTreeMap<String, Report>,
    /// The Backend's MigrationPlans.
    pub plans: Vec<MigrationPlan>,
    /// Metadata of the Backend's immutable ConfigMaps (`<backend>-r…`, `<backend>-c…`, long SQL).
    pub config_maps: Vec<ObjectMeta>,
    /// `<backend>-documents`: which documents were accepted last.
    pub accepted: Option<ConfigMap>,
    /// The documents that were accepted last, by collection.
    pub accepted_documents: BTreeMap<String, serde_json::Value>,
    /// `<backend>-applied`: what the database has.
    pub applied: Option<ConfigMap>,
    /// What `spec.database.urlFrom`, `directUrlFrom` and `spec.redis.urlFrom` name, if they do.
    pub urls: Vec<UrlSecret>,
    /// `<backend>-admin-key`.
    pub admin_key: Option<Secret>,
    /// `<backend>-jwt-keys`.
    pub jwt_keys: Option<Secret>,
    /// `<backend>-api-keys`: the hashes that pods mount.
    pub api_key_hashes: Option<Secret>,
    /// The Secrets of the ApiKeys, by the ApiKey's name.
    pub api_key_secrets: BTreeMap<String, Secret>,
    /// What ready pods answer at `/instance`; asked only while a rotation waits for it.
    pub instances: Vec<Instance>,
    /// The Backend's own objects of its name that are there: kind and metadata.
    pub present: Vec<(&'static crate::kind::Kind, ObjectMeta)>,
    /// What the cluster knows beyond Kubernetes itself.
    pub apis: Apis,
    /// Random bytes that nobody else has seen, for keys.
    pub entropy: Entropy,
}

/// A Collection that this operator cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// metadata.name.
    pub name: String,
    /// metadata.generation.
    pub generation: Option<i64>,
    /// Why.
    pub problem: String,
}

/// The name alone: the Secrets in it are never printed.
impl std::fmt::Debug for Observed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observed").field("backend", &self.backend.metadata.name).finish_non_exhaustive()
    }
}

/// A Secret that holds the URL of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlSecret {
    /// Of which one.
    pub of: Endpoint,
    /// The Secret's name.
    pub name: String,
    /// The key in it.
    pub key: String,
    /// What is wrong with it, never its content.
    pub state: SecretState,
}

/// A server whose URL is kept in a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The PostgreSQL of `spec.database`.
    Database,
    /// The Redis of `spec.redis`.
    Redis,
}

impl Endpoint {
    /// Its member in the spec, the schemes of its URLs, and such a URL.
    pub fn form(self) -> (&'static str, [&'static str; 2], &'static str) {
        match self {
            Endpoint::Database => {
                ("database", ["postgres://", "postgresql://"], "postgres://user:password@host:5432/name")
            }
            Endpoint::Redis => ("redis", ["redis://", "rediss://"], "redis://user:password@host:6379"),
        }
    }
}

/// What can be said of a Secret without saying what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretState {
    /// It holds such a URL.
    Usable,
    /// There is no such Secret.
    Missing,
    /// It lacks the key.
    KeyMissing,
    /// What it holds is of another form.
    Invalid,
}

/// What one pod says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Instance {
    /// The pod's name.
    pub instance: String,
    /// Ids of the keys that it would sign and verify tokens with.
    pub jwt_keys: Vec<String>,
    /// Ids of the admin keys that it takes.
    pub admin_keys: Vec<String>,
}

/// Kinds that a cluster may lack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Apis {
    /// `monitoring.coreos.com/v1` ServiceMonitor.
    pub service_monitor: bool,
    /// `gateway.networking.k8s.io/v1` HTTPRoute.
    pub http_route: bool,
}

/// Random bytes. Never printed.
#[derive(Clone, Default)]
pub struct Entropy(pub Vec<u8>);

impl Entropy {
    /// 32 bytes for one purpose: bytes for another say nothing of them. `None` when there are too few to be random.
    pub fn seed(&self, purpose: &str) -> Option<[u8; 32]> {
        let hash = Sha256::new().chain_update(purpose).chain_update([0]).chain_update(&self.0);
        (self.0.len() >= 32).then(|| hash.finalize().into())
    }
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy(…)")
    }
}
