//! The applied schema: system tables, what is applied, and the carrying out of plans.
//!
//! Called by `migrate`, by `serve` at its start and by readiness. Plans are made elsewhere; nothing here decides
//! whether one may run. The caller gives the time.

use mainstay_crds::Value;
use mainstay_crds::plan::{Phase, Plan, Step};
use mainstay_crds::schema::Schema;
use mainstay_crds::schema::evolve::may_follow;
use mainstay_crds::schema::stored::Stored;
use mainstay_crds::sql::{ColumnType, Dialect, Sql};

use super::conn::Conn;
use super::error::Error;

mod apply;
mod down;
mod drift;
pub mod instances;
mod judge;
mod ledger;
pub mod owner;
mod refusal;
mod step;
mod system;
mod words;

pub use apply::{Terms, apply};
pub use down::{down, down_system, undoable};
pub use drift::drift;
pub use instances::Instance;
pub use ledger::{Dirty, dirty};
pub use owner::Claim;
pub use refusal::Refusal;
pub use system::{last as last_system, pending};

/// What the database says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// The current revision with its collections.
    pub stored: Stored,
    /// The oldest revision whose servers may run.
    pub compatible_from: i64,
    /// The plan that led here; its contract steps may be open.
    pub plan: Option<Plan>,
    /// Whether contract steps of that plan are still to be done.
    pub is_open: bool,
    /// Whether one of them is done.
    pub is_contracting: bool,
}

impl Applied {
    /// The plan that led here, while contract steps of it are to be done.
    pub fn open_plan(&self) -> Option<&Plan> {
        self.plan.as_ref().filter(|_| self.is_open)
    }

    /// The open plan that has to be finished before other documents can be applied.
    pub fn binding_plan(&self) -> Option<&Plan> {
        self.open_plan().filter(|plan| self.is_contracting || !may_follow(plan))
    }
}

/// Reads the applied schema; an empty database has revision 0. Refuses a database that this server is too old for.
pub fn applied(conn: &mut Conn) -> Result<Applied, Error> {
    system::admit(conn)?;
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
    if let Some(plan) = &applied.plan {
        let contracts = |step: &Step| step.phase == Phase::Contract;
        if plan.steps.iter().any(contracts) {
            let done = ledger::done(conn, &plan.plan_hash)?;
            let steps = || plan.steps.iter().enumerate().filter(|(_, step)| contracts(step));
            // A run that was killed behind its last step has not taken off the list what it dropped.
            let unsettled = applied.stored != applied.stored.contracted();
            applied.is_open = unsettled || steps().any(|(at, _)| !done.contains(&at));
            applied.is_contracting = steps().any(|(at, _)| done.contains(&at));
        }
    }
    Ok(applied)
}

/// The oldest revision whose servers may run; 0 in an empty database.
pub fn compatible_from(conn: &mut Conn) -> Result<i64, Error> {
    let mut sql = Sql::new();
    sql.push("SELECT compatible_from FROM mainstay_schema ORDER BY revision DESC LIMIT 1");
    let mut from = 0;
    conn.query(sql, |row| {
        if let Value::Integer(found) = row.value(0, ColumnType::Integer)? {
            from = found;
        }
        Ok(())
    })?;
    Ok(from)
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

/// The first declared table that is there although nobody here has made it. Also `plan` asks, which runs nothing.
pub fn unknown_table(conn: &mut Conn, applied: &Applied, declared: &Schema) -> Result<Option<String>, Error> {
    for collection in &declared.collections {
        let name = collection.name.as_str();
        let known = applied.stored.get(name).is_some() || applied.stored.removed.iter().any(|one| one.name == name);
        if !known && table_exists(conn, &collection.table)? && !ledger::began(conn, &format!("create table {name}"))? {
            return Ok(Some(collection.table.clone()));
        }
    }
    Ok(None)
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
