//! Records of a collection as SQL: one file a verb, and what the verbs share.
//!
//! Called by the services inside [`super::Store::read`] and [`super::Store::write`]. Takes bound filters and checked
//! values; decides nothing about access. Every text holds names of the schema alone, values go beside it.

use mainstay_crds::Value;
use mainstay_crds::filter::Filter;
use mainstay_crds::schema::{Collection, ID, Schema};
use mainstay_crds::sql::filter::{column, compile};
use mainstay_crds::sql::{ColumnType, Dialect, ItemType, Sql};
use uuid::Uuid;

use super::conn::{Conn, Row};
use super::error::Error;

pub mod aggregate;
mod delete;
mod history;
mod insert;
mod lock;
mod select;
mod update;
pub mod words;

pub use delete::{delete, referrers};
pub use history::{Earlier, Lives, earlier};
pub use insert::{holder, insert, insert_many, insert_sql};
pub use lock::{lock, select_locked};
pub use select::{Rows, Select, count, exists_where, select, select_record};
pub use update::{set_null, update};
pub use words::Rank;

/// The name of the one table of a statement. No table is called so: filters of references append `_` to it.
const ALIAS: &str = "t";

/// Appends `FROM "table" AS "t"`.
fn from(collection: &Collection, sql: &mut Sql) {
    sql.push(" FROM ").ident(&collection.table).push(" AS ").ident(ALIAS);
}

/// Appends a column of the one table.
fn push_column(collection: &Collection, field: usize, sql: &mut Sql) {
    column(collection, field, ALIAS, sql);
}

/// Appends a bound filter over the one table.
fn push_filter(filter: &Filter, collection: &Collection, schema: &Schema, dialect: Dialect, sql: &mut Sql) {
    compile(filter, collection, schema, dialect, ALIAS, sql);
}

/// Appends `column is one of ids`, one text for any number of them.
fn push_one_of(collection: &Collection, field: usize, ids: &[Uuid], dialect: Dialect, sql: &mut Sql) {
    push_column(collection, field, sql);
    let list = Value::List(ids.iter().map(|id| Value::Uuid(*id)).collect());
    let (before, after) = match dialect {
        Dialect::Postgres => (" = ANY(", ")"),
        Dialect::Sqlite => (" IN (SELECT value FROM json_each(", "))"),
    };
    sql.push(before).bind(ColumnType::List(ItemType::Uuid), list).push(after);
}

/// Appends `id = …`.
fn push_id(collection: &Collection, id: Uuid, sql: &mut Sql) {
    push_column(collection, ID, sql);
    sql.push(" = ").bind(ColumnType::Uuid, Value::Uuid(id));
}

/// Appends what locks the rows found; SQLite has one writer, and so nothing to lock.
fn push_lock(lock: bool, dialect: Dialect, sql: &mut Sql) {
    if lock && dialect == Dialect::Postgres {
        sql.push(" FOR UPDATE");
    }
}

/// Appends `LIMIT`. SQLite plans a statement again whenever a bare parameter there is bound anew; of a sum it does not.
fn push_limit(rows: u64, dialect: Dialect, sql: &mut Sql) {
    let rows = Value::Integer(i64::try_from(rows).unwrap_or(i64::MAX));
    sql.push(match dialect {
        Dialect::Postgres => " LIMIT ",
        Dialect::Sqlite => " LIMIT 0 + ",
    });
    sql.bind(ColumnType::Integer, rows);
}

/// The column's type; a position outside the collection reads as text, and fails in the database.
fn column_type(collection: &Collection, field: usize) -> ColumnType {
    collection.fields.get(field).map_or(ColumnType::Text, |field| field.kind.column())
}

/// Runs a query whose first column is an id.
fn query_ids(conn: &mut Conn, sql: Sql, varying: bool) -> Result<Vec<Uuid>, Error> {
    let mut ids = Vec::new();
    let each = |row: &Row<'_, '_, '_>| {
        if let Value::Uuid(id) = row.value(0, ColumnType::Uuid)? {
            ids.push(id);
        }
        Ok(())
    };
    if varying {
        conn.query_varying(sql, each)?
    } else {
        conn.query(sql, each)?
    }
    Ok(ids)
}

/// Runs a query whose columns are those of a whole record, in the order of `collection.fields`.
fn query_records(
    conn: &mut Conn,
    collection: &Collection,
    sql: Sql,
    varying: bool,
) -> Result<Vec<Vec<Value<'static>>>, Error> {
    let mut records = Vec::new();
    let each = |row: &Row<'_, '_, '_>| {
        let values = collection.fields.iter().enumerate().map(|(index, field)| row.value(index, field.kind.column()));
        records.push(values.collect::<Result<Vec<_>, _>>()?);
        Ok(())
    };
    if varying {
        conn.query_varying(sql, each)?
    } else {
        conn.query(sql, each)?
    }
    Ok(records)
}
