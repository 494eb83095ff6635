//! The Deployment of a Backend over PostgreSQL. Pure.
//!
//! A new server is ready before an old one goes. Once an autoscaler has chosen the count, it is never written again.

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value as Json, json};

use super::{Inputs, pod};
use crate::desired::{Desired, FIELD_MANAGER, How};
use crate::kind;

/// As it shall be; `None` before the first schema is there, and over an embedded database.
pub fn plan(inputs: &Inputs<'_>) -> Option<Desired> {
    let release = inputs.release.filter(|_| !inputs.embedded())?;
    let name = inputs.name();
    let content = json!({ "spec": {
        "replicas": replicas(inputs),
        "revisionHistoryLimit": 5,
        "progressDeadlineSeconds": 600,
        "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } },
        "selector": { "matchLabels": pod::selector(&name) },
        "template": pod::template(inputs, release),
    } });
    Some(Desired::new(inputs.backend, &kind::DEPLOYMENT, name.clone(), &name, content, How::Apply))
}

/// How many servers to ask for; `None` where another manager has the say.
fn replicas(inputs: &Inputs<'_>) -> Option<i32> {
    let spec = &inputs.backend.spec;
    let count = |count: u32| i32::try_from(count).ok();
    let Some(autoscaling) = &spec.autoscaling else { return count(spec.replicas.unwrap_or(1)) };
    let least = count(autoscaling.min.unwrap_or(1));
    let Some(live) = &inputs.seen.deployment else { return least };
    if scaled_by_another(live) {
        return None;
    }
    // An autoscaler leaves a Deployment of none alone.
    live.spec.as_ref().and_then(|spec| spec.replicas).filter(|count| *count > 0).or(least)
}

/// Whether another manager than this operator owns `spec.replicas`.
fn scaled_by_another(live: &Deployment) -> bool {
    let managers = live.metadata.managed_fields.iter().flatten();
    let mut others = managers.filter(|entry| entry.manager.as_deref() != Some(FIELD_MANAGER));
    others.any(|entry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        fields.and_then(|fields| fields.pointer("/f:spec/f:replicas")).is_some_and(Json::is_object)
    })
}
