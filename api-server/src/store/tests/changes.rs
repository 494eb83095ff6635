//! Changed options of a field on real databases: what is judged, filled and refused, and the catalog that results.

use super::catalog::bare_catalog;
use super::*;
use crate::store::records::select_record;

/// Things of one field `x`, beside what it may point to.
fn things(mut field: Json) -> Schema {
    field["name"] = json!("x");
    let things = json!({ "fields": [{ "name": "title", "type": "text" }, field] });
    schema_of(&[document("things", things), document("others", json!({ "fields": [] }))])
}

async fn made(store: &Store, schema: &Schema, values: &[Value<'static>]) -> Applied {
    let run = way(&Stored::default(), schema);
    let made = migrate(store, &run, &PHASES).await.unwrap();
    assert!(insert(store, run.schema.get("others").unwrap(), record(1, vec![])).await.unwrap());
    for (id, value) in (1..).zip(values) {
        let values = vec![text("a"), value.clone()];
        assert!(insert(store, run.schema.get("things").unwrap(), record(id, values)).await.unwrap());
    }
    made
}

async fn value(store: &Store, schema: &Schema, id: u128) -> Value<'static> {
    let things = Arc::clone(schema.get("things").unwrap());
    let find = move |conn: &mut Conn| select_record(conn, &things, Uuid::from_u128(id), false);
    read(store, find).await.unwrap().unwrap().pop().unwrap()
}

/// The way to `to` refuses so many of the values and changes nothing; without them it leads where `to` alone leads.
async fn refuses(from: Json, to: Json, values: &[Value<'static>], broken: &[u128]) {
    for (store, fresh) in both().into_iter().zip(both()) {
        let before = made(&store, &things(from.clone()), values).await;
        let catalog = bare_catalog(&store, &[]).await;
        let next = way(&before.stored, &things(to.clone()));
        let refused = migrate(&store, &next, &PHASES).await;
        let Err(Refusal::Data { count, ids, .. }) = &refused else { panic!("{from} to {to}: {refused:?}") };
        let expected: Vec<String> = broken.iter().map(|id| Uuid::from_u128(*id).to_string()).collect();
        assert_eq!((*count, ids), (broken.len() as i64, &expected.join(", ")), "{from} to {to}");
        assert_eq!(bare_catalog(&store, &[]).await, catalog, "nothing was changed");
        assert_eq!(read(&store, applied).await.unwrap(), before);

        let delete = format!("DELETE FROM things WHERE id IN ('{}')", expected.join("', '"));
        write(&store, move |conn| conn.batch(&delete)).await.unwrap();
        let done = migrate(&store, &next, &PHASES).await.unwrap();
        assert_eq!((done.stored.revision, done.compatible_from, done.is_open), (2, 2, false));
        made(&fresh, &things(to.clone()), &[]).await;
        assert_eq!(bare_catalog(&store, &[]).await, bare_catalog(&fresh, &[]).await, "{from} to {to}");
        let stays = (1..=values.len() as u128).find(|id| !broken.contains(id)).unwrap();
        assert_eq!(value(&store, &next.schema, stays).await, values[stays as usize - 1]);
    }
}

fn number_of(n: i64) -> Value<'static> {
    Value::Integer(n)
}

#[tokio::test]
async fn rules_of_text_are_judged_by_the_rules_themselves() {
    let words = ["Zoë", "a-b", "A B", "🦀🦀🦀🦀"].map(text);
    let kind = json!({ "type": "text" });
    let with = |more: Json| {
        let mut kind = kind.clone();
        kind.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        kind
    };
    refuses(kind.clone(), with(json!({ "maxLength": 3 })), &words, &[4]).await;
    refuses(kind.clone(), with(json!({ "minLength": 4 })), &words, &[1, 2, 3]).await;
    refuses(kind.clone(), with(json!({ "pattern": "[^ ]*" })), &words, &[3]).await;
    refuses(kind.clone(), with(json!({ "format": "slug" })), &words, &[1, 3, 4]).await;
    refuses(kind.clone(), json!({ "type": "enum", "values": ["Zoë", "a-b"] }), &words, &[3, 4]).await;
    refuses(kind.clone(), with(json!({ "required": true })), &[text("a"), Value::Null], &[2]).await;
    let twice = [text("a"), text("b"), text("a")];
    refuses(with(json!({ "maxLength": 9 })), with(json!({ "maxLength": 9, "unique": true })), &twice, &[1, 3]).await;
}

