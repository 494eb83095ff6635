//! The Service of a Backend. Pure.
//!
//! It leads to the API alone: the port of probes and metrics is for those who know the pods.

use mainstay_crds::backend::{Backend, ServiceSpec};
use serde_json::json;

use super::{Inputs, pod};
use crate::desired::{Desired, How};
use crate::kind;

/// As it shall be. There is always one.
pub fn plan(inputs: &Inputs<'_>) -> Option<Desired> {
    let ServiceSpec { kind, port: _, annotations } = spec(inputs.backend);
    let name = inputs.name();
    let content = json!({
        "metadata": { "annotations": annotations },
        "spec": {
            "type": kind.unwrap_or_default(),
            "selector": pod::selector(&name),
            "ports": [{ "name": "http", "port": port(inputs.backend), "protocol": "TCP", "targetPort": "http" }],
        },
    });
    Some(Desired::new(inputs.backend, &kind::SERVICE, name.clone(), &name, content, How::Apply))
}

/// The Service's port.
pub fn port(backend: &Backend) -> u32 {
    spec(backend).port.unwrap_or(80)
}

fn spec(backend: &Backend) -> ServiceSpec {
    backend.spec.expose.as_ref().and_then(|expose| expose.service.clone()).unwrap_or_default()
}
