//! The HorizontalPodAutoscaler of a Backend. Pure.

use mainstay_crds::backend::AutoscalingSpec;
use serde_json::{Value as Json, json};

use super::{Inputs, quantity};
use crate::desired::{Desired, How};
use crate::kind;

/// As it shall be; `None` without `spec.autoscaling`, and before there is a Deployment to scale.
pub fn plan(inputs: &Inputs<'_>) -> Option<Desired> {
    let autoscaling = inputs.backend.spec.autoscaling.as_ref()?;
    if inputs.embedded() || inputs.release.is_none() {
        return None;
    }
    let AutoscalingSpec { min, max, target_cpu, metrics, behavior } = autoscaling;
    let target = target_cpu.or(metrics.is_empty().then_some(80));
    let cpu = target.map(|target| {
        let target = json!({ "type": "Utilization", "averageUtilization": target });
        json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } })
    });
    let name = inputs.name();
    let content = json!({ "spec": {
        "scaleTargetRef": {
            "apiVersion": kind::DEPLOYMENT.api_version(), "kind": kind::DEPLOYMENT.kind, "name": name,
        },
        "minReplicas": min.unwrap_or(1),
        "maxReplicas": max,
        "metrics": cpu.into_iter().chain(metrics.iter().map(metric)).collect::<Vec<_>>(),
        "behavior": behavior,
    } });
    Some(Desired::new(inputs.backend, &kind::HPA, name.clone(), &name, content, How::Apply))
}

/// A metric of the spec, its quantities as they are stored.
fn metric(metric: &Json) -> Json {
    let mut metric = metric.clone();
    for source in ["resource", "containerResource", "pods", "object", "external"] {
        for member in ["value", "averageValue"] {
            let target = metric.pointer_mut(&format!("/{source}/target/{member}"));
            // YAML writes 5 as readily as "5".
            let text = target.as_deref().and_then(|target| match target {
                Json::String(text) => Some(text.clone()),
                Json::Number(number) => Some(number.to_string()),
                _ => None,
            });
            if let (Some(target), Some(text)) = (target, text) {
                *target = json!(quantity::canonical(&text));
            }
        }
    }
    metric
}
