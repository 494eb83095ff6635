//! Filter trees from JSON: `{"status":"open","volume":{"gte":"100"}}`, with `and`, `or`, `not` and references.
//!
//! Called by the check for rules, checks and keys, and by the server for bodies. Every problem is recorded with its
//! path. Several keys in one object all have to hold; `and`, `or` and `not` are never fields. Never decides who may
//! filter by what.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::{Filter, MAX_DEPTH, MAX_LEAVES, Op, Operand};
use crate::field::FieldKind;
use crate::name::did_you_mean;
use crate::problem::Problems;
use crate::schema::{Collection, Field, Schema};
use crate::value::Value;

mod operand;
mod related;

/// At most this many operands in one tree.
pub const MAX_OPERANDS: usize = 1000;

/// The variables that stand for a list by themselves, as they begin.
const LISTS: [&str; 2] = ["$auth.roles", "$auth.claims."];

/// Where a tree stands, and so what it may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `where` of an access rule: `$auth`, `$now`, `$field`, references and `exists`.
    Rule,
    /// `checks` and `where` of a unique key: the record's own fields and constants alone, `$field` in checks.
    Check,
    /// `POST /search` and `if` of a batch: constants, `$now`, references and `exists`; not `writeOnly` fields.
    Request,
}

/// A tree from JSON, checked against `collection`; every problem is recorded with its path.
pub fn parse(
    json: &Json,
    collection: &Collection,
    schema: &Schema,
    place: Place,
    problems: &mut Problems,
) -> Option<Filter> {
    Reader::new(schema, place, &BTreeMap::new()).read(json, collection, problems)
}

/// A tree from a request: as [`parse`] of [`Place::Request`], with fields that are not `visible` to the caller refused like
/// unknown ones.
pub fn request(
    json: &Json,
    collection: &Collection,
    schema: &Schema,
    visible: &dyn Fn(&Collection, usize) -> bool,
    problems: &mut Problems,
) -> Option<Filter> {
    let broken = BTreeMap::new();
    let reader = Reader { visible, ..Reader::new(schema, Place::Request, &broken) };
    reader.read(json, collection, problems)
}

/// Reads trees of a schema that may still be under examination.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    schema: &'a Schema,
    place: Place,
    /// By collection: fields with problems of their own, about which nothing more is said.
    broken: &'a BTreeMap<String, BTreeSet<String>>,
    /// Whether a field of a collection may be named.
    visible: &'a dyn Fn(&Collection, usize) -> bool,
    /// Within `exists`: what it is asked of, which `$field` means there.
    outer: Option<&'a Collection>,
}

impl<'a> Reader<'a> {
    /// A reader for which every field may be named.
    pub fn new(schema: &'a Schema, place: Place, broken: &'a BTreeMap<String, BTreeSet<String>>) -> Self {
        Reader { schema, place, broken, visible: &|_, _| true, outer: None }
    }

    /// The tree, or `None` when it has a problem or names something that has.
    pub fn read(&self, json: &Json, collection: &Collection, problems: &mut Problems) -> Option<Filter> {
        let mut leaves = 0;
        let filter = self.tree(json, collection, 0, &mut leaves, problems);
        if leaves > MAX_LEAVES {
            problems.add("too_many_leaves", format!("a filter has at most {MAX_LEAVES} tests, and this one {leaves}"));
            return None;
        }
        let operands = filter.as_ref().map_or(0, Filter::operands);
        if operands > MAX_OPERANDS {
            problems.add("too_many", format!("a filter has at most {MAX_OPERANDS} values, and this one {operands}"));
            return None;
        }
        filter
    }

    fn tree(
        &self,
        json: &Json,
        collection: &Collection,
        depth: usize,
        leaves: &mut usize,
        problems: &mut Problems,
    ) -> Option<Filter> {
        let Json::Object(members) = json else {
            problems.hint("wrong_type", "a filter is an object", "write it like {\"status\": \"open\"}");
            return None;
        };
        if depth > MAX_DEPTH {
            problems.add("too_deep", format!("a filter has at most {MAX_DEPTH} levels"));
            return None;
        }
        // A group of nothing is a test too: of nothing else would there be a bound.
        *leaves += usize::from(members.is_empty());
        let mut all = Vec::with_capacity(members.len());
        let mut whole = true;
        for (key, value) in members {
            let found = problems.within(key, |problems| match key.as_str() {
                "and" => self.trees(value, collection, depth, leaves, problems).map(Filter::And),
                "or" => self.trees(value, collection, depth, leaves, problems).map(Filter::Or),
                "not" => {
                    let filter = self.tree(value, collection, depth + 1, leaves, problems)?;
                    Some(Filter::Not(Box::new(filter)))
                }
                "exists" if collection.position(key).is_none() => {
                    self.exists(value, collection, depth, leaves, problems)
                }
                _ => self.member(key, value, collection, depth, leaves, problems),
            });
            whole &= found.is_some();
            all.extend(found);
        }
        whole.then(|| conjunction(all))
    }

    fn trees(
        &self,
        json: &Json,
        collection: &Collection,
        depth: usize,
        leaves: &mut usize,
        problems: &mut Problems,
    ) -> Option<Vec<Filter>> {
        let Json::Array(elements) = json else {
            problems.hint("wrong_type", "a list of filters is expected", "write [{…}, {…}]");
            return None;
        };
        *leaves += usize::from(elements.is_empty());
        let each = elements.iter().enumerate().map(|(position, element)| {
            problems.within(position, |problems| self.tree(element, collection, depth + 1, leaves, problems))
        });
        // Collected first, so that every element is judged.
        let each: Vec<Option<Filter>> = each.collect();
        each.into_iter().collect()
    }

