//! Two schemas of one thing. What is sent must be taken as before; what is answered must be what it was before.
//!
//! Used by the comparison of operations. A rule of a keyword that it does not know counts as narrower: better told in vain.

use std::collections::BTreeSet;

use mainstay_crds::field::date::PATTERN as DAY;
use serde_json::Value as Json;

use super::found::Found;
use super::pattern::{self, Verdict};
use super::{Change, members, resolve, texts};

/// Whether the client sends the value or reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Body,
    Answer,
}

/// Deeper members are not looked at; only a user's own schema of a `json` field can be so deep.
const DEEPEST: usize = 32;

const TYPES: [&str; 7] = ["null", "boolean", "object", "array", "number", "string", "integer"];

/// Bounds from below, then from above, with what they bound.
const LEAST: [(&str, &str); 6] = [
    ("minimum", ""),
    ("exclusiveMinimum", ""),
    ("x-minimum", ""),
    ("minLength", " characters"),
    ("minItems", " items"),
    ("minProperties", " members"),
];
const MOST: [(&str, &str); 6] = [
    ("maximum", ""),
    ("exclusiveMaximum", ""),
    ("x-maximum", ""),
    ("maxLength", " characters"),
    ("maxItems", " items"),
    ("maxProperties", " members"),
];

/// Keywords that are compared below, or that are no rule.
const KNOWN: [&str; 25] = [
    "$ref",
    "type",
    "enum",
    "format",
    "pattern",
    "allOf",
    "anyOf",
    "oneOf",
    "items",
    "properties",
    "required",
    "additionalProperties",
    "uniqueItems",
    "contentEncoding",
    "x-collection",
    "x-immutable",
    "readOnly",
    "writeOnly",
    "description",
    "title",
    "default",
    "example",
    "examples",
    "deprecated",
    "$comment",
];

const KEEP: &str = "keep the rule as it was until clients keep to the new one";
const NEW_FIELD: &str = "leave it as it was, and add a field for what is new";

/// A walk through two schemas.
pub(super) struct Walk<'a, 'f> {
    old: &'a Json,
    new: &'a Json,
    pub direction: Direction,
    collection: Option<&'a str>,
    trail: Vec<String>,
    found: &'f mut Found,
}

impl<'a, 'f> Walk<'a, 'f> {
    pub fn new(
        old: &'a Json,
        new: &'a Json,
        direction: Direction,
        collection: Option<&'a str>,
        found: &'f mut Found,
    ) -> Self {
        Walk { old, new, direction, collection, trail: Vec::new(), found }
    }

    /// The same from within a field.
    pub fn below(mut self, field: &str) -> Self {
        self.trail.push(field.to_owned());
        self
    }

    /// Records what breaks clients here.
    pub fn tell(&mut self, code: &'static str, message: String, hint: &'static str) {
        self.add(code, message, hint, true);
    }

    /// Records what clients may notice here.
    pub fn note(&mut self, code: &'static str, message: String, hint: &'static str) {
        self.add(code, message, hint, false);
    }

    fn add(&mut self, code: &'static str, message: String, hint: &'static str, breaks: bool) {
        let field = self.field();
        self.found.add(Change {
            collection: self.collection.map(str::to_owned),
            field: (!field.is_empty()).then_some(field),
            code,
            message,
            hint,
            breaks,
        });
    }

    /// The field with the members below it: without the envelope of an answer and the brackets of lists.
    fn field(&self) -> String {
        let mut steps = self.trail.as_slice();
        if let (Direction::Answer, [first, rest @ ..]) = (self.direction, steps)
            && first == "data"
        {
            steps = rest;
        }
        steps.iter().filter(|step| *step != "[]").map(String::as_str).collect::<Vec<_>>().join(".")
    }

    /// Its name in a sentence.
    fn named(&self) -> String {
        match self.field() {
            field if field.is_empty() && self.direction == Direction::Answer => "a record".to_owned(),
            field if field.is_empty() => "the body".to_owned(),
            field => format!("`{field}`"),
        }
    }

