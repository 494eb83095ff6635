//! Earlier versions of records: each is written by the very statements that end it, so that no write can forget it.
//!
//! Called by the verbs beside it that change or delete a record, and for reading by the service. A version is JSON by the
//! columns of its fields, which outlive renames. Values that are never answered are not in it.

use mainstay_crds::Value;
use mainstay_crds::filter::Filter;
use mainstay_crds::json::{canonical, write_string};
use mainstay_crds::schema::{CREATED_AT, Collection, Field, ID, Schema, VERSION};
use mainstay_crds::sql::{ColumnType, Dialect, Sql};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::{from, push_column, push_filter, push_id, push_limit};
use crate::store::conn::Conn;
use crate::store::error::Error;

/// What ended a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Update,
    Delete,
}

/// An earlier version of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Counts the versions of all lives of an id.
    pub number: i64,
    /// Its `version`.
    pub version: i64,
    /// `update` or `delete`: what ended it.
    pub change: String,
    /// When it ended, in microseconds since 1970.
    pub changed_at: i64,
    /// Its values, by the columns of their fields.
    fields: Map<String, Json>,
}

impl Earlier {
    /// The value that a field of today had, as JSON; `None` where it had none yet, or its column was of another type.
    pub fn value(&self, field: &Field) -> Option<String> {
        let value = self.fields.get(&field.column)?;
        let fits = match (field.kind.column(), value) {
            (_, Json::Null) => true,
            (ColumnType::Json, Json::String(text)) => return Some(text.clone()),
            (ColumnType::Json, _) => false,
            (ColumnType::Integer, value) => value.is_i64(),
            (ColumnType::Number, value) => value.is_number(),
            (ColumnType::Boolean, value) => value.is_boolean(),
            (ColumnType::List(_), value) => value.is_array(),
            (_, value) => value.is_string(),
        };
        fits.then(|| canonical(value))
    }
}

/// Keeps a version that has just ended, and lets go of the oldest beyond what the collection keeps. Without a history it
/// does nothing. Its record is locked by the change, so that numbers are without gaps.
pub(super) fn keep(
    conn: &mut Conn,
    collection: &Collection,
    record: &[Value<'static>],
    change: Change,
    now: i64,
) -> Result<(), Error> {
    let Some(keep) = collection.history else { return Ok(()) };
    let Some(id) = record.get(ID) else { return Ok(()) };
    let mut sql = Sql::new();
    // One round trip on PostgreSQL. SQLite has no changes in a `WITH`, and no round trips.
    sql.push("WITH latest AS (SELECT coalesce(max(number), 0) + 1 AS next FROM mainstay_history");
    push_record(collection, id, &mut sql);
    if conn.dialect() == Dialect::Postgres {
        sql.push("), gone AS (DELETE FROM mainstay_history USING latest");
        push_record(collection, id, &mut sql);
        sql.push(" AND number <= next - ").bind(ColumnType::Integer, Value::Integer(i64::from(keep)));
    }
    sql.push(
        ") INSERT INTO mainstay_history \
         (collection, record, number, created_at, version, change, changed_at, fields) SELECT ",
    );
    sql.bind(ColumnType::Text, Value::from(collection.name.to_string())).push(", ");
    sql.bind(ColumnType::Uuid, id.clone()).push(", next, ");
    sql.bind(ColumnType::Timestamp, record.get(CREATED_AT).cloned().unwrap_or(Value::Null)).push(", ");
    sql.bind(ColumnType::Integer, record.get(VERSION).cloned().unwrap_or(Value::Null));
    sql.push(match change {
        Change::Update => ", 'update', ",
        Change::Delete => ", 'delete', ",
    });
    sql.bind(ColumnType::Timestamp, Value::Timestamp(now)).push(", ");
    sql.bind(ColumnType::Json, Value::Json(fields(collection, record)?.into())).push(" FROM latest");
    conn.execute(sql)?;
    match conn.dialect() {
        Dialect::Postgres => Ok(()),
        Dialect::Sqlite => trim(conn, collection, id, keep),
    }
}

fn trim(conn: &mut Conn, collection: &Collection, id: &Value<'static>, keep: u32) -> Result<(), Error> {
    let mut sql = Sql::new();
    push_record(collection, id, sql.push("DELETE FROM mainstay_history"));
    push_record(collection, id, sql.push(" AND number <= (SELECT max(number) FROM mainstay_history"));
    sql.push(") - ").bind(ColumnType::Integer, Value::Integer(i64::from(keep)));
    conn.execute(sql).map(drop)
}

/// Of which records that an id has named.
pub enum Lives<'a> {
    /// All that there were.
    All,
    /// The one that is there, while it satisfies the bound filter. An id may be taken again by somebody who was never to see
    /// what it named before.
    Current(&'a Schema, Option<&'a Filter>),
}

