//! The reconciliation of a Backend: observe, plan, apply, tell.
//!
//! Only `observe` and `apply` talk to the cluster.

pub mod documents;
pub mod migration;
pub mod observed;
pub mod plan;
pub mod planned;
pub mod release;
pub mod report;
pub mod secrets;
pub mod status;
