//! The Kubernetes operator: from Backends, Collections and ApiKeys to everything that serves them.
//!
//! Pure planners in the middle, the cluster at the edges.

pub mod api_key;
pub mod backend;
pub mod crds;
pub mod desired;
pub mod kind;
pub mod probe;
pub mod settings;
