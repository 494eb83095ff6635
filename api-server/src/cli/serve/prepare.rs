//! Brings the database and the documents together at a start, as `--migrate` says.
//!
//! Called by `serve`, again and again while the database is away. `auto` applies a plan of safe steps and refuses any
//! other; `verify` changes nothing and waits until the documents' revision may be served.

use mainstay_crds::plan::{Class, Phase, Plan};
use mainstay_crds::schema::Schema;
use mainstay_crds::schema::evolve::{Evolution, evolve};

use super::super::migrate::{print, refused, unfinished};
use super::super::{Exit, Failure};
use crate::config::Migrate;
use crate::http::clock;
use crate::service::keys::KeyHash;
use crate::store::schema::{self, Applied};
use crate::store::{Conn, Error, Store};

/// Under which name the admin key's hash is kept.
const ADMIN: &str = "admin";

/// What a preparation found.
pub enum State {
    /// The database has the documents' schema, with its columns resolved.
    Ready(Schema),
    /// It may have it later, and why not now.
    NotYet(String),
}

/// The database of a start.
pub struct Database {
    /// Past any pooler.
    store: Store,
    declared: Schema,
    policy: Migrate,
    /// ` -f PATH …`, for the commands that a person is told.
    arguments: String,
}

impl Database {
    /// Nothing is asked of the database yet.
    pub fn new(store: Store, declared: Schema, policy: Migrate, arguments: String) -> Self {
        Database { store, declared, policy, arguments }
    }

    /// Looks, and with `auto` applies what is safe. A failure ends the start; what may pass is [`State::NotYet`].
    pub async fn prepare(&self) -> Result<State, Failure> {
        let (declared, policy, arguments) = (self.declared.clone(), self.policy, self.arguments.clone());
        let prepared = self.store.session(move |conn| {
            let applied = schema::applied(conn)?;
            match policy {
                Migrate::Auto => auto(conn, &applied, &declared, &arguments),
                Migrate::Verify => verify(conn, &applied, &declared, &arguments),
            }
        });
        match prepared.await {
            Ok(state) => state,
            Err(error @ (Error::Away(_) | Error::Busy(_) | Error::Timeout | Error::Retry | Error::OutcomeUnknown)) => {
                Ok(State::NotYet(error.to_string()))
            }
            Err(error) => Err(error.into()),
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

fn auto(
    conn: &mut Conn,
    applied: &Applied,
    declared: &Schema,
    arguments: &str,
) -> Result<Result<State, Failure>, Error> {
    let evolution = match evolve(&applied.stored, declared) {
        Ok(evolution) => evolution,
        Err(problems) => return Ok(Err(refused(&problems))),
    };
    let moves = evolution.plan.from_revision != evolution.plan.to_revision;
    if let Some(plan) = applied.open_plan().filter(|_| moves) {
        return Ok(Err(unfinished(plan, arguments)));
    }
    if evolution.plan.steps.iter().any(|step| step.class != Class::Safe) {
        return Ok(Err(unsafe_plan(&evolution.plan, arguments)));
    }
    // With nothing to change it still brings the system tables up to date.
    let phases = [Phase::Expand, Phase::Backfill, Phase::Contract];
    if let Err(error) = schema::apply(conn, &evolution, &phases, clock::now()) {
        let Error::Refused(reason) = error else { return Err(error) };
        // Another server that came first is no reason to end; data or a table in the way is.
        let moved = schema::applied(conn)?.stored.revision != applied.stored.revision;
        return Ok(if moved { Ok(State::NotYet(reason)) } else { Err(Failure::new(Exit::Data, reason)) });
    }
    if moves {
        tracing::info!(revision = evolution.plan.to_revision, steps = evolution.plan.steps.len(), "migrated");
    }
    Ok(Ok(State::Ready(evolution.schema)))
}

fn verify(
    conn: &mut Conn,
    applied: &Applied,
    declared: &Schema,
    arguments: &str,
) -> Result<Result<State, Failure>, Error> {
    let revision = applied.stored.revision;
    if revision > 0 {
        for stored in schema::revisions_since(conn, applied.compatible_from)? {
            // An applied revision that the documents are equal to, this one or an older one that may still run.
            let same = |evolution: &Evolution| evolution.stored.revision == stored.revision;
            if let Some(evolution) = evolve(&stored, declared).ok().filter(same) {
                return Ok(Ok(State::Ready(evolution.schema)));
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

/// A start never decides for a person.
fn unsafe_plan(plan: &Plan, arguments: &str) -> Failure {
    let command = print::command(plan, arguments);
    let plan = print::text(plan);
    Failure::new(
        Exit::Gate,
        format!("{plan}\nthe plan is not safe to apply at a start; after a look at its steps, run:\n  {command}"),
    )
}
