//! Which types of columns become which others, as SQL that gives null for a value that has no exact counterpart.
//!
//! Called by `compare` and `conversion`. Every cast has one back, and what was cast and cast back is what it was: two columns
//! can be kept equal by them. Both databases give the same counterpart or none. What would depend on rounding, on a locale
//! or on how a text is written is not here.

use crate::sql::{ColumnType, Dialect, ItemType};

mod digits;
mod text;

/// The largest integer that the server takes.
const MOST: &str = "9007199254740991";

/// A cast of one column.
pub(super) struct Cast {
    /// An expression over the column.
    pub sql: String,
    /// Whether every value has a counterpart.
    pub total: bool,
}

/// The cast of `column`, quoted and qualified as it has to be; none where the types are too far apart.
pub(super) fn cast(from: ColumnType, to: ColumnType, column: &str, dialect: Dialect) -> Option<Cast> {
    let of = Column { sql: column, dialect };
    // Lists first: of one text, the item is no text that is read.
    of.lists(from, to)
        .or_else(|| of.written(from).filter(|_| to == ColumnType::Text))
        .or_else(|| of.read(to).filter(|_| from == ColumnType::Text))
        .or_else(|| of.scalars(from, to))
        .or_else(|| of.digits(from, to))
}

/// A column that is cast on one database.
struct Column<'a> {
    sql: &'a str,
    dialect: Dialect,
}

impl Column<'_> {
    fn by(&self, postgres: String, sqlite: String) -> String {
        if self.dialect == Dialect::Postgres { postgres } else { sqlite }
    }

    fn to(&self, to: ColumnType) -> String {
        format!("CAST({} AS {})", self.sql, to.name(self.dialect))
    }

    fn scalars(&self, from: ColumnType, to: ColumnType) -> Option<Cast> {
        let c = self.sql;
        Some(match (from, to) {
            (ColumnType::Boolean, ColumnType::Integer) => {
                total(self.by(format!("CAST(CAST({c} AS int) AS bigint)"), c.to_owned()))
            }
            (ColumnType::Integer, ColumnType::Boolean) => {
                partial(format!("{c} IN (0, 1)"), self.by(format!("{c} = 1"), c.to_owned()))
            }
            (ColumnType::Integer, ColumnType::Number) => total(self.to(to)),
            (ColumnType::Number, ColumnType::Integer) => {
                let whole = self.by(format!("trunc({c}) = {c}"), format!("CAST({c} AS INTEGER) = {c}"));
                partial(format!("abs({c}) <= {MOST} AND {whole}"), self.to(to))
            }
            (ColumnType::Date, ColumnType::Timestamp) => total(
                self.by(format!("CAST({c} AS timestamp) AT TIME ZONE 'UTC'"), format!("{c} || 'T00:00:00.000000Z'")),
            ),
            (ColumnType::Timestamp, ColumnType::Date) => partial(
                self.by(
                    format!("date_trunc('day', {c} AT TIME ZONE 'UTC') = {c} AT TIME ZONE 'UTC'"),
                    format!("substr({c}, 11) = 'T00:00:00.000000Z'"),
                ),
                self.by(format!("CAST({c} AT TIME ZONE 'UTC' AS date)"), format!("substr({c}, 1, 10)")),
            ),
            _ => return None,
        })
    }

    /// A list of one item, and that item.
    fn lists(&self, from: ColumnType, to: ColumnType) -> Option<Cast> {
        let c = self.sql;
        match (from, to) {
            (ColumnType::List(items), to) if scalar(items) == to => Some(partial(
                self.by(format!("cardinality({c}) = 1"), format!("json_array_length({c}) = 1")),
                self.by(format!("({c})[1]"), format!("json_extract({c}, '$[0]')")),
            )),
            (from, ColumnType::List(items)) if scalar(items) == from => {
                let made = self.by(format!("ARRAY[{c}]"), format!("json_array({c})"));
                Some(total(format!("CASE WHEN {c} IS NOT NULL THEN {made} END")))
            }
            _ => None,
        }
    }
}

fn total(sql: String) -> Cast {
    Cast { sql, total: true }
}

fn partial(when: String, sql: String) -> Cast {
    Cast { sql: format!("CASE WHEN {when} THEN {sql} END"), total: false }
}

fn power(digits: u8) -> i64 {
    10_i64.pow(digits.into())
}

fn scalar(items: ItemType) -> ColumnType {
    match items {
        ItemType::Text => ColumnType::Text,
        ItemType::Integer => ColumnType::Integer,
        ItemType::Uuid => ColumnType::Uuid,
    }
}
