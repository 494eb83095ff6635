//! A request's parameters against the schema: what was typed becomes a [`ListQuery`], or every problem at once.
//!
//! Called by the service for lists and single reads. Pure: no database, no clock. It decides nothing about
//! access; it is only told which fields the caller may see.

use mainstay_crds::filter::Filter;
use mainstay_crds::schema::{Collection, Schema, SortKey};
use mainstay_crds::{Problem, Problems, Value};

pub mod aggregate;
pub mod bulk;
pub mod cursor;
pub mod export;
pub mod fields;
pub mod filter;
pub mod history;
pub mod import;
pub mod include;
pub mod keys;
pub mod page;
pub mod params;
mod search;
pub mod sort;
pub mod upsert;

pub use include::{Edge, Include};
pub use search::search;
use sort::Order;

/// Parameters with a meaning of their own; a field of such a name is filtered by `name__eq`.
pub const RESERVED: &[&str] =
    &["sort", "limit", "offset", "cursor", "fields", "include", "count", "q", "on_conflict", "max_affected"];

/// The parameters of a list that are no filters.
const LIST: &[&str] = &["sort", "limit", "offset", "cursor", "fields", "include", "count"];

/// What a list asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct ListQuery {
    /// The conjunction of all filter parameters.
    pub filter: Option<Filter>,
    /// Complete: the id is the last key.
    pub sort: Vec<SortKey>,
    /// Those first that answer the filter's `q` the best; then `sort`. Has no `after`.
    pub relevance: bool,
    /// At most this many records.
    pub limit: u32,
    /// Skip this many; `None` when not asked for.
    pub offset: Option<u32>,
    /// Begin after the record with these sort values.
    pub after: Option<Vec<Value<'static>>>,
    /// The fields to answer, in the collection's order; `None` is all that the caller may see.
    pub fields: Option<Vec<usize>>,
    /// References to follow.
    pub include: Vec<Include>,
    /// Count all matches.
    pub count: bool,
    /// Binds cursors to this sort and filter.
    pub fingerprint: u64,
}

/// What a read of one record asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GetQuery {
    /// As in [`ListQuery`].
    pub fields: Option<Vec<usize>>,
    /// As in [`ListQuery`].
    pub include: Vec<Include>,
}

/// What a query may rely on.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The collection that is read.
    pub collection: &'a Collection,
    /// All of them, for references.
    pub schema: &'a Schema,
    /// Whether the caller may see a field of a collection.
    pub visible: &'a dyn Fn(&Collection, usize) -> bool,
    /// The page sizes that the server allows.
    pub page: page::Limits,
}

impl Context<'_> {
    /// Position of a field that the caller may see, or the problem with the nearest name.
    fn field(&self, name: &str, problems: &mut Problems) -> Option<usize> {
        let visible = |position: &usize| (self.visible)(self.collection, *position);
        if let Some(position) = self.collection.position(name).filter(visible) {
            return Some(position);
        }
        let names = self.collection.fields.iter().enumerate().filter(|(position, _)| visible(position));
        let hint = mainstay_crds::name::did_you_mean(name, names.map(|(_, field)| field.name.as_str()));
        problems.push("unknown_field", format!("{} has no field `{name}`", self.collection.name), hint);
        None
    }
}

/// Reads the query string of a list.
pub fn list(raw: &str, context: Context<'_>) -> Result<ListQuery, Vec<Problem>> {
    let mut problems = Problems::new();
    let params = params::Params::read(raw, &mut problems);
    let has_q = params.has(filter::Q);
    let order = params.list("sort", &mut problems, |names, problems| sort::order(names, context, has_q, problems));
    let Order { keys: sort, relevance } = order.unwrap_or_default();
    let limit = params.one("limit", &mut problems, |text, problems| context.page.limit(text, problems));
    let offset = params.one("offset", &mut problems, page::offset);
    let fields = params.list("fields", &mut problems, |names, problems| fields::parse(names, context, problems));
    let include = params.list("include", &mut problems, |names, problems| include::parse(names, context, problems));
    let count = params.one("count", &mut problems, page::count);
    let filter = filter::parse(&params, LIST, context, &mut problems);
    let mut filters: Vec<(&str, &str)> = params.pairs().filter(|(name, _)| !LIST.contains(name)).collect();
    filters.sort_unstable();
    let fingerprint = cursor::fingerprint(context.collection, &sort, &filters);
    let read_cursor = |text: &str, problems: &mut Problems| {
        if params.has("offset") {
            problems.hint("conflicting_parameters", "`cursor` and `offset` exclude each other", "leave out `offset`");
        }
        if relevance {
            sort::refuse_cursor(problems);
            return None;
        }
        cursor::decode(text, context.collection, &sort, fingerprint, problems)
    };
    let after = params.one("cursor", &mut problems, read_cursor);
    let limit = limit.unwrap_or(context.page.default);
    let (include, count) = (include.unwrap_or_default(), count.unwrap_or_default());
    problems.finish(ListQuery { filter, sort, relevance, limit, offset, after, fields, include, count, fingerprint })
}

/// Reads the query string of a read of one record: `fields` and `include` alone.
pub fn get(raw: &str, context: Context<'_>) -> Result<GetQuery, Vec<Problem>> {
    let mut problems = Problems::new();
    let params = params::Params::read(raw, &mut problems);
    let fields = params.list("fields", &mut problems, |names, problems| fields::parse(names, context, problems));
    let include = params.list("include", &mut problems, |names, problems| include::parse(names, context, problems));
    params.refuse_others(&["fields", "include"], &mut problems);
    problems.finish(GetQuery { fields, include: include.unwrap_or_default() })
}

/// Reads the query string of a request that takes no parameters.
pub fn none(raw: &str) -> Result<(), Vec<Problem>> {
    let mut problems = Problems::new();
    params::Params::read(raw, &mut problems).refuse_others(&[], &mut problems);
    problems.finish(())
}

#[cfg(test)]
mod tests;
