//! `include=creator,creator.org,positions`: which references to follow, forward and back, as a tree.
//!
//! A step is a reference of the record's own, or the name of a collection that refers to it. Where several fields of a
//! collection do, `positions!market` says which one (docs/decisions/0010-includes.md).

use std::sync::Arc;

use mainstay_crds::Problems;
use mainstay_crds::name::{Name, did_you_mean};
use mainstay_crds::schema::{Collection, ID};

use super::Context;

/// References are followed at most this deep.
pub const MAX_DEPTH: usize = 3;
/// At most this many paths, and this many edges in all of them together: each edge is a query.
pub const MAX_PATHS: usize = 10;

/// One edge to follow.
#[derive(Clone, Debug, PartialEq)]
pub struct Include {
    /// As it was asked for.
    pub step: String,
    /// Which way it goes.
    pub edge: Edge,
    /// The collection at its other end.
    pub target: Name,
    /// Edges to follow from there.
    pub then: Vec<Include>,
}

/// Which way a reference is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// To the record that this `ref` field names.
    Forward(usize),
    /// To the records of the target whose `ref` field, at this position, names this one.
    Reverse(usize),
}

impl Include {
    /// Position of the field whose values lead on from a record.
    pub fn key(&self) -> usize {
        match self.edge {
            Edge::Forward(field) => field,
            Edge::Reverse(_) => ID,
        }
    }
}

/// Reads `include`.
pub fn parse(paths: &[&str], context: Context<'_>, problems: &mut Problems) -> Option<Vec<Include>> {
    let before = problems.len();
    let mut tree = Vec::new();
    if paths.len() > MAX_PATHS {
        problems.add("too_many", format!("`include` takes at most {MAX_PATHS} paths"));
        return None;
    }
    for (position, path) in paths.iter().enumerate() {
        if paths[..position].contains(path) {
            problems.add("given_twice", format!("`{path}` is asked for twice"));
        }
        let steps: Vec<&str> = path.split('.').collect();
        match steps.len() > MAX_DEPTH {
            true => problems.add("too_deep", format!("`{path}` follows more than {MAX_DEPTH} references")),
            false => add(&mut tree, &steps, context, problems),
        }
    }
    if edges(&tree) > MAX_PATHS {
        problems.add("too_many", format!("`include` follows at most {MAX_PATHS} references in all"));
    }
    (problems.len() == before).then_some(tree)
}

/// The collections that refer to this one by a field that the caller may see, with those fields.
pub fn referrers<'a>(context: Context<'a>) -> impl Iterator<Item = (&'a Arc<Collection>, usize)> + 'a {
    let all = context.schema.referrers(context.collection.name.as_str());
    all.filter(move |(collection, field)| (context.visible)(collection, *field))
}

fn edges(tree: &[Include]) -> usize {
    tree.iter().map(|include| 1 + edges(&include.then)).sum()
}

fn add(tree: &mut Vec<Include>, steps: &[&str], context: Context<'_>, problems: &mut Problems) {
    let Some((step, rest)) = steps.split_first() else { return };
    let Some((edge, target)) = edge(step, context, problems) else { return };
    let Some(collection) = context.schema.get(target.as_str()) else { return };
    let same = |include: &Include| include.edge == edge && include.target == target;
    let known = tree.iter().position(same).unwrap_or_else(|| {
        tree.push(Include { step: (*step).to_owned(), edge, target: target.clone(), then: Vec::new() });
        tree.len() - 1
    });
    add(&mut tree[known].then, rest, Context { collection, ..context }, problems);
}

/// What a step means: a field of the record's own before a collection of that name.
fn edge(step: &str, context: Context<'_>, problems: &mut Problems) -> Option<(Edge, Name)> {
    let own = context.collection.position(step).filter(|field| (context.visible)(context.collection, *field));
    if let Some((field, target)) = own.and_then(|field| Some((field, context.collection.fields[field].target()?))) {
        return Some((Edge::Forward(field), target.clone()));
    }
    let (name, by) = step.split_once('!').map_or((step, None), |(name, by)| (name, Some(by)));
    let fits = |(collection, field): &(&Arc<Collection>, usize)| {
        collection.name.as_str() == name && by.is_none_or(|by| collection.fields[*field].name.as_str() == by)
    };
    let found: Vec<_> = referrers(context).filter(fits).collect();
    match found.as_slice() {
        [(collection, field)] => return Some((Edge::Reverse(*field), collection.name.clone())),
        [] if own.is_some() => problems.add("not_a_reference", format!("`{step}` is not a reference")),
        [] => {
            let message = format!(
                "{} has no reference `{step}`, and no collection of that name refers to it",
                context.collection.name
            );
            problems.push("unknown_field", message, nearest(step, context));
        }
        several => {
            let message = format!("`{step}` refers to {} by several fields", context.collection.name);
            let ways = several.iter().map(|(collection, field)| spelled(collection, *field));
            problems.hint("ambiguous", message, format!("write {}", ways.collect::<Vec<_>>().join(" or ")));
        }
    }
    None
}

/// A reverse edge by its full name: `positions!market`.
pub fn spelled(collection: &Collection, field: usize) -> String {
    format!("{}!{}", collection.name, collection.fields[field].name)
}

fn nearest(step: &str, context: Context<'_>) -> Option<String> {
    let fields = context.collection.fields.iter().enumerate();
    let fields =
        fields.filter(|(position, field)| field.target().is_some() && (context.visible)(context.collection, *position));
    let names: Vec<&str> = fields.map(|(_, field)| field.name.as_str()).collect();
    let collections: Vec<&str> = referrers(context).map(|(collection, _)| collection.name.as_str()).collect();
    did_you_mean(step, names.into_iter().chain(collections))
}
