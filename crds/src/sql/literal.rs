//! STUB
use super::{Dialect, Sql};

/// The text with every bind written as a literal, for DDL.
pub fn inline(_sql: &Sql, _dialect: Dialect) -> String {
    String::new()
}
