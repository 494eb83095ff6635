//! Every kind of value goes in and comes out, on both databases, as the same JSON.

use super::*;
use crate::store::records::{Select, select, select_record};

fn all_kinds() -> Document {
    document(
        "things",
        json!({ "fields": [
            { "name": "a_text", "type": "text" },
            { "name": "an_integer", "type": "integer" },
            { "name": "a_number", "type": "number" },
            { "name": "a_decimal", "type": "decimal", "precision": 18, "scale": 4 },
            { "name": "whole", "type": "decimal", "precision": 18, "scale": 0 },
            { "name": "tiny", "type": "decimal", "precision": 18, "scale": 18 },
            { "name": "a_boolean", "type": "boolean" },
            { "name": "a_timestamp", "type": "timestamp" },
            { "name": "a_date", "type": "date" },
            { "name": "a_uuid", "type": "uuid" },
            { "name": "an_enum", "type": "enum", "values": ["a", "b"] },
            { "name": "a_ref", "type": "ref", "collection": "things" },
            { "name": "a_json", "type": "json" },
            { "name": "texts", "type": "list", "items": "text" },
            { "name": "integers", "type": "list", "items": "integer" },
            { "name": "uuids", "type": "list", "items": "uuid" },
            { "name": "some_bytes", "type": "bytes" },
        ]}),
    )
}

fn row(seed: i64) -> Vec<Value<'static>> {
    const SAFE: i64 = (1 << 53) - 1;
    const DIGITS: i64 = 999_999_999_999_999_999;
    vec![
        text(if seed == 0 { "" } else { "Zoë 🦀 \"quoted\" \\ \n \u{1}'; DROP TABLE things; --" }),
        Value::Integer(seed * SAFE),
        Value::Number(if seed == 0 { 0.0 } else { seed as f64 * 1.797_693_134_862_315_7e308 }),
        Value::Decimal(seed * DIGITS),
        Value::Decimal(seed * DIGITS),
        Value::Decimal(seed * DIGITS),
        Value::Boolean(seed > 0),
        Value::Timestamp([-62_135_596_800_000_000, 0, 253_402_300_799_999_999][(seed + 1) as usize]),
        Value::Date([-719_162, 0, 2_932_896][(seed + 1) as usize]),
        Value::Uuid(Uuid::from_u128(u128::MAX >> (seed + 2))),
        text("b"),
        Value::Uuid(Uuid::from_u128(7)),
        Value::Json(r#"{"a":[1,2.5,null,"é\n"]}"#.into()),
        Value::List(if seed == 0 { vec![] } else { vec![text("a,\"b\\"), text(""), text("NULL")] }),
        Value::List(if seed == 0 { vec![] } else { vec![Value::Integer(SAFE), Value::Integer(-SAFE)] }),
        Value::List(vec![Value::Uuid(Uuid::from_u128(9))]),
        Value::Bytes(if seed == 0 { vec![] } else { (0..=255).collect() }.into()),
    ]
}

#[tokio::test]
async fn every_kind_comes_back_as_it_went_in() {
    let (stores, schema) = both_with(&[all_kinds()]).await;
    let things = schema.get("things").unwrap();
    let nulls = vec![Value::Null; things.fields.len() - 4];
    let mut rows: Vec<_> = [0, 1, -1].map(row).into();
    // Digits on both sides of numeric's groups of four, and trailing zeros.
    for decimal in [1, 9_999, 10_000, 10_001, 100_000_000, -12_345_678_901_234_567, 500_000_000_000_000_000] {
        let mut values = nulls.clone();
        values[3..6].fill(Value::Decimal(decimal));
        rows.push(values);
    }
    rows.push(nulls);
    let records: Vec<_> = rows.into_iter().zip(7..).map(|(values, id)| record(id, values)).collect();
    let mut answers = Vec::new();
    for store in &stores {
        for record in &records {
            assert!(insert(store, things, record.clone()).await.unwrap());
        }
        let (things, schema, records) = (Arc::clone(things), Arc::clone(&schema), records.clone());
        let json = read(store, move |conn| {
            for record in &records {
                let Value::Uuid(id) = record[0] else { panic!("an id") };
                assert_eq!(select_record(conn, &things, id, false)?.as_ref(), Some(record));
            }
            let all: Vec<usize> = (0..things.fields.len()).collect();
            let page = Select {
                collection: &things,
                columns: all.clone(),
                extra: vec![0, 4],
                filter: None,
                relevance: None,
                sort: vec![mainstay_crds::schema::SortKey { field: 0, descending: false }],
                after: None,
                limit: 100,
                offset: 0,
                lock: false,
            };
            let rows = select(conn, &schema, &page)?;
            assert_eq!(rows.len(), records.len());
            for (index, record) in records.iter().enumerate() {
                assert_eq!(rows.values[index], [record[0].clone(), record[4].clone()]);
                let json: Json = serde_json::from_slice(rows.object(index).unwrap()).unwrap();
                assert_eq!(json["id"], Uuid::from_u128(7 + index as u128).to_string());
            }
            Ok(String::from_utf8(rows.json).unwrap())
        });
        answers.push(json.await.unwrap());
    }
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].contains(r#""a_decimal":"99999999999999.9999","whole":"999999999999999999","tiny":"0.999"#));
}

