//! The body of a search: what a list takes as parameters, as JSON, with a filter tree.
//!
//! Called by the service for `POST /{collection}/search`. Everything but the tree is judged by the same functions as the
//! parameter of that name, so that both ask for the same things.

use mainstay_crds::filter::Filter;
use mainstay_crds::filter::parse::request;
use mainstay_crds::json::canonical;
use mainstay_crds::name::did_you_mean;
use mainstay_crds::{Problem, Problems};
use serde_json::{Map, Value as Json};

use super::{Context, ListQuery, cursor, fields, include, page, sort};

/// Every member.
const MEMBERS: [&str; 8] = ["where", "sort", "limit", "offset", "cursor", "fields", "include", "count"];

/// Reads the body of a search. The filter is not bound yet.
pub fn search(body: &Json, context: Context<'_>) -> Result<ListQuery, Vec<Problem>> {
    let mut problems = Problems::new();
    let Json::Object(members) = body else {
        problems.hint("wrong_type", "a search is a JSON object", "write {\"where\": {…}}; {} is everything");
        return Err(problems.into_vec());
    };
    refuse_others(members, &mut problems);
    let body = Body { members, context };
    let sort = body.names("sort", &mut problems, |names, problems| sort::parse(names, context, problems));
    let sort = sort.unwrap_or_else(|| sort::by_id(false));
    let limit = body.number("limit", &mut problems, |text, problems| context.page.limit(text, problems));
    let offset = body.number("offset", &mut problems, page::offset);
    let fields = body.names("fields", &mut problems, |names, problems| fields::parse(names, context, problems));
    let include = body.names("include", &mut problems, |names, problems| include::parse(names, context, problems));
    let count = body.text("count", &mut problems, page::count);
    let filter = body.filter(&mut problems);
    let tree = members.get("where").map(canonical).unwrap_or_else(|| "{}".to_owned());
    // No parameter is called so: the cursor of a list is none of a search.
    let fingerprint = cursor::fingerprint(context.collection, &sort, &[("", tree.as_str())]);
    let after = body.text("cursor", &mut problems, |text, problems| {
        if members.contains_key("offset") {
            problems.hint("conflicting_parameters", "`cursor` and `offset` exclude each other", "leave out `offset`");
        }
        cursor::decode(text, context.collection, &sort, fingerprint, problems)
    });
    let limit = limit.unwrap_or(context.page.default);
    let (include, count) = (include.unwrap_or_default(), count.unwrap_or_default());
    problems.finish(ListQuery { filter, sort, limit, offset, after, fields, include, count, fingerprint })
}

fn refuse_others(members: &Map<String, Json>, problems: &mut Problems) {
    for name in members.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
        let hint = did_you_mean(name, MEMBERS);
        problems.within(name, |p| p.push("unknown_key", format!("a search has no member `{name}`"), hint));
    }
}

struct Body<'a> {
    members: &'a Map<String, Json>,
    context: Context<'a>,
}

impl<'a> Body<'a> {
    fn filter(&self, problems: &mut Problems) -> Option<Filter> {
        let Context { collection, schema, visible, .. } = self.context;
        let tree = self.members.get("where")?;
        problems.within("where", |problems| request(tree, collection, schema, visible, problems))
    }

    /// A member that is a list of texts, at least one.
    fn names<T>(
        &self,
        name: &str,
        problems: &mut Problems,
        read: impl FnOnce(&[&str], &mut Problems) -> Option<T>,
    ) -> Option<T> {
        let json = self.members.get(name)?;
        problems.within(name, |problems| {
            let texts: Option<Vec<&str>> = json.as_array().and_then(|all| all.iter().map(Json::as_str).collect());
            match texts.filter(|texts| !texts.is_empty()) {
                Some(texts) => read(&texts, problems),
                None => {
                    problems.add("wrong_type", format!("`{name}` is an array of one string or more"));
                    None
                }
            }
        })
    }

    fn text<T>(
        &self,
        name: &str,
        problems: &mut Problems,
        read: impl FnOnce(&str, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        let json = self.members.get(name)?;
        problems.within(name, |problems| match json.as_str() {
            Some(text) => read(text, problems),
            None => {
                problems.add("wrong_type", format!("`{name}` is a string"));
                None
            }
        })
    }

    /// A member that is a number, as the text that the parameter would be.
    fn number<T>(
        &self,
        name: &str,
        problems: &mut Problems,
        read: impl FnOnce(&str, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        let json = self.members.get(name)?;
        problems.within(name, |problems| match json {
            // 20.0 is the integer 20 in JSON Schema.
            Json::Number(number) => match number.as_f64().filter(|float| float.fract() == 0.0) {
                Some(whole) => read(&format!("{whole:.0}"), problems),
                None => read(&number.to_string(), problems),
            },
            _ => {
                problems.add("wrong_type", format!("`{name}` is a number"));
                None
            }
        })
    }
}
