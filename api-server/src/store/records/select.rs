//! Pages, single records and counts: rows become JSON text in one buffer, read once and parsed never.
//!
//! A page after a position costs the same however deep it is: the position splits what follows into ranges of the
//! index (same first keys, then the next key beyond its value), and each range answers at most a page.

use std::sync::Arc;

use mainstay_crds::Value;
use mainstay_crds::filter::Filter;
use mainstay_crds::schema::ddl::order_key;
use mainstay_crds::schema::{Collection, ID, SYSTEM_FIELDS, Schema, SortKey};
use mainstay_crds::sql::{ColumnType, Dialect, Sql};
use uuid::Uuid;

use super::words::{Rank, join_rank, push_rank};
use super::{
    ALIAS, column_type, from, push_column, push_filter, push_id, push_limit, push_lock, push_one_of, query_ids,
    query_records,
};
use crate::store::conn::Conn;
use crate::store::error::Error;

/// A page of one collection.
pub struct Select<'a> {
    /// Of what.
    pub collection: &'a Arc<Collection>,
    /// Positions of the answered fields, in order.
    pub columns: Vec<usize>,
    /// Positions of the fields that the caller wants as values, such as sort keys and references.
    pub extra: Vec<usize>,
    /// A bound tree.
    pub filter: Option<Filter>,
    /// Those first that answer the filter's question to the words the best; `sort` decides between equals. Not with `after`.
    pub relevance: Option<Rank>,
    /// Complete, with the id as last key; empty where at most one record can be found.
    pub sort: Vec<SortKey>,
    /// The values of the sort keys of the record after which the page begins.
    pub after: Option<Vec<Value<'static>>>,
    /// At most so many.
    pub limit: u32,
    /// How many to pass over.
    pub offset: u64,
    /// Hold the rows until the transaction ends.
    pub lock: bool,
}

impl<'a> Select<'a> {
    /// The first `limit` records in no order; the other members are to be set.
    pub fn new(collection: &'a Arc<Collection>, columns: Vec<usize>, limit: u32) -> Self {
        let (extra, filter, relevance, sort, after) = (Vec::new(), None, None, Vec::new(), None);
        Select { collection, columns, extra, filter, relevance, sort, after, limit, offset: 0, lock: false }
    }
}

/// A page as answered.
#[derive(Debug, Default, PartialEq)]
pub struct Rows {
    /// The JSON objects, one after the other.
    pub json: Vec<u8>,
    /// Where each object ends in `json`.
    pub ends: Vec<usize>,
    /// The values of `extra`, row by row.
    pub values: Vec<Vec<Value<'static>>>,
}

impl Rows {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Keeps the first `length` rows.
    pub fn truncate(&mut self, length: usize) {
        self.ends.truncate(length);
        self.values.truncate(length);
        self.json.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// The JSON object of one row.
    pub fn object(&self, row: usize) -> Option<&[u8]> {
        let start = row.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.json.get(start..*self.ends.get(row)?)
    }
}

/// Reads a page.
pub fn select(conn: &mut Conn, schema: &Schema, page: &Select<'_>) -> Result<Rows, Error> {
    let selected = selected(page);
    let sql = page_sql(page, schema, conn.dialect(), &selected);
    let fields: Vec<_> = page
        .columns
        .iter()
        .enumerate()
        .filter_map(|(index, position)| Some((index, page.collection.fields.get(*position)?)))
        .map(|(index, field)| {
            let opening = if index == 0 { '{' } else { ',' };
            (format!("{opening}\"{}\":", field.name), field.kind.column(), &field.kind)
        })
        .collect();
    let place = |position: &usize| {
        let index = selected.iter().position(|known| known == position).unwrap_or_default();
        (index, column_type(page.collection, *position))
    };
    let extra: Vec<(usize, ColumnType)> = page.extra.iter().map(place).collect();
    // Room for records of a common size, so that a page seldom moves while it grows.
    let json = Vec::with_capacity(512 * page.limit.min(32) as usize);
    let mut rows = Rows { json, ..Rows::default() };
    conn.query_varying(sql, |row| {
        for (index, (opening, column, kind)) in fields.iter().enumerate() {
            rows.json.extend_from_slice(opening.as_bytes());
            row.with(index, *column, |value| match value {
                Value::Null => rows.json.extend_from_slice(b"null"),
                value => kind.write_json(&value, &mut rows.json),
            })?;
        }
        rows.json.extend_from_slice(if fields.is_empty() { b"{}" } else { b"}" });
        rows.ends.push(rows.json.len());
        let values = extra.iter().map(|(index, column)| row.value(*index, *column));
        rows.values.push(values.collect::<Result<_, _>>()?);
        Ok(())
    })?;
    Ok(rows)
}

/// The positions in the select list: those answered, then the others that are read or sorted by.
fn selected(page: &Select<'_>) -> Vec<usize> {
    let mut selected = page.columns.clone();
    let keys = page.sort.iter().map(|key| key.field).filter(|_| page.after.is_some());
    for position in page.extra.iter().copied().chain(keys) {
        if !selected.contains(&position) {
            selected.push(position);
        }
    }
    selected
}

/// What one range asks of a sort key.
enum Bound<'a> {
    Is(&'a Value<'static>),
    Beyond(&'a Value<'static>),
    Null,
    NotNull,
}

