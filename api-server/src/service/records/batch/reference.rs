//! References to earlier results: a string that is exactly `$0.id` is that field of the first operation's record.
//!
//! They may stand anywhere in `id`, `data`, `increment` and `if`. Checked before the transaction, replaced inside it.

use std::collections::BTreeMap;

use mainstay_crds::Problems;
use serde_json::{Map, Value as Json};

use super::{Head, Outcome, Verb};
use crate::service::access::may_read;
use crate::service::records::draft;
use crate::service::{Ctx, Error};

/// All references of a batch together stand for at most this much JSON, since a short one may stand for a long text.
const MAX_BYTES: usize = 1 << 20;
/// Where references are read.
const MEMBERS: [&str; 4] = ["id", "data", "increment", "if"];

/// Where a result is referred to, and what of it.
#[derive(Debug, PartialEq)]
pub struct Reference {
    /// A JSON Pointer within the operation.
    path: String,
    operation: usize,
    field: String,
}

/// `$0.id` as an operation and a field; `None` for every other text.
fn parse(text: &str) -> Option<(usize, &str)> {
    let (number, field) = text.strip_prefix('$')?.split_once('.')?;
    let digits = !number.is_empty() && number.len() <= 9 && number.bytes().all(|byte| byte.is_ascii_digit());
    let name = field.starts_with(|first: char| first.is_ascii_lowercase())
        && field.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !digits || !name {
        return None;
    }
    Some((number.parse().ok()?, field))
}

impl Reference {
    /// Every reference of an operation.
    pub fn all(members: &Map<String, Json>) -> Vec<Reference> {
        let mut found = Vec::new();
        for (name, json) in members.iter().filter(|(name, _)| MEMBERS.contains(&name.as_str())) {
            let mut here = Problems::new();
            here.within(name, |here| collect(json, here, &mut found));
        }
        found
    }

    /// Records what is wrong with it. `heads` are those of the operations before its own.
    pub fn check(&self, ctx: &Ctx, heads: &[Option<Head>], problems: &mut Problems) {
        let Reference { path, operation, field } = self;
        let mut here = Problems::at(format!("{}{path}", problems.path()));
        let text = format!("${operation}.{field}");
        match heads.get(*operation) {
            None => here.hint(
                "unknown_reference",
                format!("`{text}` refers to the result of a later operation, or of none"),
                "operations are counted from 0, and refer to those before them",
            ),
            // What is wrong with that operation is told there.
            Some(None) => {}
            Some(Some(head)) if head.verb == Verb::Delete => {
                here.add("unknown_reference", format!("`{text}` refers to a delete, which has no result"));
            }
            Some(Some(head)) => {
                let collection = &head.target.collection;
                let known = collection.position(field).map(|position| &collection.fields[position]);
                if !known.is_some_and(|field| may_read(ctx, field)) {
                    here.add("unknown_reference", format!("`{text}`: {} has no field `{field}`", collection.name));
                }
            }
        }
        problems.extend(here.into_vec());
    }

