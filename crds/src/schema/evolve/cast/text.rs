//! Casts from and to text, in the one form that the server writes: any other text has no counterpart.
//!
//! Called by `cast`. A text is read by its form first, then by what it means (no 30th of February), so that no statement
//! ever fails on one.

use super::{Cast, Column, MOST, partial, power, total};
use crate::sql::{ColumnType, Dialect};

/// A moment as PostgreSQL writes it like the server does.
const MOMENT: &str = r#"'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"#;
const DAY: &str = "'YYYY-MM-DD'";
/// The parts of a moment for PostgreSQL's `make_interval`, each with its place in the text.
const DAYS: &str =
    "CAST(substr({}, 1, 4) AS int) - 1, CAST(substr({}, 6, 2) AS int) - 1, 0, CAST(substr({}, 9, 2) AS int) - 1";
const HOURS: &str =
    "CAST(substr({}, 12, 2) AS int), CAST(substr({}, 15, 2) AS int), CAST(substr({}, 18, 9) AS double precision)";

impl Column<'_> {
    /// As text.
    pub(super) fn written(&self, from: ColumnType) -> Option<Cast> {
        let c = self.sql;
        let plain = self.to(ColumnType::Text);
        Some(match from {
            ColumnType::Integer | ColumnType::Uuid => total(plain),
            ColumnType::Boolean => {
                total(self.by(plain, format!("CASE {c} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END")))
            }
            ColumnType::Decimal { scale, .. } => total(self.by(plain, decimal(c, scale))),
            ColumnType::Number => self.number(),
            ColumnType::Timestamp => total(self.by(format!("to_char({c} AT TIME ZONE 'UTC', {MOMENT})"), c.to_owned())),
            ColumnType::Date => total(self.by(format!("to_char({c}, {DAY})"), c.to_owned())),
            _ => return None,
        })
    }

    /// A number of at most fifteen digits without an exponent; of more digits the databases write different ones.
    fn number(&self) -> Cast {
        let c = self.sql;
        let text = self.by(format!("CAST(CAST({c} AS numeric) AS text)"), format!("printf('%.15g', {c})"));
        let digits = self.by(format!("CAST({c} AS numeric)"), text.clone());
        let same = format!("CAST({digits} AS {}) = {c}", ColumnType::Number.name(self.dialect));
        partial(format!("({c} = 0 OR abs({c}) >= 0.0001 AND abs({c}) < 1e15) AND {same}"), text)
    }

    /// From text.
    pub(super) fn read(&self, to: ColumnType) -> Option<Cast> {
        let c = self.sql;
        Some(match to {
            ColumnType::Integer => partial(
                self.by(
                    format!("{c} ~ '^(0|-?[1-9][0-9]{{0,15}})$' AND abs(CAST({c} AS numeric)) <= {MOST}"),
                    format!("CAST(CAST({c} AS INTEGER) AS TEXT) = {c} AND abs(CAST({c} AS REAL)) <= {MOST}"),
                ),
                self.to(to),
            ),
            ColumnType::Uuid => {
                let glob = [8, 4, 4, 4, 12].map(|count| "[0-9a-f]".repeat(count)).join("-");
                let regex = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";
                partial(
                    self.by(format!("{c} ~ '{regex}'"), format!("{c} GLOB '{glob}'")),
                    self.by(self.to(to), c.to_owned()),
                )
            }
            ColumnType::Boolean => partial(
                format!("{c} IN ('true', 'false')"),
                self.by(format!("{c} = 'true'"), format!("CASE {c} WHEN 'true' THEN 1 ELSE 0 END")),
            ),
            ColumnType::Decimal { precision, scale } => self.read_decimal(to, precision, scale),
            ColumnType::Number => self.read_number(),
            ColumnType::Timestamp => self.read_moment(),
            ColumnType::Date => self.read_day(),
            _ => return None,
        })
    }

    fn read_decimal(&self, to: ColumnType, precision: u8, scale: u8) -> Cast {
        let c = self.sql;
        match self.dialect {
            Dialect::Postgres => {
                let whole = match precision - scale {
                    0 => "0".to_owned(),
                    digits => format!("(0|[1-9][0-9]{{0,{}}})", digits - 1),
                };
                let places = if scale == 0 { String::new() } else { format!("[.][0-9]{{{scale}}}") };
                partial(format!("{c} ~ '^-?{whole}{places}$' AND {c} !~ '^-[0.]+$'"), self.to(to))
            }
            Dialect::Sqlite => {
                let units = format!("CAST(replace({c}, '.', '') AS INTEGER)");
                let most = power(precision) - 1;
                let same = format!("CASE WHEN {} = {c} THEN {units} END", decimal(&units, scale));
                partial(format!("{units} BETWEEN -{most} AND {most}"), same)
            }
        }
    }

    /// What is written as it was.
    fn read_number(&self) -> Cast {
        let (c, number) = (self.sql, self.to(ColumnType::Number));
        let written = Column { sql: &number, dialect: self.dialect }.number().sql;
        let same = format!("CASE WHEN {written} = {c} THEN {number} END");
        match self.dialect {
            Dialect::Postgres => partial(format!("{c} ~ '^-?(0|[1-9][0-9]{{0,14}})([.][0-9]{{1,19}})?$'"), same),
            Dialect::Sqlite => Cast { sql: same, total: false },
        }
    }

    /// PostgreSQL's interval takes any number of days and hours; what is no date is another one when it is written.
    fn read_moment(&self) -> Cast {
        let c = self.sql;
        let form = [digits(4), digits(2), format!("{}T{}", digits(2), digits(2))].join("-");
        let form = format!("{form}:{}:{}.{}Z", digits(2), digits(2), digits(6));
        match self.dialect {
            Dialect::Postgres => {
                let parts = [DAYS, HOURS].map(|parts| parts.replace("{}", c)).join(", ");
                let made = format!("(TIMESTAMP '0001-01-01' + make_interval({parts}))");
                let same = format!("CASE WHEN to_char({made}, {MOMENT}) = {c} THEN {made} AT TIME ZONE 'UTC' END");
                partial(format!("{c} ~ '^{}$'", form.replace('.', "[.]")), same)
            }
            Dialect::Sqlite => {
                let seconds = format!("substr({c}, 1, 19)");
                let same = format!("strftime('%Y-%m-%dT%H:%M:%S', {seconds}) = {seconds}");
                partial(format!("{c} GLOB '{form}' AND {c} >= '0001' AND {same}"), c.to_owned())
            }
        }
    }

    fn read_day(&self) -> Cast {
        let (c, form) = (self.sql, [digits(4), digits(2), digits(2)].join("-"));
        match self.dialect {
            Dialect::Postgres => {
                let parts = DAYS.replace("{}", c);
                let made = format!("CAST(TIMESTAMP '0001-01-01' + make_interval({parts}) AS date)");
                let same = format!("CASE WHEN to_char({made}, {DAY}) = {c} THEN {made} END");
                partial(format!("{c} ~ '^{form}$'"), same)
            }
            Dialect::Sqlite => {
                let same = format!("strftime('%Y-%m-%d', {c}) = {c}");
                partial(format!("{c} GLOB '{form}' AND {c} >= '0001' AND {same}"), c.to_owned())
            }
        }
    }
}

/// So many digits, for a regular expression as for GLOB.
fn digits(count: usize) -> String {
    "[0-9]".repeat(count)
}

/// A decimal of SQLite, which holds it times 10^scale, as text.
fn decimal(units: &str, scale: u8) -> String {
    if scale == 0 {
        return format!("CAST({units} AS TEXT)");
    }
    let (sign, power) = (format!("CASE WHEN {units} < 0 THEN '-' ELSE '' END"), power(scale));
    let text = format!("printf('%s%d.%0{scale}d', {sign}, abs({units}) / {power}, abs({units}) % {power})");
    format!("CASE WHEN {units} IS NOT NULL THEN {text} END")
}