    /// The condition on one field.
    fn member(
        &self,
        key: &str,
        value: &Json,
        collection: &Collection,
        depth: usize,
        leaves: &mut usize,
        problems: &mut Problems,
    ) -> Option<Filter> {
        let position = self.field(key, collection, &["and", "or", "not", "exists"], problems)?;
        let field = &collection.fields[position];
        if field.write_only && self.place != Place::Check {
            problems.add("not_allowed", format!("`{key}` is writeOnly, and so not filtered by"));
            return None;
        }
        let Json::Object(tests) = value else {
            *leaves += 1;
            return self.test(position, Op::Eq, value, collection, problems);
        };
        if tests.is_empty() {
            problems.hint("required", format!("nothing is asked of `{key}`"), operators_hint(field));
            return None;
        }
        if let Some(target) = field.target().filter(|_| !tests.keys().all(|name| Op::from_name(name).is_some())) {
            return self.through(position, target.as_str(), value, (depth, leaves), collection, problems);
        }
        self.tests(position, tests, collection, leaves, problems)
    }

    /// `{"gte": 1, "lt": 5}`: all have to hold.
    fn tests(
        &self,
        position: usize,
        tests: &Map<String, Json>,
        collection: &Collection,
        leaves: &mut usize,
        problems: &mut Problems,
    ) -> Option<Filter> {
        let field = &collection.fields[position];
        let mut all = Vec::with_capacity(tests.len());
        let mut whole = true;
        for (name, value) in tests {
            *leaves += 1;
            let test = problems.within(name, |problems| match Op::from_name(name) {
                Some(op) => self.test(position, op, value, collection, problems),
                None => {
                    let known = field.kind.operators().iter().map(|op| op.name());
                    let hint = did_you_mean(name, known).unwrap_or_else(|| operators_hint(field));
                    problems.hint("unknown_operator", format!("there is no operator `{name}`"), hint);
                    None
                }
            });
            whole &= test.is_some();
            all.extend(test);
        }
        whole.then(|| conjunction(all))
    }

    fn test(
        &self,
        position: usize,
        op: Op,
        value: &Json,
        collection: &Collection,
        problems: &mut Problems,
    ) -> Option<Filter> {
        let field = &collection.fields[position];
        if !field.kind.operators().contains(&op) {
            let message =
                format!("`{}` is of the kind `{}`, which has no `{}`", field.name, field.kind.name(), op.name());
            problems.hint("not_allowed", message, operators_hint(field));
            return None;
        }
        if value.is_null() && op != Op::Isnull {
            let hint = format!("write {{\"{}\": {{\"isnull\": true}}}}", field.name);
            problems.hint("wrong_type", "nothing equals null", hint);
            return None;
        }
        let operands = match (op, value) {
            (Op::Isnull, Json::Bool(wanted)) => vec![Operand::Value(Value::Boolean(*wanted))],
            (Op::Isnull, _) => {
                problems.hint("wrong_type", "`isnull` takes true or false", "write {\"isnull\": true}");
                return None;
            }
            (Op::In | Op::Nin, Json::Array(elements)) => {
                if elements.len() > MAX_OPERANDS {
                    let message = format!("`{}` takes at most {MAX_OPERANDS} values", op.name());
                    problems.add("too_many", message);
                    return None;
                }
                let each = elements.iter().enumerate().map(|(place, element)| {
                    problems.within(place, |p| self.operand(position, op, element, collection, p))
                });
                let each: Vec<Option<Operand>> = each.collect();
                each.into_iter().collect::<Option<Vec<Operand>>>()?
            }
            (Op::In | Op::Nin, Json::String(text))
                if self.place != Place::Request && LISTS.iter().any(|list| text.starts_with(list)) =>
            {
                vec![self.operand(position, op, value, collection, problems)?]
            }
            (Op::In | Op::Nin, _) => {
                problems.hint("wrong_type", format!("`{}` takes a list", op.name()), "write [value, value]");
                return None;
            }
            _ => vec![self.operand(position, op, value, collection, problems)?],
        };
        Some(Filter::Test { field: position, op, operands })
    }

    /// Position of the field of that name. Words are other things that may stand there.
    fn field(&self, name: &str, collection: &Collection, words: &[&str], problems: &mut Problems) -> Option<usize> {
        let visible = |position: &usize| (self.visible)(collection, *position);
        let position = collection.position(name).filter(visible);
        let broken = self.broken.get(collection.name.as_str());
        if position.is_none() && !broken.is_some_and(|broken| broken.contains(name)) {
            let all = || collection.fields.iter().enumerate().filter(|(position, _)| visible(position));
            let fields = || all().map(|(_, field)| field.name.as_str());
            let hint = did_you_mean(name, fields().chain(words.iter().copied()))
                .unwrap_or_else(|| format!("the fields are {}", fields().collect::<Vec<_>>().join(", ")));
            problems.hint("unknown_field", format!("`{}` has no field `{name}`", collection.name), hint);
        }
        position
    }
}

/// The kind of an operand: for `has` that of an element.
fn asked(field: &Field, op: Op) -> Option<&dyn FieldKind> {
    match op {
        Op::Has => field.kind.item(),
        _ => Some(&*field.kind),
    }
}

fn conjunction(mut all: Vec<Filter>) -> Filter {
    match all.len() {
        1 => all.swap_remove(0),
        _ => Filter::And(all),
    }
}

fn operators_hint(field: &Field) -> String {
    let names: Vec<&str> = field.kind.operators().iter().map(|op| op.name()).collect();
    format!("its operators are {}", names.join(", "))
}

#[cfg(test)]
mod tests;
