//! Brings the database and the documents together at a start, as `--migrate` says.
//!
//! Called by `serve`, again and again while the database is away. `auto` applies a plan of safe steps and refuses any
//! other; `verify` changes nothing and waits until the documents' revision may be served.

use std::time::Instant;

use mainstay_crds::plan::{Class, Phase, Plan};
use mainstay_crds::schema::Schema;
use mainstay_crds::schema::evolve::{Evolution, evolve};

use super::super::migrate::up::finish;
use super::super::migrate::{print, refused, unfinished};
use super::super::{Exit, Failure};
use crate::config::Migrate;
use crate::http::clock;
use crate::service::keys::KeyHash;
use crate::store::schema::{self, Applied, Claim, Refusal, Terms, instances};
use crate::store::{Conn, Error, Store};
use crate::telemetry::metrics::Server as Figures;

/// Under which name the admin key's hash is kept.
const ADMIN: &str = "admin";

/// What a preparation found.
pub enum State {
    /// The database has the documents' schema at this revision, with its columns resolved, and knows that this server runs.
    Ready(Schema, i64),
    /// It may have it later, and why not now.
    NotYet(String),
}

/// The database of a start.
pub struct Database {
    /// Past any pooler.
    pub store: Store,
    /// What the documents declare.
    pub start: Start,
}

/// What a start brings to its database.
#[derive(Clone)]
pub struct Start {
    /// What the documents declare.
    pub declared: Schema,
    /// Whether it may change the database.
    pub policy: Migrate,
    /// ` -f PATH …`, for the commands that a person is told.
    pub arguments: String,
    /// Whose the database has to be.
    pub claim: Claim,
    /// The name of this server.
    pub instance: String,
    /// Where it is told how long this took.
    pub figures: Figures,
}

/// The inner failure ends the start.
type Prepared = Result<Result<State, Failure>, Refusal>;

