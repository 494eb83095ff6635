//! `mainstay migrate up`: applies the plan, all of it or some phases, bound to a hash where one is given.
//!
//! Gated classes run only with `--allow` and the hash of the plan that was looked at: never a plan that nobody saw.

use std::io::{self, Write};

use actix_web::rt::System;
use mainstay_crds::plan::{Class, Phase, Plan};
use mainstay_crds::schema::Schema;
use mainstay_crds::schema::evolve::Evolution;
use mainstay_crds::schema::stored::Stored;
use serde_json::json;

use super::refused as refused_documents;
use super::{DatabaseFlags, Environment, Exit, Failure, Output, Paths, evolution, open, prepare, print};
use crate::http::clock;
use crate::store::schema::{self, Applied};
use crate::store::{Conn, Error};

/// The arguments.
#[derive(clap::Args)]
pub struct Up {
    #[command(flatten)]
    paths: Paths,
    /// Only steps of these phases; all when absent
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PHASE")]
    phase: Vec<PhaseName>,
    /// The plan hash that `migrate plan` printed; exits 42 when the database asks for another plan by now
    #[arg(long, value_name = "HASH")]
    expect_hash: Option<String>,
    /// Classes of steps that may run beside safe and locking ones
    #[arg(long, value_enum, value_delimiter = ',', value_name = "CLASS", requires = "expect_hash")]
    allow: Vec<ClassName>,
    /// How the answer is written
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    #[command(flatten)]
    flags: DatabaseFlags,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum PhaseName {
    Expand,
    Backfill,
    Contract,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ClassName {
    #[value(name = "dataDependent")]
    DataDependent,
    #[value(name = "destructive")]
    Destructive,
}

/// What a run is bound to.
struct Terms {
    phases: Vec<Phase>,
    expect: Option<String>,
    allow: Vec<Class>,
    arguments: String,
}

impl Up {
    pub(super) fn run(self, environment: &Environment) -> Result<(), Failure> {
        let documents = self.paths.load()?;
        let settings = prepare(&self.flags, environment, Some(&documents))?;
        let declared = documents.schema()?;
        let terms = self.terms();
        let store = open(&settings)?;
        let run = store.session(move |conn| Ok(run(conn, &declared, &terms)));
        let (plan, applied) = System::new().block_on(run)??;
        let Applied { stored, compatible_from, .. } = applied;
        match self.output {
            Output::Json => {
                let answer = json!({
                    "planHash": plan.plan_hash, "revision": stored.revision, "compatibleFrom": compatible_from,
                });
                writeln!(io::stdout(), "{answer}")?;
            }
            Output::Text => writeln!(
                io::stdout(),
                "{}The database is at revision {}; servers from revision {compatible_from} on may run.",
                print::text(&plan),
                stored.revision
            )?,
        }
        Ok(())
    }

    fn terms(&self) -> Terms {
        let phases = match &self.phase[..] {
            [] => vec![Phase::Expand, Phase::Backfill, Phase::Contract],
            chosen => chosen
                .iter()
                .map(|phase| match phase {
                    PhaseName::Expand => Phase::Expand,
                    PhaseName::Backfill => Phase::Backfill,
                    PhaseName::Contract => Phase::Contract,
                })
                .collect(),
        };
        let allow = self.allow.iter().map(|class| match class {
            ClassName::DataDependent => Class::DataDependent,
            ClassName::Destructive => Class::Destructive,
        });
        Terms { phases, expect: self.expect_hash.clone(), allow: allow.collect(), arguments: self.paths.as_arguments() }
    }
}

fn run(conn: &mut Conn, declared: &Schema, terms: &Terms) -> Result<(Plan, Applied), Failure> {
    let before = schema::applied(conn)?;
    let open = before.open_plan().filter(|plan| terms.expect.as_ref() == Some(&plan.plan_hash));
    let mut evolution = match open {
        // Whatever the documents say by now.
        Some(plan) => finish(&before.stored, plan.clone())?,
        None => evolution(&before, declared, &terms.arguments)?,
    };
    if let Some(expected) = &terms.expect
        && *expected != evolution.plan.plan_hash
    {
        // A Job that runs once more finds its plan applied: that is a success.
        match before.plan.as_ref().filter(|plan| plan.plan_hash == *expected) {
            Some(plan) if evolution.stored.revision == before.stored.revision => evolution.plan = plan.clone(),
            _ => return Err(stale(&evolution.plan, terms)),
        }
    }
    gate(&evolution.plan, terms)?;
    match schema::apply(conn, &evolution, &terms.phases, clock::now()) {
        Ok(applied) => Ok((evolution.plan, applied)),
        Err(Error::Refused(reason)) => Err(refused(conn, &before, &evolution, terms, reason)),
        Err(error) => Err(error.into()),
    }
}

/// What is left of the plan that led to the applied schema.
fn finish(stored: &Stored, plan: Plan) -> Result<Evolution, Failure> {
    let schema = stored.schema().map_err(|found| refused_documents(&found.concat()))?;
    Ok(Evolution { plan, stored: stored.clone(), schema, notes: Vec::new() })
}

/// Steps of a gated class run only when they are allowed.
fn gate(plan: &Plan, terms: &Terms) -> Result<(), Failure> {
    let chosen = plan.steps.iter().filter(|step| terms.phases.contains(&step.phase));
    let held: Vec<_> = chosen
        .filter(|step| print::is_gated(step.class) && !terms.allow.contains(&step.class))
        .map(|step| format!("  {} ({})\n", step.effect, print::class(step.class)))
        .collect();
    if held.is_empty() {
        return Ok(());
    }
    let (held, command) = (held.concat(), print::command(plan, &terms.arguments));
    Err(Failure::new(
        Exit::Gate,
        format!("nothing was changed; these steps need approval:\n{held}after a look at them, run:\n  {command}"),
    ))
}

fn stale(plan: &Plan, terms: &Terms) -> Failure {
    let hint = format!("look at it with `mainstay migrate plan{}`", terms.arguments);
    Failure::new(Exit::Stale, format!("nothing was changed; the plan is {} by now; {hint}", plan.plan_hash))
}

/// Another run may have come first: then the plan no longer fits; otherwise it is the data or a table.
fn refused(conn: &mut Conn, before: &Applied, run: &Evolution, terms: &Terms, reason: String) -> Failure {
    match schema::applied(conn) {
        Ok(now) if now.stored.revision != before.stored.revision => stale(&run.plan, terms),
        Ok(_) | Err(_) => Failure::new(Exit::Data, reason),
    }
}
