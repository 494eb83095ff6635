//! The parameters of a history: a page of earlier versions, newest first.
//!
//! Called by the service. A cursor is that of a list by one number from high to low, and belongs to one record.

use mainstay_crds::schema::{Collection, SortKey, VERSION};
use mainstay_crds::{Problem, Problems, Value};
use uuid::Uuid;

use super::{cursor, page, params};

/// The order: numbers of versions are counted as `version` is.
const NEWEST_FIRST: [SortKey; 1] = [SortKey { field: VERSION, descending: true }];

/// What a history asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryQuery {
    /// At most this many versions.
    pub limit: u32,
    /// Those before this number.
    pub before: Option<i64>,
    fingerprint: u64,
}

impl HistoryQuery {
    /// The cursor that continues behind the version of that number.
    pub fn next_cursor(&self, collection: &Collection, number: i64) -> String {
        cursor::encode(collection, &NEWEST_FIRST, self.fingerprint, &[Value::Integer(number)])
    }
}

/// Reads the query string of the history of a record.
pub fn history(
    raw: &str,
    collection: &Collection,
    id: Uuid,
    limits: page::Limits,
) -> Result<HistoryQuery, Vec<Problem>> {
    let mut problems = Problems::new();
    let all = params::Params::read(raw, &mut problems);
    let limit = all.one("limit", &mut problems, |text, problems| limits.limit(text, problems));
    let fingerprint = cursor::fingerprint(collection, &NEWEST_FIRST, &[("history", &id.to_string())]);
    let after = all.one("cursor", &mut problems, |text, problems| {
        cursor::decode(text, collection, &NEWEST_FIRST, fingerprint, problems)
    });
    all.refuse_others(&["limit", "cursor"], &mut problems);
    let before = after.and_then(|values| match values.first() {
        Some(Value::Integer(number)) => Some(*number),
        _ => None,
    });
    problems.finish(HistoryQuery { limit: limit.unwrap_or(limits.default), before, fingerprint })
}
