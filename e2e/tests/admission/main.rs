//! What API servers admit and refuse, by the definitions in `crds/yaml`. `make admission` runs it.
//!
//! Every rule of every definition is broken by an object here, on each version of Kubernetes, and the answer has to be
//! that rule's message and no other.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

mod api_key;
mod backend;
mod collection;
mod definitions;
mod explain;
mod merge;
mod migration_plan;
mod table;
