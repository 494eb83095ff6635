//! Casts from and to a decimal, which SQLite holds times 10^scale.
//!
//! Called by `cast`. Between a decimal and a number goes what has at most fifteen digits: those a number keeps, whatever
//! they are, and both databases count them alike.

use super::{Cast, Column, MOST, partial, power, total};
use crate::sql::{ColumnType, Dialect};

/// The digits that every number keeps.
const KEPT: u8 = 15;

impl Column<'_> {
    /// Every cast of numbers with a decimal on one side.
    pub(super) fn digits(&self, from: ColumnType, to: ColumnType) -> Option<Cast> {
        // Of an integer, as digits before and after the point.
        let whole = (16, 0);
        Some(match (from, to) {
            (ColumnType::Integer, ColumnType::Decimal { precision, scale }) => {
                self.moved(from, whole, to, (precision, scale))
            }
            (ColumnType::Decimal { precision, scale }, ColumnType::Integer) => {
                self.moved(from, (precision, scale), to, whole)
            }
            (ColumnType::Decimal { precision: p, scale: s }, ColumnType::Decimal { precision, scale }) => {
                self.moved(from, (p, s), to, (precision, scale))
            }
            (ColumnType::Decimal { precision, scale }, ColumnType::Number) => self.approached(precision, scale),
            (ColumnType::Number, ColumnType::Decimal { precision, scale }) => self.counted(to, precision, scale),
            _ => return None,
        })
    }

    /// To other digits; each side as all of them and those after the point.
    fn moved(&self, from: ColumnType, was: (u8, u8), to: ColumnType, is: (u8, u8)) -> Cast {
        let (c, (was_all, was_places), (is_all, is_places)) = (self.sql, was, is);
        let exact = was_all - was_places <= is_all - is_places && was_places <= is_places && to != ColumnType::Integer;
        // Before the point; of a number just below the limit the rest does not lift it over.
        let most = match to {
            ColumnType::Integer => format!("<= {MOST}"),
            _ => format!("< {}", power(is_all - is_places)),
        };
        let (fits, sql) = match self.dialect {
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
        if exact { total(sql) } else { partial(fits, sql) }
    }

    /// The number nearest to a decimal: both operands of SQLite's division are exact, so that its result is the nearest.
    fn approached(&self, precision: u8, scale: u8) -> Cast {
        let c = self.sql;
        let near = self.by(self.to(ColumnType::Number), format!("CAST({c} AS REAL) / {}.0", power(scale)));
        let few = self.by(format!("abs({c}) < {}", bound(KEPT, scale)), format!("abs({c}) < {}", power(KEPT)));
        if precision <= KEPT { total(near) } else { partial(few, near) }
    }

    /// The decimal that a number is nearest to, among all of so many digits.
    fn counted(&self, to: ColumnType, precision: u8, scale: u8) -> Cast {
        let (c, power) = (self.sql, power(scale));
        let small = format!("abs({c}) < {}", bound(precision.min(KEPT), scale));
        match self.dialect {
            Dialect::Postgres => {
                let digits = format!("CAST({c} AS numeric)");
                let same = format!("CAST({digits} AS double precision) = {c} AND trunc({digits}, {scale}) = {digits}");
                partial(format!("{small} AND {same}"), format!("CAST({digits} AS {})", to.name(self.dialect)))
            }
            Dialect::Sqlite => {
                let units = format!("CAST(round({c} * {power}.0) AS INTEGER)");
                let same = format!("CASE WHEN CAST({units} AS REAL) / {power}.0 = {c} THEN {units} END");
                partial(small, same)
            }
        }
    }
}

/// What numbers of so many digits, `scale` of them after the point, stay below.
fn bound(digits: u8, scale: u8) -> String {
    format!("1e{}", i32::from(digits) - i32::from(scale))
}
