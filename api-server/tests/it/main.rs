//! The tests that run the program itself, in one binary.

mod cli;
