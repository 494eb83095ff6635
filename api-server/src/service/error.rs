//! The one domain error: what the caller is told, and the private cause that is logged at the edge.
//!
//! Built here and in the services; turned into a status by `http/error.rs` alone. Store errors become domain
//! errors in [`From`], so that a database that is away reads the same everywhere.

use std::time::Duration;

use mainstay_crds::{Problem, Problems};

use crate::store;

/// What kind of failure it is. Each transport maps it to its own status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The body or a parameter breaks a rule of the schema.
    ValidationError,
    /// The body or the request line cannot be read.
    MalformedRequest,
    /// No credential, or a wrong one.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// No such path or record, or none that the caller may see.
    NotFound,
    /// The path does not take this method.
    MethodNotAllowed,
    /// No representation that the client accepts.
    NotAcceptable,
    /// The request took too long to arrive.
    RequestTimeout,
    /// A key or id is taken, or a delete is restricted.
    Conflict,
    /// `If-Match` or `If-None-Match` does not hold.
    PreconditionFailed,
    /// The headers are larger than allowed.
    HeadersTooLarge,
    /// The body is larger than allowed.
    PayloadTooLarge,
    /// The URL is longer than allowed.
    UriTooLong,
    /// The body's media type or encoding is not understood.
    UnsupportedMediaType,
    /// The data does not allow it: a dangling reference, a broken check.
    Unprocessable,
    /// The collection asks for `If-Match`.
    PreconditionRequired,
    /// More requests than a policy allows.
    RateLimited,
    /// The database cannot be reached or is busy.
    Unavailable,
    /// More is asked than can be served in time.
    Overloaded,
    /// The database took too long.
    Timeout,
    /// A bug.
    InternalError,
}

/// A failure of a request.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What kind.
    pub code: Code,
    /// For the caller: names the thing, the rule and the next step; holds no secret.
    pub message: String,
    /// Every single problem.
    pub details: Vec<Problem>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// Whether it is unknown if the effect was committed.
    pub outcome_unknown: bool,
    /// For the log alone.
    #[source]
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure with a message and nothing else.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Error { code, message, details: Vec::new(), retry_after: None, outcome_unknown: false, cause: None }
    }

    /// A failure with its single problems.
    pub fn with(code: Code, message: impl Into<String>, details: Vec<Problem>) -> Self {
        Error { details, ..Error::new(code, message) }
    }

    /// Parameters or a body that break the schema's rules.
    pub fn invalid(details: Vec<Problem>) -> Self {
        let message = match details.as_slice() {
            [one] => one.message.clone(),
            many => format!("the request breaks {} rules; see details", many.len()),
        };
        Error::with(Code::ValidationError, message, details)
    }

    /// No such path, or one that leads nowhere in these collections.
    pub fn no_path() -> Self {
        Error::new(Code::NotFound, "there is no such path; /openapi.json lists all of them")
    }

    /// No such record, or none that the caller may see.
    pub fn no_record(collection: &str) -> Self {
        Error::new(Code::NotFound, format!("{collection} has no such record"))
    }

    /// `If-Match` or `If-None-Match` does not hold.
    pub fn precondition(message: &str) -> Self {
        Error::new(Code::PreconditionFailed, message)
    }

    /// The database does not have the schema yet. Why is told by readiness, to those who run the server.
    pub fn not_ready() -> Self {
        let message = "the server is not ready: its database is away or not migrated; try again";
        Error { retry_after: Some(Duration::from_secs(1)), ..Error::new(Code::Unavailable, message) }
    }

    /// A bug, with its private cause.
    pub fn bug(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let message = "the server failed; its log has the cause under this request id";
        Error { cause: Some(cause.into()), ..Error::new(Code::InternalError, message) }
    }

    /// One problem at `path`.
    pub fn at(code: Code, path: String, rule: &'static str, message: String) -> Self {
        let mut problems = Problems::at(path);
        problems.add(rule, message.clone());
        Error::with(code, message, problems.into_vec())
    }

    /// The whole refusal as one problem at `path`, beside those of others.
    pub fn detail(&self, path: String) -> Problem {
        let code = match self.code {
            Code::Unauthenticated => "unauthenticated",
            Code::Forbidden => "forbidden",
            Code::NotFound => "not_found",
            Code::PreconditionFailed => "precondition_failed",
            Code::PreconditionRequired => "precondition_required",
            Code::Conflict => "conflict",
            _ => "refused",
        };
        Problem { path, code, message: self.message.clone(), hint: None }
    }

    /// Turned away at once, for there would be so long a wait.
    pub fn overloaded(wait: Duration) -> Self {
        let message = "more is asked of the server than it can serve in time; try again later";
        let seconds = wait.as_secs_f64().ceil().clamp(1.0, 60.0);
        let retry_after = Some(Duration::from_secs_f64(seconds));
        Error { retry_after, ..Error::new(Code::Overloaded, message) }
    }

    fn away(message: &str, seconds: u64, cause: store::Error) -> Self {
        Error {
            retry_after: Some(Duration::from_secs(seconds)),
            cause: Some(Box::new(cause)),
            ..Error::new(Code::Unavailable, message)
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Timeout => {
                Error::new(Code::Timeout, "the database took too long; ask for less, or try again")
            }
            store::Error::OutcomeUnknown => Error {
                outcome_unknown: true,
                ..Error::away(
                    "the connection was lost while the change was committed; read the record to see it",
                    1,
                    error,
                )
            },
            store::Error::Away(_) => Error::away("the database cannot be reached; try again", 1, error),
            store::Error::Busy(_) | store::Error::Retry => Error::away("the database is busy; try again", 1, error),
            // No cause: a line in the log for each would be more load.
            store::Error::Overloaded(wait) => Error::overloaded(wait),
            store::Error::ReadOnly => Error::away("the database takes no writes at the moment; try again", 5, error),
            store::Error::DiskFull => Error::away("the database's disk is full; nothing was changed", 30, error),
            // Found by looking first; these are what another transaction did in between.
            store::Error::Unique { .. } => Error { cause: Some(Box::new(error)), ..taken() },
            store::Error::ForeignKey { .. } => Error { cause: Some(Box::new(error)), ..dangling() },
            store::Error::Check { .. } => Error { cause: Some(Box::new(error)), ..broken() },
            error => Error::bug(error),
        }
    }
}

impl From<Error> for store::Abort<Error> {
    fn from(error: Error) -> Self {
        store::Abort::Domain(error)
    }
}

impl From<store::Abort<Error>> for Error {
    fn from(abort: store::Abort<Error>) -> Self {
        match abort {
            store::Abort::Store(error) => error.into(),
            store::Abort::Domain(error) => error,
        }
    }
}

fn taken() -> Error {
    Error::new(Code::Conflict, "another record has taken a unique key meanwhile; read and try again")
}

fn dangling() -> Error {
    Error::new(Code::Unprocessable, "a reference points to a record that is gone")
}

fn broken() -> Error {
    Error::new(Code::Unprocessable, "the record breaks a rule of the database")
}
