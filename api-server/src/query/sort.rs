//! `sort=-created_at,title`: fields and directions, the id always last.

use mainstay_crds::Problems;
use mainstay_crds::schema::{ID, SortKey};

use super::Context;

/// The order of a list without `sort`.
pub fn by_id(descending: bool) -> Vec<SortKey> {
    vec![SortKey { field: ID, descending }]
}

/// Reads `sort`. The id is appended in the direction of the last key, unless it is among the keys.
pub fn parse(parts: &[&str], context: Context<'_>, problems: &mut Problems) -> Option<Vec<SortKey>> {
    let before = problems.len();
    let mut keys: Vec<SortKey> = Vec::new();
    for part in parts {
        let (name, descending) = part.strip_prefix('-').map_or((*part, false), |name| (name, true));
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
