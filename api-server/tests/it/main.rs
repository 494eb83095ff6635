//! The tests that run the program itself, in one binary.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod cli;
