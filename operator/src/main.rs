//! The operator's binary: hands its arguments to the library and exits as that says.
//!
//! `run` works in a cluster; `crds` prints the custom resource definitions; `probe` serves `helm test`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mainstay_operator::cli::main(std::env::args_os())
}