/// The ranges behind a position, in their order. Each is a list of bounds, one for each of the first sort keys.
fn ranges<'a>(sort: &[SortKey], after: &'a [Value<'static>]) -> Vec<Vec<Bound<'a>>> {
    let mut ranges = Vec::with_capacity(sort.len());
    for (depth, (key, value)) in sort.iter().zip(after).enumerate().rev() {
        let with = |last: Bound<'a>| {
            let same = after[..depth].iter().map(|value| if value.is_null() { Bound::Null } else { Bound::Is(value) });
            same.chain([last]).collect::<Vec<_>>()
        };
        match (value.is_null(), key.descending) {
            (true, true) => {}
            (true, false) => ranges.push(with(Bound::NotNull)),
            (false, false) => ranges.push(with(Bound::Beyond(value))),
            (false, true) => {
                ranges.push(with(Bound::Beyond(value)));
                // A required column too may hold nulls until its backfill has ended.
                if key.field >= SYSTEM_FIELDS {
                    ranges.push(with(Bound::Null));
                }
            }
        }
    }
    ranges
}

fn page_sql(page: &Select<'_>, schema: &Schema, dialect: Dialect, selected: &[usize]) -> Sql {
    let mut sql = Sql::new();
    let ranges = page.after.as_ref().map_or_else(|| vec![Vec::new()], |after| ranges(&page.sort, after));
    let several = ranges.len() > 1;
    for (index, range) in ranges.iter().enumerate() {
        match (several, index) {
            (false, _) => {}
            (true, 0) => _ = sql.push("SELECT * FROM ("),
            (true, _) => _ = sql.push(" UNION ALL SELECT * FROM ("),
        }
        range_sql(page, schema, dialect, selected, range, &mut sql);
        let rows = u64::from(page.limit);
        push_limit(if several { rows.saturating_add(page.offset) } else { rows }, dialect, &mut sql);
        if !several && page.offset > 0 {
            let offset = i64::try_from(page.offset).unwrap_or(i64::MAX);
            sql.push(" OFFSET ").bind(ColumnType::Integer, Value::Integer(offset));
        }
        push_lock(page.lock, dialect, &mut sql);
        if several {
            sql.push(") AS ").ident(&format!("r{index}"));
        }
    }
    if several {
        // By position: the ranges have lost the table's name.
        for (index, key) in page.sort.iter().enumerate() {
            let place = selected.iter().position(|known| *known == key.field).unwrap_or_default() + 1;
            let order = order_key(page.collection, key.field, key.descending, dialect, "");
            let direction = order.split_once(' ').map_or("", |(_, direction)| direction);
            sql.push(if index == 0 { " ORDER BY " } else { ", " }).push(&format!("{place} {direction}"));
        }
        push_limit(u64::from(page.limit), dialect, &mut sql);
        if page.offset > 0 {
            let offset = i64::try_from(page.offset).unwrap_or(i64::MAX);
            sql.push(" OFFSET ").bind(ColumnType::Integer, Value::Integer(offset));
        }
    }
    sql
}