impl Database {
    /// Looks, and with `auto` applies what is safe. A failure ends the start; what may pass is [`State::NotYet`].
    pub async fn prepare(&self) -> Result<State, Failure> {
        let (start, began) = (self.start.clone(), Instant::now());
        let prepared = self.store.session(move |conn| {
            Ok(match start.policy {
                Migrate::Auto => auto(conn, &start),
                Migrate::Verify => verify(conn, &start),
            })
        });
        let prepared = prepared.await.map_err(Refusal::Store).flatten();
        self.start.figures.prepared(began.elapsed());
        match prepared {
            Ok(state) => state,
            Err(
                refusal @ (Refusal::InUse { .. }
                | Refusal::Moved { .. }
                | Refusal::OldInstances { .. }
                | Refusal::Store(
                    Error::Away(_)
                    | Error::Busy(_)
                    | Error::Overloaded(_)
                    | Error::Timeout
                    | Error::Retry
                    | Error::OutcomeUnknown,
                )),
            ) => Ok(State::NotYet(refusal.to_string())),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// The hash of the admin key that an earlier start made.
    pub async fn admin_key(&self) -> Result<Option<KeyHash>, Failure> {
        let hash = self.store.session(|conn| schema::key_hash(conn, ADMIN)).await?;
        let known = hash.map(KeyHash::try_from).transpose();
        known.map_err(|_| Failure::new(Exit::Bug, "the admin key's hash in the database is not a SHA-256"))
    }

    /// Keeps the hash of a new admin key.
    pub async fn set_admin_key(&self, hash: KeyHash) -> Result<(), Failure> {
        let now = clock::now();
        match self.store.session(move |conn| schema::keep_key_hash(conn, ADMIN, &hash, now)).await? {
            true => Ok(()),
            false => Err(Failure::new(Exit::Later, "another server made the admin key at this moment; start again")),
        }
    }
}

fn auto(conn: &mut Conn, start: &Start) -> Prepared {
    let Start { declared, arguments, claim, .. } = start;
    claim.judge(conn)?;
    let applied = schema::applied(conn)?;
    let applied = match applied.open_plan().filter(|plan| is_safe(plan)) {
        Some(plan) => match finish(&applied.stored, plan.clone()) {
            Ok(rest) => go_on(conn, &rest, start)?,
            Err(failure) => return Ok(Err(failure)),
        },
        None => applied,
    };
    let evolution = match evolve(&applied.stored, declared) {
        Ok(evolution) => evolution,
        Err(problems) => return Ok(Err(refused(&problems))),
    };
    let moves = evolution.plan.from_revision != evolution.plan.to_revision;
    if let Some(plan) = applied.binding_plan().filter(|_| moves) {
        if is_safe(plan) {
            // It waits for older servers alone, which end or are forgotten.
            instances::nobody_older(conn, applied.stored.revision)?;
        }
        return Ok(Err(unfinished(plan, arguments)));
    }
    if !is_safe(&evolution.plan) {
        return Ok(Err(unsafe_plan(&evolution.plan, arguments)));
    }
    // With nothing to change it still brings the system tables up to date.
    go_on(conn, &evolution, start)?;
    if moves {
        tracing::info!(revision = evolution.plan.to_revision, steps = evolution.plan.steps.len(), "migrated");
        for note in &evolution.notes {
            tracing::warn!(note, "the documents leave something as it is");
        }
    }
    enter(conn, start, evolution)
}

/// Runs what is left of a plan; all but its contract while older servers run.
fn go_on(conn: &mut Conn, run: &Evolution, start: &Start) -> Result<Applied, Refusal> {
    let terms = |phases: &[Phase]| Terms { phases: phases.to_vec(), claim: start.claim.clone() };
    let all = terms(&[Phase::Expand, Phase::Backfill, Phase::Contract]);
    match schema::apply(conn, run, &all, clock::now()) {
        Err(older @ Refusal::OldInstances { .. }) => {
            tracing::warn!(reason = older.to_string(), "contract steps are left for a later start");
            schema::apply(conn, run, &terms(&[Phase::Expand, Phase::Backfill]), clock::now())
        }
        done => done,
    }
}

fn is_safe(plan: &Plan) -> bool {
    plan.steps.iter().all(|step| step.class == Class::Safe)
}

fn verify(conn: &mut Conn, start: &Start) -> Prepared {
    let Start { declared, arguments, claim, .. } = start;
    claim.judge(conn)?;
    let applied = schema::applied(conn)?;
    let revision = applied.stored.revision;
    let lacking = schema::pending(conn)?;
    if revision > 0 && !lacking.is_empty() {
        let lacking = lacking.join(", ");
        let hint = format!("run `mainstay migrate up{arguments}`");
        return Ok(Ok(State::NotYet(format!("the system tables of the database lack {lacking}: {hint}"))));
    }
    if revision > 0 {
        for stored in schema::revisions_since(conn, applied.compatible_from)? {
            // An applied revision that the documents are equal to, this one or an older one that may still run.
            let same = |evolution: &Evolution| evolution.stored.revision == stored.revision;
            if let Some(evolution) = evolve(&stored, declared).ok().filter(same) {
                return enter(conn, start, evolution);
            }
        }
    }
    let wanted = revision + 1;
    Ok(Ok(State::NotYet(format!(
        "the database is at revision {revision} (servers from {} on may run) and these documents are none of them, they \
         want revision {wanted}: run `mainstay migrate up{arguments}`",
        applied.compatible_from
    ))))
}

/// Tells the database that a server of this revision runs, before it serves anything.
fn enter(conn: &mut Conn, start: &Start, Evolution { stored, schema, .. }: Evolution) -> Prepared {
    let revision = stored.revision;
    Ok(Ok(match instances::enter(conn, &start.instance, revision)? {
        true => State::Ready(schema, revision),
        false => State::NotYet(format!("servers of revision {revision} may not run on this database any more")),
    }))
}

/// A start never decides for a person.
fn unsafe_plan(plan: &Plan, arguments: &str) -> Failure {
    let command = print::command(plan, arguments);
    let plan = print::text(plan);
    Failure::new(
        Exit::Gate,
        format!("{plan}\nthe plan is not safe to apply at a start; after a look at its steps, run:\n  {command}"),
    )
}