    fn within(&mut self, step: &str, f: impl FnOnce(&mut Self)) {
        if self.trail.len() < DEEPEST {
            self.trail.push(step.to_owned());
            f(self);
            self.trail.pop();
        }
    }

    /// Compares; one that is absent allows everything.
    pub fn schemas(&mut self, old: Option<&'a Json>, new: Option<&'a Json>) {
        static ANYTHING: Json = Json::Bool(true);
        let old = Form::of(self.old, old.unwrap_or(&ANYTHING));
        let new = Form::of(self.new, new.unwrap_or(&ANYTHING));
        if old.branches != new.branches {
            return self.tell("rule_changed", format!("{} is one of other schemas now", self.named()), KEEP);
        }
        if !self.types(&old, &new) {
            return;
        }
        self.whole(old.keywords, new.keywords);
        match self.direction {
            Direction::Body => self.rules(old.keywords, new.keywords),
            Direction::Answer => self.answered(old.keywords, new.keywords),
        }
        self.members(old.keywords, new.keywords);
        if old.keywords.get("items").is_some() || new.keywords.get("items").is_some() {
            self.within("[]", |walk| walk.schemas(old.keywords.get("items"), new.keywords.get("items")));
        }
    }

    /// Whether the types go on being the same, so that it makes sense to look further.
    fn types(&mut self, old: &Form<'_>, new: &Form<'_>) -> bool {
        let (given, taken) = match self.direction {
            Direction::Body => (&old.types, &new.types),
            Direction::Answer => (&new.types, &old.types),
        };
        let fits = |kind: &&str| taken.contains(kind) || *kind == "integer" && taken.contains("number");
        let lacking: Vec<&str> = given.iter().copied().filter(|kind| !fits(kind)).collect();
        let here = self.named();
        match (lacking.as_slice(), self.direction) {
            ([], _) => true,
            (["null"], Direction::Body) => {
                self.tell("null_refused", format!("{here} takes null no longer"), "leave it optional");
                true
            }
            (["null"], Direction::Answer) => {
                let hint = "leave it required, or tell its clients to expect null";
                self.tell("null_now", format!("{here} may be null in answers"), hint);
                true
            }
            _ => {
                let message = format!("{here} was of the type {}, is {}", old.type_names(), new.type_names());
                self.tell("type_changed", message, NEW_FIELD);
                false
            }
        }
    }

    /// What must be the same in both directions.
    fn whole(&mut self, old: &Json, new: &Json) {
        for keyword in ["format", "contentEncoding"] {
            let (was, is) = (old.get(keyword), new.get(keyword));
            // Clients do not rely on a form that they were not told.
            let matters = match self.direction {
                Direction::Body => is.is_some(),
                Direction::Answer => was.is_some(),
            };
            if was != is && matters {
                let show = |format: Option<&Json>| format.and_then(Json::as_str).unwrap_or("any").to_owned();
                let message = format!("{} had the format {}, has {}", self.named(), show(was), show(is));
                self.tell("format_changed", message, NEW_FIELD);
            }
        }
        if let (Some(was), Some(is)) = (old.get("x-collection"), new.get("x-collection"))
            && was != is
        {
            self.tell("target_changed", format!("{} referred to {was}, refers to {is}", self.named()), NEW_FIELD);
        }
    }

