//! One open connection, and the few things that one does with it.
//!
//! Handed by [`super::Store`] to the bodies of reads and writes, which are written once for both databases: all SQL
//! is our own text, so this closed enum is all that differs. Never decides about transactions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::connection::{Connection as _, DefaultLoadingMode, LoadConnection, SimpleConnection};
use diesel::pg::PgConnection;
use diesel::row::{Field as _, Row as _};
use diesel::sqlite::SqliteConnection;
use mainstay_crds::Value;
use mainstay_crds::sql::{ColumnType, Dialect, Sql};

use super::budget::Budget;
use super::error::Error;
use super::statement::{Admission, Statement};
use super::{Abort, decode, span};

/// A connection to either database.
pub struct Conn {
    pub(super) raw: Raw,
    admission: Arc<Admission>,
    /// A statement failed since the last `BEGIN`: PostgreSQL would answer `COMMIT` with a silent rollback.
    pub(super) failed: bool,
    /// The server closed it or cannot be reached.
    pub(super) lost: bool,
    /// It takes no writes; another one may, once the database does again.
    pub(super) read_only: bool,
    /// A body runs on it, or panicked.
    pub(super) entered: bool,
    /// How long ago it was taken from the pool before; `None` at the first time.
    pub(super) rested: Option<Duration>,
    /// How long the body that runs on it may go on; none outside of requests.
    budget: Option<Budget>,
}

pub(super) enum Raw {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Conn {
    pub(super) fn new(raw: Raw, admission: Arc<Admission>) -> Conn {
        Conn {
            raw,
            admission,
            failed: false,
            lost: false,
            read_only: false,
            entered: false,
            rested: None,
            budget: None,
        }
    }

    /// From now on statements end at `deadline`. `longest` is what the session allows each of them.
    pub(super) fn hurry(&mut self, deadline: Instant, longest: Duration) {
        self.budget = Some(match self.budget.take() {
            Some(budget) => budget.again(deadline),
            None => Budget::new(deadline, longest),
        });
    }

