//! Attempts, transactions and retries: what happens around a body.
//!
//! Called by [`super::Store`] on a blocking thread. What was not committed is run again; what may have been is never.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use mainstay_crds::sql::{Dialect, Sql};

use super::conn::Conn;
use super::error::Error;
use super::pool::Pool;

/// How often a transaction that met another is run again.
const RETRIES: u32 = 5;
/// A connection that rested this long is tested before a statement whose outcome could not be told.
const RESTED: Duration = Duration::from_millis(500);

/// Runs work on a connection; once more on a new one when a pooled one turns out to be dead.
pub(super) fn attempt<T>(pool: &Pool, work: impl Fn(&mut Conn) -> Result<T, Error>) -> Result<T, Error> {
    let once = |lease: super::pool::Lease| {
        let mut lease = lease;
        let done = work(&mut lease.conn);
        pool.give(lease);
        done
    };
    let lease = pool.take()?;
    let pooled = lease.rested.is_some();
    match once(lease) {
        Err(Error::Away(_)) if pooled => once(pool.take()?),
        done => done,
    }
}

/// Runs a body between `BEGIN` and `COMMIT`.
pub(super) fn transaction<T>(conn: &mut Conn, body: impl Fn(&mut Conn) -> Result<T, Error>) -> Result<T, Error> {
    conn.batch(match conn.dialect() {
        Dialect::Postgres => "BEGIN",
        // There is one writer: it takes its lock at once, so that no statement meets another process's.
        Dialect::Sqlite => "BEGIN IMMEDIATE",
    })?;
    conn.failed = false;
    let done = match body(conn) {
        Ok(_) if conn.failed => Err(Error::Other("a transaction went on after a failed statement".to_owned())),
        done => done,
    };
    let done = done.and_then(|value| match conn.batch("COMMIT") {
        Ok(()) => Ok(value),
        Err(Error::Away(_)) => Err(Error::OutcomeUnknown),
        Err(error) => Err(error),
    });
    // Also after a failed COMMIT: SQLite keeps the transaction then.
    if done.is_err() && !conn.lost && conn.batch("ROLLBACK").is_err() {
        conn.lost = true;
    }
    done
}

/// Runs one statement as its own transaction.
pub(super) fn autocommit(pool: &Pool, sql: &Sql) -> Result<usize, Error> {
    let mut lease = pool.take()?;
    let stale = lease.rested.is_some_and(|rested| rested > RESTED) && lease.conn.dialect() == Dialect::Postgres;
    if stale && lease.conn.batch("SELECT 1").is_err() {
        lease.conn.lost = true;
        pool.give(lease);
        lease = pool.take()?;
    }
    let done = lease.conn.execute(sql.clone()).map_err(|error| match error {
        Error::Away(_) => Error::OutcomeUnknown,
        other => other,
    });
    pool.give(lease);
    done
}

/// Runs work again, at most five times and ever later, while it meets other transactions.
pub(super) fn retry<T>(work: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    for round in 0..RETRIES {
        match work() {
            Err(Error::Retry) => std::thread::sleep(jittered(round)),
            done => return done,
        }
    }
    work()
}

/// About 5, 10, 20, 40, 80 ms; the standard library's hash keys are the only randomness that this needs.
fn jittered(round: u32) -> Duration {
    let base = 5_000_u64 << round;
    Duration::from_micros(base / 2 + RandomState::new().hash_one(round) % base)
}
