//! Running servers: each writes a row at its start and every few seconds, and takes it away at a clean stop.
//!
//! Written by `serve`, read by [`super::apply()`] before a contract step and by `migrate status`. A server that was
//! killed is one that has not been seen for half a minute. All times are the database's own.

use mainstay_crds::Value;
use mainstay_crds::sql::{ColumnType, Dialect, Sql};

use super::{Refusal, compatible_from, table_exists};
use crate::store::Abort;
use crate::store::conn::Conn;
use crate::store::error::Error;
use crate::store::transaction::transaction;

/// How long a server counts as running after it was last seen, in seconds.
const LIVE: i64 = 30;

/// A running server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its name: a pod's, or host and process.
    pub instance: String,
    /// The revision of the schema that it serves.
    pub revision: i64,
    /// The version of its program.
    pub version: String,
    /// How long ago it was last seen.
    pub seconds: i64,
}

/// Says that a server runs now, unless servers of its revision may not: whether it may. In this order, so that a contract
/// which begins at this moment either sees the server or is seen by it.
pub fn enter(conn: &mut Conn, instance: &str, revision: i64) -> Result<bool, Error> {
    beat(conn, instance, revision)?;
    let may = compatible_from(conn)? <= revision;
    if !may {
        leave(conn, instance)?;
    }
    Ok(may)
}

/// Lets no server of an older revision in any more, from the moment that none is there.
pub(super) fn shut_out(conn: &mut Conn, revision: i64) -> Result<(), Refusal> {
    let done = transaction(conn, |conn| {
        if conn.dialect() == Dialect::Postgres {
            // Waits for servers that are just writing their row, and lets no other write before the commit.
            conn.batch("LOCK TABLE mainstay_instances IN SHARE ROW EXCLUSIVE MODE")?;
        }
        nobody_older(conn, revision).map_err(Abort::Domain)?;
        let mut sql = Sql::new();
        sql.push("UPDATE mainstay_schema SET compatible_from = revision WHERE revision = ");
        sql.bind(ColumnType::Integer, Value::Integer(revision));
        Ok(conn.execute(sql).map(drop)?)
    });
    done.map_err(|abort| match abort {
        Abort::Store(error) => Refusal::Store(error),
        Abort::Domain(refusal) => refusal,
    })
}

/// Refuses while a server of an older revision runs.
pub fn nobody_older(conn: &mut Conn, revision: i64) -> Result<(), Refusal> {
    let mut instances = live(conn)?;
    instances.retain(|instance| instance.revision < revision);
    if instances.is_empty() { Ok(()) } else { Err(Refusal::OldInstances { instances }) }
}

fn beat(conn: &mut Conn, instance: &str, revision: i64) -> Result<(), Error> {
    let mut sql = Sql::new();
    sql.push("INSERT INTO mainstay_instances (instance, revision, version, seen_at) VALUES (");
    sql.bind(ColumnType::Text, Value::from(instance.to_owned())).push(", ");
    sql.bind(ColumnType::Integer, Value::Integer(revision)).push(", ");
    sql.bind(ColumnType::Text, Value::from(env!("CARGO_PKG_VERSION").to_owned())).push(", ");
    sql.push(match conn.dialect() {
        Dialect::Postgres => "clock_timestamp()",
        Dialect::Sqlite => "strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'",
    });
    sql.push(
        ") ON CONFLICT (instance) DO UPDATE SET revision = excluded.revision, version = excluded.version, \
         seen_at = excluded.seen_at",
    );
    conn.execute(sql).map(drop)
}

/// Says that a server has ended.
pub fn leave(conn: &mut Conn, instance: &str) -> Result<(), Error> {
    let mut sql = Sql::new();
    sql.push("DELETE FROM mainstay_instances WHERE instance = ");
    sql.bind(ColumnType::Text, Value::from(instance.to_owned()));
    conn.execute(sql).map(drop)
}

/// The servers that run, by name.
pub fn live(conn: &mut Conn) -> Result<Vec<Instance>, Error> {
    let mut found = Vec::new();
    if !table_exists(conn, "mainstay_instances")? {
        return Ok(found);
    }
    let age = age(conn.dialect());
    let mut sql = Sql::new();
    sql.push(&format!("SELECT instance, revision, version, {age} FROM mainstay_instances WHERE {age} <= "));
    sql.bind(ColumnType::Integer, Value::Integer(LIVE)).push(" ORDER BY instance");
    conn.query(sql, |row| {
        if let (Value::Text(instance), Value::Integer(revision), Value::Text(version), Value::Integer(seconds)) = (
            row.value(0, ColumnType::Text)?,
            row.value(1, ColumnType::Integer)?,
            row.value(2, ColumnType::Text)?,
            row.value(3, ColumnType::Integer)?,
        ) {
            let (instance, version) = (instance.into_owned(), version.into_owned());
            found.push(Instance { instance, revision, version, seconds });
        }
        Ok(())
    })?;
    Ok(found)
}

/// Forgets servers that ended without a word. A SQLite file belongs to this process: whoever else is told there has ended.
pub(super) fn bury(conn: &mut Conn) -> Result<(), Error> {
    match conn.dialect() {
        Dialect::Postgres => {
            conn.batch("DELETE FROM mainstay_instances WHERE seen_at < clock_timestamp() - interval '1 hour'")
        }
        Dialect::Sqlite => conn.batch("DELETE FROM mainstay_instances"),
    }
}

/// Seconds since a row was written.
fn age(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "EXTRACT(EPOCH FROM clock_timestamp() - seen_at)::bigint",
        Dialect::Sqlite => "unixepoch('now') - unixepoch(seen_at)",
    }
}
