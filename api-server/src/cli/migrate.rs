//! `mainstay migrate`: what would change, changing it, and what has changed.
//!
//! `plan` is a dry run, `up` binds itself to a plan by its hash, `status` asks the database alone.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use mainstay_crds::plan::Plan;
use mainstay_crds::schema::evolve::{Evolution, evolve};
use mainstay_crds::schema::stored::Stored;

use super::{DatabaseFlags, Environment, Exit, Failure, Output, Paths, settings};
use crate::documents::Documents;

mod print;

/// The subcommands.
#[derive(Subcommand)]
pub enum Migrate {
    /// Print the plan from the applied schema to the documents; exits 3 when it needs approval
    Plan(PlanArgs),
}

/// The arguments of `plan`.
#[derive(Args)]
pub struct PlanArgs {
    #[command(flatten)]
    paths: Paths,
    /// The applied schema (the `schema` of `migrate status --output json`) instead of a database
    #[arg(long, value_name = "FILE")]
    applied: Option<PathBuf>,
    /// How the answer is written
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    #[command(flatten)]
    flags: DatabaseFlags,
}

impl Migrate {
    pub(super) fn run(self, environment: &Environment) -> Result<(), Failure> {
        match self {
            Migrate::Plan(args) => args.run(environment),
        }
    }
}

impl PlanArgs {
    fn run(self, environment: &Environment) -> Result<(), Failure> {
        let documents = self.paths.load()?;
        let _resolved = settings(&self.flags.0, environment, Some(&documents))?;
        let applied = match &self.applied {
            Some(path) => read_applied(path)?,
            None => return Err(Failure::new(Exit::Bug, "STUB")),
        };
        let plan = evolution(&applied, &documents)?.plan;
        match self.output {
            Output::Json => writeln!(io::stdout(), "{}", print::json(&plan)?)?,
            Output::Text => write!(io::stdout(), "{}", print::text(&plan))?,
        }
        gate(&plan, &self.paths.as_arguments())
    }
}

/// Exit 3 when someone must decide, with the command that says yes.
pub(super) fn gate(plan: &Plan, arguments: &str) -> Result<(), Failure> {
    if plan.approval_hash.is_none() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Gate,
        format!("the plan needs approval; after a look at its steps, run:\n  {}", print::command(plan, arguments)),
    ))
}

/// The way from the applied schema to the documents.
pub(super) fn evolution(applied: &Stored, documents: &Documents) -> Result<Evolution, Failure> {
    let declared = documents.schema()?;
    evolve(applied, &declared).map_err(|problems| refused(&problems))
}

/// A change that no plan can make.
pub(super) fn refused(problems: &[mainstay_crds::Problem]) -> Failure {
    let lines = problems.iter().map(|problem| {
        let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}: {}{hint}\n", problem.path, problem.message)
    });
    let count = crate::documents::count(problems.len(), "problem");
    Failure::new(
        Exit::Data,
        format!("{}{count}: the applied schema cannot become the declared one", lines.collect::<String>()),
    )
}

fn read_applied(path: &PathBuf) -> Result<Stored, Failure> {
    let bad = |error: String| {
        Failure::new(
            Exit::Data,
            format!("{}: {error}; give the `schema` of `mainstay migrate status --output json`", path.display()),
        )
    };
    let text = fs::read(path).map_err(|error| bad(error.to_string()))?;
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(|error| bad(format!("not JSON: {error}")))?;
    // The whole answer of `status` is taken as well as its `schema`.
    let schema = value.get("schema").cloned().unwrap_or(value);
    serde_json::from_value(schema).map_err(|error| bad(format!("not an applied schema: {error}")))
}
