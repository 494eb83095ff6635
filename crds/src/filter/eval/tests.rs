//! The evaluator against SQL's truth tables, and its laws.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::collection::{Document, check};
use crate::schema::{SYSTEM_FIELDS, Schema};

const FIELDS: [&str; 4] = ["text", "other", "number", "list"];

fn schema() -> Schema {
    let spec = json!({ "fields": [
        { "name": "text", "type": "text" },
        { "name": "other", "type": "text" },
        { "name": "number", "type": "integer" },
        { "name": "list", "type": "list", "items": "integer" },
    ] });
    let metadata = json!({ "name": "things" });
    let document =
        json!({ "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection", "metadata": metadata, "spec": spec });
    check(&[Document(document)]).unwrap()
}

fn text(text: &str) -> Value<'static> {
    Value::from(text.to_owned())
}

/// A record whose declared values are these.
fn record(values: [Value<'static>; 4]) -> Vec<Value<'static>> {
    std::iter::repeat_n(Value::Null, SYSTEM_FIELDS).chain(values).collect()
}

fn test(field: &str, op: Op, operands: Vec<Operand>) -> Filter {
    let field = SYSTEM_FIELDS + FIELDS.iter().position(|name| *name == field).unwrap();
    Filter::Test { field, op, operands }
}

fn values(values: impl IntoIterator<Item = Value<'static>>) -> Vec<Operand> {
    values.into_iter().map(Operand::Value).collect()
}

#[test]
fn tests_answer_as_sql_does() {
    let schema = schema();
    let collection = schema.get("things").unwrap();
    let full = record([
        text("Äpfel 100%"),
        text("Äpfel"),
        Value::Integer(5),
        Value::List(vec![Value::Integer(1), Value::Integer(2)]),
    ]);
    let empty = record([Value::Null, text("x"), Value::Null, Value::Null]);
    let one = |value: i64| values([Value::Integer(value)]);
    let word = |word: &str| values([text(word)]);
    let (yes, no, unknown) = (Some(true), Some(false), None);
    let other = Operand::Field(SYSTEM_FIELDS + 1);
    let this = Operand::Field(SYSTEM_FIELDS);
    let cases = [
        ("number", Op::Eq, one(5), yes, unknown),
        ("number", Op::Ne, one(5), no, unknown),
        ("number", Op::Gt, one(5), no, unknown),
        ("number", Op::Gte, one(5), yes, unknown),
        ("number", Op::Lt, one(6), yes, unknown),
        ("number", Op::Lte, one(4), no, unknown),
        ("number", Op::In, values([Value::Integer(1), Value::Integer(5)]), yes, unknown),
        ("number", Op::In, values([]), no, no),
        ("number", Op::Nin, values([]), yes, yes),
        ("number", Op::Nin, one(4), yes, unknown),
        // `5 NOT IN (4, NULL)` is unknown, `5 NOT IN (5, NULL)` is false.
        ("number", Op::Nin, values([Value::Integer(4), Value::Null]), unknown, unknown),
        ("number", Op::Nin, values([Value::Integer(5), Value::Null]), no, unknown),
        ("number", Op::In, values([Value::Integer(5), Value::Null]), yes, unknown),
        ("number", Op::Isnull, values([Value::Boolean(true)]), no, yes),
        ("number", Op::Isnull, values([Value::Boolean(false)]), yes, no),
        ("number", Op::Eq, values([Value::Null]), unknown, unknown),
        ("text", Op::Contains, word("%"), yes, unknown),
        ("text", Op::Contains, word("äpfel"), no, unknown),
        ("text", Op::Contains, word(""), yes, unknown),
        // Only A-Z is folded.
        ("text", Op::Icontains, word("äPFEL"), no, unknown),
        ("text", Op::Icontains, word("ÄPFEL"), yes, unknown),
        ("text", Op::Startswith, word("Äpf"), yes, unknown),
        ("text", Op::Startswith, word("pf"), no, unknown),
        ("text", Op::Gt, vec![other.clone()], yes, unknown),
        ("other", Op::Eq, vec![this], no, unknown),
        // By code point: U+E000 is before U+1F600, though not in UTF-16.
        ("text", Op::Lt, word("\u{1F600}"), yes, unknown),
        ("list", Op::Has, one(2), yes, unknown),
        ("list", Op::Has, one(3), no, unknown),
        ("text", Op::Eq, vec![Operand::AuthId], unknown, unknown),
    ];
    for (field, op, operands, with_value, with_null) in cases {
        let filter = test(field, op, operands);
        assert_eq!(eval(&filter, collection, &full), with_value, "{filter:?}");
        assert_eq!(eval(&filter, collection, &empty), with_null, "{filter:?} with null");
    }
    let high = record([text("\u{1F600}"), text("\u{E000}"), Value::Null, Value::Null]);
    assert_eq!(eval(&test("text", Op::Gt, vec![other]), collection, &high), Some(true));
    let target = crate::name::Name::collection("users").unwrap();
    let through = Filter::Through { field: 0, target, readable: None, filter: Box::new(Filter::And(vec![])) };
    assert_eq!(eval(&through, collection, &full), None);
}

/// A filter with that value, whatever the record.
fn truth(value: Option<bool>) -> Filter {
    match value {
        Some(true) => Filter::And(vec![]),
        Some(false) => Filter::Or(vec![]),
        None => test("number", Op::Eq, values([Value::Null])),
    }
}

#[test]
fn connectives_are_kleenes() {
    let schema = schema();
    let collection = schema.get("things").unwrap();
    let row = record([Value::Null, Value::Null, Value::Null, Value::Null]);
    let run = |filter: &Filter| eval(filter, collection, &row);
    // From least to greatest: and is the least, or is the greatest.
    let order = [Some(false), None, Some(true)];
    for (i, a) in order.iter().enumerate() {
        assert_eq!(run(&Filter::Not(Box::new(truth(*a)))), order[2 - i]);
        for (j, b) in order.iter().enumerate() {
            assert_eq!(run(&Filter::And(vec![truth(*a), truth(*b)])), order[i.min(j)], "{a:?} and {b:?}");
            assert_eq!(run(&Filter::Or(vec![truth(*a), truth(*b)])), order[i.max(j)], "{a:?} or {b:?}");
        }
    }
}

fn filter() -> impl Strategy<Value = Filter> {
    let ops = [Op::Eq, Op::Ne, Op::Gt, Op::Gte, Op::Lt, Op::Lte, Op::In, Op::Nin];
    let operand = prop_oneof![
        (0..4i64).prop_map(|value| Operand::Value(Value::Integer(value))),
        Just(Operand::Value(Value::Null)),
        Just(Operand::Field(SYSTEM_FIELDS + 2)),
    ];
    let leaf = (prop::sample::select(ops.to_vec()), prop::collection::vec(operand, 1..3))
        .prop_map(|(op, operands)| test("number", op, operands));
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::Or),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

proptest! {
    #[test]
    fn laws_hold(
        filters in prop::collection::vec(filter(), 0..4),
        number in prop_oneof![Just(Value::Null), (0..4i64).prop_map(Value::Integer)],
    ) {
        let schema = schema();
        let collection = schema.get("things").unwrap();
        let row = record([Value::Null, Value::Null, number, Value::Null]);
        let run = |filter: Filter| eval(&filter, collection, &row);
        let negated: Vec<Filter> = filters.iter().cloned().map(not).collect();
        let reversed: Vec<Filter> = filters.iter().rev().cloned().collect();
        prop_assert_eq!(run(not(Filter::And(filters.clone()))), run(Filter::Or(negated.clone())));
        prop_assert_eq!(run(not(Filter::Or(filters.clone()))), run(Filter::And(negated)));
        prop_assert_eq!(run(not(not(Filter::And(filters.clone())))), run(Filter::And(filters.clone())));
        prop_assert_eq!(run(Filter::And(filters.clone())), run(Filter::And(reversed)));
    }

    /// Each operator and its opposite are each other's `not`, also for null.
    #[test]
    fn opposites_negate(
        operands in prop::collection::vec(prop_oneof![Just(Value::Null), (0..3i64).prop_map(Value::Integer)], 1..4),
        number in prop_oneof![Just(Value::Null), (0..3i64).prop_map(Value::Integer)],
    ) {
        let schema = schema();
        let collection = schema.get("things").unwrap();
        let row = record([Value::Null, Value::Null, number, Value::Null]);
        for (op, opposite) in [(Op::Eq, Op::Ne), (Op::Gt, Op::Lte), (Op::Lt, Op::Gte), (Op::In, Op::Nin)] {
            let filter = test("number", op, values(operands.clone()));
            let opposite = test("number", opposite, values(operands.clone()));
            prop_assert_eq!(eval(&not(filter), collection, &row), eval(&opposite, collection, &row));
        }
    }
}
