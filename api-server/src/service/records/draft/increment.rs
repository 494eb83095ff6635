//! Increments: numbers to be added to those of a locked record, so that two callers at once lose none.
//!
//! Called by batches. The sum is a value like any other, within the bounds of its field.

use mainstay_crds::field::Kind;
use mainstay_crds::schema::{Collection, Field, SYSTEM_FIELDS};
use mainstay_crds::{Problems, Value};
use serde_json::{Map, Value as Json};

use super::Record;
use crate::service::Ctx;
use crate::service::access::{may_read, may_write};

/// What is added to a field.
#[derive(Clone, Debug, PartialEq)]
pub struct Increment {
    field: usize,
    by: Value<'static>,
}

/// Reads `{"balance":"-10.00"}`: fields that are numbers, none of which `data` sets.
pub fn parse(
    ctx: &Ctx,
    collection: &Collection,
    json: &Json,
    data: &Map<String, Json>,
    problems: &mut Problems,
) -> Vec<Increment> {
    let Some(members) = json.as_object() else {
        problems.hint("wrong_type", "an increment is an object", "write it like {\"count\": 1}");
        return Vec::new();
    };
    super::refuse_unknown(collection, members, problems);
    let mut increments = Vec::new();
    for (name, json) in members {
        let Some(position) = collection.position(name) else { continue };
        let field = &collection.fields[position];
        let by = problems.within(name, |problems| {
            if data.contains_key(name) {
                problems.add("given_twice", format!("`{name}` is set by `data` and incremented"));
            } else if position < SYSTEM_FIELDS || field.read_only || field.immutable {
                problems.add("read_only", format!("`{name}` is not changed once it is set"));
            } else if !may_write(ctx, field) || !may_read(ctx, field) {
                // What the caller may not read would be told by the bounds that a sum breaks.
                problems.add("forbidden", format!("you may not increment `{name}`"));
            }
            summand(field, json, problems)
        });
        increments.extend(by.map(|by| Increment { field: position, by }));
    }
    increments
}

/// A number in the form of the field's own values, within no bounds but those of the form.
fn summand(field: &Field, json: &Json, problems: &mut Problems) -> Option<Value<'static>> {
    match (&field.kind, json) {
        (Kind::Integer(_) | Kind::Number(_), Json::Number(number)) => {
            field.kind.parse_parameter(&number.to_string(), problems)
        }
        (Kind::Decimal(_), Json::String(text)) => field.kind.parse_parameter(text, problems),
        // The kind says what is wrong with it.
        (Kind::Integer(_) | Kind::Number(_) | Kind::Decimal(_), json) => field.kind.parse(json, problems),
        _ => {
            let message = format!("`{}` is of the kind {}; numbers are incremented", field.name, field.kind.name());
            problems.add("not_a_number", message);
            None
        }
    }
}

/// Adds the increments to what the record holds.
pub fn apply(collection: &Collection, record: &mut Record, increments: &[Increment], problems: &mut Problems) {
    for Increment { field: position, by } in increments {
        let field = &collection.fields[*position];
        let sum = problems.within(&field.name, |problems| sum(field, &record[*position], by, problems));
        if let Some(sum) = sum {
            record[*position] = sum;
        }
    }
}

fn sum(field: &Field, old: &Value<'static>, by: &Value<'static>, problems: &mut Problems) -> Option<Value<'static>> {
    let sum = match (old, by) {
        (Value::Null, _) => {
            problems.hint("null", format!("`{}` is null, to which nothing can be added", field.name), "set it first");
            return None;
        }
        (Value::Integer(old), Value::Integer(by)) => old.checked_add(*by).map(Value::Integer),
        (Value::Decimal(old), Value::Decimal(by)) => old.checked_add(*by).map(Value::Decimal),
        (Value::Number(old), Value::Number(by)) => Some(Value::Number(old + by)).filter(|_| (old + by).is_finite()),
        _ => None,
    };
    let Some(sum) = sum else {
        problems.add("out_of_range", format!("`{}` cannot hold the sum", field.name));
        return None;
    };
    // Through JSON, where the kind judges every value.
    let mut text = Vec::new();
    field.kind.write_json(&sum, &mut text);
    let json = serde_json::from_slice(&text).unwrap_or(Json::Null);
    field.kind.parse(&json, problems)
}
