//! The statements that make and remove what finds words, for both databases, and the question itself on SQLite.
//!
//! Called by `evolve`, the SQL of filters and the store. PostgreSQL indexes the column. SQLite's FTS5 knows records by
//! numbers that stay, which a row of ours has none of: a table gives each record one, and triggers carry the column over, so
//! that no write can forget it. The tokenizer `ascii` splits our words where we put a space; any tool opens the file.

use super::super::{Collection, Search};
use super::{ident, object_name};
use crate::sql::{ColumnType, Dialect, Sql};
use crate::value::Value;
use crate::words;

/// The column of a collection's words, unless another stands in its place. No field is called so.
pub const COLUMN: &str = "search__words";

/// What makes the column of this name, empty, and all that belongs to it; with `live` beside writers. Repeatable on
/// PostgreSQL.
pub fn create(table: &str, column: &str, dialect: Dialect, live: bool) -> Vec<String> {
    let (named, quoted) = (ident(table), ident(column));
    match dialect {
        Dialect::Postgres => {
            let concurrently = if live { " CONCURRENTLY" } else { "" };
            let index = ident(&index_name(table, column));
            vec![
                format!("ALTER TABLE {named} ADD COLUMN IF NOT EXISTS {quoted} tsvector"),
                format!("CREATE INDEX{concurrently} IF NOT EXISTS {index} ON {named} USING gin ({quoted})"),
            ]
        }
        Dialect::Sqlite => {
            let (fts, keys) = (ident(&fts(table, column)), ident(&keys(table, column)));
            let mut all = vec![
                format!("ALTER TABLE {named} ADD COLUMN {quoted} TEXT"),
                format!("CREATE TABLE {keys} (\"key\" INTEGER PRIMARY KEY, \"id\" TEXT NOT NULL UNIQUE) STRICT"),
                format!("INSERT INTO {keys} (\"id\") SELECT \"id\" FROM {named}"),
                format!("CREATE VIRTUAL TABLE {fts} USING fts5 (\"words\", content = '', tokenize = 'ascii')"),
            ];
            all.extend(triggers(table, column));
            all
        }
    }
}

/// FTS5 without content forgets words only when it is told them again.
fn triggers(table: &str, column: &str) -> Vec<String> {
    let (named, quoted) = (ident(table), ident(column));
    let (fts, keys) = (ident(&fts(table, column)), ident(&keys(table, column)));
    let found = |row: &str| format!("FROM {keys} WHERE \"id\" = {row}.\"id\" AND {row}.{quoted} IS NOT NULL");
    let add = format!("INSERT INTO {fts} (rowid, \"words\") SELECT \"key\", NEW.{quoted} {}", found("NEW"));
    let remove =
        format!("INSERT INTO {fts} ({fts}, rowid, \"words\") SELECT 'delete', \"key\", OLD.{quoted} {}", found("OLD"));
    let trigger = |what: &str, on: String, body: [&str; 2]| {
        let name = ident(&trigger(table, column, what));
        format!("CREATE TRIGGER {name} AFTER {on} BEGIN {}; END", body.join("; "))
    };
    let known = format!("INSERT INTO {keys} (\"id\") VALUES (NEW.\"id\")");
    let unknown = format!("DELETE FROM {keys} WHERE \"id\" = OLD.\"id\"");
    let changed = format!("UPDATE OF {quoted} ON {named} WHEN NEW.{quoted} IS NOT OLD.{quoted}");
    vec![
        trigger("insert", format!("INSERT ON {named}"), [&known, &add]),
        trigger("update", changed, [&remove, &add]),
        trigger("delete", format!("DELETE ON {named}"), [&remove, &unknown]),
    ]
}

/// What removes the column and all that belongs to it. Repeatable on PostgreSQL.
pub fn remove(table: &str, column: &str, dialect: Dialect) -> Vec<String> {
    let drop = |guard: &str| format!("ALTER TABLE {} DROP COLUMN {guard}{}", ident(table), ident(column));
    match dialect {
        Dialect::Postgres => vec![drop("IF EXISTS ")],
        Dialect::Sqlite => {
            let triggers = ["insert", "update", "delete"].map(|what| trigger(table, column, what));
            let triggers = triggers.map(|name| format!("DROP TRIGGER {}", ident(&name)));
            triggers.into_iter().chain(remove_beside(table, column, Dialect::Sqlite)).chain([drop("")]).collect()
        }
    }
}

/// What removes that which does not go with the table: of SQLite the tables of its index.
pub fn remove_beside(table: &str, column: &str, dialect: Dialect) -> Vec<String> {
    match dialect {
        Dialect::Postgres => Vec::new(),
        Dialect::Sqlite => {
            [fts(table, column), keys(table, column)].map(|name| format!("DROP TABLE {}", ident(&name))).into()
        }
    }
}

/// The name of PostgreSQL's index.
pub fn index_name(table: &str, column: &str) -> String {
    object_name(table, column, "idx")
}

/// Appends a query of SQLite for the ids of the records that a question finds.
pub fn match_ids(collection: &Collection, search: &Search, query: &words::Query, out: &mut Sql) {
    ids(collection, search, query, "", out);
}

/// As [`match_ids`], with the column `rank`: the least is the best.
pub fn ranked_ids(collection: &Collection, search: &Search, query: &words::Query, out: &mut Sql) {
    ids(collection, search, query, ", \"rank\" AS \"rank\"", out);
}

fn ids(collection: &Collection, search: &Search, query: &words::Query, more: &str, out: &mut Sql) {
    let (fts, keys) = (fts(&collection.table, &search.column), keys(&collection.table, &search.column));
    out.push("SELECT \"keys\".\"id\" AS \"id\"").push(more).push(" FROM ").ident(&fts);
    out.push(" JOIN ").ident(&keys).push(" AS \"keys\" ON \"keys\".\"key\" = ").ident(&fts).push(".rowid WHERE ");
    out.ident(&fts).push(" MATCH ").bind(ColumnType::Text, Value::from(query.text(Dialect::Sqlite)));
}

/// SQLite's index. The names of collections do not begin so.
fn fts(table: &str, column: &str) -> String {
    format!("mainstay_{table}_{column}")
}

fn keys(table: &str, column: &str) -> String {
    format!("{}_keys", fts(table, column))
}

fn trigger(table: &str, column: &str, what: &str) -> String {
    format!("{}_{what}", fts(table, column))
}
