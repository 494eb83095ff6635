//! `include=creator,creator.org`: which references to follow, as a tree.

use mainstay_crds::Problems;
use mainstay_crds::name::Name;

use super::Context;

/// References are followed at most this deep.
pub const MAX_DEPTH: usize = 3;
/// At most this many paths.
pub const MAX_PATHS: usize = 10;

/// One reference to follow.
#[derive(Clone, Debug, PartialEq)]
pub struct Include {
    /// Position of the `ref` field in its collection.
    pub field: usize,
    /// The collection that it points to.
    pub target: Name,
    /// References to follow from there.
    pub then: Vec<Include>,
}

/// Reads `include`.
pub fn parse(text: &str, context: Context<'_>, problems: &mut Problems) -> Option<Vec<Include>> {
    let before = problems.len();
    let mut tree = Vec::new();
    let paths: Vec<&str> = text.split(',').collect();
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
    (problems.len() == before).then_some(tree)
}

fn add(tree: &mut Vec<Include>, steps: &[&str], context: Context<'_>, problems: &mut Problems) {
    let Some((name, rest)) = steps.split_first() else { return };
    let Some(field) = context.field(name, problems) else { return };
    let Some(target) = context.collection.fields[field].target() else {
        return problems.add("not_a_reference", format!("`{name}` is not a reference"));
    };
    let Some(collection) = context.schema.get(target.as_str()) else { return };
    let known = tree.iter().position(|include| include.field == field).unwrap_or_else(|| {
        tree.push(Include { field, target: target.clone(), then: Vec::new() });
        tree.len() - 1
    });
    add(&mut tree[known].then, rest, Context { collection, ..context }, problems);
}
