//! JSON Patch (RFC 6902): operations read from JSON, and carried out on a value in memory.
//!
//! Called by the server for PATCH. Pure, and bounded however the operations build on each other: in depth, and in what
//! they copy. Knows nothing of records: what a caller may name is judged on [`Patch::uses`] before.

use serde_json::{Map, Value as Json};

use super::pointer::Place;
pub use super::pointer::Pointer;
use crate::name::did_you_mean;
use crate::problem::Problems;

#[cfg(test)]
mod tests;

/// At most this many operations in one patch.
pub const MAX_OPERATIONS: usize = 1000;
/// Operations copy at most about this many bytes: each could double what is there.
const MAX_COPIED: usize = 1 << 20;
/// Every operation.
pub const OPERATIONS: [&str; 6] = ["add", "remove", "replace", "move", "copy", "test"];

/// Operations in their order, each with its position.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch(Vec<(usize, Operation)>);

#[derive(Clone, Debug, PartialEq)]
enum Operation {
    Add(Pointer, Json),
    Remove(Pointer),
    Replace(Pointer, Json),
    Move { from: Pointer, path: Pointer },
    Copy { from: Pointer, path: Pointer },
    Test(Pointer, Json),
}

/// What an operation does with the value at one of its pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Answers depend on the value.
    Read,
    /// The value is put there or taken away, whatever it is.
    Write,
    /// Both: it moves away from there.
    Take,
}

/// A pointer of a patch and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Used<'a> {
    /// The position of the operation.
    pub operation: usize,
    /// The member that holds the pointer: `path` or `from`.
    pub member: &'static str,
    /// The pointer.
    pub pointer: &'a Pointer,
    /// What happens there.
    pub what: Use,
}

/// Why a patch cannot be carried out, with the operation that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// JSON Pointer into the patch.
    pub path: String,
    /// The rule.
    pub why: Why,
}

/// The rule that an operation broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The pointer names an element of an array by something that is no index, such as `01`.
    NoIndex,
    /// There is nothing at the pointer.
    Missing,
    /// `test` found another value.
    Different,
    /// The value would be nested deeper than allowed.
    TooDeep,
    /// More is copied than allowed.
    TooLarge,
}

/// Reads a patch; every problem is recorded with its path. Members that an operation does not know are ignored, as
/// RFC 6902 has it. One with problems holds the operations that have none, so that more can be asked of those.
pub fn parse(json: &Json, problems: &mut Problems) -> Patch {
    let none = Patch(Vec::new());
    let Json::Array(elements) = json else {
        let hint = "write [{\"op\": \"replace\", \"path\": \"/name\", \"value\": \"…\"}]";
        problems.hint("wrong_type", "a JSON Patch is an array of operations", hint);
        return none;
    };
    if elements.len() > MAX_OPERATIONS {
        problems
            .add("too_many", format!("a patch has at most {MAX_OPERATIONS} operations, and this {}", elements.len()));
        return none;
    }
    let each = elements.iter().enumerate().filter_map(|(at, element)| {
        problems.within(at, |problems| operation(element, problems)).map(|operation| (at, operation))
    });
    Patch(each.collect())
}

fn operation(json: &Json, problems: &mut Problems) -> Option<Operation> {
    let Json::Object(members) = json else {
        problems.add("wrong_type", "an operation is an object");
        return None;
    };
    let op = text(members, "op", problems);
    if let Some(unknown) = op.filter(|op| !OPERATIONS.contains(op)) {
        let hint = did_you_mean(unknown, OPERATIONS).unwrap_or_else(|| format!("there are {}", OPERATIONS.join(", ")));
        problems.within("op", |p| p.hint("unknown_value", format!("there is no operation `{unknown}`"), hint));
    }
    let path = pointer(members, "path", problems);
    let from = matches!(op, Some("move" | "copy")).then(|| pointer(members, "from", problems));
    let value = matches!(op, Some("add" | "replace" | "test")).then(|| {
        let value = members.get("value");
        if value.is_none() {
            problems.within("value", |p| p.add("required", "the operation needs a `value`, which may be null"));
        }
        value.cloned()
    });
    let (op, path) = (op?, path?);
    Some(match (op, from, value) {
        ("add", _, Some(value)) => Operation::Add(path, value?),
        ("replace", _, Some(value)) => Operation::Replace(path, value?),
        ("test", _, Some(value)) => Operation::Test(path, value?),
        ("remove", ..) => Operation::Remove(path),
        ("copy", Some(from), _) => Operation::Copy { from: from?, path },
        ("move", Some(from), _) => {
            let from = from?;
            if from.contains(&path) {
                problems.within("path", |p| p.add("invalid", "a value cannot move into itself"));
                return None;
            }
            Operation::Move { from, path }
        }
        _ => return None,
    })
}

fn text<'a>(members: &'a Map<String, Json>, name: &str, problems: &mut Problems) -> Option<&'a str> {
    let found = members.get(name);
    if !found.is_some_and(Json::is_string) {
        let rule = if found.is_none() { "required" } else { "wrong_type" };
        problems.within(name, |p| p.add(rule, format!("an operation has a `{name}`, which is a string")));
    }
    found.and_then(Json::as_str)
}

