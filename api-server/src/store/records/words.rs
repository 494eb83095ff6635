//! The words of records in SQL: beside each record that is written, and as the order of those that are found.
//!
//! Called by the other verbs. PostgreSQL ranks by how near to each other the words of a question stand (`ts_rank_cd`), SQLite by
//! how rare they are (`bm25`), both above what is long: the order may differ, which records are found may not. PostgreSQL ranks each record by
//! itself. SQLite, where it may not look at all of them, puts short ones first.

use mainstay_crds::Value;
use mainstay_crds::schema::ddl::search::ranked_ids;
use mainstay_crds::schema::{Collection, ID, Search};
use mainstay_crds::sql::{ColumnType, Dialect, Sql};
use mainstay_crds::words::Query;

use super::{ALIAS, push_column};

/// What a rank may be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// All records of the collection: a word that few of them have counts more.
    All,
    /// The record alone, for those who may not read all: how rare a word is would tell what the others hold.
    One,
}

/// The name of the ranked records beside the one table.
const RANKED: &str = "ranked";

/// The words of a record, as the value of their column.
pub fn words_of(search: &Search, record: &[Value<'_>], dialect: Dialect) -> Sql {
    let (before, after) = match dialect {
        Dialect::Postgres => ("CAST(", " AS tsvector)"),
        Dialect::Sqlite => ("", ""),
    };
    let mut sql = Sql::new();
    sql.push(before).bind(ColumnType::Text, Value::from(search.words(record).column(dialect))).push(after);
    sql
}

/// Appends what the rank is read from, behind `FROM`. PostgreSQL has all in the record.
pub(super) fn join_rank(
    collection: &Collection,
    search: &Search,
    query: &Query,
    rank: Rank,
    dialect: Dialect,
    sql: &mut Sql,
) {
    if (dialect, rank) == (Dialect::Sqlite, Rank::All) {
        ranked_ids(collection, search, query, sql.push(" JOIN ("));
        sql.push(") AS ").ident(RANKED).push(" ON ").ident(RANKED).push(".\"id\" = ");
        push_column(collection, ID, sql);
    }
}

/// Appends the rank as a key of `ORDER BY`, the best first.
pub(super) fn push_rank(search: &Search, query: &Query, rank: Rank, dialect: Dialect, sql: &mut Sql) {
    match (dialect, rank) {
        (Dialect::Postgres, _) => {
            sql.push("ts_rank_cd(").ident(ALIAS).push(".").ident(&search.column).push(", CAST(");
            sql.bind(ColumnType::Text, Value::from(query.text(dialect))).push(" AS tsquery), 1) DESC");
        }
        (Dialect::Sqlite, Rank::All) => {
            sql.ident(RANKED).push(".\"rank\"");
        }
        (Dialect::Sqlite, Rank::One) => {
            sql.push("length(").ident(ALIAS).push(".").ident(&search.column).push(")");
        }
    }
}
