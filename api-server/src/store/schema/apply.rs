//! The carrying out of a plan: one process at a time, step by step, going on where a killed run stood.
//!
//! Called by `migrate up` and by `serve` at its start, on a session of its own. A step in a transaction brings its
//! ledger row along; one that cannot writes its intent, acts, verifies, and writes that it is done.

use std::convert::Infallible;
use std::time::Duration;

use mainstay_crds::Value;
use mainstay_crds::plan::{Phase, Step};
use mainstay_crds::schema::evolve::Evolution;
use mainstay_crds::sql::{ColumnType, Dialect, Sql};

use super::ledger::{self, State};
use super::{Applied, Claim, Refusal, applied, compatible_from, instances, owner, system, table_exists};
use crate::store::Abort;
use crate::store::conn::Conn;
use crate::store::error::Error;
use crate::store::transaction::transaction;

/// The key of the advisory lock: the bytes of `mainstay`.
const LOCK: i64 = i64::from_be_bytes(*b"mainstay");
/// How often a lock is asked for before the run gives up, a tenth of a second each time.
const LOCK_ROUNDS: u32 = 300;
const ROUND: Duration = Duration::from_millis(100);

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
    prepare_session(conn)?;
    terms.claim.judge(conn)?;
    lock(conn)?;
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
                violations(conn, step)?;
                carry_out(conn, run, position, step, now)
                    .map_err(|error| Refusal::Step { effect: step.effect.clone(), error })?;
            }
        }
        record(conn, run, &before, now)?;
    }
    Ok(applied(conn)?)
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
fn take_back(conn: &mut Conn, plan_hash: &str) -> Result<(), Error> {
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

/// Whether the plan may run here at all.
fn judge(conn: &mut Conn, run: &Evolution, before: &Applied, phases: &[Phase]) -> Result<(), Refusal> {
    let (from, at) = (run.plan.from_revision, before.stored.revision);
    let goes_on = before.plan.as_ref().is_some_and(|plan| plan.plan_hash == run.plan.plan_hash);
    if at != from && !goes_on {
        return Err(Refusal::Moved { from, at });
    }
    let done = ledger::done(conn, &run.plan.plan_hash)?;
    for collection in &run.schema.collections {
        let name = collection.name.as_str();
        let known = before.stored.get(name).is_some() || before.stored.removed.iter().any(|one| one.name == name);
        let effect = format!("create table {}", collection.name);
        let made =
            run.plan.steps.iter().position(|step| step.effect == effect).is_some_and(|step| done.contains(&step));
        if !known && !made && table_exists(conn, &collection.table)? {
            return Err(Refusal::UnknownTable(collection.table.clone()));
        }
    }
    for (position, step) in run.plan.steps.iter().enumerate() {
        if !phases.contains(&step.phase) || done.contains(&position) {
            continue;
        }
        if step.phase == Phase::Contract {
            let mut steps = run.plan.steps.iter().enumerate();
            let first = |(at, step): &(usize, &Step)| {
                step.phase != Phase::Contract && !phases.contains(&step.phase) && !done.contains(at)
            };
            if let Some((_, earlier)) = steps.find(first) {
                return Err(Refusal::Order(earlier.effect.clone()));
            }
            instances::nobody_older(conn, run.stored.revision)?;
        }
        match violations(conn, step) {
            // It asks for a column that an earlier step makes; asked again before its own step.
            Err(Refusal::Store(Error::Other(_))) => {}
            judged => judged?,
        }
    }
    Ok(())
}

/// Refuses a step whose rule the data breaks, with a count and some ids.
fn violations(conn: &mut Conn, step: &Step) -> Result<(), Refusal> {
    let Some(query) = &step.sql(conn.dialect()).violations else { return Ok(()) };
    let mut sql = Sql::new();
    sql.push(query);
    let (mut count, mut ids) = (0, Vec::new());
    conn.query_varying(sql, |row| {
        if let (Value::Integer(n), Value::Text(id)) =
            (row.value(0, ColumnType::Integer)?, row.value(1, ColumnType::Text)?)
        {
            count = n;
            ids.push(id.into_owned());
        }
        Ok(())
    })?;
    match count {
        0 => Ok(()),
        _ => Err(Refusal::Data { effect: step.effect.clone(), count, ids: ids.join(", ") }),
    }
}

fn carry_out(conn: &mut Conn, run: &Evolution, position: usize, step: &Step, now: i64) -> Result<(), Error> {
    let dialect = conn.dialect();
    let statements = &step.sql(dialect).up;
    // All DDL of SQLite is transactional.
    if step.transactional || dialect == Dialect::Sqlite {
        return patiently(conn, |conn| {
            transaction(conn, |conn| {
                if dialect == Dialect::Postgres {
                    // Who waits for a table's lock stops all who come after.
                    conn.batch("SET LOCAL lock_timeout = '100ms'")?;
                }
                statements.iter().try_for_each(|statement| conn.batch(statement))?;
                Ok(ledger::note(conn, run, position, State::Done, now)?)
            })
            .map_err(Abort::<Infallible>::into_store)
        });
    }
    ledger::note(conn, run, position, State::Intent, now)?;
    // These take locks that stop neither readers nor writers, so that they may wait for old transactions.
    conn.batch("SET lock_timeout = '60s'")?;
    let table = run.schema.get(&step.collection).map_or("", |collection| collection.table.as_str());
    patiently(conn, |conn| {
        drop_invalid(conn, table)?;
        statements.iter().try_for_each(|statement| conn.batch(statement))
    })?;
    if !invalid(conn, table)?.is_empty() {
        return Err(Error::Other(format!("{}: the index is not valid; run the migration again", step.effect)));
    }
    ledger::note(conn, run, position, State::Done, now)
}

/// Tries again while a lock is not free or transactions meet, for as long as the migration lock is waited for.
fn patiently(conn: &mut Conn, work: impl Fn(&mut Conn) -> Result<(), Error>) -> Result<(), Error> {
    for _ in 0..LOCK_ROUNDS {
        match work(conn) {
            Err(Error::Busy(_) | Error::Retry) => std::thread::sleep(ROUND),
            done => return done,
        }
    }
    work(conn)
}

/// The indexes of a table that a cut-short `CREATE INDEX CONCURRENTLY` left behind.
fn invalid(conn: &mut Conn, table: &str) -> Result<Vec<String>, Error> {
    let mut sql = Sql::new();
    sql.push(
        "SELECT quote_ident(i.relname) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid \
         JOIN pg_class t ON t.oid = x.indrelid WHERE NOT x.indisvalid \
         AND t.relnamespace = current_schema()::regnamespace AND t.relname = ",
    );
    sql.bind(ColumnType::Text, Value::from(table.to_owned()));
    let mut names = Vec::new();
    conn.query(sql, |row| {
        if let Value::Text(name) = row.value(0, ColumnType::Text)? {
            names.push(name.into_owned());
        }
        Ok(())
    })?;
    Ok(names)
}

fn drop_invalid(conn: &mut Conn, table: &str) -> Result<(), Error> {
    let names = invalid(conn, table)?;
    names.iter().try_for_each(|name| conn.batch(&format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")))
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
