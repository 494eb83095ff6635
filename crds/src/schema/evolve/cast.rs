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
    let c = column;
    let postgres = dialect == Dialect::Postgres;
    let by = |on_postgres: String, on_sqlite: String| if postgres { on_postgres } else { on_sqlite };
    let total = |sql: String| Some(Cast { sql, total: true });
    let partial =
        |when: String, sql: String| Some(Cast { sql: format!("CASE WHEN {when} THEN {sql} END"), total: false });
    match (from, to) {
        (ColumnType::Integer, ColumnType::Text) | (ColumnType::Uuid, ColumnType::Text) => {
            total(format!("CAST({c} AS text)"))
        }
        (ColumnType::Text, ColumnType::Integer) => partial(
            by(format!("{c} ~ '^(0|-?[1-9][0-9]{{0,15}})$' AND abs(CAST({c} AS numeric)) <= {MOST}"), {
                format!("CAST(CAST({c} AS INTEGER) AS TEXT) = {c} AND abs(CAST({c} AS REAL)) <= {MOST}")
            }),
            format!("CAST({c} AS {})", to.name(dialect)),
        ),
        (ColumnType::Text, ColumnType::Uuid) => {
            let hex = |count: usize| "[0-9a-f]".repeat(count);
            let glob = [8, 4, 4, 4, 12].map(hex).join("-");
            let regex = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";
            partial(
                by(format!("{c} ~ '{regex}'"), format!("{c} GLOB '{glob}'")),
                by(format!("CAST({c} AS uuid)"), c.to_owned()),
            )
        }
        (ColumnType::Boolean, ColumnType::Text) => {
            total(by(format!("CAST({c} AS text)"), format!("CASE {c} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END")))
        }
        (ColumnType::Text, ColumnType::Boolean) => partial(
            format!("{c} IN ('true', 'false')"),
            by(format!("{c} = 'true'"), format!("CASE {c} WHEN 'true' THEN 1 ELSE 0 END")),
        ),
        (ColumnType::Boolean, ColumnType::Integer) => {
            total(by(format!("CAST(CAST({c} AS int) AS bigint)"), c.to_owned()))
        }
        (ColumnType::Integer, ColumnType::Boolean) => {
            partial(format!("{c} IN (0, 1)"), by(format!("{c} = 1"), c.to_owned()))
        }
        (ColumnType::Integer, ColumnType::Number) => total(format!("CAST({c} AS {})", to.name(dialect))),
        (ColumnType::Number, ColumnType::Integer) => partial(
            format!(
                "abs({c}) <= {MOST} AND {}",
                by(format!("trunc({c}) = {c}"), format!("CAST({c} AS INTEGER) = {c}"))
            ),
            format!("CAST({c} AS {})", to.name(dialect)),
        ),
        (ColumnType::Date, ColumnType::Timestamp) => {
            total(by(format!("CAST({c} AS timestamp) AT TIME ZONE 'UTC'"), format!("{c} || 'T00:00:00.000000Z'")))
        }
        (ColumnType::Timestamp, ColumnType::Date) => partial(
            by(
                format!("date_trunc('day', {c} AT TIME ZONE 'UTC') = {c} AT TIME ZONE 'UTC'"),
                format!("substr({c}, 11) = 'T00:00:00.000000Z'"),
            ),
            by(format!("CAST({c} AT TIME ZONE 'UTC' AS date)"), format!("substr({c}, 1, 10)")),
        ),
        (ColumnType::List(items), to) if scalar(items) == to => partial(
            by(format!("cardinality({c}) = 1"), format!("json_array_length({c}) = 1")),
            by(format!("({c})[1]"), format!("json_extract({c}, '$[0]')")),
        ),
        (from, ColumnType::List(items)) if scalar(items) == from => {
            let nothing = format!("{c} IS NULL THEN NULL ELSE");
            total(format!("CASE WHEN {nothing} {} END", by(format!("ARRAY[{c}]"), format!("json_array({c})"))))
        }
        _ => digits(from, to, c, dialect),
    }
}

/// Casts from and to a decimal, which SQLite holds times 10^scale.
fn digits(from: ColumnType, to: ColumnType, c: &str, dialect: Dialect) -> Option<Cast> {
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
    let total = was_all - was_places <= is_all - is_places && was_places <= is_places && to != ColumnType::Integer;
    // Before the point; of a number just below the limit the rest does not lift it over.
    let most = match to {
        ColumnType::Integer => format!("<= {MOST}"),
        _ => format!("< {}", power(is_all - is_places)),
    };
    let (fits, sql) = match dialect {
        Dialect::Postgres if from == ColumnType::Integer => {
            (format!("abs({c}) {most}"), format!("CAST({c} AS {})", to.name(dialect)))
        }
        Dialect::Postgres => {
            (format!("abs({c}) {most} AND trunc({c}, {is_places}) = {c}"), format!("CAST({c} AS {})", to.name(dialect)))
        }
        Dialect::Sqlite if was_places <= is_places => {
            (format!("abs({c} / {}) {most}", power(was_places)), format!("{c} * {}", power(is_places - was_places)))
        }
        Dialect::Sqlite => {
            let lost = power(was_places - is_places);
            (format!("abs({c} / {}) {most} AND {c} % {lost} = 0", power(was_places)), format!("{c} / {lost}"))
        }
    };
    Some(match total {
        true => Cast { sql, total },
        false => Cast { sql: format!("CASE WHEN {fits} THEN {sql} END"), total },
    })
}

fn scalar(items: ItemType) -> ColumnType {
    match items {
        ItemType::Text => ColumnType::Text,
        ItemType::Integer => ColumnType::Integer,
        ItemType::Uuid => ColumnType::Uuid,
    }
}
