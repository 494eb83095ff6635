//! The query string of a change of many records: filters as a list has them, and how many may be changed.

use mainstay_crds::filter::Filter;
use mainstay_crds::{Problem, Problems};

use super::params::{self, Params};
use super::{Context, filter, page};

/// `max_affected` is at most this.
pub const MAX_AFFECTED: u32 = 10_000;

const NAME: &str = "max_affected";

/// What a bulk change asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct BulkQuery {
    /// The conjunction of all filter parameters; `None` is every record.
    pub filter: Option<Filter>,
    /// When more records pass the filter, none is changed.
    pub max_affected: u32,
}

/// Reads the query string of a bulk change.
pub fn parse(raw: &str, context: Context<'_>) -> Result<BulkQuery, Vec<Problem>> {
    let mut problems = Problems::new();
    let params = Params::read(raw, &mut problems);
    let filter = filter::parse(&params, &[NAME], context, &mut problems);
    let max_affected =
        params.one(NAME, &mut problems, |text, problems| page::within(text, NAME, 1, MAX_AFFECTED, problems));
    if !params.has(NAME) {
        params::at(NAME, &mut problems, |problems| {
            let hint = "say how many records you expect to change; when there are more, none is changed";
            problems.hint("required", format!("`{NAME}` is needed here"), hint);
        });
    }
    problems.finish(BulkQuery { filter, max_affected: max_affected.unwrap_or_default() })
}