fn pointer(members: &Map<String, Json>, name: &str, problems: &mut Problems) -> Option<Pointer> {
    let text = text(members, name, problems)?;
    let pointer = Pointer::parse(text);
    if pointer.is_none() {
        let message = "a JSON Pointer (RFC 6901) is expected: `/` before each step, `~0` for `~` and `~1` for `/`";
        problems.within(name, |p| p.add("malformed", message));
    }
    pointer
}

impl Operation {
    fn uses(&self) -> Vec<(&'static str, &Pointer, Use)> {
        match self {
            Operation::Add(path, _) | Operation::Remove(path) | Operation::Replace(path, _) => {
                vec![("path", path, Use::Write)]
            }
            Operation::Test(path, _) => vec![("path", path, Use::Read)],
            Operation::Copy { from, path } => vec![("from", from, Use::Read), ("path", path, Use::Write)],
            Operation::Move { from, path } => vec![("from", from, Use::Take), ("path", path, Use::Write)],
        }
    }
}

impl Patch {
    /// Every pointer, in order.
    pub fn uses(&self) -> impl Iterator<Item = Used<'_>> {
        self.0.iter().flat_map(|(operation, one)| {
            let operation = *operation;
            one.uses().into_iter().map(move |(member, pointer, what)| Used { operation, member, pointer, what })
        })
    }

    /// Carries out every operation on `document`, which is left half changed when one fails. Nothing comes to lie more
    /// than `max_depth` arrays and objects deep.
    pub fn apply(&self, document: &mut Json, max_depth: usize) -> Result<(), Failure> {
        let mut work = Work { document, max_depth, copied: 0 };
        for (position, operation) in &self.0 {
            work.run(operation).map_err(|(member, why)| {
                let member = if why == Why::Different { String::new() } else { format!("/{member}") };
                Failure { path: format!("/{position}{member}"), why }
            })?;
        }
        Ok(())
    }
}

struct Work<'a> {
    document: &'a mut Json,
    max_depth: usize,
    copied: usize,
}

impl Work<'_> {
    /// An error names the member whose pointer failed.
    fn run(&mut self, operation: &Operation) -> Result<(), (&'static str, Why)> {
        let at = |member: &'static str| move |why: Why| (member, why);
        match operation {
            Operation::Add(path, value) => self.put(path, value.clone()).map_err(at("path")),
            Operation::Remove(path) => self.take(path).map(drop).map_err(at("path")),
            Operation::Replace(path, value) => self.replace(path, value).map_err(at("path")),
            Operation::Move { from, path } => {
                let value = self.take(from).map_err(at("from"))?;
                self.put(path, value).map_err(at("path"))
            }
            Operation::Copy { from, path } => {
                let value = from.find(self.document).map_err(at("from"))?;
                self.copied += size(value);
                if self.copied > MAX_COPIED {
                    return Err(("from", Why::TooLarge));
                }
                let value = value.clone();
                self.put(path, value).map_err(at("path"))
            }
            Operation::Test(path, value) => match same(path.find(self.document).map_err(at("path"))?, value) {
                true => Ok(()),
                false => Err(("path", Why::Different)),
            },
        }
    }

    fn put(&mut self, path: &Pointer, value: Json) -> Result<(), Why> {
        self.refuse_deep(path, &value)?;
        let Some((parent, last)) = path.split_last() else {
            *self.document = value;
            return Ok(());
        };
        match parent.find_mut(self.document)? {
            Json::Object(members) => drop(members.insert(last.to_owned(), value)),
            Json::Array(elements) => match Place::of(last)? {
                Place::End => elements.push(value),
                Place::At(position) if position <= elements.len() => elements.insert(position, value),
                Place::At(_) => return Err(Why::Missing),
            },
            _ => return Err(Why::Missing),
        }
        Ok(())
    }

    fn take(&mut self, path: &Pointer) -> Result<Json, Why> {
        let Some((parent, last)) = path.split_last() else { return Ok(self.document.take()) };
        match parent.find_mut(self.document)? {
            Json::Object(members) => members.remove(last).ok_or(Why::Missing),
            Json::Array(elements) => match Place::of(last)? {
                Place::At(position) if position < elements.len() => Ok(elements.remove(position)),
                _ => Err(Why::Missing),
            },
            _ => Err(Why::Missing),
        }
    }

    fn replace(&mut self, path: &Pointer, value: &Json) -> Result<(), Why> {
        self.refuse_deep(path, value)?;
        *path.find_mut(self.document)? = value.clone();
        Ok(())
    }

    /// Asked before anything is put anywhere, so that no value is ever too deep for the functions that recurse.
    fn refuse_deep(&self, path: &Pointer, value: &Json) -> Result<(), Why> {
        if path.len() + depth(value) > self.max_depth { Err(Why::TooDeep) } else { Ok(()) }
    }
}

fn depth(value: &Json) -> usize {
    match value {
        Json::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        Json::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// About as many bytes as the value has as text.
fn size(value: &Json) -> usize {
    match value {
        Json::String(text) => text.len() + 2,
        Json::Array(elements) => 2 + elements.iter().map(|element| 1 + size(element)).sum::<usize>(),
        Json::Object(members) => 2 + members.iter().map(|(name, member)| name.len() + 4 + size(member)).sum::<usize>(),
        _ => 4,
    }
}

/// Equality as RFC 6902, section 4.6 has it: numbers by their value, members in any order.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
