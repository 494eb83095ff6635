//! `fields=title,status`: which columns to answer.

use mainstay_crds::Problems;

use super::Context;

/// Reads `fields`: positions in the collection's order, each once.
pub fn parse(names: &[&str], context: Context<'_>, problems: &mut Problems) -> Option<Vec<usize>> {
    let before = problems.len();
    let mut fields: Vec<usize> = Vec::new();
    for name in names {
        if let Some(field) = context.field(name, problems) {
            match fields.contains(&field) {
                true => problems.add("given_twice", format!("`{name}` is asked for twice")),
                false => fields.push(field),
            }
        }
    }
    fields.sort_unstable();
    (problems.len() == before).then_some(fields)
}
