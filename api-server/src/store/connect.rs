//! How a connection is opened, and what is asked of a database before it is used.
//!
//! Called by the pools of [`super::Store`], the only place that establishes connections. Blocking.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use diesel::connection::Connection;
use diesel::pg::PgConnection;
use diesel::result::ConnectionError;
use diesel::sqlite::SqliteConnection;
use mainstay_crds::Value;
use mainstay_crds::schema::ddl::ident;
use mainstay_crds::sql::{ColumnType, Sql};

use super::PoolOptions;
use super::conn::{Conn, Raw};
use super::error::{Error, first_line};
use super::statement::Admission;
use super::url::DatabaseUrl;

/// A SQLite file that this process owns, or will own once it can be locked.
pub(super) struct SqliteFile {
    path: PathBuf,
    lock: Mutex<Option<File>>,
    /// Removed with the store.
    _temporary: Option<tempfile::TempDir>,
}

impl SqliteFile {
    pub(super) fn at(path: PathBuf) -> SqliteFile {
        SqliteFile { path, lock: Mutex::new(None), _temporary: None }
    }

    pub(super) fn temporary() -> Result<SqliteFile, Error> {
        let folder = tempfile::Builder::new().prefix("mainstay-").tempdir();
        let folder =
            folder.map_err(|error| Error::Refused(format!("no temporary folder for the database: {error}")))?;
        Ok(SqliteFile { path: folder.path().join("data.db"), lock: Mutex::new(None), _temporary: Some(folder) })
    }

    /// One server a file: two would each believe in their own locks and schema. The lock goes with the process.
    pub(super) fn own(&self) -> Result<(), Error> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_some() {
            return Ok(());
        }
        let mut name = self.path.clone().into_os_string();
        name.push(".lock");
        let name = PathBuf::from(name);
        if self.path.is_dir() {
            return Err(Error::Refused(format!("{} is a folder, not a database file", self.path.display())));
        }
        let file = File::options().create(true).truncate(false).write(true).open(&name).map_err(|error| {
            Error::Refused(format!(
                "{} cannot be created: {error}; the folder must exist and be writable",
                name.display()
            ))
        })?;
        match file.try_lock() {
            Ok(()) => {
                // What is left of a server that was killed is not this process's.
                if let Err(error) = file.set_len(0) {
                    return Err(Error::Refused(format!("{} cannot be written: {error}", name.display())));
                }
                *lock = Some(file);
            }
            Err(TryLockError::WouldBlock) => {
                let (path, holder) = (self.path.display(), std::fs::read_to_string(&name).unwrap_or_default());
                return Err(Error::Refused(match holder.trim() {
                    "" => format!("{path} is in use by another mainstay process; stop it first"),
                    server => format!(
                        "{path} is in use by the server at {server}; stop it first, or name it with --server where a \
                         command takes that"
                    ),
                }));
            }
            Err(TryLockError::Error(error)) => {
                return Err(Error::Refused(format!("{} cannot be locked: {error}", name.display())));
            }
        }
        Ok(())
    }

    /// Writes into the lock who holds it. Only for people: what cannot be written is left out.
    pub(super) fn sign(&self, address: &str) {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = lock.as_mut() else { return };
        if writeln!(file, "{address} (process {})", std::process::id()).is_err() {
            tracing::debug!("the lock of the database does not tell who holds it");
        }
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

/// A connection to the file. There is one that writes; the others refuse to.
pub(super) fn sqlite(file: &SqliteFile, writer: bool, admission: &Arc<Admission>) -> Result<Conn, Error> {
    file.own()?;
    let path =
        file.path().to_str().ok_or_else(|| Error::Refused("the path of the database is not UTF-8".to_owned()))?;
    // `establish` is banned elsewhere: this and `postgres` are its only callers.
    #[expect(clippy::disallowed_methods)]
    let connection = SqliteConnection::establish(path).map_err(connection_error)?;
    let mut conn = Conn::new(Raw::Sqlite(connection), Arc::clone(admission));
    conn.batch(
        "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
         PRAGMA trusted_schema = OFF; PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY;",
    )?;
    if !writer {
        conn.batch("PRAGMA query_only = ON")?;
    }
    Ok(conn)
}

/// Where a PostgreSQL server is, and the file that says so anew when the password has changed.
pub(super) struct Address {
    url: Mutex<String>,
    file: Option<PathBuf>,
}

impl Address {
    pub(super) fn new(url: String, file: Option<PathBuf>) -> Address {
        Address { url: Mutex::new(url), file }
    }

    /// A connection by the known URL. Where that fails and the file has another, by that one, which is then the known
    /// one: whatever the reason was, for it is told in the server's language.
    pub(super) fn connect(&self, options: &PoolOptions, admission: &Arc<Admission>) -> Result<Conn, Error> {
        let known = self.url.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let failed = match postgres(&known, options, admission) {
            Err(error @ Error::Away(_)) => error,
            done => return done,
        };
        let Some(url) = self.written().filter(|url| *url != known) else { return Err(failed) };
        let conn = postgres(&url, options, admission)?;
        tracing::info!("the database URL was read again from its file");
        *self.url.lock().unwrap_or_else(PoisonError::into_inner) = url;
        Ok(conn)
    }

    /// The URL in the file, if there is one that can be used.
    fn written(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.file.as_ref()?).ok()?;
        match DatabaseUrl::parse(text.trim()) {
            Ok(DatabaseUrl::Postgres(url)) => Some(url),
            Ok(DatabaseUrl::Sqlite(_) | DatabaseUrl::SqliteTemporary) | Err(_) => None,
        }
    }
}

