//! Which types of columns become which others, as SQL that gives null for a value that has no exact counterpart.
//!
//! Called by `compare` and `conversion`. Every cast has one back, and what was cast and cast back is what it was: two columns
//! can be kept equal by them. What would depend on rounding, on a locale or on how a text is written is not here.

use crate::sql::{ColumnType, Dialect, ItemType};

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
    of.texts(from, to).or_else(|| of.scalars(from, to)).or_else(|| of.lists(from, to)).or_else(|| of.digits(from, to))
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

    /// From and to text, in the one form that the server writes.
    fn texts(&self, from: ColumnType, to: ColumnType) -> Option<Cast> {
        let c = self.sql;
        Some(match (from, to) {
            (ColumnType::Integer | ColumnType::Uuid, ColumnType::Text) => total(self.to(ColumnType::Text)),
            (ColumnType::Text, ColumnType::Integer) => partial(
                self.by(
                    format!("{c} ~ '^(0|-?[1-9][0-9]{{0,15}})$' AND abs(CAST({c} AS numeric)) <= {MOST}"),
                    format!("CAST(CAST({c} AS INTEGER) AS TEXT) = {c} AND abs(CAST({c} AS REAL)) <= {MOST}"),
                ),
                self.to(to),
            ),
            (ColumnType::Text, ColumnType::Uuid) => {
                let glob = [8, 4, 4, 4, 12].map(|count| "[0-9a-f]".repeat(count)).join("-");
                let regex = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";
                partial(
                    self.by(format!("{c} ~ '{regex}'"), format!("{c} GLOB '{glob}'")),
                    self.by(self.to(to), c.to_owned()),
                )
            }
            (ColumnType::Boolean, ColumnType::Text) => {
                total(self.by(self.to(to), format!("CASE {c} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END")))
            }
            (ColumnType::Text, ColumnType::Boolean) => partial(
                format!("{c} IN ('true', 'false')"),
                self.by(format!("{c} = 'true'"), format!("CASE {c} WHEN 'true' THEN 1 ELSE 0 END")),
            ),
            _ => return None,
        })
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

    /// Casts from and to a decimal, which SQLite holds times 10^scale.
    fn digits(&self, from: ColumnType, to: ColumnType) -> Option<Cast> {
        let (c, dialect) = (self.sql, self.dialect);
        let power = |digits: u8| 10_i64.pow(digits.into());
        let (before, after) = match (from, to) {
            (ColumnType::Integer, ColumnType::Decimal { precision, scale }) => ((16, 0), (precision, scale)),
            (ColumnType::Decimal { precision, scale }, ColumnType::Integer) => ((precision, scale), (16, 0)),
            (ColumnType::Decimal { precision: p, scale: s }, ColumnType::Decimal { precision, scale }) => {
                ((p, s), (precision, scale))
            }
            _ => return None,
        };
        let ((was_all, was_places), (is_all, is_places)) = (before, after);
        let exact = was_all - was_places <= is_all - is_places && was_places <= is_places && to != ColumnType::Integer;
        // Before the point; of a number just below the limit the rest does not lift it over.
        let most = match to {
            ColumnType::Integer => format!("<= {MOST}"),
            _ => format!("< {}", power(is_all - is_places)),
        };
        let (fits, sql) = match dialect {
            Dialect::Postgres if from == ColumnType::Integer => (format!("abs({c}) {most}"), self.to(to)),
            Dialect::Postgres => (format!("abs({c}) {most} AND trunc({c}, {is_places}) = {c}"), self.to(to)),
            Dialect::Sqlite if was_places <= is_places => {
                (format!("abs({c} / {}) {most}", power(was_places)), format!("{c} * {}", power(is_places - was_places)))
            }
            Dialect::Sqlite => {
                let lost = power(was_places - is_places);
                (format!("abs({c} / {}) {most} AND {c} % {lost} = 0", power(was_places)), format!("{c} / {lost}"))
            }
        };
        Some(if exact { total(sql) } else { partial(fits, sql) })
    }
}

fn total(sql: String) -> Cast {
    Cast { sql, total: true }
}

fn partial(when: String, sql: String) -> Cast {
    Cast { sql: format!("CASE WHEN {when} THEN {sql} END"), total: false }
}

fn scalar(items: ItemType) -> ColumnType {
    match items {
        ItemType::Text => ColumnType::Text,
        ItemType::Integer => ColumnType::Integer,
        ItemType::Uuid => ColumnType::Uuid,
    }
}
