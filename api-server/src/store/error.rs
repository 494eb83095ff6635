//! What can go wrong between a statement and its rows: the one place where a database's errors are read.
//!
//! Made by [`super::conn`], matched by the services. Diesel gives no SQLSTATE beyond the common kinds, so the rest
//! is told by the server's message; `super::connect` asks PostgreSQL for English ones. Holds no URL and no bind.

use std::time::Duration;

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

/// A failed use of the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A unique index or primary key holds the values already.
    #[error("a value is taken ({constraint:?} {columns:?})")]
    Unique {
        /// The name of the index where the database tells it.
        constraint: Option<String>,
        /// Otherwise its columns (SQLite, plain indexes).
        columns: Vec<String>,
    },
    /// A reference to a missing record, or a delete of one that is referred to.
    #[error("a reference is broken ({constraint:?})")]
    ForeignKey {
        /// The name of the constraint; SQLite does not tell it.
        constraint: Option<String>,
    },
    /// A CHECK or NOT NULL constraint: a rule that the server should have found first.
    #[error("a constraint is broken ({constraint})")]
    Check {
        /// The name of the constraint, or the column.
        constraint: String,
    },
    /// The database cannot be reached, or the connection was lost before anything was committed.
    #[error("the database is away: {0}")]
    Away(String),
    /// No connection or lock became free in time.
    #[error("the database is busy: {0}")]
    Busy(&'static str),
    /// Too many wait for a connection already; how long one more would.
    #[error("the queue for a connection is {0:?} long")]
    Overloaded(Duration),
    /// The statement took longer than it may.
    #[error("the statement took too long")]
    Timeout,
    /// The database takes no writes at present.
    #[error("the database is read-only")]
    ReadOnly,
    /// The connection was lost while a commit was under way: it may have happened or not.
    #[error("the outcome of the commit is unknown")]
    OutcomeUnknown,
    /// The disk of the database is full.
    #[error("the disk of the database is full")]
    DiskFull,
    /// Transactions met; the whole transaction is to be run again.
    #[error("transactions are in conflict")]
    Retry,
    /// The database is not one that this server can use: wrong version, encoding or owner, or data outside the contract.
    #[error("{0}")]
    Refused(String),
    /// Anything else: a fault in the server.
    #[error("the database failed: {0}")]
    Other(String),
}

impl Error {
    /// Whether the connection is of no further use.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Error::Away(_) | Error::OutcomeUnknown)
    }
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Error {
        match error {
            DieselError::DatabaseError(kind, information) => from_database(kind, &*information),
            DieselError::BrokenTransactionManager => Error::Away("the connection is broken".to_owned()),
            other => Error::Other(other.to_string()),
        }
    }
}

fn from_database(kind: DatabaseErrorKind, information: &(dyn DatabaseErrorInformation + Send + Sync)) -> Error {
    let message = information.message();
    let constraint = information.constraint_name().map(str::to_owned);
    match kind {
        DatabaseErrorKind::UniqueViolation => unique(constraint, message),
        DatabaseErrorKind::ForeignKeyViolation | DatabaseErrorKind::RestrictViolation => {
            Error::ForeignKey { constraint }
        }
        DatabaseErrorKind::CheckViolation | DatabaseErrorKind::NotNullViolation => {
            let column = || information.column_name().map(str::to_owned);
            let told = || message.rsplit(": ").next().unwrap_or_default().to_owned();
            Error::Check { constraint: constraint.or_else(column).unwrap_or_else(told) }
        }
        DatabaseErrorKind::SerializationFailure => Error::Retry,
        DatabaseErrorKind::ReadOnlyTransaction => Error::ReadOnly,
        DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => {
            Error::Away(first_line(message))
        }
        _ => from_message(message),
    }
}

/// The conditions that have no kind of their own.
fn from_message(message: &str) -> Error {
    type Known = (&'static str, fn() -> Error);
    const KNOWN: [Known; 12] = [
        ("deadlock detected", || Error::Retry),
        ("database is locked", || Error::Retry),
        ("database table is locked", || Error::Retry),
        ("due to statement timeout", || Error::Timeout),
        ("due to lock timeout", || Error::Busy("a lock did not become free")),
        ("could not obtain lock", || Error::Busy("a lock did not become free")),
        ("No space left on device", || Error::DiskFull),
        ("database or disk is full", || Error::DiskFull),
        // A migration has changed a column's type; a new connection knows nothing of the old one.
        ("cached plan must not change result type", || Error::Away("the schema has changed".to_owned())),
        ("readonly database", || Error::ReadOnly),
        ("disk I/O error", || Error::Away("disk I/O error".to_owned())),
        ("unable to open database file", || Error::Away("unable to open the database file".to_owned())),
    ];
    let known = KNOWN.iter().find(|(text, _)| message.contains(text));
    known.map_or_else(|| Error::Other(first_line(message)), |(_, error)| error())
}

/// SQLite says `UNIQUE constraint failed: index 'name'` for expressions, `…: table.a, table.b` for plain columns.
fn unique(constraint: Option<String>, message: &str) -> Error {
    let told = message.strip_prefix("UNIQUE constraint failed: ");
    let index = told.and_then(|told| told.strip_prefix("index '")?.strip_suffix('\''));
    let columns = match (told, index) {
        (Some(told), None) => told.split(", ").filter_map(|c| Some(c.split_once('.')?.1.to_owned())).collect(),
        _ => Vec::new(),
    };
    Error::Unique { constraint: constraint.or_else(|| index.map(str::to_owned)), columns }
}

/// What follows the first line of a message may quote the statement.
pub(super) fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}
