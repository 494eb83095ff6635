//! The statements that make tables, columns, constraints and indexes of a collection, for both databases.
//!
//! Called by `evolve`; the order of keys also by the store, whose `ORDER BY` must say what the indexes say.
//! Knows nothing of what is already there. PostgreSQL names are never qualified: the `search_path` decides.

use std::collections::BTreeSet;

use super::{Check, Collection, DefaultValue, Field, ID, Index, SYSTEM_FIELDS, Schema, UniqueKey};
use crate::field::Kind;
use crate::filter::Filter;
use crate::sql::filter::{compile, fold_column};
use crate::sql::literal::{inline, literal};
use crate::sql::{Dialect, Sql};

pub mod search;

/// The longest name that PostgreSQL keeps whole, in bytes.
pub const MAX_NAME: usize = 63;

/// `name` as a quoted identifier.
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The name of a constraint or an index: table, column, suffix; where that is too long, its end is a hash of all.
pub fn object_name(table: &str, column: &str, suffix: &str) -> String {
    shorten(&format!("{table}_{column}_{suffix}"))
}

/// `name`, or where it is over [`MAX_NAME`] its beginning and 8 hex digits of its SHA-256.
pub fn shorten(name: &str) -> String {
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let hash = super::evolve::sha256_hex(name.as_bytes());
    let mut end = MAX_NAME - 9;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}_{}", &name[..end], &hash[..8])
}

/// One key of an `ORDER BY` or of an index: a column of the table aliased `alias` (unqualified when it is empty).
///
/// Null is before every value ascending and after every value descending, which is SQLite's own order. The id is
/// never null and is ordered as the index of its primary key is, so that the index serves.
pub fn order_key(collection: &Collection, field: usize, descending: bool, dialect: Dialect, alias: &str) -> String {
    let column = match alias {
        "" => column_of(collection, field),
        _ => format!("{}.{}", ident(alias), column_of(collection, field)),
    };
    let direction = match (dialect, field, descending) {
        (Dialect::Sqlite, _, false) | (_, ID, false) => "ASC",
        (Dialect::Sqlite, _, true) | (_, ID, true) => "DESC",
        (Dialect::Postgres, _, false) => "ASC NULLS FIRST",
        (Dialect::Postgres, _, true) => "DESC NULLS LAST",
    };
    format!("{column} {direction}")
}

/// `CREATE TABLE`. On SQLite with its foreign keys, which may look ahead; on PostgreSQL with its checks, and
/// without foreign keys: those follow when every table is there.
pub fn create_table(collection: &Collection, schema: &Schema, dialect: Dialect) -> String {
    let mut lines: Vec<String> = Vec::with_capacity(collection.fields.len() + collection.checks.len());
    for (position, field) in collection.fields.iter().enumerate() {
        let mut line = column_definition(collection, position, schema, dialect);
        if dialect == Dialect::Postgres
            && let Some(rule) = value_check(field)
        {
            line.push_str(&format!(" CONSTRAINT {} CHECK {rule}", ident(&value_check_name(collection, field))));
        }
        lines.push(line);
    }
    if dialect == Dialect::Postgres {
        for check in &collection.checks {
            let rule = check_rule(check, collection, schema);
            lines.push(format!("CONSTRAINT {} CHECK {rule}", ident(&check.name)));
        }
    }
    let strict = if dialect == Dialect::Sqlite { " STRICT" } else { "" };
    format!("CREATE TABLE {} (\n  {}\n){strict}", ident(&collection.table), lines.join(",\n  "))
}

/// A column as in `CREATE TABLE` and `ADD COLUMN`: type, nullability, constant default, on SQLite its foreign key.
pub fn column_definition(collection: &Collection, position: usize, schema: &Schema, dialect: Dialect) -> String {
    let required = collection.fields.get(position).is_some_and(|field| field.required);
    define(collection, position, schema, dialect, required || position < SYSTEM_FIELDS)
}

/// As [`column_definition`], for a table whose records may lack a value.
pub fn nullable_column(collection: &Collection, position: usize, schema: &Schema, dialect: Dialect) -> String {
    define(collection, position, schema, dialect, false)
}

fn define(collection: &Collection, position: usize, schema: &Schema, dialect: Dialect, strict: bool) -> String {
    let Some(field) = collection.fields.get(position) else { return String::new() };
    let target = target_table(field, schema).filter(|_| dialect == Dialect::Sqlite);
    let column = field.kind.column();
    let mut text = format!("{} {}", ident(&field.column), column.ddl(dialect));
    if position == ID {
        text.push_str(" PRIMARY KEY");
    }
    if strict {
        text.push_str(" NOT NULL");
    }
    // For writers that do not know the column: older servers, and people with SQL. SQLite adds no reference that has one.
    if let Some(DefaultValue::Value(value)) = &field.default
        && !value.is_null()
        && target.is_none()
    {
        text.push_str(&format!(" DEFAULT {}", literal(column, value, dialect)));
    }
    if let Some(target) = target {
        let name = ident(&reference_name(collection, field));
        text.push_str(&format!(" CONSTRAINT {name} REFERENCES {} (\"id\")", ident(target)));
    }
    text
}