fn range_sql(
    page: &Select<'_>,
    schema: &Schema,
    dialect: Dialect,
    selected: &[usize],
    range: &[Bound<'_>],
    sql: &mut Sql,
) {
    push_select(page.collection, selected, sql);
    let asked = page.relevance.zip(page.filter.as_ref().and_then(Filter::words));
    let ranked = asked.zip(page.collection.search.as_ref());
    if let Some(((rank, query), search)) = ranked {
        join_rank(page.collection, search, query, rank, dialect, sql);
    }
    let mut word = " WHERE ";
    for (key, bound) in page.sort.iter().zip(range) {
        sql.push(std::mem::replace(&mut word, " AND "));
        push_column(page.collection, key.field, sql);
        let column = column_type(page.collection, key.field);
        let sign = if key.descending { " < " } else { " > " };
        match bound {
            Bound::Is(value) => sql.push(" = ").bind(column, (*value).clone()),
            Bound::Beyond(value) => sql.push(sign).bind(column, (*value).clone()),
            Bound::Null => sql.push(" IS NULL"),
            Bound::NotNull => sql.push(" IS NOT NULL"),
        };
    }
    if let Some(filter) = &page.filter {
        sql.push(word);
        push_filter(filter, page.collection, schema, dialect, sql);
    }
    let mut word = " ORDER BY ";
    if let Some(((rank, query), search)) = ranked {
        push_rank(search, query, rank, dialect, sql.push(std::mem::replace(&mut word, ", ")));
    }
    for key in &page.sort {
        sql.push(std::mem::replace(&mut word, ", "));
        sql.push(&order_key(page.collection, key.field, key.descending, dialect, ALIAS));
    }
}

pub(super) fn push_select(collection: &Collection, selected: &[usize], sql: &mut Sql) {
    sql.push("SELECT ");
    for (index, position) in selected.iter().enumerate() {
        sql.push(if index == 0 { "" } else { ", " });
        push_column(collection, *position, sql);
    }
    if selected.is_empty() {
        sql.push("1");
    }
    from(collection, sql);
}

/// A whole record as values, in the order of `collection.fields`.
pub fn select_record(
    conn: &mut Conn,
    collection: &Collection,
    id: Uuid,
    lock: bool,
) -> Result<Option<Vec<Value<'static>>>, Error> {
    let all: Vec<usize> = (0..collection.fields.len()).collect();
    let mut sql = Sql::new();
    push_select(collection, &all, &mut sql);
    push_id(collection, id, sql.push(" WHERE "));
    push_lock(lock, conn.dialect(), &mut sql);
    Ok(query_records(conn, collection, sql, false)?.pop())
}

/// Which of these ids exist and satisfy the filter.
pub fn exists_where(
    conn: &mut Conn,
    collection: &Collection,
    schema: &Schema,
    ids: &[Uuid],
    filter: Option<&Filter>,
) -> Result<Vec<Uuid>, Error> {
    let dialect = conn.dialect();
    let mut sql = Sql::new();
    push_select(collection, &[ID], &mut sql);
    push_one_of(collection, ID, ids, dialect, sql.push(" WHERE "));
    if let Some(filter) = filter {
        push_filter(filter, collection, schema, dialect, sql.push(" AND "));
    }
    query_ids(conn, sql, filter.is_some())
}

/// How many records satisfy the filter.
pub fn count(conn: &mut Conn, collection: &Collection, schema: &Schema, filter: Option<&Filter>) -> Result<u64, Error> {
    let dialect = conn.dialect();
    let mut sql = Sql::new();
    from(collection, sql.push("SELECT count(*)"));
    if let Some(filter) = filter {
        push_filter(filter, collection, schema, dialect, sql.push(" WHERE "));
    }
    let mut counted = 0;
    conn.query_varying(sql, |row| {
        if let Value::Integer(rows) = row.value(0, ColumnType::Integer)? {
            counted = u64::try_from(rows).unwrap_or_default();
        }
        Ok(())
    })?;
    Ok(counted)
}

#[cfg(test)]
mod tests;
