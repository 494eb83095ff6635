//! API keys that were made while the server runs: one row a key, by its hash.
//!
//! Called by [`crate::service::keys`], for its callers and for those who manage keys. Never sees a key itself, and does not
//! know which time it is.

use mainstay_crds::Value;
use mainstay_crds::sql::{ColumnType, Dialect, ItemType, Sql};
use uuid::Uuid;

use super::conn::{Conn, Row};
use super::error::Error;

/// A key as it is kept. Times are microseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredKey {
    /// Its own id.
    pub id: Uuid,
    /// The id of the first of the keys that followed each other by rotation.
    pub machine: Uuid,
    /// For people.
    pub name: String,
    /// SHA-256 of the key.
    pub hash: Vec<u8>,
    /// Its first characters.
    pub prefix: String,
    /// A JSON list of names.
    pub roles: String,
    /// A JSON object, when it has a limit of its own.
    pub rate_limit: Option<String>,
    /// When it was made.
    pub created_at: i64,
    /// Who made it.
    pub created_by: String,
    /// How long it was made to live, in microseconds.
    pub lives_for: Option<i64>,
    /// When it ends.
    pub expires_at: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
    /// When it was last used, about.
    pub last_used_at: Option<i64>,
    /// The key that it was made in place of.
    pub replaces: Option<Uuid>,
}

/// The columns with their types, in the order of [`read`] and of [`insert`].
const COLUMNS: [(&str, ColumnType); 14] = [
    ("id", ColumnType::Uuid),
    ("machine", ColumnType::Uuid),
    ("name", ColumnType::Text),
    ("hash", ColumnType::Bytes),
    ("prefix", ColumnType::Text),
    ("roles", ColumnType::Json),
    ("rate_limit", ColumnType::Json),
    ("created_at", ColumnType::Timestamp),
    ("created_by", ColumnType::Text),
    ("lives_for", ColumnType::Integer),
    ("expires_at", ColumnType::Timestamp),
    ("revoked_at", ColumnType::Timestamp),
    ("last_used_at", ColumnType::Timestamp),
    ("replaces", ColumnType::Uuid),
];

/// Adds a key.
pub fn insert(conn: &mut Conn, key: StoredKey) -> Result<(), Error> {
    let StoredKey { id, machine, name, hash, prefix, roles, rate_limit, created_at, created_by, .. } = key;
    let time = |time: Option<i64>| time.map_or(Value::Null, Value::Timestamp);
    let values = [
        Value::Uuid(id),
        Value::Uuid(machine),
        Value::from(name),
        Value::Bytes(hash.into()),
        Value::from(prefix),
        Value::Json(roles.into()),
        rate_limit.map_or(Value::Null, |limit| Value::Json(limit.into())),
        Value::Timestamp(created_at),
        Value::from(created_by),
        key.lives_for.map_or(Value::Null, Value::Integer),
        time(key.expires_at),
        time(key.revoked_at),
        time(key.last_used_at),
        key.replaces.map_or(Value::Null, Value::Uuid),
    ];
    let mut sql = Sql::new();
    sql.push(&format!("INSERT INTO mainstay_api_keys ({}) VALUES (", names()));
    for (index, ((_, column), value)) in COLUMNS.into_iter().zip(values).enumerate() {
        sql.push(if index == 0 { "" } else { ", " }).bind(column, value);
    }
    sql.push(")");
    conn.execute(sql).map(drop)
}

/// The key with that hash.
pub fn by_hash(conn: &mut Conn, hash: &[u8]) -> Result<Option<StoredKey>, Error> {
    let mut sql = select();
    sql.push(" WHERE hash = ").bind(ColumnType::Bytes, Value::Bytes(hash.to_vec().into()));
    Ok(all(conn, sql)?.pop())
}

/// Those of these keys that are there, in any order.
pub fn by_ids(conn: &mut Conn, ids: &[Uuid]) -> Result<Vec<StoredKey>, Error> {
    let list = Value::List(ids.iter().map(|id| Value::Uuid(*id)).collect());
    let (before, after) = match conn.dialect() {
        Dialect::Postgres => (" WHERE id = ANY(", ")"),
        Dialect::Sqlite => (" WHERE id IN (SELECT value FROM json_each(", "))"),
    };
    let mut sql = select();
    sql.push(before).bind(ColumnType::List(ItemType::Uuid), list).push(after);
    all(conn, sql)
}

/// The key with that id, which nobody else changes before the end of the transaction.
pub fn lock(conn: &mut Conn, id: Uuid) -> Result<Option<StoredKey>, Error> {
    let mut sql = select();
    sql.push(" WHERE id = ").bind(ColumnType::Uuid, Value::Uuid(id));
    if conn.dialect() == Dialect::Postgres {
        sql.push(" FOR UPDATE");
    }
    Ok(all(conn, sql)?.pop())
}

/// The newest keys before that id, at most `limit` of them.
pub fn page(conn: &mut Conn, before: Option<Uuid>, limit: u32) -> Result<Vec<StoredKey>, Error> {
    let mut sql = select();
    if let Some(before) = before {
        sql.push(" WHERE id < ").bind(ColumnType::Uuid, Value::Uuid(before));
    }
    sql.push(" ORDER BY id DESC LIMIT ").bind(ColumnType::Integer, Value::Integer(limit.into()));
    all(conn, sql)
}

