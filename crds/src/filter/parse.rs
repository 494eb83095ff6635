//! STUB
use super::Filter;
use crate::problem::Problems;
use crate::schema::{Collection, Schema};
use serde_json::Value as Json;

/// Where a tree stands, and so what it may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `where` of an access rule: `$auth`, `$now`, `$field` and references.
    Rule,
    /// `checks` and `where` of a unique key: the record's own fields and constants alone, `$field` in checks.
    Check,
    /// `POST /search` and `if` of a batch: constants, `$now`, references; not `writeOnly` fields.
    Request,
}

/// A tree from JSON, checked against `collection`; every problem is recorded with its path.
pub fn parse(
    _json: &Json,
    _collection: &Collection,
    _schema: &Schema,
    _place: Place,
    _problems: &mut Problems,
) -> Option<Filter> {
    None
}
