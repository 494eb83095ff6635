//! The NetworkPolicy of a Backend's pods, servers and Jobs alike. Pure.
//!
//! Egress is exactly what the spec says, DNS included: what is not written there is not reached.

use mainstay_crds::backend::NetworkPolicySpec;
use serde_json::{Value as Json, json};

use super::Inputs;
use crate::desired::{BACKEND_LABEL, Desired, How};
use crate::kind;

/// As it shall be; `None` when the spec wants none.
pub fn plan(inputs: &Inputs<'_>) -> Option<Desired> {
    let spec = inputs.backend.spec.network_policy.clone().unwrap_or_default();
    let NetworkPolicySpec { enabled, from, metrics_from, egress } = spec;
    if enabled == Some(false) {
        return None;
    }
    let rule = |port: u16, from| json!({ "ports": [{ "port": port, "protocol": "TCP" }], "from": from });
    // The operator asks pods which keys they have.
    let operator = json!({ "namespaceSelector": {
        "matchLabels": { "kubernetes.io/metadata.name": inputs.settings.own_namespace },
    } });
    let monitored = inputs.backend.spec.monitoring.as_ref().is_some_and(|spec| spec.service_monitor.is_some());
    let watchers: Vec<Json> = match metrics_from.is_empty() && monitored {
        // Where the Prometheus of the ServiceMonitor runs is not known here.
        true => Vec::new(),
        false => [operator].into_iter().chain(metrics_from.iter().map(|peer| json!(peer))).collect(),
    };
    let directions = if egress.is_some() { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    let name = inputs.name();
    let content = json!({ "spec": {
        "podSelector": { "matchLabels": { BACKEND_LABEL: name } },
        "policyTypes": directions,
        "ingress": [rule(8080, json!(from)), rule(9090, json!(watchers))],
        "egress": egress,
    } });
    Some(Desired::new(inputs.backend, &kind::NETWORK_POLICY, name.clone(), &name, content, How::Apply))
}
