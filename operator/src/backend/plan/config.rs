//! The ConfigMap with a Backend's configuration, named by what is in it. Pure.
//!
//! A change makes another ConfigMap, and so another pod template: servers read their configuration at start alone.

use kube::ResourceExt;
use mainstay_crds::backend::Backend;
use mainstay_crds::json::canonical;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Inputs;
use crate::desired::{Desired, How};
use crate::kind;

/// The key of the document.
pub const FILE: &str = "backend.json";

/// As it shall be. There is always one, be it empty.
pub fn plan(inputs: &Inputs<'_>) -> Option<Desired> {
    let content = json!({ "immutable": true, "data": { FILE: document(inputs.backend) } });
    let name = name(inputs.backend);
    Some(Desired::new(inputs.backend, &kind::CONFIG_MAP, name, &inputs.name(), content, How::Create))
}

/// metadata.name of it: `<backend>-c<hash>`.
pub fn name(backend: &Backend) -> String {
    let hash: String =
        Sha256::digest(document(backend).as_bytes()).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-c{hash}", backend.name_any())
}

/// A Backend document as servers read it: with `spec.config` alone.
fn document(backend: &Backend) -> String {
    let spec = match &backend.spec.config {
        Some(config) => json!({ "config": config }),
        None => json!({}),
    };
    canonical(&json!({
        "apiVersion": "mainstay.dev/v1alpha1", "kind": "Backend",
        "metadata": { "name": backend.name_any() }, "spec": spec,
    }))
}
