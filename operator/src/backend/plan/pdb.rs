//! The PodDisruptionBudget of a Backend. Pure.
//!
//! One server at a time may be moved away. Of a single server nothing could be kept, so that it never holds up a node.

use serde_json::json;

use super::{Inputs, pod};
use crate::desired::{Desired, How};
use crate::kind;

/// As it shall be; `None` where there are never two servers.
pub fn plan(inputs: &Inputs<'_>) -> Option<Desired> {
    let spec = &inputs.backend.spec;
    let most = spec.autoscaling.as_ref().map(|autoscaling| autoscaling.max).or(spec.replicas).unwrap_or(1);
    if inputs.embedded() || inputs.release.is_none() || most < 2 {
        return None;
    }
    let name = inputs.name();
    let content = json!({ "spec": {
        "maxUnavailable": 1,
        "selector": { "matchLabels": pod::selector(&name) },
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    } });
    Some(Desired::new(inputs.backend, &kind::PDB, name.clone(), &name, content, How::Apply))
}
