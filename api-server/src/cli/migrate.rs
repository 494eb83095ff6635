//! `mainstay migrate`: what would change, changing it, and what has changed.
//!
//! `plan` is a dry run, `up` and `down` bind themselves to a plan by its hash, `status` asks the database alone. Opens the database
//! directly, past any pooler; a SQLite file that a server holds is refused.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use actix_web::rt::System;
use clap::{Args, Subcommand};
use mainstay_crds::Problem;
use mainstay_crds::plan::{Phase, Plan};
use mainstay_crds::schema::Schema;
use mainstay_crds::schema::evolve::{Evolution, evolve};
use mainstay_crds::schema::stored::Stored;

use super::{DatabaseFlags, Environment, Exit, Failure, Output, Paths, Reason, serve, settings};
use crate::config::Settings;
use crate::documents::{Documents, count};
use crate::store::schema::{self, Applied, Claim, Refusal};
use crate::store::{DatabaseUrl, Store};
use crate::telemetry;

mod down;
pub(super) mod print;
mod report;
mod status;
pub(super) mod up;

/// The subcommands.
#[derive(Subcommand)]
pub enum Migrate {
    /// Print the plan from the applied schema to the documents; exits 3 when it needs approval
    Plan(PlanArgs),
    /// Apply the plan
    Up(up::Up),
    /// Go back to the revision before, where that can be done
    Down(down::Down),
    /// Show the applied revision, which servers may run, steps that were cut short, and changed tables
    Status(status::Status),
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
    /// Ends standard output with a line for programs, whatever happened; a plan that needs approval is no failure then
    #[arg(long)]
    report: bool,
    #[command(flatten)]
    flags: DatabaseFlags,
}

impl Migrate {
    pub(super) fn run(self, environment: &Environment) -> Result<(), Failure> {
        match self {
            Migrate::Plan(args) => args.run(environment),
            Migrate::Up(args) => args.run(environment),
            Migrate::Down(args) => args.run(environment),
            Migrate::Status(args) => args.run(environment),
        }
    }
}

impl PlanArgs {
    fn run(self, environment: &Environment) -> Result<(), Failure> {
        let mut found = report::Found::default();
        let mut done = self.plan(environment, &mut found);
        if !self.report {
            return done;
        }
        if found.plan.is_some() && matches!(&done, Err(Failure { reason: Reason::ApprovalRequired, .. })) {
            done = Ok(());
        }
        report::print(&found, "planned", &done)?;
        done
    }

    fn plan(&self, environment: &Environment, found: &mut report::Found) -> Result<(), Failure> {
        let documents = self.paths.load()?;
        let settings = prepare(&self.flags, environment, Some(&documents))?;
        let declared = documents.schema()?;
        let (applied, system) = match &self.applied {
            Some(path) => (Applied { stored: read_applied(path)?, ..Applied::default() }, Vec::new()),
            None if !exists(&settings) => (Applied::default(), Vec::new()),
            None => look(&settings, &declared)?,
        };
        let applied = found.applied.insert(applied);
        let Evolution { mut plan, notes, .. } = evolution(applied, &declared, &self.paths.as_arguments())?;
        plan.system = system;
        found.notes.clone_from(&notes);
        let plan = &*found.plan.insert(plan);
        match self.output {
            Output::Json => writeln!(io::stdout(), "{}", print::json(plan)?)?,
            Output::Text => write!(io::stdout(), "{}{}", print::text(plan), print::notes(&notes))?,
        }
        if plan.approval_hash.is_none() {
            return Ok(());
        }
        let command = print::command(plan, &self.paths.as_arguments());
        Err(Failure::new(Exit::Gate, format!("the plan needs approval; after a look at its steps, run:\n  {command}")))
    }
}

/// What is applied, and which system migrations are not, the owner's row among them. Changes nothing; a database of another owner is refused, and one
/// with a table in the way.
fn look(settings: &Settings, declared: &Schema) -> Result<(Applied, Vec<String>), Failure> {
    let (claim, declared) = (claim(settings), declared.clone());
    let store = open(settings)?;
    let asked = store.session(move |conn| {
        let judged = claim.judge(conn);
        let applied = schema::applied(conn)?;
        let unknown = schema::unknown_table(conn, &applied, &declared)?;
        let mut system = schema::pending(conn)?;
        if system.is_empty() {
            // With anything else to do, it is written along with that.
            system.extend(claim.pending(conn)?);
        }
        Ok((judged, applied, unknown, system))
    });
    let (judged, applied, unknown, system) = System::new().block_on(asked)?;
    judged?;
    match unknown {
        None => Ok((applied, system)),
        Some(table) => Err(Refusal::UnknownTable(table).into()),
    }
}

