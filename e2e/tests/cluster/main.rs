//! One binary of all tests that need a cluster. `make e2e` runs it inside the lab; see `mainstay_e2e::cluster`.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

mod api;
mod chart;
mod create;
mod faults;
mod fixture;
mod hands;
mod jobs;
mod keys;
mod killed;
mod lab;
mod leader;
mod load;
mod migrate;
mod namespace;
mod readme;
mod scale;
mod smoke;
mod steady;