    /// The rules of what is sent: none may be narrower.
    fn rules(&mut self, old: &Json, new: &Json) {
        let here = self.named();
        for (keywords, tightened, word) in
            [(LEAST, std::cmp::Ordering::Greater, "least"), (MOST, std::cmp::Ordering::Less, "most")]
        {
            for (keyword, unit) in keywords {
                let Some(is) = new.get(keyword) else { continue };
                let was = old.get(keyword);
                if was.is_none_or(|was| order(is, was) == Some(tightened)) {
                    let was = was.map_or_else(|| "any".to_owned(), |was| format!("{}{unit}", plain(was)));
                    let message = format!("{here} takes at {word} {}{unit}, it took {was}", plain(is));
                    self.tell("narrower", message, KEEP);
                }
            }
        }
        // The collections that a batch can be about: those that are gone are told as such.
        let batched = self.collection.is_none() && self.trail.last().is_some_and(|step| step == "collection");
        if let Some(values) = new.get("enum").and_then(Json::as_array).filter(|_| !batched) {
            let was = old.get("enum").and_then(Json::as_array);
            let gone = was.into_iter().flatten().filter(|value| !value.is_null() && !values.contains(value));
            let gone: Vec<String> = gone.map(|value| format!("`{}`", plain(value))).collect();
            match was {
                None => self.tell("narrower", format!("{here} takes certain values alone"), KEEP),
                Some(_) if gone.is_empty() => {}
                Some(_) => {
                    let message = format!("{here} takes {} no longer", gone.join(", "));
                    self.tell("removed_values", message, "keep the value until nobody sends it");
                }
            }
        }
        self.patterns(old, new);
        for (keyword, message) in [
            ("uniqueItems", "takes no item twice now"),
            ("x-immutable", "cannot be changed once set"),
            ("readOnly", "may not be set by clients any more"),
        ] {
            if new.get(keyword) == Some(&Json::Bool(true)) && old.get(keyword) != Some(&Json::Bool(true)) {
                let code = match keyword {
                    "uniqueItems" => "narrower",
                    "x-immutable" => "immutable_now",
                    _ => "read_only_now",
                };
                self.tell(code, format!("{here} {message}"), KEEP);
            }
        }
        let compared =
            |keyword: &str| KNOWN.contains(&keyword) || LEAST.iter().chain(&MOST).any(|(known, _)| *known == keyword);
        for (keyword, rule) in members(Some(new)).filter(|(keyword, _)| !compared(keyword)) {
            if old.get(keyword) != Some(rule) {
                self.tell("rule_changed", format!("{here} has another rule by `{keyword}`"), KEEP);
            }
        }
    }

    fn patterns(&mut self, old: &Json, new: &Json) {
        let mut before = patterns(old);
        let day = format!("^{DAY}$");
        if old.get("format").and_then(Json::as_str) == Some("date") {
            // Patterns of bounds take days that no month has.
            before.push(&day);
        }
        for pattern in patterns(new) {
            let verdict = pattern::compare(&before, pattern);
            let example = match &verdict {
                Verdict::Wider => continue,
                Verdict::Refuses(text) => Some(text),
                Verdict::Unknown => None,
            };
            let message = match example {
                Some(text) => format!("{} takes {text:?} no longer", self.named()),
                None => format!("{} has another pattern, which may take less", self.named()),
            };
            self.tell("narrower", message, KEEP);
        }
    }

    /// What an answer may hold beyond what it held.
    fn answered(&mut self, old: &Json, new: &Json) {
        let Some(values) = old.get("enum").and_then(Json::as_array) else { return };
        let next = new.get("enum").and_then(Json::as_array);
        let more = next.into_iter().flatten().filter(|value| !value.is_null() && !values.contains(value));
        let more: Vec<String> = more.map(|value| format!("`{}`", plain(value))).collect();
        let hint = "clients that know every value have to learn it";
        match next {
            None => self.note("new_values", format!("{} may be answered as any text", self.named()), hint),
            Some(_) if more.is_empty() => {}
            Some(_) => {
                self.note("new_values", format!("{} may be answered as {}", self.named(), more.join(", ")), hint);
            }
        }
    }

