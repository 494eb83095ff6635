//! The Ingress of a Backend. Pure.

use mainstay_crds::backend::IngressSpec;
use serde_json::json;

use super::Inputs;
use crate::desired::{Desired, How};
use crate::kind;

/// As it shall be; `None` without `spec.expose.ingress`.
pub fn plan(inputs: &Inputs<'_>) -> Option<Desired> {
    let spec = inputs.backend.spec.expose.as_ref()?.ingress.as_ref()?;
    let IngressSpec { host, class_name, tls_secret_name, annotations } = spec;
    let name = inputs.name();
    let service = json!({ "name": name, "port": { "name": "http" } });
    let tls = tls_secret_name.as_ref().map(|secret| json!([{ "hosts": [host], "secretName": secret }]));
    let content = json!({
        "metadata": { "annotations": annotations },
        "spec": {
            "ingressClassName": class_name,
            "tls": tls,
            "rules": [{
                "host": host,
                "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": { "service": service } }] },
            }],
        },
    });
    Some(Desired::new(inputs.backend, &kind::INGRESS, name.clone(), &name, content, How::Apply))
}
