//! Any documents to any others, over data: the plan is refused by that data before anything changed, or leads to the catalog
//! that the documents make at once and keeps every value of what stays. Taken back half way, everything is as it was.

use mainstay_crds::schema::ddl::search::COLUMN;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::catalog::bare_catalog;
use super::*;
use crate::store::records::select_record;
use crate::store::records::words::words_of;

/// How one field may be declared. The kinds of one row share a column, but for those of the last. `null` is not declared.
fn variants() -> [Vec<Json>; 5] {
    let text = json!([
        null,
        { "type": "text" },
        { "type": "text", "maxLength": 9, "unique": true },
        { "type": "text", "required": true, "default": "d" },
        { "type": "text", "maxLength": 20, "required": true },
        { "type": "enum", "values": ["a", "b"], "default": "a" },
        { "type": "enum", "values": ["c", "b", "a"], "required": true, "default": "b" },
        { "type": "text", "pattern": "[a-z]+", "maxLength": 9, "index": true },
    ]);
    let uuid = json!([
        null,
        { "type": "uuid" },
        { "type": "uuid", "unique": true },
        { "type": "ref", "collection": "things" },
        { "type": "ref", "collection": "others", "required": true },
        { "type": "ref", "collection": "others", "unique": true, "onDelete": "cascade" },
        { "type": "uuid", "required": true, "default": "$uuid", "index": true },
    ]);
    let decimal = json!([
        null,
        { "type": "decimal", "precision": 9, "scale": 2 },
        { "type": "decimal", "precision": 4, "scale": 2, "index": true },
        { "type": "decimal", "precision": 12, "scale": 2, "minimum": "0", "check": true },
        { "type": "decimal", "precision": 9, "scale": 2, "required": true, "default": "1.5" },
    ]);
    let timestamp = json!([
        null,
        { "type": "timestamp" },
        { "type": "timestamp", "required": true, "default": "$now", "index": true },
        { "type": "timestamp", "required": true },
    ]);
    let count = json!([
        null,
        { "type": "integer" },
        { "type": "text", "maxLength": 20, "unique": true },
        { "type": "decimal", "precision": 9, "scale": 2, "index": true },
        { "type": "integer", "required": true, "default": 3, "minimum": 2 },
        { "type": "number" },
        { "type": "list", "items": "integer" },
        { "type": "decimal", "precision": 9, "scale": 3, "required": true },
    ]);
    [text, uuid, decimal, timestamp, count].map(|all| all.as_array().unwrap().clone())
}

const BEFORE: [&str; 5] = ["alpha", "beta", "gamma", "delta", "count"];
/// The third and the last have a new name.
const AFTER: [&str; 5] = ["alpha", "beta", "epsilon", "delta", "total"];

/// A variant of each field, and how the words of those that are text are searched.
type Choice = [usize; 6];

/// Things with these variants of the fields under these names.
fn things(choice: Choice, names: [&str; 5], renamed: bool) -> Schema {
    let (mut fields, mut indexes, mut checks) = (Vec::new(), Vec::new(), Vec::new());
    for (at, all) in variants().iter().enumerate() {
        let mut field = all[choice[at] % all.len()].clone();
        let Some(members) = field.as_object_mut() else { continue };
        if members.remove("index").is_some() {
            indexes.push(json!({ "fields": [format!("-{}", names[at]), "created_at"] }));
        }
        if members.remove("check").is_some() {
            checks.push(json!({ "that": { names[at]: { "lt": "500" } }, "message": "too much" }));
        }
        field["name"] = json!(names[at]);
        if renamed && names[at] != BEFORE[at] {
            field["renamedFrom"] = json!(BEFORE[at]);
        }
        fields.push(field);
    }
    let words: Vec<&Json> = fields.iter().filter(|field| field["type"] == "text").map(|field| &field["name"]).collect();
    let language = [None, Some("simple"), Some("english")][choice[5] % 3].filter(|_| !words.is_empty());
    let search = language.map(|language| json!({ "text": words, "language": language }));
    let things = json!({
        "deletionPolicy": "Delete", "fields": fields, "indexes": indexes, "checks": checks, "search": search,
    });
    schema_of(&[document("things", things), document("others", json!({ "fields": [] }))])
}

/// What row `id` holds: any value that the database takes.
fn value(field: &mainstay_crds::schema::Field, id: u128) -> Value<'static> {
    let any = !field.required && id.is_multiple_of(3);
    match (field.kind.name(), field.target()) {
        _ if any => Value::Null,
        (kind, _) if field.name.as_str() == "count" => match kind {
            "text" => text(["1", "7", "-12", "x"][id as usize % 4]),
            "number" => Value::Number(id as f64 * 1.5),
            "list" => Value::List(vec![Value::Integer(id as i64); 1 + id as usize / 3]),
            "decimal" => Value::Decimal(id as i64 * 1_500),
            _ => Value::Integer(id as i64),
        },
        ("text", _) => text(["a", "b", "A long one with spaces", "c"][id as usize % 4]),
        ("enum", _) => text(["a", "b"][id as usize % 2]),
        ("uuid" | "ref", _) => Value::Uuid(Uuid::from_u128(id)),
        ("decimal", _) => Value::Decimal(id as i64 * 4_321 - 5_000),
        _ => Value::Timestamp(NOW + id as i64),
    }
}

async fn make(store: &Store, schema: &Schema, rows: u128) -> (Applied, Evolution) {
    let run = way(&Stored::default(), schema);
    let made = migrate(store, &run, &PHASES).await.unwrap();
    for id in 1..=rows {
        assert!(insert(store, run.schema.get("others").unwrap(), record(id, vec![])).await.unwrap());
        let things = run.schema.get("things").unwrap();
        let values = things.declared().map(|(_, field)| value(field, id)).collect();
        assert!(insert(store, things, record(id, values)).await.unwrap());
    }
    (made, run)
}

