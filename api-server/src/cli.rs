//! The command line: what may be typed, and the one place where an outcome becomes an exit status.
//!
//! Called by `main`; each command is one file. Commands answer on standard output; what went wrong goes to standard
//! error, with the next step. Settings' flags come from the settings' table, not from here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::{self, Environment, Resolved};
use crate::documents::{self, Documents};
use flags::{DatabaseFlags, ServerFlags};

mod check;
mod config_command;
mod export;
mod flags;
mod import;
mod keys;
mod migrate;
mod openapi;
mod progress;
mod remote;
mod serve;
mod transfer;

/// Why a command ended without success: its exit status and what a person reads.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    reason: Reason,
    /// What happened and what to do next; may be empty when standard output said it.
    message: String,
}

/// The exit statuses, as documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// The reader of standard output left.
    Quiet = 0,
    /// A gate wants a decision.
    Gate = 3,
    /// The plan no longer fits the database.
    Stale = 42,
    /// Bad settings.
    Settings = 64,
    /// Bad documents or data.
    Data = 65,
    /// A dependency cannot be reached.
    Unavailable = 69,
    /// A bug.
    Bug = 70,
    /// Try again later.
    Later = 75,
}

/// One word for programs beside the exit status, as `--report` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
enum Reason {
    /// Gated steps are not allowed.
    ApprovalRequired,
    /// Contract steps of an earlier plan come first.
    ContractOpen,
    /// The database belongs to another owner.
    DatabaseInUse,
    /// The database cannot be reached or used.
    DatabaseUnavailable,
    /// A server cannot be reached, or does not answer as it should.
    ServerUnavailable,
    /// A table is in the way.
    UnknownTable,
    /// There is no way to the documents, or data breaks a rule of it.
    PlanRefused,
    /// The plan no longer fits the database.
    PlanStale,
    /// Servers that a contract step would break still run.
    OldInstances,
    /// A lock or the migration's turn did not come.
    Busy,
    /// A step failed in the database.
    StepFailed,
    /// Wrong documents.
    DocumentsInvalid,
    /// Wrong settings.
    SettingsInvalid,
    /// A bug.
    Bug,
}

impl Failure {
    /// With the usual reason of the exit status.
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        let reason = match exit {
            Exit::Gate => Reason::ApprovalRequired,
            Exit::Stale => Reason::PlanStale,
            Exit::Settings => Reason::SettingsInvalid,
            Exit::Data => Reason::DocumentsInvalid,
            Exit::Unavailable | Exit::Quiet => Reason::DatabaseUnavailable,
            Exit::Bug => Reason::Bug,
            Exit::Later => Reason::Busy,
        };
        Failure { exit, reason, message: message.into() }
    }

    fn because(self, reason: Reason) -> Self {
        Failure { reason, ..self }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::new(Exit::Quiet, ""),
            _ => Failure::new(Exit::Unavailable, format!("cannot write the answer: {error}")),
        }
    }
}

impl From<documents::Report> for Failure {
    fn from(report: documents::Report) -> Self {
        Failure::new(Exit::Data, report.to_string())
    }
}

/// A backend you apply: typed collections as a production API.
#[derive(Parser)]
#[command(name = "mainstay", version, max_term_width = 110, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the API of the documents
    Serve(serve::Serve),
    /// Check documents and report every problem
    Check(check::Check),
    /// Print the OpenAPI 3.1 document of the documents
    Openapi(openapi::Openapi),
    /// Plan, apply and inspect changes of the database
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    /// Make, list, revoke and rotate API keys
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Write a collection into a file, as lines of JSON or CSV
    Export(export::Export),
    /// Read records from a file into a collection
    Import(import::Import),
    /// Show every setting, its value and where that comes from
    Config(config_command::Config),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Where the documents are.
#[derive(Args, Clone)]
struct Paths {
    /// Documents: a file, a folder (*.yaml, *.yml, *.json, searched in depth) or - for standard input; repeatable
    #[arg(short = 'f', long = "file", value_name = "PATH", required = true)]
    file: Vec<PathBuf>,
}

impl Paths {
    /// ` -f PATH` for each, quoted where a shell needs it.
    fn as_arguments(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
        let quoted = self.file.iter().map(|path| match path.display().to_string() {
            path if !path.is_empty() && path.chars().all(plain) => format!(" -f {path}"),
            path => format!(" -f '{}'", path.replace('\'', r"'\''")),
        });
        quoted.collect()
    }

    fn load(&self) -> Result<Documents, Failure> {
        Ok(documents::load(&self.file, io::stdin())?)
    }
}

/// How an answer is written.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Runs the command of `args`; the first is the program's name.
pub fn main(args: impl Iterator<Item = OsString>, environment: Environment) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help is an answer (0); a wrong command line is 2. Nothing is left to do when it cannot be printed.
            return match error.print() {
                Ok(()) | Err(_) => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
            };
        }
    };
    let done = match cli.command {
        Command::Serve(command) => command.run(&environment),
        Command::Check(command) => command.run(),
        Command::Openapi(command) => command.run(&environment),
        Command::Migrate(command) => command.run(&environment),
        Command::Keys(command) => command.run(&environment),
        Command::Export(command) => command.run(&environment),
        Command::Import(command) => command.run(&environment),
        Command::Config(command) => command.run(&environment),
        Command::Completions { shell } => completions(shell),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { exit, message, reason: _ }) => {
            complain(&message);
            ExitCode::from(exit as u8)
        }
    }
}

/// Writes to standard error. When even that is closed, the exit status alone must tell.
fn complain(message: &str) {
    if !message.is_empty() && writeln!(io::stderr(), "{message}").is_err() {}
}

/// Resolves settings and prints warnings.
fn settings(
    flags: &BTreeMap<&'static str, String>,
    environment: &Environment,
    documents: Option<&Documents>,
) -> Result<Resolved, Failure> {
    let backend = documents.and_then(|documents| documents.backend.as_ref());
    let resolved = config::resolve(flags, environment, backend).map_err(|problems| {
        let count = documents::count(problems.len(), "problem");
        Failure::new(Exit::Settings, format!("{}\n{count} with the settings", problems.join("\n")))
    })?;
    for warning in &resolved.warnings {
        complain(&format!("warning: {warning}"));
    }
    Ok(resolved)
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mainstay", &mut script);
    Ok(io::stdout().write_all(&script)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
