//! What the tests stand on: a real server, real databases, and the way to talk to them.
//!
//! Used by this crate's tests, by `mainstay-e2e` (the contract runner and the benchmark) and by other crates' tests.
//! A harness fails as an assertion does: it panics and shows the server's log.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a harness fails by panicking, like a test")]

pub mod api_server;
pub mod cluster;
pub mod collector;
pub mod cutter;
pub mod database;
pub mod gate;
pub mod http;
pub mod lab;
pub mod operator;
pub mod postgres;
pub mod redis;
pub mod server;
