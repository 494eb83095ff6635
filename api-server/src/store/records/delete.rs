//! Deletes of one record, and the records that refer to it: what becomes of those is the service's to say. The last version
//! is kept, where the collection keeps a history.

use mainstay_crds::Value;
use mainstay_crds::schema::{Collection, ID};
use mainstay_crds::sql::Sql;
use uuid::Uuid;

use super::history::{self, Change};
use super::{column_type, from, push_column, push_limit, push_lock, push_one_of, query_ids, query_records};
use crate::store::conn::Conn;
use crate::store::error::Error;

/// Deletes a record at the time `now`; false when there is none. One that is referred to is [`Error::ForeignKey`].
pub fn delete(conn: &mut Conn, collection: &Collection, id: Uuid, now: i64) -> Result<bool, Error> {
    let mut sql = Sql::new();
    sql.push("DELETE FROM ").ident(&collection.table).push(" WHERE id = ");
    sql.bind(column_type(collection, ID), Value::Uuid(id));
    if collection.history.is_none() {
        return Ok(conn.execute(sql)? == 1);
    }
    for (index, field) in collection.fields.iter().enumerate() {
        sql.push(if index == 0 { " RETURNING " } else { ", " }).ident(&field.column);
    }
    let Some(last) = query_records(conn, collection, sql, false)?.pop() else { return Ok(false) };
    history::keep(conn, collection, &last, Change::Delete, now)?;
    Ok(true)
}

/// The ids of at most `limit` records of `collection` whose reference `field` names one of `ids`, in their order.
pub fn referrers(
    conn: &mut Conn,
    collection: &Collection,
    field: usize,
    ids: &[Uuid],
    limit: u32,
    lock: bool,
) -> Result<Vec<Uuid>, Error> {
    let dialect = conn.dialect();
    let mut sql = Sql::new();
    push_column(collection, ID, sql.push("SELECT "));
    from(collection, &mut sql);
    push_one_of(collection, field, ids, dialect, sql.push(" WHERE "));
    push_column(collection, ID, sql.push(" ORDER BY "));
    push_limit(u64::from(limit), dialect, &mut sql);
    push_lock(lock, dialect, &mut sql);
    query_ids(conn, sql, false)
}
