//! Full text that comes, changes and goes over records that are there, beside servers of the revision before.

use super::*;
use crate::store::schema::{down, drift};

fn schema_with(search: Json) -> Schema {
    schema_of(&[notes(search)])
}

async fn at(store: &Store, run: &Evolution, q: &str) -> Vec<u128> {
    finds(store, &Arc::new(run.schema.clone()), q).await
}

async fn drifted(store: &Store, applied: &Applied) -> Vec<String> {
    let applied = applied.clone();
    read(store, move |conn| drift(conn, &applied)).await.unwrap()
}

#[tokio::test]
async fn old_and_new_servers_write_beside_each_other_until_the_contract() {
    for store in both() {
        let first = way(&Stored::default(), &schema_with(json!(null)));
        let made = migrate(&store, &first, &PHASES).await.unwrap();
        let next = way(&made.stored, &schema_with(english()));
        let (old, new) = (first.schema.get("notes").unwrap(), next.schema.get("notes").unwrap());
        for id in 1..=450 {
            assert!(insert(&store, old, note(id, &format!("rain number{id}"))).await.unwrap());
        }
        migrate(&store, &next, &[Phase::Expand]).await.unwrap();
        assert!(insert(&store, old, note(501, "rain of the old")).await.unwrap());
        assert!(insert(&store, new, note(502, "rain of the new")).await.unwrap());
        assert_eq!(at(&store, &next, "rain").await, [502], "no words yet");
        migrate(&store, &next, &[Phase::Backfill]).await.unwrap();
        assert_eq!(at(&store, &next, "rain").await.len(), 452);
        assert!(insert(&store, old, note(503, "rain of the old")).await.unwrap());
        let old = Arc::clone(old);
        let changed = move |conn: &mut Conn| update(conn, &old, &note(7, ""), &note(7, "snow"), &[TITLE], 0);
        assert!(write(&store, changed).await.unwrap());
        assert_eq!(at(&store, &next, "number7").await, [7], "found by its former words until the contract");
        let done = migrate(&store, &next, &[Phase::Contract]).await.unwrap();
        assert_eq!((at(&store, &next, "number7").await, at(&store, &next, "snow").await), (vec![], vec![7]));
        assert_eq!(at(&store, &next, "rain").await.len(), 452);
        assert_eq!(drifted(&store, &done).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn another_language_and_other_fields_are_searched_once_they_are_indexed() {
    for store in both() {
        let first = way(&Stored::default(), &schema_with(json!({ "text": ["title"] })));
        let made = migrate(&store, &first, &PHASES).await.unwrap();
        assert!(insert(&store, first.schema.get("notes").unwrap(), note(1, "raining")).await.unwrap());
        assert_eq!(at(&store, &first, "rain").await, [] as [u128; 0]);
        let next = way(&made.stored, &schema_with(english()));
        migrate(&store, &next, &[Phase::Expand, Phase::Backfill]).await.unwrap();
        assert_eq!((at(&store, &next, "rain").await, at(&store, &first, "raining").await), (vec![1], vec![1]));
        assert!(insert(&store, first.schema.get("notes").unwrap(), note(2, "raining")).await.unwrap());
        let done = migrate(&store, &next, &[Phase::Contract]).await.unwrap();
        assert_eq!(at(&store, &next, "rain").await, [1, 2]);
        assert_eq!(drifted(&store, &done).await, Vec::<String>::new());

        let none = way(&done.stored, &schema_with(json!(null)));
        let done = migrate(&store, &none, &PHASES).await.unwrap();
        assert_eq!(drifted(&store, &done).await, Vec::<String>::new());
        assert!(insert(&store, none.schema.get("notes").unwrap(), note(3, "raining")).await.unwrap());
        let again = way(&done.stored, &schema_with(english()));
        migrate(&store, &again, &PHASES).await.unwrap();
        assert_eq!(at(&store, &again, "rain").await, [1, 2, 3]);

        let hash = again.plan.plan_hash.clone();
        store.session(move |conn| Ok(down(conn, &hash, &Claim::default()))).await.unwrap().unwrap();
        let tables = "SELECT count(*) FROM sqlite_master WHERE name LIKE '%search\\_\\_words%' ESCAPE '\\'";
        if store.dialect() == Dialect::Sqlite {
            assert_eq!(read(&store, |conn| number(conn, tables)).await.unwrap(), 0);
        }
        assert!(insert(&store, none.schema.get("notes").unwrap(), note(4, "raining")).await.unwrap());
    }
}

#[tokio::test]
async fn an_interrupted_indexing_goes_on() {
    for store in both() {
        let first = way(&Stored::default(), &schema_with(json!(null)));
        let made = migrate(&store, &first, &PHASES).await.unwrap();
        for id in 1..=3 {
            assert!(insert(&store, first.schema.get("notes").unwrap(), note(id, "rain")).await.unwrap());
        }
        let next = way(&made.stored, &schema_with(english()));
        migrate(&store, &next, &[Phase::Expand]).await.unwrap();
        migrate(&store, &next, &[Phase::Backfill]).await.unwrap();
        // As a run leaves it that was killed in the middle: begun, not done, some records without words.
        let cut = "UPDATE mainstay_steps SET state = 'intent' WHERE effect = 'index the words of notes'; \
            UPDATE notes SET search__words = NULL WHERE id = '00000000-0000-0000-0000-000000000002'";
        write(&store, move |conn| conn.batch(cut)).await.unwrap();
        assert_eq!(at(&store, &next, "rain").await, [1, 3]);
        migrate(&store, &next, &PHASES).await.unwrap();
        assert_eq!(at(&store, &next, "rain").await, [1, 2, 3]);
    }
}

#[tokio::test]
async fn a_removed_collection_takes_its_words_along_and_may_return() {
    for policy in ["Retain", "Delete"] {
        for store in both() {
            let mut document = notes(english());
            document.0["spec"]["deletionPolicy"] = json!(policy);
            let first = way(&Stored::default(), &schema_of(std::slice::from_ref(&document)));
            let made = migrate(&store, &first, &PHASES).await.unwrap();
            assert!(insert(&store, first.schema.get("notes").unwrap(), note(1, "rain")).await.unwrap());
            let gone = way(&made.stored, &schema_of(&[]));
            let expanded = migrate(&store, &gone, &[Phase::Expand, Phase::Backfill]).await.unwrap();
            // Before the contract it returns beside its former words.
            let back = way(&expanded.stored, &schema_of(std::slice::from_ref(&document)));
            let returned = migrate(&store, &back, &PHASES).await.unwrap();
            assert_eq!(at(&store, &back, "rain").await, [1]);
            assert_eq!(drifted(&store, &returned).await, Vec::<String>::new());
            let gone = way(&returned.stored, &schema_of(&[]));
            let done = migrate(&store, &gone, &PHASES).await.unwrap();
            let left = "SELECT count(*) FROM sqlite_master WHERE name LIKE 'mainstay\\_notes%' ESCAPE '\\'";
            if store.dialect() == Dialect::Sqlite {
                assert_eq!(read(&store, |conn| number(conn, left)).await.unwrap(), 0);
            }
            let again = way(&done.stored, &schema_of(std::slice::from_ref(&document)));
            migrate(&store, &again, &PHASES).await.unwrap();
            let expected: &[u128] = if policy == "Retain" { &[1] } else { &[] };
            assert_eq!(at(&store, &again, "rain").await, expected);
        }
    }
}

#[tokio::test]
async fn what_a_step_fills_is_found() {
    for store in both() {
        let search = json!({ "text": ["title"] });
        let first = way(&Stored::default(), &schema_with(search.clone()));
        let made = migrate(&store, &first, &PHASES).await.unwrap();
        let empty = record(1, vec![Value::Null, Value::Null]);
        assert!(insert(&store, first.schema.get("notes").unwrap(), empty).await.unwrap());
        let mut filled = notes(search);
        filled.0["spec"]["fields"][0] =
            json!({ "name": "title", "type": "text", "required": true, "default": "untitled" });
        let next = way(&made.stored, &schema_of(&[filled]));
        migrate(&store, &next, &PHASES).await.unwrap();
        assert_eq!(at(&store, &next, "untitled").await, [1]);
    }
}