    /// The members of objects.
    fn members(&mut self, old: &'a Json, new: &'a Json) {
        let closed = new.get("additionalProperties") == Some(&Json::Bool(false));
        // What comes along are records of other collections, which are compared with their own; what leads there is a
        // field. So does what is told of them alone.
        let envelope = self.direction == Direction::Answer && self.trail.is_empty();
        let demanded = texts(old.get("required"));
        let comes_along = |name: &str| envelope && !demanded.contains(name) && matches!(name, "included" | "meta");
        for (name, was) in members(old.get("properties")).filter(|(name, _)| !comes_along(name)) {
            match new.get("properties").and_then(|all| all.get(name)) {
                Some(is) => self.within(name, |walk| walk.schemas(Some(was), Some(is))),
                None => self.within(name, |walk| walk.gone(closed)),
            }
        }
        let (was, is) = (demanded, texts(new.get("required")));
        match self.direction {
            Direction::Body => {
                for name in is.difference(&was) {
                    self.within(name, |walk| {
                        let message = format!("{} has to be given now", walk.named());
                        walk.tell("required_now", message, "give it a default, or leave it optional");
                    });
                }
                if closed && old.get("additionalProperties") != Some(&Json::Bool(false)) {
                    self.tell("narrower", format!("{} takes no other members", self.named()), KEEP);
                }
            }
            Direction::Answer => {
                let answered = |name: &&&str| new.get("properties").is_some_and(|all| all.get(**name).is_some());
                for name in was.difference(&is).filter(answered) {
                    self.within(name, |walk| {
                        let message = format!("{} may be absent from answers", walk.named());
                        walk.tell("absent_now", message, "let everybody read it who could, or tell its clients first");
                    });
                }
            }
        }
        let (was, is) = (old.get("additionalProperties"), new.get("additionalProperties"));
        if [was, is].iter().all(|one| one.is_some_and(Json::is_object)) {
            self.within("*", |walk| walk.schemas(was, is));
        }
    }

    /// A member that is not there any more.
    fn gone(&mut self, closed: bool) {
        let here = self.named();
        let hint = "keep it until nobody uses it; to rename a field, add the new name beside the old one";
        match self.direction {
            Direction::Answer => self.tell("removed_field", format!("{here} is answered no longer"), hint),
            Direction::Body if closed => self.tell("refused_field", format!("{here} is taken no longer"), hint),
            Direction::Body => {}
        }
    }
}

/// A schema with its types told apart from the rest.
struct Form<'a> {
    types: BTreeSet<&'a str>,
    keywords: &'a Json,
    /// What is left of `anyOf` or `oneOf` when it is more than a schema or null.
    branches: Option<&'a Json>,
}

impl<'a> Form<'a> {
    fn of(document: &'a Json, schema: &'a Json) -> Form<'a> {
        let schema = resolve(document, schema);
        let union = schema.get("anyOf").or_else(|| schema.get("oneOf"));
        let (one, null) = match union.and_then(Json::as_array).map(Vec::as_slice) {
            Some([one, null]) if null.get("type").and_then(Json::as_str) == Some("null") => {
                (resolve(document, one), true)
            }
            _ => (schema, false),
        };
        let mut types: BTreeSet<&str> = match one.get("type") {
            Some(Json::String(name)) => BTreeSet::from([name.as_str()]),
            Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
            _ => TYPES.into(),
        };
        types.extend(null.then_some("null"));
        Form { types, keywords: one, branches: union.filter(|_| !null) }
    }

    fn type_names(&self) -> String {
        match self.types.len() == TYPES.len() {
            true => "any".to_owned(),
            false => self.types.iter().copied().filter(|name| *name != "null").collect::<Vec<_>>().join(" or "),
        }
    }
}

/// The patterns that a text has to match, all of them.
fn patterns(schema: &Json) -> Vec<&str> {
    let all = schema.get("allOf").and_then(Json::as_array).into_iter().flatten();
    [schema].into_iter().chain(all).filter_map(|one| one.get("pattern")?.as_str()).collect()
}

/// Bounds are numbers, or times in one form.
fn order(one: &Json, other: &Json) -> Option<std::cmp::Ordering> {
    match (one, other) {
        (Json::String(one), Json::String(other)) => Some(one.cmp(other)),
        _ => match (one.as_i64(), other.as_i64()) {
            (Some(one), Some(other)) => Some(one.cmp(&other)),
            _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
        },
    }
}

/// A value without quotes.
fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