#[tokio::test]
async fn rules_of_other_kinds_are_judged_so_too() {
    let enumeration = |values: Json| json!({ "type": "enum", "values": values });
    let states = ["a", "b", "c"].map(text);
    refuses(enumeration(json!(["a", "b", "c"])), enumeration(json!(["d", "a"])), &states, &[2, 3]).await;
    let numbers = [number_of(1), Value::Null, number_of(-9_007_199_254_740_991)];
    refuses(json!({ "type": "integer" }), json!({ "type": "integer", "minimum": 0 }), &numbers, &[3]).await;
    let list = |most: u32, values: Json| json!({ "type": "list", "items": "enum", "values": values, "maxItems": most, "uniqueItems": true });
    let lists = [vec![text("a"), text("a")], vec![text("b")], vec![text("a"), text("b")]].map(Value::List);
    let plain = json!({ "type": "list", "items": "text" });
    refuses(plain.clone(), list(1, json!(["a", "b"])), &lists, &[1, 3]).await;
    refuses(plain, list(2, json!(["b"])), &lists, &[1, 3]).await;
    let json = |text: &'static str| Value::Json(text.into());
    let schema = json!({ "type": "json", "schema": { "type": "object", "maxProperties": 1 } });
    refuses(json!({ "type": "json" }), schema, &[json("{}"), json("[1]"), json(r#"{"a":1,"b":2}"#)], &[2, 3]).await;
}

#[tokio::test]
async fn references_over_data_need_their_records() {
    let there = [Value::Uuid(Uuid::from_u128(1)), Value::Uuid(Uuid::from_u128(9)), Value::Null];
    let reference = |target: &str| json!({ "type": "ref", "collection": target });
    refuses(json!({ "type": "uuid" }), reference("others"), &there, &[2]).await;
    // The first points to itself, the second to nothing.
    refuses(json!({ "type": "uuid", "unique": true }), reference("things"), &there, &[2]).await;
    let strict = json!({ "type": "ref", "collection": "others", "required": true, "unique": true });
    refuses(json!({ "type": "uuid", "unique": true }), strict, &there[..2], &[2]).await;
}

#[tokio::test]
async fn what_only_widens_runs_over_any_data() {
    let reference = |target: &str| json!({ "type": "ref", "collection": target });
    let wide = [
        (json!({ "type": "text", "required": true, "maxLength": 3 }), json!({ "type": "text" }), text("abc")),
        (json!({ "type": "enum", "values": ["a"] }), json!({ "type": "text", "default": "z" }), text("a")),
        (reference("others"), json!({ "type": "uuid" }), Value::Uuid(Uuid::from_u128(1))),
        (reference("others"), reference("things"), Value::Uuid(Uuid::from_u128(1))),
        (
            json!({ "type": "decimal", "precision": 5, "scale": 2, "unique": true }),
            json!({ "type": "decimal", "precision": 9, "scale": 2, "unique": true }),
            Value::Decimal(-12_345),
        ),
    ];
    for (from, to, kept) in wide {
        for (store, fresh) in both().into_iter().zip(both()) {
            let before = made(&store, &things(from.clone()), std::slice::from_ref(&kept)).await;
            let next = way(&before.stored, &things(to.clone()));
            let done = migrate(&store, &next, &PHASES).await.unwrap();
            assert_eq!(value(&store, &next.schema, 1).await, kept);
            assert_eq!(migrate(&store, &next, &PHASES).await.unwrap(), done, "once more changes nothing");
            made(&fresh, &things(to.clone()), &[]).await;
            assert_eq!(bare_catalog(&store, &[]).await, bare_catalog(&fresh, &[]).await, "{from} to {to}");
        }
    }
}

#[tokio::test]
async fn what_becomes_required_is_filled_in_batches_and_once_more_at_the_end() {
    let cases = [
        (json!({ "type": "text" }), json!({ "default": "it's" }), Some(text("it's"))),
        (json!({ "type": "timestamp" }), json!({ "default": "$now" }), Some(Value::Timestamp(NOW))),
        (json!({ "type": "uuid", "unique": true }), json!({ "default": "$uuid" }), None),
    ];
    for (from, more, filled) in cases {
        let mut to = from.clone();
        to["required"] = json!(true);
        to["default"] = more["default"].clone();
        for (store, fresh) in both().into_iter().zip(both()) {
            let before = made(&store, &things(from.clone()), &[Value::Null]).await;
            // The last batch is not full.
            let things = things(from.clone());
            for id in 2..2102 {
                let values = vec![text("a"), Value::Null];
                assert!(insert(&store, things.get("things").unwrap(), record(id, values)).await.unwrap());
            }
            let next = way(&before.stored, &self::things(to.clone()));
            migrate(&store, &next, &[Phase::Expand, Phase::Backfill]).await.unwrap();
            assert_eq!(
                read(&store, |conn| number(conn, "SELECT count(*) FROM things WHERE x IS NULL")).await.unwrap(),
                0
            );
            // An older server leaves one behind.
            let old = before.stored.schema().unwrap();
            let late = record(9999, vec![text("a"), Value::Null]);
            assert!(insert(&store, old.get("things").unwrap(), late).await.unwrap());
            migrate(&store, &next, &[Phase::Contract]).await.unwrap();
            for id in [1, 2101, 9999] {
                let found = value(&store, &next.schema, id).await;
                assert!(filled.as_ref().map_or(!found.is_null(), |filled| found == *filled), "{found:?}");
            }
            made(&fresh, &self::things(to.clone()), &[]).await;
            assert_eq!(bare_catalog(&store, &[]).await, bare_catalog(&fresh, &[]).await, "{to}");
        }
    }
}

#[tokio::test]
async fn a_new_required_field_needs_a_value_or_an_empty_table() {
    let bare = || {
        let things = json!({ "fields": [{ "name": "title", "type": "text" }] });
        schema_of(&[document("things", things), document("others", json!({ "fields": [] }))])
    };
    for store in both() {
        let first = way(&Stored::default(), &bare());
        let made = migrate(&store, &first, &PHASES).await.unwrap();
        let things_of = |more: Json| {
            let mut field = json!({ "type": "timestamp", "required": true });
            field.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            things(field)
        };
        let record = record(1, vec![text("a")]);
        assert!(insert(&store, first.schema.get("things").unwrap(), record).await.unwrap());
        let refused = migrate(&store, &way(&made.stored, &things_of(json!({}))), &PHASES).await;
        let Err(Refusal::Data { effect, count: 1, .. }) = &refused else { panic!("{refused:?}") };
        assert_eq!(effect, "add field things.x");
        assert_eq!(read(&store, applied).await.unwrap(), made);
        let next = way(&made.stored, &things_of(json!({ "default": "$now" })));
        migrate(&store, &next, &PHASES).await.unwrap();
        assert_eq!(value(&store, &next.schema, 1).await, Value::Timestamp(NOW));

        let empty = way(&next.stored, &bare());
        let gone = migrate(&store, &empty, &PHASES).await.unwrap();
        write(&store, |conn| conn.batch("DELETE FROM things")).await.unwrap();
        let strict = json!({ "type": "integer", "required": true });
        migrate(&store, &way(&gone.stored, &things(strict)), &PHASES).await.unwrap();
    }
}

#[tokio::test]
async fn renamed_and_swapped_fields_keep_their_values_and_old_servers_theirs() {
    let of = |names: [(&str, Option<&str>); 2]| {
        let field = |(name, from): (&str, Option<&str>)| {
            let mut field = json!({ "name": name, "type": "text", "maxLength": 20, "unique": true });
            if let Some(from) = from {
                field["renamedFrom"] = json!(from);
            }
            field
        };
        let fields: Vec<Json> = names.into_iter().map(field).collect();
        schema_of(&[document("things", json!({ "fields": fields }))])
    };
    for store in both() {
        let first = way(&Stored::default(), &of([("a", None), ("b", None)]));
        let made = migrate(&store, &first, &PHASES).await.unwrap();
        let before = bare_catalog(&store, &[]).await;
        let (old, one) = (first.schema.get("things").unwrap(), record(1, vec![text("a"), text("b")]));
        assert!(insert(&store, old, one).await.unwrap());
        let swapped = way(&made.stored, &of([("a", Some("b")), ("b", Some("a"))]));
        let done = migrate(&store, &swapped, &PHASES).await.unwrap();
        assert_eq!((done.stored.revision, done.compatible_from), (2, 1), "older servers may run");
        let new = swapped.schema.get("things").unwrap();
        assert!(insert(&store, old, record(2, vec![text("A"), text("B")])).await.unwrap());
        assert!(insert(&store, new, record(3, vec![text("b3"), text("a3")])).await.unwrap());
        assert!(insert(&store, new, record(4, vec![text("A"), text("B")])).await.unwrap(), "other columns");
        for (collection, id, values) in
            [(new, 1, ["b", "a"]), (new, 2, ["B", "A"]), (old, 3, ["a3", "b3"]), (old, 4, ["B", "A"])]
        {
            let collection = Arc::clone(collection);
            let find = move |conn: &mut Conn| select_record(conn, &collection, Uuid::from_u128(id), false);
            let found = read(&store, find).await.unwrap().unwrap();
            assert_eq!(found[4..], values.map(text), "{id}");
        }
        assert_eq!(bare_catalog(&store, &[]).await, before);
        let passed = way(&done.stored, &of([("c", Some("a")), ("a", Some("b"))]));
        migrate(&store, &passed, &PHASES).await.unwrap();
        assert_eq!(passed.plan.steps.len(), 0);
        let columns: Vec<_> =
            passed.schema.get("things").unwrap().fields[4..].iter().map(|field| &field.column).collect();
        assert_eq!(columns, ["b", "a"]);
    }
}