/// A key that was made in place of this one and is valid at `now`.
pub fn successor(conn: &mut Conn, id: Uuid, now: i64) -> Result<Option<Uuid>, Error> {
    let mut sql = Sql::new();
    sql.push("SELECT id FROM mainstay_api_keys WHERE revoked_at IS NULL AND replaces = ");
    sql.bind(ColumnType::Uuid, Value::Uuid(id)).push(" AND (expires_at IS NULL OR expires_at > ");
    sql.bind(ColumnType::Timestamp, Value::Timestamp(now)).push(") LIMIT 1");
    let mut found = None;
    conn.query(sql, |row| {
        found = uuid(row, 0)?;
        Ok(())
    })?;
    Ok(found)
}

/// Revokes a key; one that is revoked already stays so from when it was.
pub fn revoke(conn: &mut Conn, id: Uuid, now: i64) -> Result<(), Error> {
    let mut sql = Sql::new();
    sql.push("UPDATE mainstay_api_keys SET revoked_at = ").bind(ColumnType::Timestamp, Value::Timestamp(now));
    sql.push(" WHERE revoked_at IS NULL AND id = ").bind(ColumnType::Uuid, Value::Uuid(id));
    conn.execute(sql).map(drop)
}

/// Has a key end at `at`.
pub fn end(conn: &mut Conn, id: Uuid, at: i64) -> Result<(), Error> {
    let mut sql = Sql::new();
    sql.push("UPDATE mainstay_api_keys SET expires_at = ").bind(ColumnType::Timestamp, Value::Timestamp(at));
    sql.push(" WHERE id = ").bind(ColumnType::Uuid, Value::Uuid(id));
    conn.execute(sql).map(drop)
}

/// Says that a key was used at `at`, unless a later use is known.
pub fn used(conn: &mut Conn, id: Uuid, at: i64) -> Result<(), Error> {
    let mut sql = Sql::new();
    sql.push("UPDATE mainstay_api_keys SET last_used_at = ").bind(ColumnType::Timestamp, Value::Timestamp(at));
    sql.push(" WHERE id = ").bind(ColumnType::Uuid, Value::Uuid(id));
    sql.push(" AND (last_used_at IS NULL OR last_used_at < ");
    sql.bind(ColumnType::Timestamp, Value::Timestamp(at)).push(")");
    conn.execute(sql).map(drop)
}

fn names() -> String {
    COLUMNS.map(|(name, _)| name).join(", ")
}

fn select() -> Sql {
    let mut sql = Sql::new();
    sql.push(&format!("SELECT {} FROM mainstay_api_keys", names()));
    sql
}

fn all(conn: &mut Conn, sql: Sql) -> Result<Vec<StoredKey>, Error> {
    let mut found = Vec::new();
    conn.query(sql, |row| {
        found.push(read(row)?);
        Ok(())
    })?;
    Ok(found)
}

fn read(row: &Row<'_, '_, '_>) -> Result<StoredKey, Error> {
    let nil = |id: Option<Uuid>| id.unwrap_or_default();
    let bytes = match row.value(3, ColumnType::Bytes)? {
        Value::Bytes(bytes) => bytes.into_owned(),
        _ => Vec::new(),
    };
    Ok(StoredKey {
        id: nil(uuid(row, 0)?),
        machine: nil(uuid(row, 1)?),
        name: text(row, 2)?.unwrap_or_default(),
        hash: bytes,
        prefix: text(row, 4)?.unwrap_or_default(),
        roles: text(row, 5)?.unwrap_or_default(),
        rate_limit: text(row, 6)?,
        created_at: number(row, 7)?.unwrap_or_default(),
        created_by: text(row, 8)?.unwrap_or_default(),
        lives_for: number(row, 9)?,
        expires_at: number(row, 10)?,
        revoked_at: number(row, 11)?,
        last_used_at: number(row, 12)?,
        replaces: uuid(row, 13)?,
    })
}

fn value(row: &Row<'_, '_, '_>, index: usize) -> Result<Value<'static>, Error> {
    row.value(index, COLUMNS[index].1)
}

fn text(row: &Row<'_, '_, '_>, index: usize) -> Result<Option<String>, Error> {
    Ok(match value(row, index)? {
        Value::Text(text) | Value::Json(text) => Some(text.into_owned()),
        _ => None,
    })
}

/// Of a number or a time.
fn number(row: &Row<'_, '_, '_>, index: usize) -> Result<Option<i64>, Error> {
    Ok(match value(row, index)? {
        Value::Integer(number) | Value::Timestamp(number) => Some(number),
        _ => None,
    })
}

fn uuid(row: &Row<'_, '_, '_>, index: usize) -> Result<Option<Uuid>, Error> {
    match row.value(index, ColumnType::Uuid)? {
        Value::Uuid(id) => Ok(Some(id)),
        _ => Ok(None),
    }
}
