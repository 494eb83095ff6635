//! Attempts, transactions and retries: what happens around a body.
//!
//! Called by [`super::Store`]. What was not committed is run again; what may have been is never.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstay_crds::sql::{Dialect, Sql};

use super::Abort;
use super::conn::Conn;
use super::error::Error;
use super::figures::Figures;
use super::pool::Pool;

/// How often a transaction that met another is run again.
const RETRIES: u32 = 5;
/// A connection that rested this long is tested before a statement whose outcome could not be told.
const RESTED: Duration = Duration::from_millis(100);

/// Runs work on a connection, until the deadline; again on another when a pooled one turns out to be dead, until one is new.
pub(super) async fn attempt<T, E, F>(
    pool: &Pool,
    deadline: Instant,
    work: &Arc<F>,
    figures: &Figures,
) -> Result<T, Abort<E>>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&mut Conn) -> Result<T, Abort<E>> + Send + Sync + 'static,
{
    loop {
        let lease = pool.take(deadline).await?;
        let pooled = lease.rested().is_some();
        let work = Arc::clone(work);
        match pool.run(lease, deadline, move |conn| work(conn)).await? {
            Err(Abort::Store(Error::Away(_))) if pooled => figures.again("connection"),
            done => return done,
        }
    }
}

/// Runs a body between `BEGIN` and `COMMIT`.
pub(super) fn transaction<T, E>(
    conn: &mut Conn,
    body: impl Fn(&mut Conn) -> Result<T, Abort<E>>,
) -> Result<T, Abort<E>> {
    conn.batch(match conn.dialect() {
        // Whatever the role's default is: each statement sees what was committed before it.
        Dialect::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        // There is one writer: it takes its lock at once, so that no statement meets another process's.
        Dialect::Sqlite => "BEGIN IMMEDIATE",
    })?;
    conn.failed = false;
    let done = match body(conn) {
        Ok(_) if conn.failed => Err(Error::Other("a transaction went on after a failed statement".to_owned()).into()),
        done => done,
    };
    let done = done.and_then(|value| match conn.settle("COMMIT") {
        Ok(()) => Ok(value),
        Err(Error::Away(_)) => Err(Error::OutcomeUnknown.into()),
        Err(error) => Err(error.into()),
    });
    // Also after a failed COMMIT: SQLite keeps the transaction then.
    if done.is_err() && !conn.lost && conn.settle("ROLLBACK").is_err() {
        conn.lost = true;
    }
    done
}

/// Runs one statement as its own transaction.
pub(super) async fn autocommit(pool: &Pool, deadline: Instant, sql: &Sql, figures: &Figures) -> Result<usize, Error> {
    loop {
        let lease = pool.take(deadline).await?;
        let rested = lease.rested().is_some_and(|rested| rested > RESTED);
        let copy = sql.clone();
        let work = move |conn: &mut Conn| {
            if rested && conn.dialect() == Dialect::Postgres && conn.batch("SELECT 1").is_err() {
                conn.lost = true;
                return None;
            }
            Some(execute(conn, copy))
        };
        if let Some(done) = pool.run(lease, deadline, work).await? {
            return done;
        }
        figures.again("connection");
    }
}

fn execute(conn: &mut Conn, sql: Sql) -> Result<usize, Error> {
    conn.execute(sql).map_err(|error| match error {
        Error::Away(_) => Error::OutcomeUnknown,
        other => other,
    })
}

/// Runs work again, at most five times and ever later, while it meets other transactions.
pub(super) async fn retry<T, E, W>(work: impl Fn() -> W, figures: &Figures) -> Result<T, Abort<E>>
where
    W: Future<Output = Result<T, Abort<E>>>,
{
    for round in 0..RETRIES {
        match work().await {
            Err(Abort::Store(Error::Retry)) => {
                figures.again("conflict");
                tokio::time::sleep(jittered(round)).await;
            }
            done => return done,
        }
    }
    work().await
}

/// About 5, 10, 20, 40, 80 ms; the standard library's hash keys are the only randomness that this needs.
fn jittered(round: u32) -> Duration {
    let base = 5_000_u64 << round;
    Duration::from_micros(base / 2 + RandomState::new().hash_one(round) % base)
}
