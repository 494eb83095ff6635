//! The ServiceMonitor of a Backend. Pure.
//!
//! Prometheus finds the pods by the Service and asks them on their admin port, which the Service itself does not offer.

use mainstay_crds::backend::ServiceMonitorSpec;
use serde_json::json;

use super::Inputs;
use crate::desired::{BACKEND_LABEL, Desired, How};
use crate::kind;

/// As it shall be; `None` without `spec.monitoring.serviceMonitor`, and where the cluster lacks the kind.
pub fn plan(inputs: &Inputs<'_>) -> Option<Desired> {
    let spec = inputs.backend.spec.monitoring.as_ref()?.service_monitor.as_ref()?;
    if !inputs.seen.apis.service_monitor {
        return None;
    }
    let ServiceMonitorSpec { interval, labels } = spec;
    let name = inputs.name();
    let content = json!({
        "metadata": { "labels": labels },
        "spec": {
            "selector": { "matchLabels": { BACKEND_LABEL: name } },
            "endpoints": [{ "targetPort": "admin", "path": "/metrics", "interval": interval }],
        },
    });
    Some(Desired::new(inputs.backend, &kind::SERVICE_MONITOR, name.clone(), &name, content, How::Apply))
}
