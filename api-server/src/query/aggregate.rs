//! `count=true&sum=volume&avg=volume&min=rank&max=rank&group=status`: what to make of the records that a filter finds.
//!
//! Called by the service for `GET /{collection}/aggregate`. Filters are those of a list; its other parameters mean nothing
//! here.

use mainstay_crds::filter::{Filter, Op};
use mainstay_crds::schema::Field;
use mainstay_crds::{Problem, Problems};

use super::params::{self, Params};
use super::{Context, filter};

/// Parameters with a meaning of their own; a field of such a name is filtered by `name__eq` here.
pub const NAMES: [&str; 6] = ["count", "sum", "avg", "min", "max", "group"];

const NUMBERS: &str = "only integers, numbers and decimals are added up";
const ORDERED: &str = "only kinds that take `gt` and `lt` have a least and a greatest value";
const GROUPED: &str =
    "groups are made by what records can be sorted by, and by no field that is called like a function";

/// What an aggregate asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AggregateQuery {
    /// The conjunction of all filter parameters.
    pub filter: Option<Filter>,
    /// How many records there are.
    pub count: bool,
    /// Fields to add up.
    pub sum: Vec<usize>,
    /// Fields to take the mean of.
    pub avg: Vec<usize>,
    /// Fields whose least value is asked for.
    pub min: Vec<usize>,
    /// Fields whose greatest value is asked for.
    pub max: Vec<usize>,
    /// One element for each combination of these fields' values.
    pub group: Vec<usize>,
}

/// Whether values of the field can be added up.
pub fn adds_up(field: &Field) -> bool {
    matches!(field.kind.name(), "integer" | "number" | "decimal")
}

/// Whether one value of the field is less than another.
pub fn has_order(field: &Field) -> bool {
    field.kind.operators().contains(&Op::Lt)
}

/// Whether records can be grouped by the field: by what they can be sorted by, unless its name is that of a function,
/// which the elements of the answer have as a member.
pub fn groups(field: &Field) -> bool {
    field.kind.sortable() && !NAMES.contains(&field.name.as_str())
}

/// Reads the query string of an aggregate.
pub fn aggregate(raw: &str, context: Context<'_>) -> Result<AggregateQuery, Vec<Problem>> {
    let mut problems = Problems::new();
    let params = Params::read(raw, &mut problems);
    let count = params.one("count", &mut problems, |text, problems| {
        if text != "true" {
            problems.hint("invalid", "`count` may only be `true`", "leave it out for no count");
        }
        Some(true)
    });
    let mut names = |name: &str, fits: fn(&Field) -> bool, rule: &str| {
        let read = |names: &[&str], problems: &mut Problems| Some(fields(names, fits, rule, context, problems));
        params.list(name, &mut problems, read).unwrap_or_default()
    };
    let sum = names("sum", adds_up, NUMBERS);
    let avg = names("avg", adds_up, NUMBERS);
    let min = names("min", has_order, ORDERED);
    let max = names("max", has_order, ORDERED);
    let group = names("group", groups, GROUPED);
    let filter = filter::parse(&params, &NAMES, context, &mut problems);
    if !NAMES[..5].iter().any(|name| params.has(name)) {
        params::at("count", &mut problems, |problems| {
            let hint = "write count=true, or sum, avg, min or max with a field";
            problems.hint("required", "an aggregate asks for something", hint);
        });
    }
    problems.finish(AggregateQuery { filter, count: count.unwrap_or_default(), sum, avg, min, max, group })
}

/// Fields in the order in which they are named, each once.
fn fields(
    names: &[&str],
    fits: fn(&Field) -> bool,
    rule: &str,
    context: Context<'_>,
    problems: &mut Problems,
) -> Vec<usize> {
    let mut found = Vec::new();
    for name in names {
        let Some(position) = context.field(name, problems) else { continue };
        let field = &context.collection.fields[position];
        if !fits(field) {
            problems.add("not_allowed", format!("`{name}` is of the kind {}: {rule}", field.kind.name()));
        } else if found.contains(&position) {
            problems.add("given_twice", format!("`{name}` is asked for twice"));
        } else {
            found.push(position);
        }
    }
    found
}
