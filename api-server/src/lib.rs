//! The API server of Mainstay: typed Collections as a production REST API over SQLite or PostgreSQL.
//!
//! The command line builds an [`app::App`] and starts [`http`]; requests pass `service`, `query` and `store`.

pub mod app;
pub mod cli;
pub mod client_address;
pub mod config;
pub mod documents;
pub mod http;
pub mod limit;
pub mod openapi;
pub mod query;
pub mod service;
pub mod store;
pub mod telemetry;
