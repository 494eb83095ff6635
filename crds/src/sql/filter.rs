//! STUB
use super::{Dialect, Sql};
use crate::filter::Filter;
use crate::schema::{Collection, Schema};

/// Appends a bound tree as an SQL expression over the table aliased `alias` (unqualified columns when it is empty).
pub fn compile(
    _filter: &Filter,
    _collection: &Collection,
    _schema: &Schema,
    _dialect: Dialect,
    _alias: &str,
    _out: &mut Sql,
) {
}
