//! Fields whose type changes, on real databases: which values have a counterpart, and old and new servers side by side.

use super::catalog::bare_catalog;
use super::*;
use crate::store::records::{select_record, update};

fn things(mut field: Json, policy: &str) -> Schema {
    field["name"] = json!("x");
    schema_of(&[document("things", json!({ "deletionPolicy": policy, "fields": [field] }))])
}

fn kind(name: &str) -> Json {
    match name.split_once('.') {
        Some(("decimal", digits)) => {
            let digits: Vec<u32> = digits.split('.').map(|digits| digits.parse().unwrap()).collect();
            json!({ "type": "decimal", "precision": digits[0], "scale": digits[1] })
        }
        Some((list, items)) => json!({ "type": list, "items": items }),
        None => json!({ "type": name }),
    }
}

async fn value(store: &Store, schema: &Schema, id: u128) -> Value<'static> {
    let things = Arc::clone(schema.get("things").unwrap());
    let find = move |conn: &mut Conn| select_record(conn, &things, Uuid::from_u128(id), false);
    read(store, find).await.unwrap().unwrap().pop().unwrap()
}

async fn set(store: &Store, schema: &Schema, id: u128, value: Value<'static>) {
    let things = Arc::clone(schema.get("things").unwrap());
    let changed = record(id, vec![value]);
    let change = move |conn: &mut Conn| update(conn, &things, &changed, &changed, &[4], 0);
    assert!(write(store, change).await.unwrap());
}

