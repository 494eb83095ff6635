//! Conditions that no record can meet: plain contradictions, which are mistakes of whoever wrote them.
//!
//! Called by the check of access rules. What is reported can never hold; what is not may still be impossible in ways that only
//! a proof would show. Pure, and about one record at a time.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{Filter, Op, Operand};
use crate::field::Kind;
use crate::schema::{Collection, Schema};
use crate::value::Value;

/// Why the condition can hold for no record of the collection; `None` when it may.
pub fn never(filter: &Filter, collection: &Collection, schema: &Schema) -> Option<String> {
    Reader { collection, schema }.never(filter, true)
}

/// The variable in it that only people have a value of; a rule that names one grants nothing to others.
pub fn of_people(filter: &Filter) -> Option<String> {
    let mut found = None;
    filter.visit(&mut |operand| match operand {
        Operand::AuthId => found = Some("$auth.id".to_owned()),
        Operand::AuthClaim { name, .. } => found = Some(format!("$auth.claims.{name}")),
        _ => {}
    });
    found
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    collection: &'a Collection,
    schema: &'a Schema,
}

/// One test of a field, as it has to come out.
struct Test<'a> {
    op: Op,
    operands: &'a [Operand],
}

impl Reader<'_> {
    /// `wanted` is false below `not`, where the condition has to be false.
    fn never(&self, filter: &Filter, wanted: bool) -> Option<String> {
        match (filter, wanted) {
            (Filter::Not(inner), _) => self.never(inner, !wanted),
            (Filter::Or(any), true) | (Filter::And(any), false) => self.none_of(any, wanted),
            _ => {
                let mut parts = Vec::new();
                self.parts(filter, wanted, &mut parts);
                parts.iter().find_map(|(part, wanted)| self.part(part, *wanted)).or_else(|| self.together(&parts))
            }
        }
    }

    /// Why none of them can be as wanted.
    fn none_of(&self, any: &[Filter], wanted: bool) -> Option<String> {
        let reasons: Option<Vec<String>> = any.iter().map(|one| self.never(one, wanted)).collect();
        Some(reasons?.into_iter().next().unwrap_or_else(|| "it is a choice of nothing".to_owned()))
    }

    /// What all has to hold: the members of conjunctions, however deep.
    fn parts<'f>(&self, filter: &'f Filter, wanted: bool, out: &mut Vec<(&'f Filter, bool)>) {
        match (filter, wanted) {
            (Filter::Not(inner), _) => self.parts(inner, !wanted, out),
            (Filter::And(all), true) | (Filter::Or(all), false) => {
                all.iter().for_each(|one| self.parts(one, wanted, out));
            }
            _ => out.push((filter, wanted)),
        }
    }

    /// Why a part can never be as wanted by itself. Tests of fields are looked at together.
    fn part(&self, part: &Filter, wanted: bool) -> Option<String> {
        match (part, wanted) {
            (Filter::Or(_), true) | (Filter::And(_), false) => self.never(part, wanted),
            (Filter::Through { target, filter, .. }, _) => {
                let collection = self.schema.get(target.as_str())?;
                Reader { collection, ..*self }.never(filter, wanted)
            }
            (Filter::Exists { collection, filter }, true) => {
                let collection = self.schema.get(collection.as_str())?;
                Reader { collection, ..*self }.never(filter, true)
            }
            _ => None,
        }
    }

    /// Why the tests of one field contradict each other.
    fn together(&self, parts: &[(&Filter, bool)]) -> Option<String> {
        let mut fields: BTreeMap<usize, (Vec<Test<'_>>, bool)> = BTreeMap::new();
        for (part, wanted) in parts {
            match part {
                Filter::Test { field, op, operands } => {
                    let (tests, valued) = fields.entry(*field).or_default();
                    match as_wanted(*op, operands, *wanted) {
                        Some(test) => tests.push(test),
                        // Whatever else is asked is unknown of null.
                        None => *valued = true,
                    }
                }
                Filter::Through { field, .. } => fields.entry(*field).or_default().1 = true,
                _ => {}
            }
        }
        fields.iter().find_map(|(field, (tests, valued))| self.contradiction(*field, tests, *valued))
    }

    fn contradiction(&self, field: usize, tests: &[Test<'_>], valued: bool) -> Option<String> {
        let described = self.collection.fields.get(field)?;
        let name = &described.name;
        let null = |test: &Test<'_>| test.op == Op::Isnull && test.operands == [Operand::Value(Value::Boolean(true))];
        let is_null = tests.iter().any(null);
        if is_null && described.required {
            return Some(format!("`{name}` is required, and so never null"));
        }
        if is_null && (valued || tests.iter().any(asks_for_a_value)) {
            return Some(format!("`{name}` would have to be null and to have a value"));
        }
        if tests.iter().any(|test| test.op == Op::In && test.operands.is_empty()) {
            return Some(format!("`{name}` would have to be one of no values"));
        }
        if tests.iter().any(|test| differs_from(test, &Operand::Field(field))) {
            return Some(format!("`{name}` never differs from itself"));
        }
        let both = |one: &Test<'_>, other: &Test<'_>| {
            one.op == Op::Eq && one.operands.first().is_some_and(|operand| differs_from(other, operand))
        };
        if tests.iter().any(|one| tests.iter().any(|other| both(one, other))) {
            return Some(format!("`{name}` would have to equal a value and to differ from it"));
        }
        let mut values = candidates(&described.kind, tests)?;
        values.retain(|value| tests.iter().all(|test| allows(test, value)));
        if !values.is_empty() {
            return None;
        }
        Some(format!("`{name}` can have no value that passes all tests of it"))
    }
}

/// The test that has to be true so that this one is as wanted; `None` for one that has no opposite.
fn as_wanted(op: Op, operands: &[Operand], wanted: bool) -> Option<Test<'_>> {
    const NULL: [Operand; 1] = [Operand::Value(Value::Boolean(true))];
    const VALUE: [Operand; 1] = [Operand::Value(Value::Boolean(false))];
    if wanted {
        return Some(Test { op, operands });
    }
    let opposite = match op {
        Op::Eq => Op::Ne,
        Op::Ne => Op::Eq,
        Op::Gt => Op::Lte,
        Op::Gte => Op::Lt,
        Op::Lt => Op::Gte,
        Op::Lte => Op::Gt,
        Op::In => Op::Nin,
        Op::Nin => Op::In,
        Op::Isnull => {
            let operands: &'static [Operand] = if *operands == NULL { &VALUE } else { &NULL };
            return Some(Test { op, operands });
        }
        Op::Contains | Op::Icontains | Op::Startswith | Op::Has => return None,
    };
    Some(Test { op: opposite, operands })
}

