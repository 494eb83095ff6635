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
    becomes("decimal.18.2", "decimal.5.2", &[(dec(-99_999), dec(-99_999))], &[dec(100_000), dec(-100_000)]).await;
}

#[tokio::test]
async fn decimals_become_texts_and_numbers_digit_by_digit() {
    let (dec, num) = (Value::Decimal, Value::Number);
    let written = [(0, "0.00"), (-5, "-0.05"), (123_456, "1234.56"), (-100, "-1.00")];
    becomes("decimal.6.2", "text", &written.map(|(value, told)| (dec(value), text(told))), &[]).await;
    let most = 999_999_999_999_999_999;
    becomes("decimal.18.18", "text", &[(dec(-most), text("-0.999999999999999999"))], &[]).await;
    becomes("decimal.18.0", "text", &[(dec(most), text("999999999999999999")), (dec(0), text("0"))], &[]).await;
    let read = [("0.00", 0), ("-0.05", -5), ("1234.56", 123_456), ("-9999.99", -999_999)];
    let bad =
        ["", "0", "0.0", "-0.00", "00.10", "+1.00", "1.000", "10000.00", " 1.00", "1,00", "1e2", "1.0.0", "..", "NaN"];
    let bad = bad.into_iter().chain(["-92233720368547758.08", "184467440737095516.17", "1.00\n", "١.٠٠"]).map(text);
    becomes("text", "decimal.6.2", &read.map(|(told, value)| (text(told), dec(value))), &bad.collect::<Vec<_>>()).await;
    becomes("text", "decimal.2.2", &[(text("-0.99"), dec(-99))], &[text("1.00"), text(".99")]).await;
    becomes("text", "decimal.3.0", &[(text("-999"), dec(-999)), (text("0"), dec(0))], &["-0", "1000", "1."].map(text))
        .await;

    let near = [(29, 0.29), (-1, -0.01), (999_999, 9_999.99), (0, 0.0)];
    becomes("decimal.6.2", "number", &near.map(|(value, near)| (dec(value), num(near))), &[]).await;
    let kept = 999_999_999_999_999;
    becomes("decimal.18.4", "number", &[(dec(-kept), num(-99_999_999_999.999_9))], &[dec(kept + 1), dec(most)]).await;
    becomes("decimal.18.18", "number", &[(dec(kept), num(0.000_999_999_999_999_999))], &[dec(-most)]).await;
    let odd = [0.005, 0.285_000_000_000_000_03, 1e-9, 10_000.0, -1e300, 1.0 / 3.0, 0.1 + 0.2].map(num);
    let even = [(1.1, 110), (0.29, 29), (-9_999.99, -999_999), (64.1, 6_410), (0.57, 57)];
    becomes("number", "decimal.6.2", &even.map(|(near, value)| (num(near), dec(value))), &odd).await;
    let large = [(num(1e14), dec(100_000_000_000_000))];
    becomes("number", "decimal.18.0", &large, &[num(1e15), num(0.5), num(9_007_199_254_740_993.0)]).await;
}

#[tokio::test]
async fn numbers_and_times_become_texts_in_their_one_form() {
    let num = Value::Number;
    let plain = [(0.0, "0"), (0.1, "0.1"), (-2.5, "-2.5"), (100.0, "100"), (0.0001, "0.0001")];
    let wide = [(123_456_789_012_345.0, "123456789012345"), (0.000_123_456_789_012_345, "0.000123456789012345")];
    let written: Vec<_> = plain.into_iter().chain(wide).collect();
    let odd = [1.0 / 3.0, 0.1 + 0.2, 1e15, 1e-5, -1e300, 5e-324, 9_007_199_254_740_991.0].map(num);
    let forth: Vec<_> = written.iter().map(|(value, told)| (num(*value), text(told))).collect();
    becomes("number", "text", &forth, &odd).await;
    let back: Vec<_> = written.iter().map(|(value, told)| (text(told), num(*value))).collect();
    let bad = [
        "",
        "-0",
        "1.0",
        "01",
        ".5",
        "5.",
        "1e2",
        "0x1",
        "inf",
        "NaN",
        " 1",
        "1 ",
        "0.1234567890123456",
        "1000000000000000",
    ];
    let bad = bad.into_iter().chain(["0.00001", "9".repeat(400).leak()]).map(text);
    becomes("text", "number", &back, &bad.collect::<Vec<_>>()).await;

    let day = 86_400_000_000;
    let (first, last) = (Value::Timestamp(-719_162 * day), Value::Timestamp(2_932_897 * day - 1));
    let told = ["0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z", "2024-02-29T07:08:09.123456Z"];
    let leap = Value::Timestamp(1_709_190_489_123_456);
    let moments = [first, last, leap];
    let forth: Vec<_> = moments.iter().cloned().zip(told.map(text)).collect();
    becomes("timestamp", "text", &forth, &[]).await;
    let back: Vec<_> = told.map(text).into_iter().zip(moments).collect();
    let bad = [
        "",
        "2024-01-31",
        "2024-01-31T12:00:00Z",
        "2024-01-31T12:00:00.000000+00:00",
        "2024-01-31t12:00:00.000000z",
        "2023-02-29T12:00:00.000000Z",
        "2024-00-10T12:00:00.000000Z",
        "2024-13-10T12:00:00.000000Z",
        "2024-01-31T24:00:00.000000Z",
        "2024-01-31T12:60:00.000000Z",
        "2024-01-31T12:00:60.000000Z",
        "0000-12-31T12:00:00.000000Z",
        "2024-01-31 12:00:00.000000Z",
        "x2024-01-31T12:00:00.000000Z",
    ];
    becomes("text", "timestamp", &back, &bad.map(text)).await;

    let days = [("0001-01-01", -719_162), ("9999-12-31", 2_932_896), ("2024-02-29", 19_782)];
    becomes("date", "text", &days.map(|(told, day)| (Value::Date(day), text(told))), &[]).await;
    let bad = ["2023-02-29", "2024-2-29", "0000-01-01", "2024-12-32", "today", "24-01-01", "2024-01-01T00"].map(text);
    becomes("text", "date", &days.map(|(told, day)| (text(told), Value::Date(day))), &bad).await;
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
