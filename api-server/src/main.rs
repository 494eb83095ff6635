//! The `mainstay` program: hands its arguments and its environment to the library, and exits as that says.

use std::process::ExitCode;

fn main() -> ExitCode {
    mainstay::cli::main(std::env::args_os(), mainstay::config::Environment::of_process())
}