async fn rows(store: &Store, schema: &Schema, rows: u128) -> Vec<Vec<Value<'static>>> {
    let mut found = Vec::new();
    for id in 1..=rows {
        let things = Arc::clone(schema.get("things").unwrap());
        let find = move |conn: &mut Conn| select_record(conn, &things, Uuid::from_u128(id), false);
        found.push(read(store, find).await.unwrap().unwrap());
    }
    found
}

/// The plan cut short by a step that fails, then the documents of before: what is taken back.
async fn cut_short(store: &Store, made: &Applied, from: &Schema, to: &Evolution) {
    let mut cut = to.clone();
    let steps = &mut cut.plan.steps;
    let at = steps.iter().position(|step| step.phase != Phase::Expand).unwrap_or(steps.len());
    let Some(mut broken) = steps.first().cloned() else { return };
    (broken.effect, broken.phase) = ("fail".to_owned(), Phase::Expand);
    (broken.postgres.up, broken.sqlite.up) = (vec!["nonsense".to_owned()], vec!["nonsense".to_owned()]);
    (broken.postgres.violations, broken.sqlite.violations, broken.judges) = (None, None, None);
    steps.insert(at, broken);
    cut.plan.plan_hash = "cut".to_owned();
    match migrate(store, &cut, &[Phase::Expand]).await {
        Err(Refusal::Step { effect, .. }) => assert_eq!(effect, "fail"),
        Err(Refusal::Data { .. }) => {}
        other => panic!("{other:?}"),
    }
    migrate(store, &way(&made.stored, from), &PHASES).await.unwrap();
}

async fn goes(store: &Store, fresh: &Store, before: Choice, after: Choice, renamed: bool, count: u128) {
    let names = if renamed { AFTER } else { BEFORE };
    let (from, to) = (things(before, BEFORE, false), things(after, names, renamed));
    let (made, first) = make(store, &from, count).await;
    let (catalog, data) = (bare_catalog(store, &[]).await, rows(store, &first.schema, count).await);
    let next = match evolve(&made.stored, &to) {
        Ok(next) => next,
        Err(refused) => {
            assert!(refused.iter().all(|problem| problem.code == "not_supported"), "{refused:?}");
            return;
        }
    };
    cut_short(store, &made, &from, &next).await;
    assert_eq!(bare_catalog(store, &[]).await, catalog, "taken back");
    match migrate(store, &next, &PHASES).await {
        Err(Refusal::Data { .. }) => {
            let found = rows(store, &first.schema, count).await;
            // Rules of a column that is new are asked for once it is there, and filled.
            if next.plan.steps.iter().any(|step| step.effect.starts_with("change ")) {
                let pairs = data.iter().flatten().zip(found.iter().flatten());
                assert!(pairs.into_iter().all(|(was, is)| was.is_null() || was == is), "{data:?} {found:?}");
            } else {
                assert_eq!(bare_catalog(store, &[]).await, catalog, "refused before anything changed");
                assert_eq!(found, data);
            }
            return;
        }
        done => assert_eq!(done.unwrap().stored.revision, next.plan.to_revision),
    }
    let (old, new) = (first.schema.get("things").unwrap(), next.schema.get("things").unwrap());
    let column = |(_, field): (usize, &mainstay_crds::schema::Field)| (field.column.clone(), field.name.to_string());
    let words = new.search.iter().map(|search| (search.column.clone(), COLUMN.to_owned()));
    let columns: Vec<_> = new.declared().map(column).chain(words).collect();
    make(fresh, &to, 0).await;
    assert_eq!(bare_catalog(store, &columns).await, bare_catalog(fresh, &[]).await);
    for (was, is) in data.iter().zip(rows(store, &next.schema, count).await) {
        for (position, field) in new.declared() {
            let same = old.fields.iter().position(|before| before.column == field.column);
            match same.map(|same| &was[same]).filter(|value| !value.is_null()) {
                Some(value) => assert_eq!(is[position], *value, "{}", field.name),
                None => assert!(!field.required || !is[position].is_null()),
            }
        }
        assert!(has_its_words(store, new, is.clone()).await, "{is:?}");
    }
}

async fn has_its_words(store: &Store, things: &Arc<Collection>, record: Vec<Value<'static>>) -> bool {
    let Some(search) = things.search.clone() else { return true };
    let has = move |conn: &mut Conn| {
        let mut sql = Sql::new();
        sql.push("SELECT 1 FROM things WHERE id = ").bind(ColumnType::Uuid, record[0].clone());
        sql.push(" AND ").ident(&search.column).push(" = ").append(words_of(&search, &record, conn.dialect()));
        let mut found = false;
        conn.query_varying(sql, |_| {
            found = true;
            Ok(())
        })?;
        Ok(found)
    };
    read(store, has).await.unwrap()
}

#[test]
fn every_way_ends_as_if_its_end_had_been_the_beginning() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let choice = || prop::array::uniform6(0..8_usize);
    // Shrinking would make hundreds of databases, and the cases are small.
    let config = Config { cases: 24, max_shrink_iters: 12, failure_persistence: None, ..Config::default() };
    let ways = (choice(), choice(), any::<bool>(), 0..4_u128);
    let done = TestRunner::new(config).run(&ways, |(before, after, renamed, count)| {
        runtime.block_on(async {
            for (store, fresh) in both().into_iter().zip(both()) {
                goes(&store, &fresh, before, after, renamed, count).await;
            }
        });
        Ok(())
    });
    done.unwrap();
}
