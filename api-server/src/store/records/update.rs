//! Changes of one record. Which fields change, and the new version, is the service's to say.

use mainstay_crds::Value;
use mainstay_crds::schema::{Collection, ID, UPDATED_AT};
use mainstay_crds::sql::Sql;
use uuid::Uuid;

use super::column_type;
use crate::store::conn::Conn;
use crate::store::error::Error;

/// Sets fields of a record by their positions; false when there is no such record. A taken key is [`Error::Unique`].
pub fn update(
    conn: &mut Conn,
    collection: &Collection,
    id: Uuid,
    changed: &[(usize, Value<'static>)],
) -> Result<bool, Error> {
    let mut sql = Sql::new();
    sql.push("UPDATE ").ident(&collection.table).push(" SET ");
    let mut between = "";
    for (position, value) in changed {
        let Some(field) = collection.fields.get(*position) else { continue };
        sql.push(std::mem::replace(&mut between, ", ")).ident(&field.column).push(" = ");
        sql.bind(field.kind.column(), value.clone());
    }
    sql.push(" WHERE id = ").bind(column_type(collection, ID), Value::Uuid(id));
    // Which fields a patch names is up to the request.
    Ok(conn.execute_varying(sql)? == 1)
}

/// Sets references of a record to null, as a change of its own: the version rises.
pub fn set_null(
    conn: &mut Conn,
    collection: &Collection,
    id: Uuid,
    references: &[usize],
    now: i64,
) -> Result<bool, Error> {
    let mut sql = Sql::new();
    sql.push("UPDATE ").ident(&collection.table).push(" SET version = version + 1, updated_at = ");
    sql.bind(column_type(collection, UPDATED_AT), Value::Timestamp(now));
    for field in references.iter().filter_map(|position| collection.fields.get(*position)) {
        sql.push(", ").ident(&field.column).push(" = NULL");
    }
    sql.push(" WHERE id = ").bind(column_type(collection, ID), Value::Uuid(id));
    Ok(conn.execute(sql)? == 1)
}
