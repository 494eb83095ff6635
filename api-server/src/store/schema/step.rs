//! One step of a plan on the database: with its ledger row in one transaction, or with its intent written before and its end
//! after it.
//!
//! Called by [`super::apply()`]. Nobody waits long for a step: it gives up its place for a lock after a tenth of a second and
//! asks again; only statements that stop neither readers nor writers may wait.

use std::convert::Infallible;
use std::time::Duration;

use mainstay_crds::Value;
use mainstay_crds::plan::{Phase, Step};
use mainstay_crds::schema::evolve::Evolution;
use mainstay_crds::sql::{ColumnType, Dialect, Sql};
use uuid::Uuid;

use super::ledger::{self, State};
use super::words;
use crate::store::Abort;
use crate::store::conn::Conn;
use crate::store::error::Error;
use crate::store::transaction::transaction;

/// How often a lock is asked for before the run gives up, a tenth of a second each time.
pub(super) const LOCK_ROUNDS: u32 = 300;
/// The time between two of them.
pub(super) const ROUND: Duration = Duration::from_millis(100);
/// How many records a batch of the backfill looks at.
const BATCH: usize = 1000;

/// Runs a step that is not done yet.
pub(super) fn carry_out(conn: &mut Conn, run: &Evolution, position: usize, step: &Step, now: i64) -> Result<(), Error> {
    let dialect = conn.dialect();
    let statements = &step.sql(dialect).up;
    let collection = run.schema.get(&step.collection);
    let table = collection.map_or("", |collection| collection.table.as_str());
    if step.indexes_words {
        ledger::note(conn, run, position, State::Intent, now)?;
        collection.map_or(Ok(()), |collection| words::index(conn, collection))?;
        return ledger::note(conn, run, position, State::Done, now);
    }
    if step.phase == Phase::Backfill {
        ledger::note(conn, run, position, State::Intent, now)?;
        statements.iter().try_for_each(|statement| in_batches(conn, table, statement))?;
        return ledger::note(conn, run, position, State::Done, now);
    }
    // All DDL of SQLite is transactional.
    if step.transactional || dialect == Dialect::Sqlite {
        return patiently(conn, |conn| {
            transaction(conn, |conn| {
                give_way(conn)?;
                statements.iter().try_for_each(|statement| conn.batch(statement))?;
                Ok(ledger::note(conn, run, position, State::Done, now)?)
            })
            .map_err(Abort::<Infallible>::into_store)
        });
    }
    ledger::note(conn, run, position, State::Intent, now)?;
    statements.iter().try_for_each(|statement| patiently(conn, |conn| alone(conn, table, statement)))?;
    if !invalid(conn, table)?.is_empty() {
        return Err(Error::Other(format!("{}: the index is not valid; run the migration again", step.effect)));
    }
    ledger::note(conn, run, position, State::Done, now)
}

/// In a transaction of PostgreSQL: who waits for a table's lock stops all who come after.
pub(super) fn give_way(conn: &mut Conn) -> Result<(), Error> {
    match conn.dialect() {
        Dialect::Postgres => conn.batch("SET LOCAL lock_timeout = '100ms'"),
        Dialect::Sqlite => Ok(()),
    }
}

/// One statement of PostgreSQL outside a transaction.
fn alone(conn: &mut Conn, table: &str, statement: &str) -> Result<(), Error> {
    let concurrent = statement.contains("INDEX CONCURRENTLY ");
    // These take locks that stop neither readers nor writers, so that they may wait for old transactions.
    let may_wait = concurrent || statement.contains(" VALIDATE CONSTRAINT ");
    conn.batch(if may_wait { "SET lock_timeout = '60s'" } else { "SET lock_timeout = '100ms'" })?;
    if concurrent {
        drop_invalid(conn, table)?;
    }
    conn.batch(statement)
}

/// Runs a statement that ends with its `WHERE` for one range of ids after the other. What a killed run has done, the
/// condition leaves out.
fn in_batches(conn: &mut Conn, table: &str, statement: &str) -> Result<(), Error> {
    let mut after = None;
    while let Some(last) = end_of_batch(conn, table, after)? {
        let mut sql = Sql::new();
        sql.push(statement).push(" AND \"id\" <= ").bind(ColumnType::Uuid, Value::Uuid(last));
        if let Some(after) = after {
            sql.push(" AND \"id\" > ").bind(ColumnType::Uuid, Value::Uuid(after));
        }
        patiently(conn, |conn| {
            transaction(conn, |conn| {
                give_way(conn)?;
                Ok(conn.execute_varying(sql.clone()).map(drop)?)
            })
            .map_err(Abort::<Infallible>::into_store)
        })?;
        after = Some(last);
    }
    Ok(())
}

/// The last id of the next batch.
fn end_of_batch(conn: &mut Conn, table: &str, after: Option<Uuid>) -> Result<Option<Uuid>, Error> {
    let mut sql = Sql::new();
    sql.push("SELECT \"id\" FROM (SELECT \"id\" FROM ").ident(table);
    if let Some(after) = after {
        sql.push(" WHERE \"id\" > ").bind(ColumnType::Uuid, Value::Uuid(after));
    }
    sql.push(&format!(" ORDER BY \"id\" LIMIT {BATCH}) AS \"batch\" ORDER BY \"id\" DESC LIMIT 1"));
    let mut last = None;
    conn.query_varying(sql, |row| {
        if let Value::Uuid(id) = row.value(0, ColumnType::Uuid)? {
            last = Some(id);
        }
        Ok(())
    })?;
    Ok(last)
}

/// Tries again while a lock is not free or transactions meet, for as long as the migration lock is waited for.
pub(super) fn patiently<T>(conn: &mut Conn, work: impl Fn(&mut Conn) -> Result<T, Error>) -> Result<T, Error> {
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