/// At most `limit` earlier versions of a record, newest first, and with `before` only those of lower numbers.
pub fn earlier(
    conn: &mut Conn,
    collection: &Collection,
    id: Uuid,
    lives: &Lives<'_>,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Earlier>, Error> {
    let dialect = conn.dialect();
    let mut sql = Sql::new();
    sql.push("SELECT number, version, change, changed_at, fields FROM mainstay_history");
    push_record(collection, &Value::Uuid(id), &mut sql);
    if let Lives::Current(schema, rule) = lives {
        // In the same statement, so that it is true of what is answered.
        from(collection, sql.push(" AND EXISTS (SELECT 1"));
        push_id(collection, id, sql.push(" WHERE "));
        push_column(collection, CREATED_AT, sql.push(" AND "));
        sql.push(" = mainstay_history.created_at");
        if let Some(rule) = rule {
            push_filter(rule, collection, schema, dialect, sql.push(" AND "));
        }
        sql.push(")");
    }
    if let Some(before) = before {
        sql.push(" AND number < ").bind(ColumnType::Integer, Value::Integer(before));
    }
    push_limit(u64::from(limit), dialect, sql.push(" ORDER BY number DESC"));
    let mut found = Vec::new();
    conn.query_varying(sql, |row| {
        let integer =
            |index| row.with(index, ColumnType::Integer, |value| if let Value::Integer(n) = value { n } else { 0 });
        let (number, version) = (integer(0)?, integer(1)?);
        let change = row.with(2, ColumnType::Text, text)?;
        let changed_at =
            row.with(3, ColumnType::Timestamp, |value| if let Value::Timestamp(at) = value { at } else { 0 })?;
        let fields = serde_json::from_str(&row.with(4, ColumnType::Json, text)?);
        let fields = fields.map_err(|error| Error::Other(format!("an earlier version cannot be read: {error}")))?;
        found.push(Earlier { number, version, change, changed_at, fields });
        Ok(())
    })?;
    Ok(found)
}

/// Appends `WHERE` and what names the versions of a record; the primary key begins so.
fn push_record(collection: &Collection, id: &Value<'static>, sql: &mut Sql) {
    sql.push(" WHERE collection = ").bind(ColumnType::Text, Value::from(collection.name.to_string()));
    sql.push(" AND record = ").bind(ColumnType::Uuid, id.clone());
}

/// A record as a JSON object by the columns of its fields, less what is never answered: a secret ends with its value.
fn fields(collection: &Collection, record: &[Value<'static>]) -> Result<String, Error> {
    let mut out = Vec::with_capacity(512);
    for (field, value) in collection.fields.iter().zip(record).filter(|(field, _)| !field.write_only) {
        out.extend_from_slice(if out.is_empty() { b"{\"" } else { b",\"" });
        // Names of columns need no escapes.
        out.extend_from_slice(field.column.as_bytes());
        out.extend_from_slice(b"\":");
        match value {
            Value::Null => out.extend_from_slice(b"null"),
            // As text, so that how deep it is matters to nobody who reads it.
            Value::Json(text) => write_string(text, &mut out),
            value => field.kind.write_json(value, &mut out),
        }
    }
    out.push(b'}');
    String::from_utf8(out).map_err(|error| Error::Other(format!("an earlier version is not text: {error}")))
}

fn text(value: Value<'_>) -> String {
    match value {
        Value::Text(text) | Value::Json(text) => text.into_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use mainstay_crds::collection::check;
    use serde_json::json;

    use super::*;
    use crate::store::tests::document;

    #[test]
    fn a_value_is_shown_while_its_column_has_its_type() {
        let fields = json!([
            { "name": "text", "type": "text", "maxLength": 2 }, { "name": "integer", "type": "integer", "maximum": 1 },
            { "name": "number", "type": "number" }, { "name": "boolean", "type": "boolean" },
            { "name": "list", "type": "list", "items": "text", "maxItems": 1 }, { "name": "json", "type": "json" },
        ]);
        let schema = check(&[document("things", json!({ "history": { "keep": 1 }, "fields": fields }))]).unwrap();
        let things = schema.get("things").unwrap();
        let shown = |field: &str, stored: Json| {
            let fields = Map::from_iter([(field.to_owned(), stored)]);
            let version = Earlier { number: 1, version: 1, change: "update".to_owned(), changed_at: 0, fields };
            version.value(&things.fields[things.position(field).unwrap()])
        };
        for (field, stored, expected) in [
            ("text", json!("longer than today"), Some("\"longer than today\"")),
            ("text", json!(1), None),
            ("text", Json::Null, Some("null")),
            ("integer", json!(2), Some("2")),
            ("integer", json!(1.5), None),
            ("number", json!(1e21), Some("1e+21")),
            ("number", json!("1"), None),
            ("boolean", json!(true), Some("true")),
            ("boolean", json!([]), None),
            ("list", json!(["a", "b"]), Some("[\"a\",\"b\"]")),
            ("list", json!("a"), None),
            ("json", json!("{\"a\":[]}"), Some("{\"a\":[]}")),
            ("json", json!({}), None),
        ] {
            assert_eq!(shown(field, stored.clone()).as_deref(), expected, "{field} {stored}");
        }
        let nothing = Earlier { number: 1, version: 1, change: String::new(), changed_at: 0, fields: Map::new() };
        assert_eq!(nothing.value(&things.fields[ID]), None);
    }
}
