//! A deep page reads no more than a page: the database says so.

use mainstay_crds::sql::literal::inline;
use serde_json::json;

use super::*;
use crate::store::tests::{both_with, document, read, write};

const ROWS: &str = "INSERT INTO rows (id, version, created_at, updated_at, a, b)";

#[tokio::test]
async fn a_deep_page_is_read_from_the_index() {
    let fields = json!([{ "name": "a", "type": "integer" }, { "name": "b", "type": "integer" }]);
    let spec = json!({ "fields": fields, "indexes": [{ "fields": ["a", "-b"] }, { "fields": ["-b"] }] });
    let ([sqlite, postgres], schema) = both_with(&[document("rows", spec)]).await;
    let time = "'2024-01-31T12:00:00.000000Z'";
    let on_postgres = format!(
        "{ROWS} SELECT gen_random_uuid(), 1, {time}, {time}, n % 3, CASE WHEN n % 5 > 0 THEN n % 7 END \
         FROM generate_series(1, 20000) n; ANALYZE rows"
    );
    write(&postgres, move |conn| conn.batch(&on_postgres)).await.unwrap();
    let on_sqlite = format!(
        "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 20000) \
         {ROWS} SELECT lower(hex(randomblob(16))), 1, {time}, {time}, n % 3, iif(n % 5 > 0, n % 7, NULL) FROM s; ANALYZE"
    );
    write(&sqlite, move |conn| conn.batch(&on_sqlite)).await.unwrap();

    let rows = Arc::clone(schema.get("rows").unwrap());
    let key = |field, descending| SortKey { field, descending };
    let id = || Value::Uuid(Uuid::from_u128(u128::MAX / 2));
    let one = || Value::Integer(1);
    let pages = [
        (vec![key(0, false)], vec![id()]),
        (vec![key(4, false), key(5, true), key(0, true)], vec![one(), one(), id()]),
        (vec![key(4, false), key(5, true), key(0, true)], vec![Value::Null, Value::Null, id()]),
        (vec![key(5, true), key(0, true)], vec![one(), id()]),
    ];
    for (sort, after) in pages {
        for store in [&postgres, &sqlite] {
            let page = Select {
                collection: &rows,
                columns: vec![0, 4, 5],
                extra: vec![],
                filter: None,
                relevance: None,
                sort: sort.clone(),
                after: Some(after.clone()),
                limit: 20,
                offset: 0,
                lock: true,
            };
            let dialect = store.dialect();
            let text = inline(&page_sql(&page, &schema, dialect, &selected(&page)), dialect);
            let plan = read(store, move |conn| {
                let (explain, column) = match dialect {
                    Dialect::Postgres => ("EXPLAIN ", 0),
                    Dialect::Sqlite => ("EXPLAIN QUERY PLAN ", 3),
                };
                let mut sql = Sql::new();
                sql.push(explain).push(&text);
                let mut plan = text.clone();
                conn.query(sql, |row| {
                    if let Value::Text(line) = row.value(column, ColumnType::Text)? {
                        plan.push('\n');
                        plan.push_str(&line);
                    }
                    Ok(())
                })?;
                Ok(plan)
            });
            let plan = plan.await.unwrap();
            for whole in ["Seq Scan", "SCAN rows", "SCAN t", "USE TEMP B-TREE FOR LAST"] {
                assert!(!plan.contains(whole), "{plan}");
            }
            assert!(plan.contains("Index Cond") || plan.contains("SEARCH"), "{plan}");
        }
    }
}
