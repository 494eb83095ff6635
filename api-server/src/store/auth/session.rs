//! Sessions and their refresh tokens, of which the database has hashes alone.
//!
//! Called by the services inside their transactions. What a second use of a token means is theirs to say.

use mainstay_crds::Value;
use mainstay_crds::sql::{ColumnType, Dialect, ItemType, Sql};
use uuid::Uuid;

use super::{Owner, push_lock, push_owner, time, unreadable, uuid};
use crate::store::conn::Conn;
use crate::store::error::Error;

/// A sweep ends at most so many sessions in one transaction.
const SWEPT: u64 = 1_000;

/// One sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// In tokens the claim `sid`.
    pub id: Uuid,
    /// Whose it is.
    pub owner: Owner,
    /// Its end, unless it is refreshed before; microseconds since 1970.
    pub expires_at: i64,
}

/// A refresh token, as far as the database knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of it.
    pub hash: Vec<u8>,
    /// Whose it is.
    pub session: Uuid,
    /// Random: makes the next one.
    pub salt: Vec<u8>,
    /// When it was exchanged for the next one.
    pub used_at: Option<i64>,
}

/// Begins a session.
pub fn start(conn: &mut Conn, session: Session, now: i64) -> Result<(), Error> {
    let mut sql = Sql::new();
    sql.push("INSERT INTO mainstay_sessions (id, user_id, user_created_at, started_at, expires_at) VALUES (");
    sql.bind(ColumnType::Uuid, Value::Uuid(session.id)).push(", ");
    sql.bind(ColumnType::Uuid, Value::Uuid(session.owner.id)).push(", ");
    sql.bind(ColumnType::Timestamp, Value::Timestamp(session.owner.created_at)).push(", ");
    sql.bind(ColumnType::Timestamp, Value::Timestamp(now)).push(", ");
    sql.bind(ColumnType::Timestamp, Value::Timestamp(session.expires_at)).push(")");
    conn.execute(sql).map(drop)
}

/// The session of that id. `lock` holds it as it is until the transaction ends.
pub fn find(conn: &mut Conn, id: Uuid, lock: bool) -> Result<Option<Session>, Error> {
    let mut sql = Sql::new();
    sql.push("SELECT id, user_id, user_created_at, expires_at FROM mainstay_sessions WHERE id = ");
    sql.bind(ColumnType::Uuid, Value::Uuid(id));
    if lock {
        push_lock(conn.dialect(), &mut sql);
    }
    let mut found = None;
    conn.query(sql, |row| {
        let created_at = time(row, 2)?.ok_or_else(unreadable)?;
        let owner = Owner { id: uuid(row, 1)?, created_at };
        found = Some(Session { id: uuid(row, 0)?, owner, expires_at: time(row, 3)?.ok_or_else(unreadable)? });
        Ok(())
    })?;
    Ok(found)
}

/// Puts the end of a session off.
pub fn extend(conn: &mut Conn, id: Uuid, expires_at: i64) -> Result<(), Error> {
    let mut sql = Sql::new();
    sql.push("UPDATE mainstay_sessions SET expires_at = ");
    sql.bind(ColumnType::Timestamp, Value::Timestamp(expires_at));
    sql.push(" WHERE id = ").bind(ColumnType::Uuid, Value::Uuid(id));
    conn.execute(sql).map(drop)
}

/// Ends a session, which the caller has locked.
pub fn end(conn: &mut Conn, id: Uuid) -> Result<(), Error> {
    end_each(conn, &[id])
}

/// Ends every session of a person but one.
pub fn end_all(conn: &mut Conn, owner: Owner, but: Option<Uuid>) -> Result<(), Error> {
    let mut sql = Sql::new();
    sql.push("SELECT id FROM mainstay_sessions WHERE ");
    push_owner(owner, &mut sql);
    sql.push(" ORDER BY id");
    push_lock(conn.dialect(), &mut sql);
    let mut ids = ids(conn, sql)?;
    ids.retain(|id| Some(*id) != but);
    end_each(conn, &ids)
}

/// Ends some of the sessions that expired before `before`; whether there may be more.
pub fn sweep(conn: &mut Conn, before: i64) -> Result<bool, Error> {
    let mut sql = Sql::new();
    sql.push("SELECT id FROM mainstay_sessions WHERE expires_at <= ");
    sql.bind(ColumnType::Timestamp, Value::Timestamp(before));
    sql.push(&format!(" ORDER BY id LIMIT {SWEPT}"));
    push_lock(conn.dialect(), &mut sql);
    let ids = ids(conn, sql)?;
    end_each(conn, &ids)?;
    Ok(ids.len() as u64 == SWEPT)
}

fn ids(conn: &mut Conn, sql: Sql) -> Result<Vec<Uuid>, Error> {
    let mut ids = Vec::new();
    conn.query(sql, |row| {
        ids.push(uuid(row, 0)?);
        Ok(())
    })?;
    Ok(ids)
}

fn end_each(conn: &mut Conn, ids: &[Uuid]) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    for start in ["DELETE FROM mainstay_refresh_tokens WHERE session", "DELETE FROM mainstay_sessions WHERE id"] {
        let (before, after) = match conn.dialect() {
            Dialect::Postgres => (" = ANY(", ")"),
            Dialect::Sqlite => (" IN (SELECT value FROM json_each(", "))"),
        };
        let list = Value::List(ids.iter().map(|id| Value::Uuid(*id)).collect());
        let mut sql = Sql::new();
        sql.push(start).push(before).bind(ColumnType::List(ItemType::Uuid), list).push(after);
        conn.execute(sql)?;
    }
    Ok(())
}

/// Keeps a token that may be used.
pub fn keep(conn: &mut Conn, token: &Token) -> Result<(), Error> {
    let mut sql = Sql::new();
    sql.push("INSERT INTO mainstay_refresh_tokens (hash, session, salt) VALUES (");
    sql.bind(ColumnType::Bytes, Value::Bytes(token.hash.clone().into())).push(", ");
    sql.bind(ColumnType::Uuid, Value::Uuid(token.session)).push(", ");
    sql.bind(ColumnType::Bytes, Value::Bytes(token.salt.clone().into())).push(")");
    conn.execute(sql).map(drop)
}

/// The token of that hash.
pub fn token(conn: &mut Conn, hash: &[u8]) -> Result<Option<Token>, Error> {
    let mut sql = Sql::new();
    sql.push("SELECT hash, session, salt, used_at FROM mainstay_refresh_tokens WHERE hash = ");
    sql.bind(ColumnType::Bytes, Value::Bytes(hash.to_vec().into()));
    let mut found = None;
    conn.query(sql, |row| {
        let bytes = |index| match row.value(index, ColumnType::Bytes)? {
            Value::Bytes(bytes) => Ok(bytes.into_owned()),
            _ => Err(unreadable()),
        };
        found = Some(Token { hash: bytes(0)?, session: uuid(row, 1)?, salt: bytes(2)?, used_at: time(row, 3)? });
        Ok(())
    })?;
    Ok(found)
}

/// Notes that a token was exchanged.
pub fn mark_used(conn: &mut Conn, hash: &[u8], now: i64) -> Result<(), Error> {
    let mut sql = Sql::new();
    sql.push("UPDATE mainstay_refresh_tokens SET used_at = ").bind(ColumnType::Timestamp, Value::Timestamp(now));
    sql.push(" WHERE hash = ").bind(ColumnType::Bytes, Value::Bytes(hash.to_vec().into()));
    conn.execute(sql).map(drop)
}
