//! Sums, extremes and counts of the records that a filter finds, exact where the values are.
//!
//! Neither database adds up 64-bit integers beyond their range in one word: PostgreSQL has `numeric` for it, SQLite fails.
//! There each value is taken apart into billions and the rest, whose sums cannot overflow.

use std::sync::Arc;

use mainstay_crds::Value;
use mainstay_crds::filter::Filter;
use mainstay_crds::schema::ddl::order_key;
use mainstay_crds::schema::{Collection, Schema};
use mainstay_crds::sql::{ColumnType, Dialect, Sql};

use super::{ALIAS, column_type, from, push_column, push_filter, push_limit};
use crate::store::conn::{Conn, Row};
use crate::store::error::Error;

/// What is asked of all records, or of each group.
pub struct Aggregate<'a> {
    /// Of what.
    pub collection: &'a Arc<Collection>,
    /// A bound tree.
    pub filter: Option<Filter>,
    /// Positions of the fields that make groups; none is one group of all records.
    pub group: Vec<usize>,
    /// In the order of the answer.
    pub measures: Vec<Measure>,
    /// At most so many groups, in the order of their values.
    pub limit: u32,
}

/// One measure of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The sum of a field of numbers, and how many values it has.
    Total(usize),
    /// The least value.
    Least(usize),
    /// The greatest value.
    Greatest(usize),
}

/// A group as found.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The values that its records share.
    pub values: Vec<Value<'static>>,
    /// How many records it has.
    pub records: i64,
    /// In the order of the measures.
    pub measured: Vec<Measured>,
}