/// The foreign key of a `ref` field as PostgreSQL's `ADD CONSTRAINT` takes it. What happens on a delete is the server's
/// work, which defers the constraint so that a cycle of references can go.
pub fn reference_rule(field: &Field, schema: &Schema) -> Option<String> {
    let target = target_table(field, schema)?;
    Some(format!("FOREIGN KEY ({}) REFERENCES {} (\"id\") DEFERRABLE", ident(&field.column), ident(target)))
}

/// The name of a `ref` field's foreign key.
pub fn reference_name(collection: &Collection, field: &Field) -> String {
    object_name(&collection.table, &field.column, "fkey")
}

/// The rule that holds an `enum` column to its values, in parentheses; null passes it.
pub fn value_check(field: &Field) -> Option<String> {
    let Kind::Enumeration(enumeration) = &field.kind else { return None };
    let column = field.kind.column();
    // Sorted, for their order in the documents says nothing.
    let values: BTreeSet<&String> = enumeration.values.iter().collect();
    let values = values.into_iter().map(|value| literal(column, &value.clone().into(), Dialect::Postgres));
    let values: Vec<String> = values.collect();
    Some(format!("({} IN ({}))", ident(&field.column), values.join(", ")))
}

/// The name of an `enum` column's check.
pub fn value_check_name(collection: &Collection, field: &Field) -> String {
    object_name(&collection.table, &field.column, "values")
}

/// A declared check in parentheses. As CHECK has it, only false breaks it.
pub fn check_rule(check: &Check, collection: &Collection, schema: &Schema) -> String {
    format!("({})", condition(&check.that, collection, schema, Dialect::Postgres))
}

/// A filter as text over the unqualified columns, its constants as literals.
pub fn condition(filter: &Filter, collection: &Collection, schema: &Schema, dialect: Dialect) -> String {
    let mut sql = Sql::new();
    compile(filter, collection, schema, dialect, "", &mut sql);
    inline(&sql, dialect)
}

/// One key of a unique index, as an `ON CONFLICT` must repeat it: the column, folded where the key ignores case.
pub fn unique_key_part(key: &UniqueKey, field: usize, collection: &Collection, dialect: Dialect) -> String {
    match collection.fields.get(field) {
        Some(text) if key.case_insensitive && matches!(text.kind, Kind::Text(_)) => {
            let mut sql = Sql::new();
            fold_column(&text.column, "", dialect, &mut sql);
            sql.text
        }
        _ => column_of(collection, field),
    }
}

/// `CREATE UNIQUE INDEX`; with `live` without blocking writers and repeatable.
pub fn create_unique(
    key: &UniqueKey,
    collection: &Collection,
    schema: &Schema,
    dialect: Dialect,
    live: bool,
) -> String {
    let parts: Vec<String> = key.fields.iter().map(|field| unique_key_part(key, *field, collection, dialect)).collect();
    let mut text =
        format!("{} ({})", index_head("UNIQUE INDEX", &key.name, collection, dialect, live), parts.join(", "));
    if let Some(filter) = &key.condition {
        text.push_str(&format!(" WHERE {}", condition(filter, collection, schema, dialect)));
    }
    text
}

/// `CREATE INDEX` with the id as its last key; with `live` without blocking writers and repeatable.
pub fn create_index(index: &Index, collection: &Collection, dialect: Dialect, live: bool) -> String {
    let mut parts: Vec<String> = Vec::with_capacity(index.keys.len() + 1);
    for key in &index.keys {
        parts.push(order_key(collection, key.field, key.descending, dialect, ""));
    }
    if !index.keys.iter().any(|key| key.field == ID) {
        let descending = index.keys.last().is_some_and(|key| key.descending);
        parts.push(order_key(collection, ID, descending, dialect, ""));
    }
    format!("{} ({})", index_head("INDEX", &index.name, collection, dialect, live), parts.join(", "))
}

/// `DROP INDEX`; with `live` without blocking writers. Repeatable.
pub fn drop_index(name: &str, dialect: Dialect, live: bool) -> String {
    let concurrently = if live && dialect == Dialect::Postgres { " CONCURRENTLY" } else { "" };
    format!("DROP INDEX{concurrently} IF EXISTS {}", ident(name))
}

fn index_head(what: &str, name: &str, collection: &Collection, dialect: Dialect, live: bool) -> String {
    let how = match (live, dialect) {
        (false, _) => "",
        (true, Dialect::Postgres) => " CONCURRENTLY IF NOT EXISTS",
        (true, Dialect::Sqlite) => " IF NOT EXISTS",
    };
    format!("CREATE {what}{how} {} ON {}", ident(name), ident(&collection.table))
}

fn column_of(collection: &Collection, field: usize) -> String {
    collection.fields.get(field).map_or_else(String::new, |field| ident(&field.column))
}

fn target_table<'a>(field: &Field, schema: &'a Schema) -> Option<&'a str> {
    schema.get(field.target()?.as_str()).map(|target| target.table.as_str())
}

#[cfg(test)]
mod tests;
