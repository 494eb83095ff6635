//! The applied schema: system tables, what is applied, and the carrying out of plans.
//!
//! Called by `migrate`, by `serve` at its start and by readiness. Plans are made elsewhere; nothing here decides
//! whether one may run. The caller gives the time.

use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use mainstay_crds::Value;
use mainstay_crds::plan::{Phase, Plan};
use mainstay_crds::schema::stored::Stored;
use mainstay_crds::sql::{ColumnType, Dialect, Sql};

use super::conn::{Conn, Raw};
use super::error::{Error, first_line};

mod apply;
mod ledger;

pub use apply::apply;
pub use ledger::{Dirty, dirty};

const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");

/// What the database says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// The current revision with its collections.
    pub stored: Stored,
    /// The oldest revision whose servers may run.
    pub compatible_from: i64,
    /// The plan that led here; its contract steps may be open.
    pub plan: Option<Plan>,
}

impl Applied {
    /// The plan that led here, while contract steps of it are open: only these let newer servers alone run.
    pub fn open_plan(&self) -> Option<&Plan> {
        let contracts = |plan: &&Plan| plan.steps.iter().any(|step| step.phase == Phase::Contract);
        self.plan.as_ref().filter(contracts).filter(|_| self.compatible_from < self.stored.revision)
    }
}

/// Reads the applied schema; an empty database has revision 0.
pub fn applied(conn: &mut Conn) -> Result<Applied, Error> {
    if !table_exists(conn, "mainstay_schema")? {
        return Ok(Applied::default());
    }
    let mut sql = Sql::new();
    sql.push("SELECT compatible_from, schema, plan FROM mainstay_schema ORDER BY revision DESC LIMIT 1");
    let mut applied = Applied::default();
    conn.query(sql, |row| {
        if let Value::Integer(from) = row.value(0, ColumnType::Integer)? {
            applied.compatible_from = from;
        }
        applied.stored = row.with(1, ColumnType::Json, |value| read(&value))??;
        applied.plan = row.with(2, ColumnType::Json, |value| read(&value))?.map(Some)?;
        Ok(())
    })?;
    Ok(applied)
}

/// The revisions from `from` on, newest first: those whose servers may run.
pub fn revisions_since(conn: &mut Conn, from: i64) -> Result<Vec<Stored>, Error> {
    let mut sql = Sql::new();
    sql.push("SELECT schema FROM mainstay_schema WHERE revision >= ");
    sql.bind(ColumnType::Integer, Value::Integer(from)).push(" ORDER BY revision DESC");
    let mut found = Vec::new();
    conn.query(sql, |row| {
        found.push(row.with(0, ColumnType::Json, |value| read(&value))??);
        Ok(())
    })?;
    Ok(found)
}

fn read<T: serde::de::DeserializeOwned>(value: &Value<'_>) -> Result<T, Error> {
    let Value::Json(text) = value else { return Err(Error::Other("the applied schema is null".to_owned())) };
    serde_json::from_str(text).map_err(|error| {
        let hint = "it was applied by a newer version: run that version or a later one";
        Error::Refused(format!("the applied schema is not understood ({error}); {hint}"))
    })
}

/// Whether the current schema of the database has a table of that name.
pub fn table_exists(conn: &mut Conn, name: &str) -> Result<bool, Error> {
    let mut sql = Sql::new();
    sql.push(match conn.dialect() {
        Dialect::Postgres => {
            "SELECT 1 FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = "
        }
        Dialect::Sqlite => "SELECT 1 FROM sqlite_master WHERE name = ",
    });
    sql.bind(ColumnType::Text, Value::from(name.to_owned()));
    let mut found = false;
    conn.query(sql, |_| {
        found = true;
        Ok(())
    })?;
    Ok(found)
}

/// Brings the system tables up to date. Under the lock of [`apply()`], or where no other process can be.
fn system_migrate(conn: &mut Conn) -> Result<(), Error> {
    let done = match &mut conn.raw {
        Raw::Postgres(connection) => connection.run_pending_migrations(POSTGRES).map(drop),
        Raw::Sqlite(connection) => connection.run_pending_migrations(SQLITE).map(drop),
    };
    done.map_err(|error| Error::Other(format!("the system tables: {}", first_line(&error.to_string()))))
}

/// The SHA-256 of a key of the server, such as `admin`.
pub fn key_hash(conn: &mut Conn, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let mut sql = Sql::new();
    sql.push("SELECT hash FROM mainstay_keys WHERE name = ").bind(ColumnType::Text, Value::from(name.to_owned()));
    let mut hash = None;
    conn.query(sql, |row| {
        if let Value::Bytes(bytes) = row.value(0, ColumnType::Bytes)? {
            hash = Some(bytes.into_owned());
        }
        Ok(())
    })?;
    Ok(hash)
}

/// Keeps the SHA-256 of a key of the server unless there is one of that name; whether it was kept.
pub fn keep_key_hash(conn: &mut Conn, name: &str, hash: &[u8], now: i64) -> Result<bool, Error> {
    let mut sql = Sql::new();
    sql.push("INSERT INTO mainstay_keys (name, hash, created_at) VALUES (");
    sql.bind(ColumnType::Text, Value::from(name.to_owned())).push(", ");
    sql.bind(ColumnType::Bytes, Value::Bytes(hash.to_vec().into())).push(", ");
    sql.bind(ColumnType::Timestamp, Value::Timestamp(now)).push(") ON CONFLICT (name) DO NOTHING");
    Ok(conn.execute(sql)? == 1)
}
