//! STUB JSON Schemas (2020-12) of records and bodies, for the OpenAPI document.
use super::Collection;
use serde_json::Value as Json;

/// Which schema of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A whole record as answered: `Market`. All fields required.
    Record,
    /// A record with some fields left out: `MarketPartial`. Nothing required.
    Partial,
    /// The body of a create: `MarketCreate`.
    Create,
    /// The body of a PUT: `MarketUpdate`.
    Update,
    /// The body of a merge patch: `MarketPatch`. Nothing required; null resets.
    Patch,
}

/// The schema of one shape of the collection's records.
pub fn json_schema(_collection: &Collection, _shape: Shape) -> Json {
    Json::Null
}
