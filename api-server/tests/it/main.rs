//! The server as a program: one test binary, one file a concern.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod batch;
mod cli;
mod compression;
mod conformance;
mod coverage;
mod faults;
mod history;
mod hostile;
mod idempotency;
mod keys;
mod model;
mod observe;
mod protection;
mod rate_limits;
mod readme;
mod sign_in;
mod tls;
mod transcript;
mod transfer;
