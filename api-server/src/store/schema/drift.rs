//! Drift: where the tables differ from the applied schema, because somebody changed them past Mainstay.
//!
//! Asked by `migrate status`. Names differences and corrects nothing. What a team adds beside our columns is told as well;
//! its own indexes and tables are its own.

use std::collections::BTreeMap;

use mainstay_crds::Value;
use mainstay_crds::field::Kind;
use mainstay_crds::schema::Collection;
use mainstay_crds::schema::ddl::search::index_name;
use mainstay_crds::schema::ddl::{reference_name, value_check_name};
use mainstay_crds::sql::{ColumnType, Dialect, Sql};

use super::Applied;
use crate::store::conn::Conn;
use crate::store::error::Error;

/// Columns with their types; indexes and constraints without.
type Things = BTreeMap<String, String>;

const POSTGRES: &str = "SELECT 'column ' || t.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod) \
    FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped AND t.relkind = 'r' \
    AND t.relnamespace = current_schema()::regnamespace \
    UNION ALL SELECT 'index ' || i.relname, '' FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid \
    WHERE x.indisvalid AND i.relnamespace = current_schema()::regnamespace \
    UNION ALL SELECT 'constraint ' || conname, '' FROM pg_constraint \
    WHERE connamespace = current_schema()::regnamespace AND convalidated";
const SQLITE: &str = "SELECT 'column ' || t.name || '.' || c.name, c.type FROM sqlite_master t, pragma_table_info(t.name) c \
    WHERE t.type = 'table' UNION ALL SELECT 'index ' || name, '' FROM sqlite_master WHERE type = 'index'";

/// Every difference, in words. Indexes and constraints are compared once no contract is open, which may bring them.
pub fn drift(conn: &mut Conn, applied: &Applied) -> Result<Vec<String>, Error> {
    let schema =
        applied.stored.schema().map_err(|_| Error::Other("the applied schema is not understood".to_owned()))?;
    let dialect = conn.dialect();
    let mut expected = Things::new();
    let mut kept = Vec::new();
    for collection in &schema.collections {
        columns(collection, dialect, &mut expected);
        if !applied.is_open {
            rules(collection, dialect, &mut expected);
        }
        let stored = applied.stored.get(collection.name.as_str());
        let retained = stored.into_iter().flat_map(|stored| &stored.retained);
        kept.extend(retained.map(|one| format!("column {}.{}", collection.table, one.column)));
    }
    let found = found(conn)?;
    let changed = expected.iter().filter_map(|(thing, wanted)| match found.get(thing) {
        None => Some(format!("{thing} is missing")),
        Some(is) if is != wanted => Some(format!("{thing} is {is}, not {wanted}")),
        Some(_) => None,
    });
    let lost = kept.iter().filter(|thing| !found.contains_key(*thing)).map(|thing| format!("{thing} is missing"));
    let tables: Vec<String> = schema.collections.iter().map(|one| format!("column {}.", one.table)).collect();
    let ours = |thing: &&String| expected.contains_key(*thing) || kept.contains(thing);
    let foreign = found.keys().filter(|thing| tables.iter().any(|table| thing.starts_with(table)) && !ours(thing));
    Ok(changed.chain(lost).chain(foreign.map(|thing| format!("{thing} was not made by Mainstay"))).collect())
}

fn columns(collection: &Collection, dialect: Dialect, expected: &mut Things) {
    for field in &collection.fields {
        let column = field.kind.column();
        let name = match (column, dialect) {
            (ColumnType::Timestamp, Dialect::Postgres) => "timestamp with time zone".to_owned(),
            _ => column.name(dialect).into_owned(),
        };
        expected.insert(format!("column {}.{}", collection.table, field.column), name);
    }
    let words = if dialect == Dialect::Postgres { "tsvector" } else { "TEXT" };
    let column = collection.search.iter().map(|search| format!("column {}.{}", collection.table, search.column));
    expected.extend(column.map(|column| (column, words.to_owned())));
}

fn rules(collection: &Collection, dialect: Dialect, expected: &mut Things) {
    let keys = collection.unique.iter().map(|key| &key.name);
    for name in keys.chain(collection.indexes.iter().map(|index| &index.name)) {
        expected.insert(format!("index {name}"), String::new());
    }
    if dialect == Dialect::Sqlite {
        return;
    }
    let words = collection.search.iter().map(|search| index_name(&collection.table, &search.column));
    expected.extend(words.map(|name| (format!("index {name}"), String::new())));
    let checks = collection.checks.iter().map(|check| check.name.clone());
    let fields = collection.declared().filter_map(|(_, field)| match &field.kind {
        Kind::Enumeration(_) => Some(value_check_name(collection, field)),
        Kind::Reference(_) => Some(reference_name(collection, field)),
        _ => None,
    });
    expected.extend(checks.chain(fields).map(|name| (format!("constraint {name}"), String::new())));
}

fn found(conn: &mut Conn) -> Result<Things, Error> {
    let mut sql = Sql::new();
    sql.push(if conn.dialect() == Dialect::Postgres { POSTGRES } else { SQLITE });
    let mut found = Things::new();
    conn.query(sql, |row| {
        if let (Value::Text(thing), Value::Text(is)) =
            (row.value(0, ColumnType::Text)?, row.value(1, ColumnType::Text)?)
        {
            found.insert(thing.into_owned(), is.into_owned());
        }
        Ok(())
    })?;
    Ok(found)
}