/// These values have these counterparts, and the last ones have none.
async fn becomes(from: &str, to: &str, values: &[(Value<'static>, Value<'static>)], lost: &[Value<'static>]) {
    for (store, fresh) in both().into_iter().zip(both()) {
        let first = way(&Stored::default(), &things(kind(from), "Delete"));
        let made = migrate(&store, &first, &PHASES).await.unwrap();
        let before = bare_catalog(&store, &[]).await;
        let all = values.iter().map(|(value, _)| value).chain(lost).chain([&Value::Null]);
        for (id, value) in (1..).zip(all) {
            let thing = first.schema.get("things").unwrap();
            assert!(insert(&store, thing, record(id, vec![value.clone()])).await.unwrap());
        }
        let next = way(&made.stored, &things(kind(to), "Delete"));
        if !lost.is_empty() {
            let refused = migrate(&store, &next, &PHASES).await;
            let Err(Refusal::Data { count, .. }) = &refused else { panic!("{from} to {to}: {refused:?}") };
            assert_eq!(*count, lost.len() as i64, "{from} to {to}");
            assert_eq!(bare_catalog(&store, &[]).await, before, "nothing was changed");
            for id in (values.len() + 1)..=(values.len() + lost.len()) {
                let delete = format!("DELETE FROM things WHERE id = '{}'", Uuid::from_u128(id as u128));
                write(&store, move |conn| conn.batch(&delete)).await.unwrap();
            }
        }
        let done = migrate(&store, &next, &PHASES).await.unwrap();
        assert_eq!((done.compatible_from, done.stored.get("things").unwrap().retained.len()), (2, 0));
        for (id, (_, expected)) in (1..).zip(values) {
            assert_eq!(value(&store, &next.schema, id).await, *expected, "{from} to {to}");
        }
        assert_eq!(value(&store, &next.schema, (values.len() + lost.len() + 1) as u128).await, Value::Null);
        migrate(&fresh, &way(&Stored::default(), &things(kind(to), "Delete")), &PHASES).await.unwrap();
        let columns = [("x__2".to_owned(), "x".to_owned())];
        assert_eq!(bare_catalog(&store, &columns).await, bare_catalog(&fresh, &[]).await, "{from} to {to}");
    }
}

const MOST: i64 = 9_007_199_254_740_991;

#[tokio::test]
async fn numbers_and_texts_become_each_other_where_nothing_is_lost() {
    let int = Value::Integer;
    becomes("integer", "text", &[(int(-MOST), text("-9007199254740991")), (int(0), text("0"))], &[]).await;
    let bad = ["", "-0", "007", "1.0", " 1", "9007199254740992", "99999999999999999999", "zwei"].map(text);
    becomes("text", "integer", &[(text("-12"), int(-12)), (text("9007199254740991"), int(MOST))], &bad).await;
    becomes("integer", "number", &[(int(MOST), Value::Number(MOST as f64))], &[]).await;
    let odd = [0.5, 1e300, -9_007_199_254_740_994.0].map(Value::Number);
    becomes("number", "integer", &[(Value::Number(-3.0), int(-3))], &odd).await;
    let dec = Value::Decimal;
    becomes("integer", "decimal.6.2", &[(int(-9999), dec(-999_900))], &[int(10_000)]).await;
    becomes("decimal.18.2", "integer", &[(dec(-1_200), int(-12))], &[dec(1_201), dec(999_999_999_999_999_900)]).await;
    becomes("decimal.6.2", "decimal.9.4", &[(dec(-123_456), dec(-12_345_600))], &[]).await;
    becomes("decimal.9.4", "decimal.6.2", &[(dec(99_999_900), dec(999_999))], &[dec(100_000_000), dec(1)]).await;
}

#[tokio::test]
async fn other_types_become_each_other_too() {
    let yes = Value::Boolean;
    becomes("boolean", "text", &[(yes(true), text("true")), (yes(false), text("false"))], &[]).await;
    becomes("text", "boolean", &[(text("false"), yes(false))], &["TRUE", "1"].map(text)).await;
    becomes("boolean", "integer", &[(yes(true), Value::Integer(1))], &[]).await;
    becomes("integer", "boolean", &[(Value::Integer(0), yes(false))], &[Value::Integer(2)]).await;
    let uuid = || Value::Uuid(Uuid::from_u128(10));
    let written = || text("00000000-0000-0000-0000-00000000000a");
    becomes("uuid", "text", &[(uuid(), written())], &[]).await;
    let bad = ["00000000-0000-0000-0000-00000000000A", "00000000000000000000000000000001", ""].map(text);
    becomes("text", "uuid", &[(written(), uuid())], &bad).await;
    let day = 86_400_000_000;
    becomes("date", "timestamp", &[(Value::Date(-719_162), Value::Timestamp(-719_162 * day))], &[]).await;
    let (noon, midnight) = (Value::Timestamp(day / 2), Value::Timestamp(2_932_896 * day));
    becomes("timestamp", "date", &[(midnight, Value::Date(2_932_896))], &[noon]).await;
    let list = |items: &[&str]| Value::List(items.iter().map(|item| text(item)).collect());
    becomes("text", "list.text", &[(text("it's \"one\""), list(&["it's \"one\""]))], &[]).await;
    becomes("list.text", "text", &[(list(&["a\\b"]), text("a\\b"))], &[list(&[]), list(&["a", "b"])]).await;
    let numbers = Value::List(vec![Value::Integer(7)]);
    becomes("integer", "list.integer", &[(Value::Integer(7), numbers)], &[]).await;
}

#[tokio::test]
async fn old_and_new_servers_write_the_same_field_until_the_contract() {
    for store in both() {
        let mut old = kind("integer");
        old["required"] = json!(true);
        let first = way(&Stored::default(), &things(old, "Retain"));
        let made = migrate(&store, &first, &PHASES).await.unwrap();
        let mut new = kind("text");
        new["required"] = json!(true);
        let next = way(&made.stored, &things(new, "Retain"));
        let (was, is) = (first.schema.get("things").unwrap(), next.schema.get("things").unwrap());
        assert!(insert(&store, was, record(1, vec![Value::Integer(1)])).await.unwrap());
        migrate(&store, &next, &[Phase::Expand]).await.unwrap();
        assert!(insert(&store, was, record(2, vec![Value::Integer(2)])).await.unwrap());
        assert!(insert(&store, is, record(3, vec![text("3")])).await.unwrap());
        assert!(insert(&store, is, record(4, vec![text("four")])).await.unwrap());
        migrate(&store, &next, &[Phase::Backfill]).await.unwrap();
        set(&store, &first.schema, 3, Value::Integer(33)).await;
        set(&store, &next.schema, 2, text("22")).await;
        set(&store, &next.schema, 1, text("one")).await;
        let expected = [
            (1, text("one"), Value::Null),
            (2, text("22"), Value::Integer(22)),
            (3, text("33"), Value::Integer(33)),
            (4, text("four"), Value::Null),
        ];
        for (id, new, old) in expected.clone() {
            assert_eq!(value(&store, &next.schema, id).await, new);
            assert_eq!(value(&store, &first.schema, id).await, old);
        }
        set(&store, &first.schema, 4, Value::Integer(44)).await;
        assert_eq!(value(&store, &next.schema, 4).await, text("44"));
        let done = migrate(&store, &next, &[Phase::Contract]).await.unwrap();
        assert_eq!((done.compatible_from, done.stored.get("things").unwrap().retained.len()), (2, 1));
        assert_eq!(value(&store, &next.schema, 1).await, text("one"));

        // Back again: from what is served, never from the column that was left.
        let refused = migrate(&store, &way(&done.stored, &things(kind("integer"), "Retain")), &PHASES).await;
        assert!(matches!(&refused, Err(Refusal::Data { count: 1, .. })), "{refused:?}");
        set(&store, &next.schema, 1, text("1")).await;
        let back = way(&done.stored, &things(kind("integer"), "Retain"));
        migrate(&store, &back, &PHASES).await.unwrap();
        for (id, expected) in [(1, 1), (2, 22), (3, 33), (4, 44)] {
            assert_eq!(value(&store, &back.schema, id).await, Value::Integer(expected));
        }
    }
}

#[tokio::test]
async fn what_an_old_server_wrote_without_a_counterpart_stops_the_contract_and_is_kept() {
    for store in both() {
        let first = way(&Stored::default(), &things(kind("text"), "Delete"));
        let made = migrate(&store, &first, &PHASES).await.unwrap();
        let mut new = kind("integer");
        (new["required"], new["default"]) = (json!(true), json!(7));
        let next = way(&made.stored, &things(new, "Delete"));
        migrate(&store, &next, &[Phase::Expand]).await.unwrap();
        for (id, value) in [(1, text("seven")), (2, Value::Null), (3, text("3"))] {
            assert!(insert(&store, first.schema.get("things").unwrap(), record(id, vec![value])).await.unwrap());
        }
        migrate(&store, &next, &[Phase::Backfill]).await.unwrap();
        assert_eq!(value(&store, &first.schema, 1).await, text("seven"));
        assert_eq!(value(&store, &first.schema, 2).await, text("7"), "the default, on both sides");
        let refused = migrate(&store, &next, &[Phase::Contract]).await;
        assert!(matches!(&refused, Err(Refusal::Data { count: 1, .. })), "{refused:?}");
        set(&store, &first.schema, 1, text("1")).await;
        migrate(&store, &next, &[Phase::Contract]).await.unwrap();
        for (id, expected) in [(1, 1), (2, 7), (3, 3)] {
            assert_eq!(value(&store, &next.schema, id).await, Value::Integer(expected));
        }
    }
}
