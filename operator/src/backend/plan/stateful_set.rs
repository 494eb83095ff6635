//! The StatefulSet of a Backend over an embedded database: one server and its volume. Pure.
//!
//! The volume outlives both, and is found again by its name, `data-<backend>-0`.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Inputs, pod, quantity};
use crate::desired::{BACKEND_LABEL, Desired, How};
use crate::kind;

/// As it shall be; `None` before documents are accepted, and over PostgreSQL.
pub fn plan(inputs: &Inputs<'_>) -> Option<Desired> {
    let embedded = inputs.backend.spec.database.as_ref()?.embedded.as_ref()?;
    let release = inputs.release?;
    let name = inputs.name();
    let size = BTreeMap::from([("storage".to_owned(), embedded.size.clone())]);
    let content = json!({ "spec": {
        "replicas": inputs.backend.spec.replicas.unwrap_or(1).min(1),
        "revisionHistoryLimit": 5,
        "serviceName": name,
        // A server that never became ready is replaced all the same.
        "podManagementPolicy": "Parallel",
        "updateStrategy": { "type": "RollingUpdate" },
        "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Retain", "whenScaled": "Retain" },
        "selector": { "matchLabels": pod::selector(&name) },
        "template": pod::template(inputs, release),
        "volumeClaimTemplates": [{
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": { "name": "data", "labels": { BACKEND_LABEL: name } },
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": { "requests": quantity::resources(&size) },
                "storageClassName": embedded.storage_class_name,
            },
        }],
    } });
    Some(Desired::new(inputs.backend, &kind::STATEFUL_SET, name.clone(), &name, content, How::Apply))
}
