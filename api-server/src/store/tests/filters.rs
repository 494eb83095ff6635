//! What a filter tree means in memory is what its SQL means on both databases: random trees over random rows.

use mainstay_crds::filter::eval::eval;
use mainstay_crds::filter::{Filter, Op, Operand};
use proptest::prelude::*;
use proptest::sample::select as one_of;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;
use crate::store::records::exists_where;

const TREES: usize = 250;
const ROWS: u128 = 40;

/// Two fields of most kinds, so that one can be compared with the other.
fn things() -> Document {
    let kinds = [
        json!({ "type": "text" }),
        json!({ "type": "integer" }),
        json!({ "type": "number" }),
        json!({ "type": "decimal", "precision": 9, "scale": 2 }),
        json!({ "type": "boolean" }),
        json!({ "type": "timestamp" }),
        json!({ "type": "date" }),
        json!({ "type": "uuid" }),
        json!({ "type": "enum", "values": ["a", "B", "c"] }),
        json!({ "type": "list", "items": "text" }),
        json!({ "type": "list", "items": "integer" }),
        json!({ "type": "json" }),
        json!({ "type": "bytes" }),
    ];
    let fields = kinds.iter().enumerate().flat_map(|(index, kind)| {
        ["a", "b"].map(|twin| {
            let mut field = kind.clone();
            field["name"] = json!(format!("{twin}{index}"));
            field
        })
    });
    document("things", json!({ "fields": fields.collect::<Vec<_>>() }))
}

/// Few values of each kind, so that rows and operands meet; among them what a careless comparison gets wrong.
fn values(kind: &str, items: Option<&str>) -> Vec<Value<'static>> {
    let texts = ["", "a", "A", "ab", "aB", "é", "É", "%", "_", "a%b", "\\", "a\\b", "\u{ffee}", "\u{1f600}", "'; --"];
    match (kind, items) {
        ("text", _) => texts.into_iter().map(text).collect(),
        ("integer", _) => [-9_007_199_254_740_991, -1, 0, 1, 2, 9_007_199_254_740_991].map(Value::Integer).into(),
        ("number", _) => [-1e300, -0.5, 0.0, 5e-324, 0.1, 1.0, 1e300].map(Value::Number).into(),
        ("decimal", _) => [-999_999_999, -1, 0, 1, 100, 999_999_999].map(Value::Decimal).into(),
        ("boolean", _) => [true, false].map(Value::Boolean).into(),
        ("timestamp", _) => [-62_135_596_800_000_000, -1, 0, NOW, 253_402_300_799_999_999].map(Value::Timestamp).into(),
        ("date", _) => [-719_162, -1, 0, 19_753, 2_932_896].map(Value::Date).into(),
        ("uuid", _) => [1, u128::MAX >> 1, u128::MAX - 1].map(|id| Value::Uuid(Uuid::from_u128(id))).into(),
        ("enum", _) => ["a", "B", "c"].map(text).into(),
        ("list", Some(items)) => {
            let items = values(items, None);
            (0..4).map(|count| Value::List(items.iter().skip(count).take(count).cloned().collect())).collect()
        }
        ("json", _) => ["{}", "[null]", "1"].map(|json| Value::Json(json.into())).into(),
        ("bytes", _) => [vec![], vec![0, 255]].map(|bytes| Value::Bytes(bytes.into())).into(),
        other => panic!("no values of {other:?}"),
    }
}

fn pool(things: &Collection, field: usize) -> Vec<Value<'static>> {
    let kind = &things.fields[field].kind;
    values(kind.name(), kind.item().map(|item| item.name()))
}

fn row(things: &Collection) -> impl Strategy<Value = Vec<Value<'static>>> + use<> {
    let value = |field| prop_oneof![1 => Just(Value::Null), 3 => one_of(pool(things, field))];
    (4..things.fields.len()).map(value).collect::<Vec<_>>()
}

fn test(things: &Collection) -> impl Strategy<Value = Filter> + Clone + use<> {
    let mut tests = Vec::new();
    for field in 4..things.fields.len() {
        let kind = &things.fields[field].kind;
        for op in kind.operators() {
            let (op, twin) = (*op, if field % 2 == 0 { field + 1 } else { field - 1 });
            let constant = |values: Vec<Value<'static>>| one_of(values).prop_map(Operand::Value);
            let operands = match op {
                Op::Isnull => prop::collection::vec(constant(values("boolean", None)), 1).boxed(),
                Op::Has => prop::collection::vec(constant(values(kind.item().unwrap().name(), None)), 1).boxed(),
                Op::In | Op::Nin => prop::collection::vec(constant(pool(things, field)), 0..4).boxed(),
                Op::Contains | Op::Icontains | Op::Startswith => {
                    prop::collection::vec(constant(pool(things, field)), 1).boxed()
                }
                _ => {
                    let operand = prop_oneof![3 => constant(pool(things, field)), 1 => Just(Operand::Field(twin))];
                    prop::collection::vec(operand, 1).boxed()
                }
            };
            tests.push(operands.prop_map(move |operands| Filter::Test { field, op, operands }).boxed());
        }
    }
    proptest::strategy::Union::new(tests)
}

fn tree(things: &Collection) -> impl Strategy<Value = Filter> + use<> {
    test(things).prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::Or),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

#[tokio::test]
async fn a_filter_means_the_same_everywhere() {
    let (stores, schema) = both_with(&[things()]).await;
    let things = Arc::clone(schema.get("things").unwrap());
    let mut runner = TestRunner::default();
    let mut draw = |count: usize| -> Vec<Filter> {
        (0..count).map(|_| tree(&things).new_tree(&mut runner).unwrap().current()).collect()
    };
    let mut filters = draw(TREES);
    let mut single = TestRunner::default();
    filters.extend((0..2 * TREES).map(|_| test(&things).new_tree(&mut single).unwrap().current()));
    let rows: Vec<_> = (1..=ROWS).map(|id| record(id, row(&things).new_tree(&mut single).unwrap().current())).collect();
    let ids: Vec<Uuid> = (1..=ROWS).map(Uuid::from_u128).collect();
    for store in stores {
        for row in &rows {
            assert!(insert(&store, &things, row.clone()).await.unwrap());
        }
        let (things, schema, rows, filters, ids) =
            (Arc::clone(&things), Arc::clone(&schema), rows.clone(), filters.clone(), ids.clone());
        let dialect = store.dialect();
        let compared = read(&store, move |conn| {
            for filter in &filters {
                // The opposite tells false from unknown.
                for (filter, wanted) in [(filter.clone(), true), (Filter::Not(Box::new(filter.clone())), false)] {
                    let mut found = exists_where(conn, &things, &schema, &ids, Some(&filter))?;
                    found.sort_unstable();
                    let inner = if let (Filter::Not(inner), false) = (&filter, wanted) { inner } else { &filter };
                    let holds = |row: &&Vec<Value<'static>>| eval(inner, &things, row) == Some(wanted);
                    let expected: Vec<Uuid> = rows.iter().filter(holds).filter_map(id_of).collect();
                    assert_eq!(found, expected, "{filter:?} on {dialect:?} of {rows:?}");
                }
            }
            Ok(())
        });
        compared.await.unwrap();
    }
}

fn id_of(row: &Vec<Value<'static>>) -> Option<Uuid> {
    match row.first() {
        Some(Value::Uuid(id)) => Some(*id),
        _ => None,
    }
}