/// The result of a measure.
#[derive(Clone, Debug, PartialEq)]
pub enum Measured {
    /// Of integers, or of decimals in units of their last place.
    Exact(i128, i64),
    /// Of numbers; infinite when no number is as great.
    Approximate(f64, i64),
    /// A value of the field.
    One(Value<'static>),
}

/// What SQLite's integers are divided by.
const PART: i128 = 1_000_000_000;

/// Reads the groups.
pub fn aggregate(conn: &mut Conn, schema: &Schema, asked: &Aggregate<'_>) -> Result<Vec<Group>, Error> {
    let dialect = conn.dialect();
    let mut groups = Vec::new();
    conn.query_varying(aggregate_sql(asked, schema, dialect), |row| {
        let mut columns = Columns { row, next: 0 };
        let values = asked.group.iter().map(|field| columns.take(column_type(asked.collection, *field)));
        let values = values.collect::<Result<_, _>>()?;
        let records = columns.integer()?;
        let measured = asked.measures.iter().map(|measure| measured(&mut columns, asked.collection, *measure, dialect));
        groups.push(Group { values, records, measured: measured.collect::<Result<_, _>>()? });
        Ok(())
    })?;
    Ok(groups)
}

fn aggregate_sql(asked: &Aggregate<'_>, schema: &Schema, dialect: Dialect) -> Sql {
    let Aggregate { collection, filter, group, measures, limit } = asked;
    let mut sql = Sql::new();
    sql.push("SELECT ");
    for field in group {
        push_column(collection, *field, &mut sql);
        sql.push(", ");
    }
    sql.push("count(*)");
    for measure in measures {
        push_measure(collection, *measure, dialect, &mut sql);
    }
    from(collection, &mut sql);
    if let Some(filter) = filter {
        push_filter(filter, collection, schema, dialect, sql.push(" WHERE "));
    }
    for (index, field) in group.iter().enumerate() {
        push_column(collection, *field, sql.push(if index == 0 { " GROUP BY " } else { ", " }));
    }
    for (index, field) in group.iter().enumerate() {
        sql.push(if index == 0 { " ORDER BY " } else { ", " });
        sql.push(&order_key(collection, *field, false, dialect, ALIAS));
    }
    push_limit(u64::from(*limit), dialect, &mut sql);
    sql
}

fn push_measure(collection: &Collection, measure: Measure, dialect: Dialect, sql: &mut Sql) {
    let of = |before: &str, field: usize, after: &str, sql: &mut Sql| {
        push_column(collection, field, sql.push(before));
        sql.push(after);
    };
    match measure {
        Measure::Least(field) => of(", min(", field, ")", sql),
        Measure::Greatest(field) => of(", max(", field, ")", sql),
        Measure::Total(field) => {
            of(", count(", field, ")", sql);
            match (dialect, column_type(collection, field)) {
                // By their texts, so that no sum is out of range and none depends on the order of the rows.
                (Dialect::Postgres, ColumnType::Number) => of(", sum(", field, "::text::numeric)::text", sql),
                (Dialect::Postgres, _) => of(", sum(", field, ")::text", sql),
                (Dialect::Sqlite, ColumnType::Number) => {
                    of(", CASE WHEN abs(sum(", field, ")) <= 1.7976931348623157e308 THEN ", sql);
                    of("sum(", field, ") END", sql);
                }
                (Dialect::Sqlite, _) => {
                    of(", sum(", field, " / 1000000000)", sql);
                    of(", sum(", field, " % 1000000000)", sql);
                }
            }
        }
    }
}

fn measured(
    columns: &mut Columns<'_, '_, '_, '_>,
    collection: &Collection,
    measure: Measure,
    dialect: Dialect,
) -> Result<Measured, Error> {
    let field = match measure {
        Measure::Total(field) => field,
        Measure::Least(field) | Measure::Greatest(field) => {
            return Ok(Measured::One(columns.take(column_type(collection, field))?));
        }
    };
    let values = columns.integer()?;
    let outside = || Error::Other(format!("a sum of {} is no number", collection.table));
    Ok(match (dialect, column_type(collection, field)) {
        (Dialect::Postgres, ColumnType::Number) => {
            let text = columns.text()?;
            let sum = if text.is_empty() { 0.0 } else { text.parse().map_err(|_| outside())? };
            Measured::Approximate(sum, values)
        }
        (Dialect::Postgres, column) => {
            let scale = if let ColumnType::Decimal { scale, .. } = column { scale } else { 0 };
            Measured::Exact(unscaled(&columns.text()?, scale).ok_or_else(outside)?, values)
        }
        (Dialect::Sqlite, ColumnType::Number) => match columns.take(ColumnType::Number)? {
            Value::Number(sum) => Measured::Approximate(sum, values),
            _ if values == 0 => Measured::Approximate(0.0, 0),
            _ => Measured::Approximate(f64::INFINITY, values),
        },
        (Dialect::Sqlite, _) => {
            let (high, low) = (columns.integer()?, columns.integer()?);
            Measured::Exact(i128::from(high) * PART + i128::from(low), values)
        }
    })
}

/// `numeric` as text, in units of the last of `scale` places; nothing is 0.
fn unscaled(text: &str, scale: u8) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction:0<width$}", width = usize::from(scale));
    if digits.is_empty() || text.is_empty() { Some(0) } else { digits.parse().ok() }
}

/// The columns of a row, one after the other.
struct Columns<'a, 'b, 'conn, 'query> {
    row: &'a Row<'b, 'conn, 'query>,
    next: usize,
}

impl Columns<'_, '_, '_, '_> {
    fn take(&mut self, column: ColumnType) -> Result<Value<'static>, Error> {
        self.next += 1;
        self.row.value(self.next - 1, column)
    }

    /// An integer; null, the sum of nothing, is 0.
    fn integer(&mut self) -> Result<i64, Error> {
        Ok(match self.take(ColumnType::Integer)? {
            Value::Integer(number) => number,
            _ => 0,
        })
    }

    fn text(&mut self) -> Result<String, Error> {
        Ok(match self.take(ColumnType::Text)? {
            Value::Text(text) => text.into_owned(),
            _ => String::new(),
        })
    }
}
