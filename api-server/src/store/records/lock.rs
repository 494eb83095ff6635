//! Rows that a transaction is about to change, locked together: always in the order of their ids, so that two transactions
//! over the same rows wait for each other in turn and never in a circle.
//!
//! Called by the services before the first change. SQLite has one writer, and so nothing to lock.

use mainstay_crds::Value;
use mainstay_crds::filter::Filter;
use mainstay_crds::schema::{Collection, ID, Schema};
use mainstay_crds::sql::{Dialect, Sql};
use uuid::Uuid;

use super::select::push_select;
use super::{push_column, push_filter, push_limit, push_lock, push_one_of, query_ids, query_records};
use crate::store::conn::Conn;
use crate::store::error::Error;

/// Holds those of these records that exist until the transaction ends.
pub fn lock(conn: &mut Conn, collection: &Collection, ids: &[Uuid]) -> Result<(), Error> {
    let dialect = conn.dialect();
    if dialect == Dialect::Sqlite {
        return Ok(());
    }
    let mut sql = Sql::new();
    push_select(collection, &[ID], &mut sql);
    push_one_of(collection, ID, ids, dialect, sql.push(" WHERE "));
    push_column(collection, ID, sql.push(" ORDER BY "));
    push_lock(true, dialect, &mut sql);
    query_ids(conn, sql, false).map(drop)
}

/// At most `limit` whole records that satisfy the filter, locked, in the order of their ids.
pub fn select_locked(
    conn: &mut Conn,
    collection: &Collection,
    schema: &Schema,
    filter: Option<&Filter>,
    limit: u32,
) -> Result<Vec<Vec<Value<'static>>>, Error> {
    let dialect = conn.dialect();
    let all: Vec<usize> = (0..collection.fields.len()).collect();
    let mut sql = Sql::new();
    push_select(collection, &all, &mut sql);
    if let Some(filter) = filter {
        push_filter(filter, collection, schema, dialect, sql.push(" WHERE "));
    }
    push_column(collection, ID, sql.push(" ORDER BY "));
    push_limit(u64::from(limit), dialect, &mut sql);
    push_lock(true, dialect, &mut sql);
    query_records(conn, collection, sql, true)
}
