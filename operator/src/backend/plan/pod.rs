//! What the pods of servers and of migration Jobs share: volumes, variables, security. Pure.
//!
//! The one place that knows the paths and variables of the server image.

use serde_json::Value as Json;

use super::Inputs;
use crate::backend::release::Release;

/// Which program a pod runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// `mainstay serve`, with ports, probes and keys.
    Server,
    /// `mainstay migrate` with these arguments, past any pooler.
    Migration(Vec<String>),
}

/// The `spec` of a pod.
pub fn spec(_inputs: &Inputs<'_>, _release: &Release, _role: &Role) -> Json {
    Json::Null
}
