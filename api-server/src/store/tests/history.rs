//! What becomes of kept versions when their collection leaves and returns, on both databases.

use mainstay_crds::schema::VERSION;

use super::*;
use crate::store::records::{Lives, delete, earlier, update};

fn notes(policy: &str) -> Schema {
    let spec = json!({
        "deletionPolicy": policy, "history": { "keep": 5 },
        "fields": [{ "name": "title", "type": "text", "maxLength": 50 }],
    });
    schema_of(&[document("notes", spec)])
}

/// The versions of both lives of one record, newest first.
async fn versions(store: &Store, notes: &Arc<Collection>) -> Vec<(i64, i64)> {
    let notes = Arc::clone(notes);
    let found = read(store, move |conn| earlier(conn, &notes, Uuid::from_u128(1), &Lives::All, None, 9));
    found.await.unwrap().iter().map(|one| (one.number, one.version)).collect()
}

#[tokio::test]
async fn a_history_stays_with_a_retained_collection_and_goes_with_a_dropped_one() {
    for (policy, left) in [("Retain", &[(3, 1), (2, 2), (1, 1)][..]), ("Delete", &[])] {
        for store in both() {
            let first = way(&Stored::default(), &notes(policy));
            let made = migrate(&store, &first, &PHASES).await.unwrap();
            let kept = Arc::clone(first.schema.get("notes").unwrap());
            for _ in 0..2 {
                insert(&store, &kept, record(1, vec![text("one")])).await.unwrap();
                let notes = Arc::clone(&kept);
                let done = write(&store, move |conn| {
                    let stored = record(1, vec![text("one")]);
                    let mut changed = record(1, vec![text("two")]);
                    changed[1] = Value::Integer(2);
                    let is_new = earlier(conn, &notes, Uuid::from_u128(1), &Lives::All, None, 1)?.is_empty();
                    update(conn, &notes, &stored, &changed, &[1, 4], 7)?;
                    if is_new { delete(conn, &notes, Uuid::from_u128(1), 8) } else { Ok(true) }
                });
                assert!(done.await.unwrap());
            }
            assert_eq!(versions(&store, &kept).await, [(3, 1), (2, 2), (1, 1)]);
            let gone = migrate(&store, &way(&made.stored, &schema_of(&[])), &PHASES).await.unwrap();
            let back = way(&gone.stored, &notes(policy));
            migrate(&store, &back, &PHASES).await.unwrap();
            let back = Arc::clone(back.schema.get("notes").unwrap());
            assert_eq!(versions(&store, &back).await, left, "{policy}");
        }
    }
}

#[tokio::test]
async fn the_newest_versions_are_kept_without_what_is_never_answered() {
    let spec = json!({ "history": { "keep": 2 }, "fields": [
        { "name": "title", "type": "text", "maxLength": 50 },
        { "name": "secret", "type": "text", "maxLength": 50, "writeOnly": true },
    ] });
    let plan = way(&Stored::default(), &schema_of(&[document("notes", spec)]));
    let notes = Arc::clone(plan.schema.get("notes").unwrap());
    let [title, secret] = ["title", "secret"].map(|name| notes.fields[notes.position(name).unwrap()].clone());
    for store in both() {
        migrate(&store, &plan, &PHASES).await.unwrap();
        insert(&store, &notes, record(1, vec![text("1"), text("hidden")])).await.unwrap();
        for version in 1..=4 {
            let notes = Arc::clone(&notes);
            let change = write(&store, move |conn| {
                let [mut stored, mut changed] =
                    [version, version + 1].map(|n| record(1, vec![text(&n.to_string()), text("hidden")]));
                (stored[VERSION], changed[VERSION]) = (Value::Integer(version), Value::Integer(version + 1));
                update(conn, &notes, &stored, &changed, &[VERSION, notes.position("title").unwrap()], 7)
            });
            assert!(change.await.unwrap());
        }
        let kept = Arc::clone(&notes);
        let found = read(&store, move |conn| earlier(conn, &kept, Uuid::from_u128(1), &Lives::All, None, 9));
        let told: Vec<_> =
            found.await.unwrap().iter().map(|one| (one.number, one.value(&title), one.value(&secret))).collect();
        assert_eq!(told, [(4, Some("\"4\"".to_owned()), None), (3, Some("\"3\"".to_owned()), None)]);
    }
}
