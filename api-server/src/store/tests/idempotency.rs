//! Kept answers: whose they are, how long they count, and the sweep.

use super::*;
use crate::store::idempotency::{self, Kept};

const DAY: i64 = 24 * 3600 * 1_000_000;

fn kept(answer: Option<&str>) -> Kept {
    Kept { request: vec![0, 255], answer: answer.map(str::to_owned) }
}

async fn find(store: &Store, caller: &'static str, key: &'static str, since: i64) -> Option<Kept> {
    read(store, move |conn| idempotency::find(conn, caller, key, since)).await.unwrap()
}

async fn keep(store: &Store, caller: &'static str, key: &'static str, answer: Option<&'static str>, now: i64) {
    write(store, move |conn| idempotency::keep(conn, caller, key, kept(answer), now)).await.unwrap();
}

#[tokio::test]
async fn an_answer_is_its_caller_s_until_it_is_old() {
    let (stores, _) = both_with(&[]).await;
    for store in stores {
        keep(&store, "admin", "k", Some("1"), NOW).await;
        assert_eq!(find(&store, "admin", "k", NOW - 1).await, Some(kept(Some("1"))));
        assert_eq!(find(&store, "machine:a", "k", NOW - 1).await, None);
        assert_eq!(find(&store, "admin", "K", NOW - 1).await, None);
        assert_eq!(find(&store, "admin", "k", NOW).await, None);
        // What is old is replaced, whether it was swept or not.
        keep(&store, "admin", "k", None, NOW + DAY).await;
        assert_eq!(find(&store, "admin", "k", NOW).await, Some(kept(None)));
    }
}

#[tokio::test]
async fn a_sweep_takes_what_is_old_and_nothing_else() {
    let (stores, _) = both_with(&[]).await;
    for store in stores {
        keep(&store, "admin", "old", Some("1"), NOW - 1).await;
        keep(&store, "admin", "new", Some("1"), NOW).await;
        let more = write(&store, |conn| idempotency::sweep(conn, NOW - 1)).await.unwrap();
        assert!(!more);
        assert_eq!(find(&store, "admin", "old", 0).await, None);
        assert_eq!(find(&store, "admin", "new", 0).await, Some(kept(Some("1"))));
    }
}

#[tokio::test]
async fn a_key_is_held_until_the_transaction_ends() {
    let store = open(&Postgres::shared().database());
    let beside = store.clone();
    let held = store.write(move |conn| {
        assert!(idempotency::lock(conn, 7)?);
        let beside = beside.clone();
        // Another transaction, on another connection, while this one is open.
        let other = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(write(&beside, |conn| Ok((idempotency::lock(conn, 7)?, idempotency::lock(conn, 8)?))))
        });
        Ok::<_, Abort<Infallible>>(other.join().unwrap().unwrap())
    });
    assert_eq!(held.await.unwrap(), (false, true));
    assert!(write(&store, |conn| idempotency::lock(conn, 7)).await.unwrap(), "it was let go");
}
