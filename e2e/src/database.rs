//! A fresh database of either kind for one test, gone with the value.

use tempfile::TempDir;

use crate::postgres::Postgres;

/// A database of its own.
pub struct Database {
    url: String,
    _folder: Option<TempDir>,
    _server: Option<Postgres>,
}

impl Database {
    /// A new one; `kind` is `sqlite` or `postgres` (on the server that the tests share).
    pub fn new(kind: &str) -> Database {
        match kind {
            "sqlite" => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let url = format!("sqlite:{}", folder.path().join("mainstay.db").display());
                Database { url, _folder: Some(folder), _server: None }
            }
            "postgres" => Database { url: Postgres::shared().database(), _folder: None, _server: None },
            other => panic!("{other} is no kind of database: sqlite or postgres"),
        }
    }

    /// A new one that keeps what it is told through a loss of power, as in production: figures are measured on it.
    pub fn durable(kind: &str) -> Database {
        match kind {
            "postgres" => {
                let server = Postgres::durable();
                Database { url: server.database(), _folder: None, _server: Some(server) }
            }
            _ => Database::new(kind),
        }
    }

    /// What `--database-url` takes.
    pub fn url(&self) -> &str {
        &self.url
    }
}
