//! The body of a search: what a list takes as parameters, as JSON, with a filter tree.
//!
//! Called by the service for `POST /{collection}/search`. Everything but the tree is judged by the same functions as the
//! parameter of that name, so that both ask for the same things.

use mainstay_crds::filter::Filter;
use mainstay_crds::filter::parse::request;
use mainstay_crds::json::canonical;
use mainstay_crds::name::did_you_mean;
use mainstay_crds::words::query;
use mainstay_crds::{Problem, Problems};
use serde_json::{Map, Value as Json};

use super::sort::{self, Order};
use super::{Context, ListQuery, cursor, fields, filter, include, page};

/// Every member; `q` only where the collection is searched by words.
const MEMBERS: [&str; 9] = ["where", "q", "sort", "limit", "offset", "cursor", "fields", "include", "count"];

/// Reads the body of a search. The filter is not bound yet.
pub fn search(body: &Json, context: Context<'_>) -> Result<ListQuery, Vec<Problem>> {
    let mut problems = Problems::new();
    let Json::Object(members) = body else {
        problems.hint("wrong_type", "a search is a JSON object", "write {\"where\": {…}}; {} is everything");
        return Err(problems.into_vec());
    };
    refuse_others(members, context, &mut problems);
    let body = Body { members, context };
    let has_q = members.contains_key(filter::Q);
    let order = body.names("sort", &mut problems, |names, problems| sort::order(names, context, has_q, problems));
    let Order { keys: sort, relevance } = order.unwrap_or_default();
    let limit = body.number("limit", &mut problems, |text, problems| context.page.limit(text, problems));
    let offset = body.number("offset", &mut problems, page::offset);
    let fields = body.names("fields", &mut problems, |names, problems| fields::parse(names, context, problems));
    let include = body.names("include", &mut problems, |names, problems| include::parse(names, context, problems));
    let count = body.text("count", &mut problems, page::count);
    let filters: Vec<Filter> = body.filter(&mut problems).into_iter().chain(body.words(&mut problems)).collect();
    let filter = if filters.len() > 1 { Some(Filter::And(filters)) } else { filters.into_iter().next() };
    let tree = members.get("where").map(canonical).unwrap_or_else(|| "{}".to_owned());
    let q = members.get(filter::Q).and_then(Json::as_str).map(|q| (filter::Q, q));
    // No parameter is called so: the cursor of a list is none of a search.
    let asked: Vec<(&str, &str)> = [("", tree.as_str())].into_iter().chain(q).collect();
    let fingerprint = cursor::fingerprint(context.collection, &sort, &asked);
    let after = body.text("cursor", &mut problems, |text, problems| {
        if members.contains_key("offset") {
            problems.hint("conflicting_parameters", "`cursor` and `offset` exclude each other", "leave out `offset`");
        }
        if relevance {
            sort::refuse_cursor(problems);
            return None;
        }
        cursor::decode(text, context.collection, &sort, fingerprint, problems)
    });
    let limit = limit.unwrap_or(context.page.default);
    let (include, count) = (include.unwrap_or_default(), count.unwrap_or_default());
    problems.finish(ListQuery { filter, sort, relevance, limit, offset, after, fields, include, count, fingerprint })
}

fn refuse_others(members: &Map<String, Json>, context: Context<'_>, problems: &mut Problems) {
    let known = || MEMBERS.into_iter().filter(|name| *name != filter::Q || context.collection.search.is_some());
    for name in members.keys().filter(|name| !known().any(|known| known == name.as_str())) {
        let hint = did_you_mean(name, known());
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

    fn words(&self, problems: &mut Problems) -> Option<Filter> {
        let language = self.context.collection.search.as_ref()?.language;
        self.text(filter::Q, problems, |text, problems| query::parse(text, language, problems)).map(Filter::Words)
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