    /// From now on statements may take what the session allows: for work that is no request's.
    pub(super) fn at_leisure(&mut self) -> Result<(), Error> {
        match self.budget.take().and_then(Budget::narrowed) {
            Some(longest) if self.dialect() == Dialect::Postgres => {
                self.settle(&format!("SET statement_timeout = {}", longest.as_millis()))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a statement for which no time is left, and tells PostgreSQL when there is less than its session allows.
    fn in_time(&mut self) -> Result<(), Error> {
        let Some(budget) = &mut self.budget else { return Ok(()) };
        let allowed = budget.next(Instant::now()).ok_or(Error::Timeout)?;
        match (&mut self.raw, allowed) {
            (Raw::Postgres(connection), Some(allowed)) => {
                Ok(connection.batch_execute(&format!("SET statement_timeout = {}", allowed.as_millis().max(1)))?)
            }
            _ => Ok(()),
        }
    }

    /// Which database this is.
    pub fn dialect(&self) -> Dialect {
        match self.raw {
            Raw::Postgres(_) => Dialect::Postgres,
            Raw::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// Runs one statement; the number of rows that it changed.
    pub fn execute(&mut self, sql: Sql) -> Result<usize, Error> {
        let statement = Statement::new(sql, self.dialect(), &self.admission, false);
        self.run(&statement)
    }

    /// As [`Conn::execute`], for a text that requests shape.
    pub fn execute_varying(&mut self, sql: Sql) -> Result<usize, Error> {
        let statement = Statement::new(sql, self.dialect(), &self.admission, true);
        self.run(&statement)
    }

    fn run(&mut self, statement: &Statement) -> Result<usize, Error> {
        let part = span::of(self.dialect(), || statement.shown());
        let done = self.in_time().and_then(|()| match &mut self.raw {
            Raw::Postgres(connection) => connection.execute_returning_count(statement).map_err(Error::from),
            Raw::Sqlite(connection) => connection.execute_returning_count(statement).map_err(Error::from),
        });
        self.note(part.ended(done))
    }

    /// Runs statements without binds, divided by `;`.
    pub fn batch(&mut self, text: &str) -> Result<(), Error> {
        match self.in_time() {
            Ok(()) => self.settle(text),
            late => self.note(late),
        }
    }

    /// As [`Conn::batch`], whatever the time is: what ends a transaction must not come too late.
    pub(super) fn settle(&mut self, text: &str) -> Result<(), Error> {
        let part = span::of(self.dialect(), || text.to_owned());
        let done = match &mut self.raw {
            Raw::Postgres(connection) => connection.batch_execute(text),
            Raw::Sqlite(connection) => connection.batch_execute(text),
        };
        self.note(part.ended(done.map_err(Error::from)))
    }

    /// Runs a query and gives every row to `each`.
    pub fn query(&mut self, sql: Sql, each: impl FnMut(&Row<'_, '_, '_>) -> Result<(), Error>) -> Result<(), Error> {
        self.load(sql, false, each)
    }

    /// As [`Conn::query`], for a text that requests shape.
    pub fn query_varying(
        &mut self,
        sql: Sql,
        each: impl FnMut(&Row<'_, '_, '_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.load(sql, true, each)
    }

    fn load(
        &mut self,
        sql: Sql,
        varying: bool,
        mut each: impl FnMut(&Row<'_, '_, '_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let statement = Statement::new(sql, self.dialect(), &self.admission, varying);
        let part = span::of(self.dialect(), || statement.shown());
        let late = self.in_time();
        let end = self.budget.as_ref().map(Budget::deadline);
        let done = late.and_then(|()| match &mut self.raw {
            Raw::Postgres(connection) => LoadConnection::<DefaultLoadingMode>::load(connection, &statement)
                .map_err(Error::from)
                .and_then(|mut rows| rows.try_for_each(|row| each(&Row::Postgres(&row?)))),
            // It finds its rows one by one while they are read.
            Raw::Sqlite(connection) => LoadConnection::<DefaultLoadingMode>::load(connection, &statement)
                .map_err(Error::from)
                .and_then(|mut rows| {
                    rows.try_for_each(|row| match end {
                        Some(end) if Instant::now() > end => Err(Error::Timeout),
                        _ => each(&Row::Sqlite(&row?)),
                    })
                }),
        });
        self.note(part.ended(done))
    }

    /// Runs a part of a transaction. What it changed is undone when it refuses, and the transaction can go on; a failure of
    /// the database ends all of it.
    pub fn part<T, E>(&mut self, body: impl FnOnce(&mut Conn) -> Result<T, Abort<E>>) -> Result<T, Abort<E>> {
        self.batch("SAVEPOINT part")?;
        let done = body(self);
        match &done {
            Ok(_) => self.batch("RELEASE SAVEPOINT part")?,
            Err(Abort::Domain(_)) => {
                self.settle("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part")?;
                // Settings of the session are rolled back too.
                self.budget.iter_mut().for_each(Budget::forget);
            }
            Err(Abort::Store(_)) => {}
        }
        done
    }

    /// Lets references dangle until [`Conn::settle_references`] or the commit, so that a cycle can be deleted.
    pub fn defer_references(&mut self) -> Result<(), Error> {
        self.batch(match self.dialect() {
            Dialect::Postgres => "SET CONSTRAINTS ALL DEFERRED",
            Dialect::Sqlite => "PRAGMA defer_foreign_keys = ON",
        })
    }

    /// Asks for every deferred reference now; SQLite does so at the commit.
    pub fn settle_references(&mut self) -> Result<(), Error> {
        match self.dialect() {
            Dialect::Postgres => self.batch("SET CONSTRAINTS ALL IMMEDIATE"),
            Dialect::Sqlite => Ok(()),
        }
    }

    fn note<T>(&mut self, done: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &done {
            self.failed = true;
            self.lost |= error.is_lost();
            self.read_only |= matches!(error, Error::ReadOnly);
        }
        done
    }
}

/// One row of an answer.
pub enum Row<'a, 'conn: 'a, 'query: 'a> {
    /// In the binary format.
    Postgres(&'a <PgConnection as LoadConnection>::Row<'conn, 'query>),
    /// Valid until the next one.
    Sqlite(&'a <SqliteConnection as LoadConnection>::Row<'conn, 'query>),
}

impl Row<'_, '_, '_> {
    /// Reads one column by its position in the select list. `f` sees the value where it lies.
    pub fn with<T>(&self, index: usize, column: ColumnType, f: impl FnOnce(Value<'_>) -> T) -> Result<T, Error> {
        let missing = || Error::Other(format!("the answer has no column {index}"));
        match self {
            Row::Postgres(row) => {
                let field = row.get(index).ok_or_else(missing)?;
                match field.value() {
                    None => Ok(f(Value::Null)),
                    Some(value) => Ok(f(decode::postgres(column, value.as_bytes())?)),
                }
            }
            Row::Sqlite(row) => {
                let field = row.get(index).ok_or_else(missing)?;
                match field.value() {
                    None => Ok(f(Value::Null)),
                    Some(value) => Ok(f(decode::sqlite(column, value)?)),
                }
            }
        }
    }

    /// Reads one column into a value of its own.
    pub fn value(&self, index: usize, column: ColumnType) -> Result<Value<'static>, Error> {
        self.with(index, column, |value| value.into_owned())
    }
}
