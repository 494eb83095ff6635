//! A walk by positions meets every record once and in order, whatever the sort, nulls and all.

use std::cmp::Ordering;

use mainstay_crds::filter::{Filter, Op, Operand};
use mainstay_crds::schema::{ID, SortKey};

use super::*;
use crate::store::records::{Select, select};

fn compare(a: &[Value<'static>], b: &[Value<'static>], sort: &[SortKey]) -> Ordering {
    let by = |key: &SortKey| {
        let (a, b) = (&a[key.field], &b[key.field]);
        let order = a.compare(b).unwrap_or_else(|| b.is_null().cmp(&a.is_null()));
        if key.descending { order.reverse() } else { order }
    };
    sort.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

#[tokio::test]
async fn a_walk_meets_every_record_once() {
    let rows = document(
        "rows",
        json!({
            "fields": [
                { "name": "a", "type": "integer" },
                { "name": "b", "type": "text", "maxLength": 20 },
                { "name": "c", "type": "decimal", "precision": 9, "scale": 2, "required": true },
                { "name": "d", "type": "timestamp" },
            ],
            "indexes": [{ "fields": ["a", "-b"] }],
        }),
    );
    let (stores, schema) = both_with(&[rows]).await;
    let rows = schema.get("rows").unwrap();
    let records: Vec<_> = (0_i64..60)
        .map(|n| {
            let some = |wanted: bool, value| if wanted { value } else { Value::Null };
            let words = ["", "B", "a", "b", "é", "🦀"];
            let values = vec![
                some(n % 4 != 0, Value::Integer(n * 7 % 3)),
                some(n % 5 != 0, text(words[n as usize % words.len()])),
                Value::Decimal(n * 13 % 5 - 2),
                some(n % 3 != 0, Value::Timestamp(NOW + n % 2)),
            ];
            record((n * 37 % 61) as u128 + 1, values)
        })
        .collect();
    let sorts: [&[i64]; 9] = [&[], &[-1], &[5], &[-5], &[5, -6], &[-5, 6], &[-6, -8, 7], &[8, 5, -6], &[-7, 5]];
    for store in &stores {
        for record in &records {
            assert!(insert(store, rows, record.clone()).await.unwrap());
        }
        for sort in sorts {
            for size in [1, 7, 60] {
                walk(store, &schema, rows, &records, sort, size).await;
            }
        }
    }
}

/// `sort` names fields by position plus one, negative for descending; the id follows in the last one's direction.
async fn walk(
    store: &Store,
    schema: &Arc<Schema>,
    rows: &Arc<Collection>,
    records: &[Vec<Value<'static>>],
    sort: &[i64],
    size: u32,
) {
    let key = |n: &i64| SortKey { field: n.unsigned_abs() as usize - 1, descending: *n < 0 };
    let mut keys: Vec<SortKey> = sort.iter().map(key).collect();
    if keys.iter().all(|key| key.field != ID) {
        keys.push(SortKey { field: ID, descending: keys.last().is_some_and(|key| key.descending) });
    }
    let mut model = records.to_vec();
    model.retain(|record| record[0] != Value::Uuid(Uuid::from_u128(5)));
    model.sort_by(|a, b| compare(a, b, &keys));
    let expected: Vec<_> = model.iter().map(|record| record[0].clone()).collect();

    let (schema, rows) = (Arc::clone(schema), Arc::clone(rows));
    let found = read(store, move |conn| {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let five = Operand::Value(Value::Uuid(Uuid::from_u128(5)));
            let page = Select {
                collection: &rows,
                columns: vec![ID],
                extra: keys.iter().map(|key| key.field).collect(),
                filter: Some(Filter::Test { field: ID, op: Op::Ne, operands: vec![five] }),
                relevance: None,
                sort: keys.clone(),
                after,
                limit: size,
                offset: 0,
                lock: false,
            };
            let answer = select(conn, &schema, &page)?;
            assert!(answer.len() <= size as usize);
            let id = keys.iter().position(|key| key.field == ID).unwrap();
            found.extend(answer.values.iter().map(|values| values[id].clone()));
            assert!(found.len() <= 60, "a walk that never ends");
            match answer.values.last() {
                Some(last) => after = Some(last.clone()),
                None => return Ok(found),
            }
        }
    });
    assert_eq!(found.await.unwrap(), expected, "{sort:?} by {size}");
}
