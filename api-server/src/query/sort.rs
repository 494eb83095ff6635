//! `sort=-created_at,title`: fields and directions, the id always last; or `sort=relevance` of a search by words.

use mainstay_crds::Problems;
use mainstay_crds::schema::{ID, SortKey};
use mainstay_crds::words::RELEVANCE;

use super::Context;

/// The order of a list without `sort`.
pub fn by_id(descending: bool) -> Vec<SortKey> {
    vec![SortKey { field: ID, descending }]
}

/// The order of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Complete: the id is the last key.
    pub keys: Vec<SortKey>,
    /// Before all keys, how well a record answers `q`.
    pub relevance: bool,
}

impl Default for Order {
    fn default() -> Self {
        Order { keys: by_id(false), relevance: false }
    }
}

/// Reads `sort` of a list, which may be `relevance` where there is a `q`.
pub fn order(parts: &[&str], context: Context<'_>, has_q: bool, problems: &mut Problems) -> Option<Order> {
    if parts != [RELEVANCE] || context.collection.search.is_none() {
        return parse(parts, context, problems).map(|keys| Order { keys, relevance: false });
    }
    if !has_q {
        let message = format!("`{RELEVANCE}` is how well a record answers `q`, and there is none");
        problems.hint("required", message, "add `q`, or sort by fields");
        return None;
    }
    Some(Order { relevance: true, ..Order::default() })
}

/// Refuses a cursor where the order is none that a position can be told in.
pub fn refuse_cursor(problems: &mut Problems) {
    let message =
        format!("`cursor` and `sort={RELEVANCE}` exclude each other: how well a record answers is no position");
    problems.hint("conflicting_parameters", message, "page with `offset`");
}

/// Reads `sort` by fields. The id is appended in the direction of the last key, unless it is among the keys.
pub fn parse(parts: &[&str], context: Context<'_>, problems: &mut Problems) -> Option<Vec<SortKey>> {
    let before = problems.len();
    let mut keys: Vec<SortKey> = Vec::new();
    for part in parts {
        let (name, descending) = part.strip_prefix('-').map_or((*part, false), |name| (name, true));
        if name == RELEVANCE && context.collection.search.is_some() {
            let message = format!("`{name}` goes from the best on, is no key among others, and the order of no export");
            problems.hint("not_sortable", message, format!("write {name} alone, in a list or a search"));
            continue;
        }
        let Some(field) = context.field(name, problems) else { continue };
        if !context.collection.fields[field].kind.sortable() {
            let kind = context.collection.fields[field].kind.name();
            problems.add("not_sortable", format!("`{name}` is a {kind}, which has no order"));
        } else if keys.iter().any(|key| key.field == field) {
            problems.add("given_twice", format!("`{name}` is a sort key twice"));
        } else {
            keys.push(SortKey { field, descending });
        }
    }
    if problems.len() > before {
        return None;
    }
    // Nothing after the id can matter, and a shorter key is a cheaper condition.
    if let Some(position) = keys.iter().position(|key| key.field == ID) {
        keys.truncate(position + 1);
    } else {
        let descending = keys.last().is_some_and(|key| key.descending);
        keys.extend(by_id(descending));
    }
    Some(keys)
}
