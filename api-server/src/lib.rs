//! The API server.

pub mod store;
