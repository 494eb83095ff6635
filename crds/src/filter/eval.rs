//! STUB
use super::Filter;
use crate::schema::Collection;
use crate::value::Value;

/// Whether a bound tree holds for a record (its values in the order of `collection.fields`): true, false, or unknown (`None`).
/// A reference cannot be followed here and is unknown.
pub fn eval(_filter: &Filter, _collection: &Collection, _record: &[Value<'_>]) -> Option<bool> {
    None
}
