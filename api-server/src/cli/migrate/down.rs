//! `mainstay migrate down`: back to the revision before, by undoing what the last plan did; or the system tables back to those
//! of an older server.
//!
//! Needs no documents: what undoes each step is kept beside it. What loses data runs only with `--allow` and the hash of the
//! plan, or the name of the system migration, that was looked at.

use std::io::{self, Write};

use actix_web::rt::System;
use mainstay_crds::plan::{Class, Plan, Step};
use mainstay_crds::schema::evolve::loses_when_undone;
use serde_json::json;

use super::up::ClassName;
use super::{DatabaseFlags, Environment, Exit, Failure, Output, claim, exists, open, prepare, print, url};
use crate::documents::count;
use crate::store::Conn;
use crate::store::schema::{self, Applied, Claim};

/// The arguments.
#[derive(clap::Args)]
pub struct Down {
    /// The hash of the plan that is to be undone; exits 42 when it is not the last one
    #[arg(long, value_name = "HASH", group = "bound")]
    expect_hash: Option<String>,
    /// Undo this system migration instead, before an older server runs that it does not serve; it has to be the last one
    #[arg(long, value_name = "NAME", group = "bound")]
    system: Option<String>,
    /// `destructive`: what was made goes with everything that was written there since
    #[arg(long, value_enum, value_delimiter = ',', value_name = "CLASS", requires = "bound")]
    allow: Vec<ClassName>,
    /// How the answer is written
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    #[command(flatten)]
    flags: DatabaseFlags,
}

impl Down {
    pub(super) fn run(self, environment: &Environment) -> Result<(), Failure> {
        let settings = prepare(&self.flags, environment, None)?;
        if !exists(&settings) {
            return Err(Failure::new(Exit::Unavailable, format!("there is no database at {}", url(&settings))));
        }
        let (claim, expect, name) = (claim(&settings), self.expect_hash.clone(), self.system.clone());
        let may_lose = self.allow.iter().any(|class| matches!(class, ClassName::Destructive));
        let store = open(&settings)?;
        let run = store.session(move |conn| {
            Ok(match name {
                Some(name) => system(conn, &claim, &name, may_lose),
                None => down(conn, &claim, expect.as_deref(), may_lose),
            })
        });
        let (undone, Applied { stored, compatible_from, .. }) = System::new().block_on(run)??;
        match self.output {
            Output::Json => {
                let answer =
                    json!({ "undone": undone, "revision": stored.revision, "compatibleFrom": compatible_from });
                writeln!(io::stdout(), "{answer}")?;
            }
            Output::Text => {
                let lines: String = undone.iter().map(|effect| format!("  {effect}\n")).collect();
                let steps = count(undone.len(), "step");
                writeln!(io::stdout(), "Undone, {steps}:\n{lines}The database is at revision {}.", stored.revision)?;
            }
        }
        Ok(())
    }
}

/// The effects that were undone, and what is applied now.
fn down(
    conn: &mut Conn,
    claim: &Claim,
    expect: Option<&str>,
    may_lose: bool,
) -> Result<(Vec<String>, Applied), Failure> {
    claim.judge(conn)?;
    let before = schema::applied(conn)?;
    let Some(plan) = before.plan.as_ref() else {
        return Err(Failure::new(Exit::Data, "the database is empty: there is nothing to undo"));
    };
    if expect.is_some_and(|expected| expected != plan.plan_hash) {
        let message = format!("nothing was changed; the last plan is {}", plan.plan_hash);
        return Err(Failure::new(Exit::Stale, message));
    }
    let steps = schema::undoable(conn, plan)?;
    gate(plan, &steps, may_lose)?;
    let undone = steps.iter().map(|step| step.effect.clone()).collect();
    Ok((undone, schema::down(conn, &plan.plan_hash, claim)?))
}

/// The system migration that was undone, and what is applied now.
fn system(conn: &mut Conn, claim: &Claim, name: &str, may_lose: bool) -> Result<(Vec<String>, Applied), Failure> {
    claim.judge(conn)?;
    let Some(last) = schema::last_system(conn)? else {
        return Err(Failure::new(Exit::Data, "the database is empty: there is nothing to undo"));
    };
    if last != name {
        return Err(Failure::new(Exit::Stale, format!("nothing was changed; the last system migration is {last}")));
    }
    if !may_lose {
        let class = print::class(Class::Destructive);
        let message = format!(
            "nothing was changed; what servers keep in the tables of {name} goes with them, and the next run of this server \
             makes them anew; before an older server runs, run:\n  mainstay migrate down --system {name} --allow {class}"
        );
        return Err(Failure::new(Exit::Gate, message));
    }
    Ok((vec![format!("system migration {name}")], schema::down_system(conn, name, claim)?))
}

fn gate(plan: &Plan, steps: &[&Step], may_lose: bool) -> Result<(), Failure> {
    let lost: String = steps
        .iter()
        .filter(|step| loses_when_undone(step) && !may_lose)
        .map(|step| format!("  {}\n", step.effect))
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    let (hash, class) = (&plan.plan_hash, print::class(Class::Destructive));
    Err(Failure::new(
        Exit::Gate,
        format!(
            "nothing was changed; what these steps made goes with everything that was written there since:\n{lost}after a \
             look at them, run:\n  mainstay migrate down --expect-hash {hash} --allow {class}"
        ),
    ))
}
