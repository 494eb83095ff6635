//! Changes of one record. Which fields change, and the new version, is the service's to say; that the earlier version is
//! kept, where the collection does so, is not left to it.

use mainstay_crds::Value;
use mainstay_crds::schema::{Collection, ID, UPDATED_AT};
use mainstay_crds::sql::Sql;
use uuid::Uuid;

use super::history::{self, Change};
use super::words::words_of;
use super::{column_type, select_record};
use crate::store::conn::Conn;
use crate::store::error::Error;

/// Sets the fields at these positions of the locked record `stored` to what `record` has there, at the time `now`; false when
/// there is no such record. A taken key is [`Error::Unique`].
pub fn update(
    conn: &mut Conn,
    collection: &Collection,
    stored: &[Value<'static>],
    record: &[Value<'static>],
    changed: &[usize],
    now: i64,
) -> Result<bool, Error> {
    let dialect = conn.dialect();
    let mut sql = Sql::new();
    sql.push("UPDATE ").ident(&collection.table).push(" SET ");
    let mut between = "";
    for position in changed {
        let (Some(field), Some(value)) = (collection.fields.get(*position), record.get(*position)) else { continue };
        sql.push(std::mem::replace(&mut between, ", ")).ident(&field.column).push(" = ");
        sql.bind(field.kind.column(), value.clone());
    }
    if let Some(search) =
        collection.search.as_ref().filter(|search| changed.iter().any(|at| search.fields.contains(at)))
    {
        sql.push(between).ident(&search.column).push(" = ").append(words_of(search, record, dialect));
    }
    sql.push(" WHERE id = ").bind(column_type(collection, ID), stored.get(ID).cloned().unwrap_or(Value::Null));
    // Which fields a patch names is up to the request.
    let found = conn.execute_varying(sql)? == 1;
    if found {
        history::keep(conn, collection, stored, Change::Update, now)?;
    }
    Ok(found)
}

/// Sets references of a record to null, as a change of its own: the version rises.
pub fn set_null(
    conn: &mut Conn,
    collection: &Collection,
    id: Uuid,
    references: &[usize],
    now: i64,
) -> Result<bool, Error> {
    // The statement itself needs nothing of what was there, and cannot tell it on both databases.
    let stored = match collection.history {
        Some(_) => select_record(conn, collection, id, false)?,
        None => None,
    };
    let mut sql = Sql::new();
    sql.push("UPDATE ").ident(&collection.table).push(" SET version = version + 1, updated_at = ");
    sql.bind(column_type(collection, UPDATED_AT), Value::Timestamp(now));
    for field in references.iter().filter_map(|position| collection.fields.get(*position)) {
        sql.push(", ").ident(&field.column).push(" = NULL");
    }
    sql.push(" WHERE id = ").bind(column_type(collection, ID), Value::Uuid(id));
    let found = conn.execute(sql)? == 1;
    if let Some(stored) = stored.filter(|_| found) {
        history::keep(conn, collection, &stored, Change::Update, now)?;
    }
    Ok(found)
}
