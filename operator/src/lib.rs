//! The Kubernetes operator.
//!
//! For now it knows its custom resource definitions, which `kubectl apply` takes before any controller runs.

pub mod crds;
