//! New records.
//!
//! A taken id or unique key is not an error of the database but an answer: `ON CONFLICT DO NOTHING` leaves the
//! transaction alive on PostgreSQL, so that the caller can ask which key it was.

use mainstay_crds::Value;
use mainstay_crds::filter::eval::eval;
use mainstay_crds::schema::ddl::unique_key_part;
use mainstay_crds::schema::{Collection, ID, Schema, UniqueKey};
use mainstay_crds::sql::{Dialect, Sql};
use uuid::Uuid;

use super::words::words_of;
use super::{column_type, from, push_column, push_filter, query_ids};
use crate::store::conn::Conn;
use crate::store::error::Error;

/// The statement that inserts a record, its values in the order of `collection.fields`. It changes no row where the
/// id or a unique key is taken.
pub fn insert_sql(collection: &Collection, record: &[Value<'static>], dialect: Dialect) -> Sql {
    rows_sql(collection, &[record], dialect)
}

fn rows_sql(collection: &Collection, records: &[&[Value<'static>]], dialect: Dialect) -> Sql {
    let mut sql = Sql::new();
    sql.push("INSERT INTO ").ident(&collection.table);
    for (index, field) in collection.fields.iter().enumerate() {
        sql.push(if index == 0 { " (" } else { ", " }).ident(&field.column);
    }
    if let Some(search) = &collection.search {
        sql.push(", ").ident(&search.column);
    }
    sql.push(") VALUES ");
    for (row, record) in records.iter().enumerate() {
        sql.push(if row == 0 { "" } else { ", " });
        for (index, value) in record.iter().enumerate() {
            sql.push(if index == 0 { "(" } else { ", " }).bind(column_type(collection, index), value.clone());
        }
        if let Some(search) = &collection.search {
            sql.push(", ").append(words_of(search, record, dialect));
        }
        sql.push(")");
    }
    sql.push(" ON CONFLICT DO NOTHING");
    sql
}

/// Both databases take more parameters; beyond this a statement costs more than it saves.
const MAX_BINDS: usize = 8192;

/// Inserts records, many a statement; the ids of those that are there now. One whose id or unique key is taken, by a stored
/// record or an earlier one of these, is not.
///
/// The sizes of statements are powers of two, so that few texts are prepared whatever the number of records. `COPY` takes no
/// `ON CONFLICT`, and `unnest` no column that is a list.
pub fn insert_many(
    conn: &mut Conn,
    collection: &Collection,
    records: &[&Vec<Value<'static>>],
) -> Result<Vec<Uuid>, Error> {
    let mut made = Vec::with_capacity(records.len());
    let (dialect, binds) = (conn.dialect(), collection.fields.len() + usize::from(collection.search.is_some()));
    let most = (MAX_BINDS / binds.max(1)).max(1);
    let mut rest = records;
    while !rest.is_empty() {
        let rows = 1 << rest.len().min(most).ilog2();
        let (now, later) = rest.split_at(rows);
        let rows: Vec<&[Value<'static>]> = now.iter().map(|record| record.as_slice()).collect();
        let mut sql = rows_sql(collection, &rows, dialect);
        sql.push(" RETURNING ").ident(&collection.fields[ID].column);
        made.extend(query_ids(conn, sql, false)?);
        rest = later;
    }
    Ok(made)
}

/// Inserts a record; false when its id or a unique key is taken.
pub fn insert(conn: &mut Conn, collection: &Collection, record: &[Value<'static>]) -> Result<bool, Error> {
    let sql = insert_sql(collection, record, conn.dialect());
    Ok(conn.execute(sql)? == 1)
}

/// The record that holds this unique key's values. One of the same id counts only when `record` is new.
pub fn holder(
    conn: &mut Conn,
    collection: &Collection,
    schema: &Schema,
    key: &UniqueKey,
    record: &[Value<'static>],
    new: bool,
) -> Result<Option<Uuid>, Error> {
    let takes_part = key.condition.as_ref().is_none_or(|filter| eval(filter, collection, record) == Some(true));
    let values: Option<Vec<_>> = key.fields.iter().map(|field| record.get(*field).filter(|v| !v.is_null())).collect();
    let (true, Some(values), Some(Value::Uuid(own))) = (takes_part, values, record.get(ID)) else { return Ok(None) };
    let own = if new { Uuid::nil() } else { *own };
    let dialect = conn.dialect();
    let mut sql = Sql::new();
    push_column(collection, ID, sql.push("SELECT "));
    from(collection, &mut sql);
    sql.push(" WHERE id <> ").bind(column_type(collection, ID), Value::Uuid(own));
    for (field, value) in key.fields.iter().zip(values) {
        let value = match value {
            Value::Text(text) if key.case_insensitive => Value::from(text.to_ascii_lowercase()),
            value => value.clone(),
        };
        // In the words of the index, so that it answers.
        sql.push(" AND ").push(&unique_key_part(key, *field, collection, dialect)).push(" = ");
        sql.bind(column_type(collection, *field), value);
    }
    if let Some(filter) = &key.condition {
        push_filter(filter, collection, schema, dialect, sql.push(" AND "));
    }
    Ok(query_ids(conn, sql, false)?.pop())
}
