//! The operator's binary: `mainstay-operator crds` prints the custom resource definitions as YAML, and
//! `mainstay-operator crds FOLDER` writes each to its own file, as `make generate` does;
//! `mainstay-operator probe URL` serves `helm test`. It controls nothing yet.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use mainstay_operator::{crds, probe};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["crds"] => crds::all().and_then(|text| Ok(std::io::stdout().write_all(text.as_bytes())?)),
        ["crds", folder] => crds::write(Path::new(folder)),
        ["probe", url] => {
            probe::probe(url).map_err(Into::into).and_then(|line| Ok(writeln!(std::io::stdout(), "{line}")?))
        }
        _ => Err("usage: mainstay-operator crds [FOLDER] | probe URL".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match writeln!(std::io::stderr(), "{error}") {
            Ok(()) => ExitCode::from(2),
            Err(_) => ExitCode::FAILURE,
        },
    }
}
