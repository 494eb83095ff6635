//! `mainstay-e2e [--quiet] DOCUMENTS sqlite|postgres COMMAND…`: runs a command while a server serves DOCUMENTS from a fresh
//! database; `--quiet` leaves out the log line of each request. `mainstay-e2e lab …` keeps a Kubernetes; see `lab`.
//! `mainstay-e2e apiserver COMMAND…` runs a command beside an API server without nodes.
//!
//! Called by `e2e/contract/run.sh` and `bench/run.sh`, nested when both databases are wanted. The command finds
//! `E2E_KEY`, and for its database `E2E_SQLITE_URL` or `E2E_POSTGRES_URL` (the API) and `…_DATABASE`. Ends as the command ends.
#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a program for people, and a harness that fails by panicking"
)]

mod commands;

use std::process::{Command, ExitCode};

use mainstay_e2e::database::Database;
use mainstay_e2e::server::{ADMIN_KEY, Server, program as program_of_server};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [first, rest @ ..] if first == "lab" => return commands::lab(rest),
        [first, rest @ ..] if first == "apiserver" => return commands::apiserver(rest),
        _ => {}
    }
    let quiet = arguments.first().is_some_and(|first| first == "--quiet");
    let [documents, kind, program, rest @ ..] = &arguments[usize::from(quiet)..] else {
        eprintln!("usage: mainstay-e2e [--quiet] DOCUMENTS sqlite|postgres COMMAND [ARGUMENT…]");
        return ExitCode::from(2);
    };
    let database = Database::durable(kind);
    let flags: &[&str] = if quiet { &["--log-level", "warn,mainstay::cli=info"] } else { &[] };
    let server = Server::launch(program_of_server(), documents, database.url(), flags);
    server.wait_until_ready();
    let name = kind.to_uppercase();
    let status = Command::new(program)
        .args(rest)
        .env("E2E_KEY", ADMIN_KEY)
        .env(format!("E2E_{name}_URL"), &server.url)
        .env(format!("E2E_{name}_DATABASE"), database.url())
        .status()
        .expect("the command runs");
    let stopped = server.stop();
    match status.success() && stopped.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
