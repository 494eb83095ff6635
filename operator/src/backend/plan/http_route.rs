//! The HTTPRoute of a Backend. Pure.
//!
//! Members that the Gateway API would add by default are written out, for what is stored equals what is planned.

use mainstay_crds::backend::{GatewaySpec, ParentRef};
use serde_json::json;

use super::{Inputs, service};
use crate::desired::{Desired, How};
use crate::kind;

/// As it shall be; `None` without `spec.expose.gateway`, and where the cluster lacks the kind.
pub fn plan(inputs: &Inputs<'_>) -> Option<Desired> {
    let spec = inputs.backend.spec.expose.as_ref()?.gateway.as_ref()?;
    if !inputs.seen.apis.http_route {
        return None;
    }
    let GatewaySpec { parent_refs, hostnames } = spec;
    let parents = parent_refs.iter().map(|ParentRef { name, namespace, section_name }| {
        json!({
            "group": kind::HTTP_ROUTE.group, "kind": "Gateway",
            "name": name, "namespace": namespace, "sectionName": section_name,
        })
    });
    let name = inputs.name();
    let service =
        json!({ "group": "", "kind": "Service", "name": name, "port": service::port(inputs.backend), "weight": 1 });
    let content = json!({ "spec": {
        "parentRefs": parents.collect::<Vec<_>>(),
        "hostnames": hostnames,
        "rules": [{
            "matches": [{ "path": { "type": "PathPrefix", "value": "/" } }],
            "backendRefs": [service],
        }],
    } });
    Some(Desired::new(inputs.backend, &kind::HTTP_ROUTE, name.clone(), &name, content, How::Apply))
}
