//! One binary of all tests against running programs, and of the rules that the source keeps.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]
#![allow(clippy::print_stdout, reason = "figures, shown with --nocapture")]

mod chart;
mod kill;
mod readme;
mod rules;
mod world;
