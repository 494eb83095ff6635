//! The Kubernetes operator: from Backends, Collections and ApiKeys to everything that serves them.
//!
//! Pure planners in the middle, the cluster at the edges.

pub mod api_key;
pub mod backend;
pub mod backoff;
pub mod cli;
pub mod cluster;
pub mod context;
pub mod controllers;
pub mod crds;
pub mod desired;
pub mod discovery;
pub mod fleet;
pub mod http;
pub mod kind;
pub mod leader;
pub mod mandate;
pub mod metrics;
pub mod orphan;
pub mod probe;
pub mod run;
pub mod settings;