/// For whom this process acts.
pub(super) fn claim(settings: &Settings) -> Claim {
    Claim { owner: settings.owner.clone(), take_over_from: settings.take_over_from.clone() }
}

/// Resolves settings and starts logging.
fn prepare(
    flags: &DatabaseFlags,
    environment: &Environment,
    documents: Option<&Documents>,
) -> Result<Settings, Failure> {
    let settings = settings(&flags.0, environment, documents)?.settings;
    telemetry::init(settings.log_format, &settings.log_level).map_err(|error| Failure::new(Exit::Bug, error))?;
    Ok(settings)
}

/// Where migrations connect.
fn url(settings: &Settings) -> &DatabaseUrl {
    settings.database.direct_url.as_ref().unwrap_or(&settings.database.url)
}

fn open(settings: &Settings) -> Result<Store, Failure> {
    let setting = if settings.database.direct_url.is_some() { "database.directUrl" } else { "database.url" };
    serve::open(url(settings), setting, settings)
}

/// Whether there is a database to ask: looking at a SQLite file must not make one.
pub(super) fn exists(settings: &Settings) -> bool {
    match url(settings) {
        DatabaseUrl::Sqlite(path) => path.exists(),
        DatabaseUrl::SqliteTemporary => false,
        DatabaseUrl::Postgres(_) => true,
    }
}

/// The way from the applied schema to the declared one. When both agree, the way that led there, while its contract steps
/// are open. Other documents have to wait for them, for they would be compared with a schema that is not there yet;
/// not for removals, which the next plan holds again.
fn evolution(applied: &Applied, declared: &Schema, arguments: &str) -> Result<Evolution, Failure> {
    let next = evolve(&applied.stored, declared).map_err(|problems| refused(&problems))?;
    match (applied.open_plan(), applied.binding_plan()) {
        (Some(plan), _) if next.stored.revision == applied.stored.revision => {
            Ok(Evolution { plan: plan.clone(), ..next })
        }
        (_, Some(plan)) => Err(unfinished(plan, arguments)),
        _ => Ok(next),
    }
}

/// Contract steps of an earlier plan are open.
pub(super) fn unfinished(plan: &Plan, arguments: &str) -> Failure {
    let steps = plan.steps.iter().filter(|step| step.phase == Phase::Contract);
    let effects: String = steps.map(|step| format!("  {}\n", step.effect)).collect();
    let (revision, command) = (plan.to_revision, print::command(plan, arguments));
    Failure::new(
        Exit::Gate,
        format!(
            "nothing was changed; revision {revision} has contract steps that are not done:\n{effects}before these \
             documents can be applied, finish it, once no older server runs:\n  {command}"
        ),
    )
    .because(Reason::ContractOpen)
}

/// A change that no plan can make.
pub(super) fn refused(problems: &[Problem]) -> Failure {
    let lines = problems.iter().map(|problem| {
        let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}: {}{hint}\n", problem.path, problem.message)
    });
    let (lines, count) = (lines.collect::<String>(), count(problems.len(), "problem"));
    let message = format!("{lines}{count}: the applied schema cannot become the declared one");
    Failure::new(Exit::Data, message).because(Reason::PlanRefused)
}

fn read_applied(path: &Path) -> Result<Stored, Failure> {
    let bad = |error: String| {
        let hint = "give the `schema` of `mainstay migrate status --output json`";
        Failure::new(Exit::Data, format!("{}: {error}; {hint}", path.display()))
    };
    let text = fs::read(path).map_err(|error| bad(error.to_string()))?;
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(|error| bad(format!("not JSON: {error}")))?;
    // The whole answer of `status` is taken as well as its `schema`.
    let schema = value.get("schema").cloned().unwrap_or(value);
    serde_json::from_value(schema).map_err(|error| bad(format!("not an applied schema: {error}")))
}