    /// Whether a problem is about a member whose value this reference has a part in. `here` is the operation's path.
    pub fn excuses(&self, problem: &str, here: &str) -> bool {
        let depth = if self.path.starts_with("/data/") || self.path.starts_with("/increment/") { 3 } else { 2 };
        let member: Vec<&str> = self.path.splitn(depth + 1, '/').take(depth).collect();
        let rest = problem.strip_prefix(here).and_then(|rest| rest.strip_prefix(&member.join("/")));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Finds references below `json`. The problems only keep the path.
fn collect(json: &Json, here: &mut Problems, found: &mut Vec<Reference>) {
    match json {
        Json::String(text) => {
            if let Some((operation, field)) = parse(text) {
                found.push(Reference { path: here.path().to_owned(), operation, field: field.to_owned() });
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                here.within(index, |here| collect(item, here, found));
            }
        }
        Json::Object(members) => {
            for (name, json) in members {
                here.within(name, |here| collect(json, here, found));
            }
        }
        _ => {}
    }
}

/// The results so far, as references see them.
#[derive(Default)]
pub struct Results {
    outcomes: Vec<Outcome>,
    /// Each read at most once.
    records: BTreeMap<usize, Json>,
    bytes: usize,
}

impl Results {
    /// The next result.
    pub fn push(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
    }

    /// All of them.
    pub fn into_outcomes(self) -> Vec<Outcome> {
        self.outcomes
    }

    /// The members of an operation with every reference replaced. `path` is the operation's.
    ///
    /// Errors: 422 for a field of a record that the caller may not read, and when all together are too long.
    pub fn resolve(&mut self, members: &Map<String, Json>, path: &str) -> Result<Map<String, Json>, Error> {
        let mut problems = Problems::at(path);
        let mut resolved = Map::new();
        for (name, json) in members {
            let json = match MEMBERS.contains(&name.as_str()) {
                true => problems.within(name, |problems| self.replaced(json, problems)),
                false => json.clone(),
            };
            resolved.insert(name.clone(), json);
        }
        problems.finish(resolved).map_err(draft::unprocessable)
    }

    fn replaced(&mut self, json: &Json, problems: &mut Problems) -> Json {
        match json {
            Json::String(text) => match parse(text) {
                Some((operation, field)) => self.value(operation, field, problems),
                None => json.clone(),
            },
            Json::Array(items) => {
                let items = items.iter().enumerate();
                items.map(|(index, item)| problems.within(index, |problems| self.replaced(item, problems))).collect()
            }
            Json::Object(members) => {
                let each = members.iter();
                let replaced = each.map(|(name, json)| {
                    (name.clone(), problems.within(name, |problems| self.replaced(json, problems)))
                });
                Json::Object(replaced.collect())
            }
            other => other.clone(),
        }
    }

    fn value(&mut self, operation: usize, field: &str, problems: &mut Problems) -> Json {
        let Some(Outcome::Written(written)) = self.outcomes.get(operation) else { return Json::Null };
        // Known also of a record that the caller may not read.
        if field == "id" {
            return Json::String(written.id.to_string());
        }
        let read = || written.json.as_deref().and_then(|json| serde_json::from_slice(json).ok()).unwrap_or(Json::Null);
        let Some(value) = self.records.entry(operation).or_insert_with(read).get(field) else {
            let message = format!("the record of operation {operation} is not readable for you, but for its id");
            problems.add("unknown_reference", message);
            return Json::Null;
        };
        if self.bytes > MAX_BYTES {
            return Json::Null;
        }
        self.bytes += length(value);
        if self.bytes > MAX_BYTES {
            problems.add("too_long", format!("what the references stand for is over {MAX_BYTES} bytes of JSON"));
            return Json::Null;
        }
        value.clone()
    }
}

/// About how long a value is as JSON.
fn length(json: &Json) -> usize {
    match json {
        Json::String(text) => text.len() + 2,
        Json::Array(items) => items.iter().map(|item| length(item) + 1).sum(),
        Json::Object(members) => members.iter().map(|(name, json)| name.len() + length(json) + 4).sum(),
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reference_is_exactly_a_number_and_a_field() {
        for (text, found) in [
            ("$0.id", Some((0, "id"))),
            ("$12.created_at", Some((12, "created_at"))),
            ("$0", None),
            ("$.id", None),
            ("$0.", None),
            ("$5.00", None),
            ("$0.Id", None),
            ("$-1.id", None),
            ("$1e2.id", None),
            (" $0.id", None),
            ("$0.id ", None),
            ("$0.a.b", None),
            ("$9999999999.id", None),
        ] {
            assert_eq!(parse(text), found, "{text}");
        }
    }

    #[test]
    fn references_are_found_wherever_values_stand() {
        let operation = json!({
            "op": "$0.id", "collection": "$0.id", "version": 1, "id": "$0.id",
            "data": { "a": "$1.b", "list": ["x", "$2.c"], "$0.id": { "~/": "$3.d" } },
        });
        let found = Reference::all(operation.as_object().unwrap());
        let mut paths: Vec<&str> = found.iter().map(|reference| reference.path.as_str()).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["/data/$0.id/~0~1", "/data/a", "/data/list/1", "/id"]);
    }

    #[test]
    fn a_problem_is_excused_where_a_reference_has_a_part_in_the_member() {
        let reference = |path: &str| Reference { path: path.to_owned(), operation: 0, field: "id".to_owned() };
        for (path, problem, excused) in [
            ("/data/extra/a", "/operations/1/data/extra", true),
            ("/data/extra/a", "/operations/1/data/extra/b", true),
            ("/data/extra/a", "/operations/1/data/extract", false),
            ("/data/extra/a", "/operations/1/data", false),
            ("/id", "/operations/1/id", true),
            ("/id", "/operations/1/if", false),
            ("/if/owner/eq", "/operations/1/if/label", true),
            ("/data/a", "/operations/11/data/a", false),
        ] {
            assert_eq!(reference(path).excuses(problem, "/operations/1"), excused, "{path}: {problem}");
        }
    }
}
