//! `mainstay-e2e lab …`: the lab, by hand and for `make e2e`; `mainstay-e2e apiserver …`: an API server without nodes, for
//! `make bench-operator`. Called by `main`; all that they do is in `lab` and `api_server`.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use mainstay_e2e::api_server::{ApiServer, Kubernetes};
use mainstay_e2e::lab::Lab;

const USAGE: &str = "usage: mainstay-e2e lab [--at FOLDER] up|down|load ARCHIVE…|run COMMAND…|with COMMAND…
  up     starts a Kubernetes unless it runs, and prints its KUBECONFIG, which leads somewhere only inside its network
  run    runs a command inside its network, with KUBECONFIG set and kubectl on the path
  with   the same, in a lab that is up, else in a new one that ends with it
  load   makes the images of archives (OCI or Docker) known to its node
  down   ends it and removes everything of it
FOLDER is MAINSTAY_LAB, else one below ~/.cache/mainstay/labs for this clone. Each folder is a lab of its own.";

/// Runs one command of the lab.
pub fn lab(arguments: &[String]) -> ExitCode {
    let (lab, arguments) = match arguments {
        [flag, folder, rest @ ..] if flag == "--at" => {
            (Lab::at(std::path::absolute(folder).unwrap_or_else(|_| PathBuf::from(folder))), rest)
        }
        all => (Lab::usual(), all),
    };
    match arguments {
        [up] if up == "up" => {
            lab.up();
            say(&lab.kubeconfig().display().to_string());
        }
        [down] if down == "down" => lab.down(),
        [load, archives @ ..] if load == "load" && !archives.is_empty() => {
            archives.iter().for_each(|archive| lab.load(archive.as_ref()));
        }
        [run, program, rest @ ..] if run == "run" => {
            let error = lab.command(program).args(rest).exec();
            eprintln!("{program}: {error}");
            return ExitCode::FAILURE;
        }
        [with, program, rest @ ..] if with == "with" => {
            let status = lab.with(|| lab.command(program).args(rest).status());
            return match status {
                Ok(status) if status.success() => ExitCode::SUCCESS,
                _ => ExitCode::FAILURE,
            };
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(64);
        }
    }
    ExitCode::SUCCESS
}

/// Runs a command beside an API server of the lab's version, which KUBECONFIG leads to and which ends with it.
pub fn apiserver(arguments: &[String]) -> ExitCode {
    let [program, rest @ ..] = arguments else {
        eprintln!("usage: mainstay-e2e apiserver COMMAND [ARGUMENT…]");
        return ExitCode::from(64);
    };
    let server = ApiServer::start(Kubernetes::Lab);
    let status = Command::new(program).args(rest).env("KUBECONFIG", server.folder().join("kubeconfig")).status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn say(text: &str) {
    println!("{text}");
}
