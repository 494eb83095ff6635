//! The carrying out of a plan: one process at a time, phase by phase, going on where a killed run stood.
//!
//! Called by `migrate up` and by `serve` at its start, on a session of its own. Whether it may run is judged in `judge`, its
//! single steps are carried out in `step`.

use std::convert::Infallible;

use mainstay_crds::Value;
use mainstay_crds::plan::Phase;
use mainstay_crds::schema::evolve::Evolution;
use mainstay_crds::sql::{ColumnType, Dialect, Sql};

use super::judge::{judge, violations};
use super::step::{LOCK_ROUNDS, ROUND, carry_out, patiently};
use super::{Applied, Claim, Refusal, applied, compatible_from, instances, ledger, owner, system};
use crate::store::Abort;
use crate::store::conn::Conn;
use crate::store::error::Error;
use crate::store::transaction::transaction;

/// The key of the advisory lock: the bytes of `mainstay`.
const LOCK: i64 = i64::from_be_bytes(*b"mainstay");

/// What a run may do, and for whom.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// The phases whose steps it runs.
    pub phases: Vec<Phase>,
    /// Whose database it has to be.
    pub claim: Claim,
}

/// Runs the steps of the given phases that are not done yet, and records the new revision once its expand and backfill
/// steps are done. Refused before anything changed when the database belongs to another owner, the plan is not made for
/// this database, data breaks one of its rules, a table is in the way, or older servers run that a contract step of
/// these phases would break. Give it a connection of [`crate::store::Store::session`].
pub fn apply(conn: &mut Conn, run: &Evolution, terms: &Terms, now: i64) -> Result<Applied, Refusal> {
    let phases = &terms.phases;
    begin(conn, &terms.claim)?;
    make_schema(conn)?;
    system::migrate(conn)?;
    owner::claim(conn, &terms.claim, now)?;
    instances::bury(conn)?;
    let before = applied(conn)?;
    take_back(conn, &run.plan.plan_hash)?;
    judge(conn, run, &before, phases)?;
    let done = ledger::done(conn, &run.plan.plan_hash)?;
    // The revision is recorded before its contract begins: a run that is killed there leaves a plan that can be finished.
    for contract in [false, true] {
        if contract && phases.contains(&Phase::Contract) && applied(conn)?.is_open {
            instances::shut_out(conn, run.stored.revision)?;
        }
        for (position, step) in run.plan.steps.iter().enumerate() {
            let now_due = (step.phase == Phase::Contract) == contract && phases.contains(&step.phase);
            if now_due && !done.contains(&position) {
                violations(conn, run, step)?;
                carry_out(conn, run, position, step, now)
                    .map_err(|error| Refusal::Step { effect: step.effect.clone(), error })?;
            }
        }
        record(conn, run, &before, now)?;
    }
    Ok(applied(conn)?)
}

/// From here on no other process migrates this database.
pub(super) fn begin(conn: &mut Conn, claim: &Claim) -> Result<(), Refusal> {
    prepare_session(conn)?;
    claim.judge(conn)?;
    Ok(lock(conn)?)
}

fn prepare_session(conn: &mut Conn) -> Result<(), Error> {
    match conn.dialect() {
        Dialect::Postgres => conn.batch("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")?,
        Dialect::Sqlite => return Ok(()),
    }
    // The session of a killed run ends with its process, and its lock with it. Not every platform has it.
    if conn.batch("SET client_connection_check_interval = '1s'").is_err() {
        tracing::warn!("PostgreSQL cannot notice a killed migration in the middle of a statement on its platform");
    }
    Ok(())
}

/// The PostgreSQL schema that the connection's search path names, where it lacks.
fn make_schema(conn: &mut Conn) -> Result<(), Error> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    let mut sql = Sql::new();
    sql.push("SELECT current_setting('search_path') WHERE current_schema() IS NULL");
    let mut lacking = None;
    conn.query(sql, |row| {
        if let Value::Text(path) = row.value(0, ColumnType::Text)? {
            lacking = Some(path.into_owned());
        }
        Ok(())
    })?;
    let Some(path) = lacking else { return Ok(()) };
    conn.batch(&format!("CREATE SCHEMA IF NOT EXISTS {path}")).map_err(|error| match error {
        Error::Other(told) => Error::Refused(format!("the schema {path} is not there and cannot be made: {told}")),
        error => error,
    })
}

/// A session lock, asked for again and again: a waiter in `pg_advisory_lock` would hold a snapshot that
/// `CREATE INDEX CONCURRENTLY` waits for. A SQLite file belongs to this process already.
fn lock(conn: &mut Conn) -> Result<(), Error> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    for _ in 0..LOCK_ROUNDS {
        let mut sql = Sql::new();
        sql.push("SELECT pg_try_advisory_lock(").bind(ColumnType::Integer, Value::Integer(LOCK)).push(")");
        let mut taken = false;
        conn.query(sql, |row| {
            taken = row.value(0, ColumnType::Boolean)? == Value::Boolean(true);
            Ok(())
        })?;
        if taken {
            return Ok(());
        }
        std::thread::sleep(ROUND);
    }
    Err(Error::Busy("another process migrates this database"))
}

/// Undoes what a run of another plan did before it was killed or failed, so that documents may change in between.
pub(super) fn take_back(conn: &mut Conn, plan_hash: &str) -> Result<(), Error> {
    for step in ledger::abandoned(conn, plan_hash)? {
        tracing::info!(effect = step.effect, "taking back a step of a plan that was cut short");
        if step.down.iter().any(|statement| statement.contains(" CONCURRENTLY ")) {
            step.down.iter().try_for_each(|statement| patiently(conn, |conn| conn.batch(statement)))?;
            ledger::forget(conn, &step)?;
            continue;
        }
        patiently(conn, |conn| {
            transaction(conn, |conn| {
                step.down.iter().try_for_each(|statement| conn.batch(statement))?;
                Ok(ledger::forget(conn, &step)?)
            })
            .map_err(Abort::<Infallible>::into_store)
        })?;
    }
    Ok(())
}

/// Records the revision when what its servers need is there; only done contract steps shut older servers out.
fn record(conn: &mut Conn, run: &Evolution, before: &Applied, now: i64) -> Result<(), Error> {
    let done = ledger::done(conn, &run.plan.plan_hash)?;
    let open = |contract: bool| {
        let mut steps = run.plan.steps.iter().enumerate();
        steps.any(|(position, step)| (step.phase == Phase::Contract) == contract && !done.contains(&position))
    };
    let contracts = run.plan.steps.iter().any(|step| step.phase == Phase::Contract);
    let nothing = run.stored == before.stored && !contracts;
    if open(false) || nothing {
        return Ok(());
    }
    let from = match before.stored.revision {
        0 => run.stored.revision,
        _ if contracts && !open(true) => run.stored.revision,
        _ => compatible_from(conn)?,
    };
    let stored = match contracts && !open(true) {
        true => run.stored.contracted(),
        false => run.stored.clone(),
    };
    ledger::revision(conn, &run.plan, &stored, from, now)
}