#[tokio::test]
async fn broken_rules_are_told_apart() {
    let people = document(
        "people",
        json!({
            "fields": [
                { "name": "email", "type": "text", "maxLength": 50 },
                { "name": "code", "type": "text", "maxLength": 50, "unique": true },
                { "name": "boss", "type": "ref", "collection": "people" },
                { "name": "kind", "type": "enum", "values": ["a"] },
            ],
            "unique": [{ "fields": ["email"], "caseInsensitive": true }],
        }),
    );
    let (stores, schema) = both_with(&[people]).await;
    let people = schema.get("people").unwrap();
    for store in &stores {
        let person = |id, email: &str, code: &str, boss| record(id, vec![text(email), text(code), boss, Value::Null]);
        assert!(insert(store, people, person(1, "ann@x", "A", Value::Null)).await.unwrap());
        assert!(insert(store, people, person(2, "bob@x", "B", Value::Uuid(Uuid::from_u128(1)))).await.unwrap());
        // Taken: by id, by a plain key, by a folded key.
        for taken in [
            person(1, "new@x", "N", Value::Null),
            person(3, "new@x", "A", Value::Null),
            person(3, "ANN@x", "N", Value::Null),
        ] {
            assert!(!insert(store, people, taken.clone()).await.unwrap());
            assert!(!store.create(people, &taken).await.unwrap());
        }
        let (collection, schema) = (Arc::clone(people), Arc::clone(&schema));
        let candidate = person(3, "ANN@x", "N", Value::Null);
        let taken = read(store, move |conn| {
            let keys = collection.unique.iter();
            keys.map(|key| records::holder(conn, &collection, &schema, key, &candidate, false))
                .collect::<Result<Vec<_>, _>>()
        });
        assert_eq!(taken.await.unwrap(), [None, Some(Uuid::from_u128(1))]);
        for (field, value) in [(4, text("ANN@x")), (5, text("A"))] {
            let collection = Arc::clone(people);
            let mut second = person(2, "b@x", "B", Value::Null);
            second[field] = value;
            let done =
                write(store, move |conn| records::update(conn, &collection, &second, &second, &[field], 0)).await;
            let Err(Error::Unique { constraint, columns }) = done else { panic!("{done:?}") };
            let key = people.unique.iter().find(|key| key.fields == [field]).unwrap();
            let named = constraint.as_ref().is_some_and(|name| *name == key.name);
            assert!(named || columns == ["code"], "{constraint:?} {columns:?}");
        }
        let missing = insert(store, people, person(4, "d@x", "D", Value::Uuid(Uuid::from_u128(99)))).await;
        assert!(matches!(missing, Err(Error::ForeignKey { .. })), "{missing:?}");
        let collection = Arc::clone(people);
        let referred = write(store, move |conn| records::delete(conn, &collection, Uuid::from_u128(1), 0)).await;
        assert!(matches!(referred, Err(Error::ForeignKey { .. })), "{referred:?}");
        let collection = Arc::clone(people);
        let found = read(store, move |conn| {
            let ids = [Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3)];
            records::referrers(conn, &collection, 6, &ids, 10, false)
        });
        assert_eq!(found.await.unwrap(), [Uuid::from_u128(2)]);
        let none = write(store, |conn| conn.batch("INSERT INTO people (id, version) VALUES (NULL, 1)")).await;
        assert!(matches!(none, Err(Error::Check { .. })), "{none:?}");
    }
}
