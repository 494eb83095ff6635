//! A fresh database of either kind for one test, gone with the value.

use tempfile::TempDir;

use crate::postgres::Postgres;

/// A database of its own.
pub struct Database {
    url: String,
    _keep: Keep,
}

#[expect(dead_code, reason = "held for what dropping it stops and deletes")]
enum Keep {
    Folder(TempDir),
    Postgres(Postgres),
}

impl Database {
    /// A new one; `kind` is `sqlite` or `postgres`.
    pub fn new(kind: &str) -> Database {
        match kind {
            "sqlite" => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let url = format!("sqlite:{}", folder.path().join("mainstay.db").display());
                Database { url, _keep: Keep::Folder(folder) }
            }
            "postgres" => {
                let postgres = Postgres::start();
                Database { url: postgres.database(), _keep: Keep::Postgres(postgres) }
            }
            other => panic!("{other} is no kind of database: sqlite or postgres"),
        }
    }

    /// What `--database-url` takes.
    pub fn url(&self) -> &str {
        &self.url
    }
}
