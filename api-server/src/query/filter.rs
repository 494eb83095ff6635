//! Flat filter parameters: `status=open`, `volume__gte=100`, `status__in=open,closed`.
//!
//! Every parameter that is not reserved is a filter; an unknown one is a problem with the nearest valid name.

use mainstay_crds::field::FieldKind;
use mainstay_crds::filter::{Filter, Op, Operand};
use mainstay_crds::name::did_you_mean;
use mainstay_crds::words::{Query, query};
use mainstay_crds::{Problems, Value};

use super::params::{self, Params};
use super::{Context, RESERVED};

/// At most this many values of one `in` or `nin`. There is no limit over all parameters but that of the URL: each of them
/// can be given once.
pub const MAX_VALUES: usize = 100;

/// The parameter, and member of a search, that asks for words.
pub const Q: &str = "q";

/// The conjunction of all filter parameters, which are those not `known` to mean something else, and of `q`; `None` without
/// one.
pub fn parse(params: &Params, known: &[&str], context: Context<'_>, problems: &mut Problems) -> Option<Filter> {
    let mut tests: Vec<(usize, Op, Vec<Operand>)> = Vec::new();
    let q = words(params, context, problems);
    let is_read = |name: &str| known.contains(&name) || name == Q && context.collection.search.is_some();
    for (name, text) in params.pairs().filter(|(name, _)| !is_read(name)) {
        params::at(name, problems, |problems| {
            let Some((field, op)) = resolve(name, context, problems) else { return };
            let Some(operands) = operands(field, op, text, context, problems) else { return };
            match tests.iter_mut().find(|(f, o, _)| (*f, *o) == (field, op)) {
                Some((_, _, joined)) if op.takes_list() => joined.extend(operands),
                Some(_) => problems.add("given_twice", format!("`{name}` may be given once")),
                None => tests.push((field, op, operands)),
            }
            if tests.iter().any(|(f, o, joined)| (*f, *o) == (field, op) && joined.len() > MAX_VALUES) {
                problems.add("too_many", format!("`{name}` takes at most {MAX_VALUES} values"));
            }
        });
    }
    let tests = tests.into_iter().map(|(field, op, operands)| Filter::Test { field, op, operands });
    let mut filters: Vec<Filter> = tests.chain(q.map(Filter::Words)).collect();
    if filters.len() > 1 { Some(Filter::And(filters)) } else { filters.pop() }
}

/// Reads `q`, where the collection is searched by words.
pub fn words(params: &Params, context: Context<'_>, problems: &mut Problems) -> Option<Query> {
    let search = context.collection.search.as_ref()?;
    params.one(Q, problems, |text, problems| query::parse(text, search.language, problems))
}

fn resolve(name: &str, context: Context<'_>, problems: &mut Problems) -> Option<(usize, Op)> {
    if RESERVED.contains(&name) {
        let field = context.collection.position(name).filter(|field| (context.visible)(context.collection, *field));
        let hint = field.map(|_| format!("filter by the field with `{name}__eq`"));
        problems.push("unknown_parameter", format!("there is no parameter `{name}` here"), hint);
        return None;
    }
    let (field, op) = name.rsplit_once("__").unwrap_or((name, Op::Eq.name()));
    let visible = |position: &usize| (context.visible)(context.collection, *position);
    let Some(position) = context.collection.position(field).filter(visible) else {
        problems.push(
            "unknown_parameter",
            format!("there is no parameter `{name}` here"),
            nearest(field, name, context),
        );
        return None;
    };
    let allowed = context.collection.fields[position].kind.operators();
    match Op::from_name(op).filter(|op| allowed.contains(op)) {
        Some(op) => Some((position, op)),
        None => {
            let kind = context.collection.fields[position].kind.name();
            let names: Vec<&str> = allowed.iter().map(|op| op.name()).collect();
            let message = format!("`{name}`: a field of the kind {kind} has the operators {}", names.join(", "));
            problems.push("unknown_operator", message, did_you_mean(op, names));
            None
        }
    }
}

fn nearest(field: &str, name: &str, context: Context<'_>) -> Option<String> {
    let visible = context.collection.fields.iter().enumerate();
    let names = visible.filter(|(position, _)| (context.visible)(context.collection, *position));
    let names: Vec<&str> = names.map(|(_, field)| field.name.as_str()).chain(RESERVED.iter().copied()).collect();
    did_you_mean(name, names.iter().copied()).or_else(|| did_you_mean(field, names.iter().copied()))
}

fn operands(field: usize, op: Op, text: &str, context: Context<'_>, problems: &mut Problems) -> Option<Vec<Operand>> {
    let kind = &context.collection.fields[field].kind;
    if op == Op::Isnull {
        let value = match text {
            "true" => true,
            "false" => false,
            _ => {
                problems.add("invalid", "`isnull` is `true` or `false`");
                return None;
            }
        };
        return Some(vec![Operand::Value(Value::Boolean(value))]);
    }
    let kind: &dyn FieldKind = match kind.item().filter(|_| op == Op::Has) {
        Some(item) => item,
        None => &**kind,
    };
    let texts = if op.takes_list() { split(text) } else { vec![text.to_owned()] };
    let before = problems.len();
    let values: Vec<Operand> =
        texts.iter().filter_map(|text| kind.parse_parameter(text, problems)).map(Operand::Value).collect();
    (problems.len() == before).then_some(values)
}

/// Splits at commas; `\,` is a comma and `\\` a backslash.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let last = parts.len() - 1;
        match c {
            ',' => parts.push(String::new()),
            '\\' if matches!(rest.peek(), Some(',' | '\\')) => parts[last].extend(rest.next()),
            c => parts[last].push(c),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn lists_split_at_commas_that_are_not_escaped() {
        for (text, parts) in [
            ("a,b", vec!["a", "b"]),
            ("a\\,b,c", vec!["a,b", "c"]),
            ("a\\\\,b", vec!["a\\", "b"]),
            ("a\\b", vec!["a\\b"]),
            ("", vec![""]),
            ("a,", vec!["a", ""]),
        ] {
            assert_eq!(split(text), parts, "{text}");
        }
    }
}