/// A connection to the server, its session set up and its kind checked.
fn postgres(url: &str, options: &PoolOptions, admission: &Arc<Admission>) -> Result<Conn, Error> {
    #[expect(clippy::disallowed_methods)]
    let connection = PgConnection::establish(&with_defaults(url)).map_err(connection_error)?;
    let mut conn = Conn::new(Raw::Postgres(connection), Arc::clone(admission));
    conn.batch(&format!(
        "SET client_encoding = 'UTF8'; SET extra_float_digits = 1; SET standard_conforming_strings = on; \
         SET search_path = {}; SET statement_timeout = {}; SET lock_timeout = {}; \
         SET idle_in_transaction_session_timeout = {};",
        ident(&options.schema),
        options.request_timeout.as_millis(),
        options.lock_timeout.as_millis(),
        options.request_timeout.as_millis() * 2,
    ))?;
    let mut sql = Sql::new();
    sql.push(
        "SELECT current_setting('server_version_num')::bigint, \
         (SELECT pg_encoding_to_char(encoding)::text FROM pg_database WHERE datname = current_database()), \
         current_setting('lc_messages')",
    );
    let mut found = (Value::Null, Value::Null, Value::Null);
    conn.query(sql, |row| {
        let text = |index| row.value(index, ColumnType::Text);
        found = (row.value(0, ColumnType::Integer)?, text(1)?, text(2)?);
        Ok(())
    })?;
    let (Value::Integer(version), Value::Text(encoding), Value::Text(messages)) = found else {
        return Err(Error::Other("the server did not tell its version".to_owned()));
    };
    if version < 150_000 {
        let version = version / 10_000;
        return Err(Error::Refused(format!("PostgreSQL {version} is too old: Mainstay needs 15 or later")));
    }
    if encoding != "UTF8" {
        let hint = "create it with ENCODING 'UTF8'";
        return Err(Error::Refused(format!("the database has the encoding {encoding}: Mainstay needs UTF8; {hint}")));
    }
    let english = messages.is_empty() || messages.starts_with("en") || messages.starts_with('C') || messages == "POSIX";
    if !english && conn.batch("SET lc_messages = 'C'").is_err() {
        tracing::warn!(%messages, "the server speaks no English: deadlocks and timeouts are not recognised; GRANT SET ON PARAMETER lc_messages to the role");
    }
    conn.failed = false;
    Ok(conn)
}

/// The URL with what libpq should not leave to chance, unless the user said it.
fn with_defaults(url: &str) -> String {
    let mut url = url.to_owned();
    let defaults = [
        ("connect_timeout", "5"),
        ("application_name", "mainstay"),
        // A server that vanished without a word is noticed in less than a minute.
        ("keepalives_idle", "30"),
        ("keepalives_interval", "5"),
        ("tcp_user_timeout", "20000"),
    ];
    for (name, value) in defaults {
        if !url.contains(&format!("{name}=")) {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(name);
            url.push('=');
            url.push_str(value);
        }
    }
    url
}

/// libpq's message names host and user; a part of the URL that it could not read is kept out.
fn connection_error(error: ConnectionError) -> Error {
    match error {
        ConnectionError::BadConnection(message) if message.contains("invalid") && message.contains("URI") => {
            Error::Refused("the database URL is not one that libpq reads".to_owned())
        }
        ConnectionError::BadConnection(message) => Error::Away(first_line(&message)),
        ConnectionError::CouldntSetupConfiguration(error) => Error::from(error),
        _ => Error::Refused("the database URL is not usable".to_owned()),
    }
}
