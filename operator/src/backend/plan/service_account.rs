//! The ServiceAccount of a Backend's pods. Pure.
//!
//! It may do nothing: servers never talk to the API server. It only keeps them apart from the namespace's `default`.

use serde_json::json;

use super::Inputs;
use crate::desired::{Desired, How};
use crate::kind;

/// As it shall be. There is always one.
pub fn plan(inputs: &Inputs<'_>) -> Option<Desired> {
    let (name, content) = (inputs.name(), json!({ "automountServiceAccountToken": false }));
    Some(Desired::new(inputs.backend, &kind::SERVICE_ACCOUNT, name.clone(), &name, content, How::Apply))
}
