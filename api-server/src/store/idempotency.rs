//! Answers of writes that bore an `Idempotency-Key`: one row a caller and key, written with the effects.
//!
//! Called by [`crate::service::idempotency`] inside the transaction of the write, and by the sweep. Knows neither
//! requests nor what an answer means.

use mainstay_crds::Value;
use mainstay_crds::sql::{ColumnType, Dialect, Sql};

use super::conn::Conn;
use super::error::Error;

/// A sweep deletes at most so many rows in one transaction.
const SWEPT: u64 = 5_000;

/// What is kept of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    /// SHA-256 of the request.
    pub request: Vec<u8>,
    /// JSON; `None` when it was too large to be kept.
    pub answer: Option<String>,
}

/// Holds the key until the end of the transaction: false while another transaction holds it. SQLite has one writer.
pub fn lock(conn: &mut Conn, hash: i64) -> Result<bool, Error> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(true);
    }
    let mut sql = Sql::new();
    sql.push("SELECT pg_try_advisory_xact_lock(").bind(ColumnType::Integer, Value::Integer(hash)).push(")");
    let mut held = false;
    conn.query(sql, |row| {
        held = row.value(0, ColumnType::Boolean)? == Value::Boolean(true);
        Ok(())
    })?;
    Ok(held)
}

/// What was kept since `since`, in microseconds since 1970.
pub fn find(conn: &mut Conn, caller: &str, key: &str, since: i64) -> Result<Option<Kept>, Error> {
    let mut sql = Sql::new();
    sql.push("SELECT request, answer FROM mainstay_idempotency WHERE caller = ");
    sql.bind(ColumnType::Text, Value::from(caller.to_owned())).push(" AND key = ");
    sql.bind(ColumnType::Text, Value::from(key.to_owned())).push(" AND stored_at > ");
    sql.bind(ColumnType::Timestamp, Value::Timestamp(since));
    let mut kept = None;
    conn.query(sql, |row| {
        let request = match row.value(0, ColumnType::Bytes)? {
            Value::Bytes(bytes) => bytes.into_owned(),
            _ => Vec::new(),
        };
        let answer = match row.value(1, ColumnType::Text)? {
            Value::Text(text) => Some(text.into_owned()),
            _ => None,
        };
        kept = Some(Kept { request, answer });
        Ok(())
    })?;
    Ok(kept)
}

/// Keeps an answer; one that is too old to count is replaced.
pub fn keep(conn: &mut Conn, caller: &str, key: &str, kept: Kept, now: i64) -> Result<(), Error> {
    let mut sql = Sql::new();
    sql.push("INSERT INTO mainstay_idempotency (caller, key, request, answer, stored_at) VALUES (");
    sql.bind(ColumnType::Text, Value::from(caller.to_owned())).push(", ");
    sql.bind(ColumnType::Text, Value::from(key.to_owned())).push(", ");
    sql.bind(ColumnType::Bytes, Value::Bytes(kept.request.into())).push(", ");
    sql.bind(ColumnType::Text, kept.answer.map_or(Value::Null, Value::from)).push(", ");
    sql.bind(ColumnType::Timestamp, Value::Timestamp(now));
    sql.push(
        ") ON CONFLICT (caller, key) DO UPDATE SET request = excluded.request, answer = excluded.answer, \
         stored_at = excluded.stored_at",
    );
    conn.execute(sql).map(drop)
}

/// Deletes some of what was stored before `before`; whether there may be more.
pub fn sweep(conn: &mut Conn, before: i64) -> Result<bool, Error> {
    let mut sql = Sql::new();
    sql.push("DELETE FROM mainstay_idempotency WHERE (caller, key) IN (SELECT caller, key FROM mainstay_idempotency");
    sql.push(" WHERE stored_at <= ").bind(ColumnType::Timestamp, Value::Timestamp(before));
    sql.push(&format!(" ORDER BY stored_at LIMIT {SWEPT})"));
    Ok(conn.execute(sql)? as u64 == SWEPT)
}
