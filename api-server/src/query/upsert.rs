//! `on_conflict`: the unique key by which a create finds the record that it changes instead.
//!
//! Called by the service for `POST`, for the upserts of a batch and for imports.

use mainstay_crds::schema::UniqueKey;
use mainstay_crds::{Problem, Problems};

use super::Context;
use super::params::Params;

/// The parameter.
pub const NAME: &str = "on_conflict";

/// Whether the parameter is there, whatever it says: what is granted depends on it, and is decided first.
pub fn is_asked(raw: &str) -> bool {
    Params::read(raw, &mut Problems::new()).has(NAME)
}

/// Reads the query string of a create: the position of the key among the collection's, if one is asked for.
pub fn parse(raw: &str, context: Context<'_>) -> Result<Option<usize>, Vec<Problem>> {
    let mut problems = Problems::new();
    let params = Params::read(raw, &mut problems);
    params.refuse_others(&[NAME], &mut problems);
    let found = params.one(NAME, &mut problems, |text, problems| key(text, context, problems));
    problems.finish(found)
}

/// The declared unique key of exactly these fields, in any order: `slug`, `creator,title`.
pub fn key(text: &str, context: Context<'_>, problems: &mut Problems) -> Option<usize> {
    let before = problems.len();
    let mut fields: Vec<usize> = text.split(',').filter_map(|name| context.field(name, problems)).collect();
    if problems.len() > before {
        return None;
    }
    fields.sort_unstable();
    let same = |key: &UniqueKey| {
        let mut own = key.fields.clone();
        own.sort_unstable();
        own == fields
    };
    let keys = || context.collection.unique.iter().enumerate().filter(|(_, key)| same(key));
    let found = keys().find(|(_, key)| key.condition.is_none()).map(|(position, _)| position);
    if found.is_some() {
        return found;
    }
    let hint = declared(context);
    match keys().next() {
        // A record outside the condition has no key, and one inside may leave it by the very change.
        Some(_) => {
            let message = format!("the unique key on {text} has a `where`, and so does not find every record");
            problems.push("not_allowed", message, hint);
        }
        None => {
            let message = format!("{} declares no unique key on {text}", context.collection.name);
            problems.push("no_key", message, hint);
        }
    }
    None
}

/// The keys that can be named, as a hint; `None` when there is none.
fn declared(context: Context<'_>) -> Option<String> {
    let names = names(context);
    (!names.is_empty()).then(|| format!("the unique keys are {}", names.join("; ")))
}

/// Every key that can be named by one who sees what `context` shows.
pub fn names(context: Context<'_>) -> Vec<String> {
    let collection = context.collection;
    let visible = |key: &&UniqueKey| key.fields.iter().all(|field| (context.visible)(collection, *field));
    let keys = collection.unique.iter().filter(|key| key.condition.is_none()).filter(visible);
    let name = |field: &usize| collection.fields[*field].name.as_str();
    keys.map(|key| key.fields.iter().map(name).collect::<Vec<_>>().join(",")).collect()
}
