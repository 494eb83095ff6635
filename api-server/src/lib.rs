//! The API server.

pub mod app;
pub mod cli;
pub mod config;
pub mod documents;
pub mod telemetry;
