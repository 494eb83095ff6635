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
use super::report::{self, Found};
use super::{DatabaseFlags, Environment, Exit, Failure, Output, Paths, claim, evolution, open, prepare, print};
use crate::http::clock;
use crate::store::Conn;
use crate::store::schema::{self, Applied, Claim, Refusal};

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
    /// Ends standard output with a line for programs, whatever happened
    #[arg(long)]
    report: bool,
    #[command(flatten)]
    flags: DatabaseFlags,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum PhaseName {
    Expand,
    Backfill,
    Contract,
}

/// A class of steps that a person has to allow.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ClassName {
    #[value(name = "dataDependent")]
    DataDependent,
    #[value(name = "destructive")]
    Destructive,
}

/// What a run is bound to.
struct Terms {
    phases: Vec<Phase>,
    claim: Claim,
    expect: Option<String>,
    allow: Vec<Class>,
    arguments: String,
}

impl Up {
    pub(super) fn run(self, environment: &Environment) -> Result<(), Failure> {
        let mut found = Found::default();
        let done = self.apply(environment, &mut found);
        if self.report {
            report::print(&found, "applied", &done)?;
        }
        done
    }

    fn apply(&self, environment: &Environment, found: &mut Found) -> Result<(), Failure> {
        let documents = self.paths.load()?;
        let settings = prepare(&self.flags, environment, Some(&documents))?;
        let declared = documents.schema()?;
        let terms = self.terms(claim(&settings));
        let store = open(&settings)?;
        let run = store.session(move |conn| {
            let mut found = Found::default();
            let done = run(conn, &declared, &terms, &mut found);
            if done.is_err()
                && let Ok(now) = schema::applied(conn)
            {
                found.applied = Some(now);
            }
            Ok((done, found))
        });
        let done;
        (done, *found) = System::new().block_on(run)?;
        done?;
        let (Some(plan), Some(Applied { stored, compatible_from, .. })) = (&found.plan, &found.applied) else {
            return Ok(());
        };
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
                print::text(plan),
                stored.revision
            )?,
        }
        Ok(())
    }

    fn terms(&self, claim: Claim) -> Terms {
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
        let (expect, arguments) = (self.expect_hash.clone(), self.paths.as_arguments());
        Terms { phases, claim, expect, allow: allow.collect(), arguments }
    }
}

/// Tells what it found even when it fails.
fn run(conn: &mut Conn, declared: &Schema, terms: &Terms, found: &mut Found) -> Result<(), Failure> {
    terms.claim.judge(conn)?;
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
    found.plan = Some(evolution.plan.clone());
    found.notes.clone_from(&evolution.notes);
    gate(&evolution.plan, terms)?;
    let may = schema::Terms { phases: terms.phases.clone(), claim: terms.claim.clone() };
    match schema::apply(conn, &evolution, &may, clock::now()) {
        Ok(applied) => {
            found.applied = Some(applied);
            Ok(())
        }
        // Another run came first.
        Err(Refusal::Moved { .. }) => Err(stale(&evolution.plan, terms)),
        Err(refusal) => Err(refusal.into()),
    }
}

/// What is left of the plan that led to the applied schema.
pub(in crate::cli) fn finish(stored: &Stored, plan: Plan) -> Result<Evolution, Failure> {
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
