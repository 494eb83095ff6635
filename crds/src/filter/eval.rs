//! A bound filter tree on a record in memory, exactly as SQL has it: true, false or unknown.
//!
//! Called for `checks` before a write and wherever a record is at hand; [`crate::sql::filter`] says the same in SQL.
//! Pure; never follows a reference.

use std::cmp::Ordering;

use super::{Filter, Op, Operand};
use crate::schema::Collection;
use crate::value::Value;

/// Whether a bound tree holds for a record (its values in the order of `collection.fields`): true, false, or unknown (`None`).
/// Other records are not at hand here: a reference that is followed and `exists` are unknown.
pub fn eval(filter: &Filter, collection: &Collection, record: &[Value<'_>]) -> Option<bool> {
    debug_assert_eq!(record.len(), collection.fields.len(), "a record has a value for every field");
    match filter {
        Filter::And(filters) => every(filters.iter().map(|filter| eval(filter, collection, record))),
        Filter::Or(filters) => any(filters.iter().map(|filter| eval(filter, collection, record))),
        Filter::Not(filter) => eval(filter, collection, record).map(|holds| !holds),
        Filter::Test { field, op, operands } => test(record.get(*field)?, *op, operands, record),
        Filter::Words(query) => Some(query.matches(&collection.search.as_ref()?.words(record))),
        Filter::Through { .. } | Filter::Exists { .. } => None,
    }
}

/// Kleene's conjunction: false beats unknown, unknown beats true.
fn every(terms: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    any(terms.map(|term| term.map(|holds| !holds))).map(|holds| !holds)
}

/// Kleene's disjunction: true beats unknown, unknown beats false.
fn any(terms: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(false);
    for term in terms {
        match term {
            Some(true) => return Some(true),
            None => result = None,
            Some(false) => {}
        }
    }
    result
}

fn test(value: &Value<'_>, op: Op, operands: &[Operand], record: &[Value<'_>]) -> Option<bool> {
    let mut each = operands.iter().map(|operand| constant(operand, record));
    match op {
        Op::In => any(each.map(|operand| equal(value, operand?))),
        Op::Nin => any(each.map(|operand| equal(value, operand?))).map(|holds| !holds),
        Op::Isnull => match each.next()?? {
            Value::Boolean(wanted) => Some(value.is_null() == *wanted),
            _ => None,
        },
        Op::Has => match (value, each.next()??) {
            (Value::List(_), Value::Null) => None,
            (Value::List(items), operand) => Some(items.iter().any(|item| equal(item, operand) == Some(true))),
            _ => None,
        },
        Op::Contains | Op::Icontains | Op::Startswith => match (value, each.next()??) {
            (Value::Text(text), Value::Text(part)) => Some(match op {
                Op::Contains => text.contains(&**part),
                Op::Startswith => text.starts_with(&**part),
                _ => text.to_ascii_lowercase().contains(&part.to_ascii_lowercase()),
            }),
            _ => None,
        },
        Op::Eq | Op::Ne | Op::Gt | Op::Gte | Op::Lt | Op::Lte => {
            let ordering = value.compare(each.next()??)?;
            Some(match op {
                Op::Eq => ordering == Ordering::Equal,
                Op::Ne => ordering != Ordering::Equal,
                Op::Gt => ordering == Ordering::Greater,
                Op::Gte => ordering != Ordering::Less,
                Op::Lt => ordering == Ordering::Less,
                _ => ordering != Ordering::Greater,
            })
        }
    }
}

fn equal(value: &Value<'_>, operand: &Value<'_>) -> Option<bool> {
    value.compare(operand).map(|ordering| ordering == Ordering::Equal)
}

/// The operand's value; `None` for what only a request knows, which [`Filter::bind`] replaces beforehand.
fn constant<'a>(operand: &'a Operand, record: &'a [Value<'a>]) -> Option<&'a Value<'a>> {
    match operand {
        Operand::Value(value) => Some(value),
        Operand::Field(position) => record.get(*position),
        Operand::Outer(_) | Operand::Now | Operand::AuthId | Operand::AuthRoles | Operand::AuthClaim { .. } => None,
    }
}

#[cfg(test)]
mod tests;