/// Whether the test is unknown or false of null. To be none of a list that is empty, or of one that only the caller has, null
/// may do.
fn asks_for_a_value(test: &Test<'_>) -> bool {
    match test.op {
        Op::Isnull => test.operands != [Operand::Value(Value::Boolean(true))],
        Op::Nin => test.operands.iter().any(|operand| matches!(operand, Operand::Value(_))),
        _ => true,
    }
}

/// Whether the test says that the field is not equal to this operand, whatever that is.
fn differs_from(test: &Test<'_>, operand: &Operand) -> bool {
    matches!(test.op, Op::Ne | Op::Gt | Op::Lt | Op::Nin) && test.operands.contains(operand)
}

/// The values among which the field's must be: those that a test names, or that its kind has, or the ends of a range. `None`
/// when there is no such list.
fn candidates(kind: &Kind, tests: &[Test<'_>]) -> Option<Vec<Value<'static>>> {
    if let Some(test) = tests.iter().find(|test| matches!(test.op, Op::Eq | Op::In)) {
        return test.operands.iter().map(constant).collect();
    }
    match kind {
        Kind::Boolean(_) => Some(vec![Value::Boolean(false), Value::Boolean(true)]),
        Kind::Enumeration(kind) => Some(kind.values.iter().map(|value| Value::from(value.clone())).collect()),
        // A range that holds anything holds one of its own ends, or lies between two of them.
        _ => {
            let end = |test: &Test<'_>| test.operands.first().and_then(constant);
            let least = tests.iter().filter(|test| matches!(test.op, Op::Gt | Op::Gte)).find_map(end)?;
            let most = tests.iter().filter(|test| matches!(test.op, Op::Lt | Op::Lte)).find_map(end)?;
            match least.compare(&most)? {
                Ordering::Less => None,
                Ordering::Equal => Some(vec![least]),
                Ordering::Greater => Some(Vec::new()),
            }
        }
    }
}

/// Whether a value passes, as far as that is known.
fn allows(test: &Test<'_>, value: &Value<'static>) -> bool {
    let compared = |wanted: fn(Ordering) -> bool| {
        let operand = test.operands.first().and_then(constant);
        operand.and_then(|operand| value.compare(&operand)).is_none_or(wanted)
    };
    let equals = |operand: &Operand| constant(operand).map(|operand| value.compare(&operand) == Some(Ordering::Equal));
    match test.op {
        Op::Eq => compared(Ordering::is_eq),
        Op::Ne => compared(Ordering::is_ne),
        Op::Gt => compared(Ordering::is_gt),
        Op::Gte => compared(Ordering::is_ge),
        Op::Lt => compared(Ordering::is_lt),
        Op::Lte => compared(Ordering::is_le),
        Op::In => test.operands.iter().any(|operand| equals(operand).unwrap_or(true)),
        Op::Nin => !test.operands.iter().any(|operand| equals(operand).unwrap_or(false)),
        _ => true,
    }
}

fn constant(operand: &Operand) -> Option<Value<'static>> {
    match operand {
        Operand::Value(value) => Some(value.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
