//! Objects as they shall be: the answer of every planner, and all that `apply` needs to know.
//!
//! Made by the pure modules, carried out by `apply`. Holds JSON, so that a field that nobody set is absent, not null.

use kube::ResourceExt;
use kube::core::Resource;
use serde_json::{Value as Json, json};

use crate::kind::{self, Kind};

/// One object as it shall be. What a Secret holds is left out when it is printed.
#[derive(Clone, PartialEq)]
pub struct Desired {
    /// Its kind.
    pub kind: &'static Kind,
    /// metadata.name.
    pub name: String,
    /// All of it, with `apiVersion`, `kind`, name, labels and owner. Null and empty members are left out.
    pub object: Json,
    /// How it gets there.
    pub how: How,
}

/// How an object gets there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// By server-side apply: our fields are restored, others' fields stay.
    Apply,
    /// Made once and never touched again: Jobs, immutable ConfigMaps. One that is there already is right.
    Create,
    /// Key material. Made when absent; else replaced only as it was seen at this resourceVersion.
    Guarded(Option<String>),
}

/// An object that shall be no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doomed {
    /// Its kind.
    pub kind: &'static Kind,
    /// metadata.name.
    pub name: String,
    /// Only this one, not another of its name.
    pub uid: String,
}

/// Something that people should hear of, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Normal or Warning.
    pub warning: bool,
    /// One CamelCase word.
    pub reason: String,
    /// One sentence without a secret.
    pub message: String,
}

impl Desired {
    /// An object of `owner`, in its namespace, with the labels that every object of a Backend has.
    ///
    /// `content` is everything beside `apiVersion`, `kind` and the common metadata; its own `metadata.labels` and
    /// `metadata.annotations` are kept.
    pub fn new<K>(owner: &K, kind: &'static Kind, name: String, backend: &str, mut content: Json, how: How) -> Desired
    where
        K: Resource<DynamicType = ()>,
    {
        content["apiVersion"] = json!(kind.api_version());
        content["kind"] = json!(kind.kind);
        let metadata = &mut content["metadata"];
        metadata["name"] = json!(name);
        metadata["namespace"] = json!(owner.namespace());
        for (key, value) in labels(backend) {
            metadata["labels"][key] = json!(value);
        }
        if let Some(reference) = owner.controller_owner_ref(&()) {
            metadata["ownerReferences"] = json!([reference]);
        }
        prune(&mut content);
        Desired { kind, name, object: content, how }
    }
}

impl std::fmt::Debug for Desired {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = self.object.clone();
        if self.kind.kind == kind::SECRET.kind {
            for member in ["data", "stringData"] {
                let data = shown.get_mut(member).and_then(Json::as_object_mut);
                data.into_iter().flat_map(|data| data.values_mut()).for_each(|value| *value = json!("…"));
            }
        }
        let Desired { kind, name, how, .. } = self;
        let mut f = f.debug_struct("Desired");
        f.field("kind", kind).field("name", name).field("object", &shown).field("how", how).finish()
    }
}

/// The labels of every object of a Backend. `app.kubernetes.io/instance` is left to Helm and Argo CD.
pub fn labels(backend: &str) -> [(&'static str, String); 3] {
    [
        ("app.kubernetes.io/name", "mainstay".to_owned()),
        ("app.kubernetes.io/managed-by", "mainstay-operator".to_owned()),
        (BACKEND_LABEL, backend.to_owned()),
    ]
}

/// The label that says which Backend an object belongs to.
pub const BACKEND_LABEL: &str = "mainstay.dev/backend";

/// Who applies the objects of Backends.
pub const FIELD_MANAGER: &str = "mainstay-backend";

/// Takes null members, and objects and lists that are empty, away; `emptyDir: {}` and the like are written as they are
/// by [`KEEP`].
fn prune(value: &mut Json) {
    match value {
        Json::Object(members) => {
            members.values_mut().for_each(prune);
            members.retain(|key, value| match value {
                Json::Null => false,
                Json::Object(members) => !members.is_empty() || KEEP.contains(&key.as_str()),
                Json::Array(items) => !items.is_empty() || KEEP.contains(&key.as_str()),
                _ => true,
            });
        }
        Json::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

/// Members whose emptiness means something.
const KEEP: [&str; 6] = ["emptyDir", "labelSelector", "podSelector", "namespaceSelector", "ingress", "egress"];
