//! The words of records that were written without them: by servers of an earlier revision, or by the SQL of a step.
//!
//! Called by [`super::step`]. Reads every record and writes those whose words are others, so that it may be cut short and
//! begun again, and that no mark has to be kept of what is still to be done.

use std::convert::Infallible;

use mainstay_crds::Value;
use mainstay_crds::schema::{Collection, ID, Search};
use mainstay_crds::sql::{ColumnType, Dialect, Sql};
use uuid::Uuid;

use super::step::{give_way, patiently};
use crate::store::Abort;
use crate::store::conn::Conn;
use crate::store::error::Error;
use crate::store::records::words::words_of;
use crate::store::transaction::transaction;

/// How many records a transaction looks at: their writers wait for its end.
const BATCH: usize = 200;

/// Gives every record its words.
pub(super) fn index(conn: &mut Conn, collection: &Collection) -> Result<(), Error> {
    let Some(search) = &collection.search else { return Ok(()) };
    let mut after = None;
    loop {
        let last = patiently(conn, |conn| {
            transaction(conn, |conn| {
                give_way(conn)?;
                Ok(batch(conn, collection, search, after)?)
            })
            .map_err(Abort::<Infallible>::into_store)
        })?;
        if last.is_none() {
            return Ok(());
        }
        after = last;
    }
}

/// One batch of records in the order of their ids; the id of the last one, `None` when there is none.
fn batch(
    conn: &mut Conn,
    collection: &Collection,
    search: &Search,
    after: Option<Uuid>,
) -> Result<Option<Uuid>, Error> {
    let mut last = None;
    for record in read(conn, collection, search, after)? {
        let Some(Value::Uuid(id)) = record.get(ID) else { continue };
        last = Some(*id);
        write(conn, collection, search, &record)?;
    }
    Ok(last)
}

/// Records that hold their id and what is searched of them, locked.
fn read(
    conn: &mut Conn,
    collection: &Collection,
    search: &Search,
    after: Option<Uuid>,
) -> Result<Vec<Vec<Value<'static>>>, Error> {
    let mut sql = Sql::new();
    sql.push("SELECT \"id\"");
    let fields: Vec<_> = search.fields.iter().filter_map(|at| Some((*at, collection.fields.get(*at)?))).collect();
    for (_, field) in &fields {
        sql.push(", ").ident(&field.column);
    }
    sql.push(" FROM ").ident(&collection.table);
    if let Some(after) = after {
        sql.push(" WHERE \"id\" > ").bind(ColumnType::Uuid, Value::Uuid(after));
    }
    sql.push(&format!(" ORDER BY \"id\" LIMIT {BATCH}"));
    if conn.dialect() == Dialect::Postgres {
        sql.push(" FOR UPDATE");
    }
    let mut records = Vec::new();
    conn.query_varying(sql, |row| {
        let mut record = vec![Value::Null; collection.fields.len()];
        record[ID] = row.value(0, ColumnType::Uuid)?;
        for (column, (at, field)) in (1..).zip(&fields) {
            record[*at] = row.value(column, field.kind.column())?;
        }
        records.push(record);
        Ok(())
    })?;
    Ok(records)
}

fn write(conn: &mut Conn, collection: &Collection, search: &Search, record: &[Value<'static>]) -> Result<(), Error> {
    let dialect = conn.dialect();
    let words = words_of(search, record, dialect);
    let mut sql = Sql::new();
    sql.push("UPDATE ").ident(&collection.table).push(" SET ").ident(&search.column).push(" = ").append(words.clone());
    sql.push(" WHERE \"id\" = ").bind(ColumnType::Uuid, record.get(ID).cloned().unwrap_or(Value::Null));
    sql.push(" AND ").ident(&search.column);
    sql.push(if dialect == Dialect::Postgres { " IS DISTINCT FROM " } else { " IS NOT " }).append(words);
    conn.execute_varying(sql).map(drop)
}
