//! Bodies that take longer than a request may: they end, nothing of them stays, and the next one has all of its time.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::*;

const LIMIT: Duration = Duration::from_millis(800);

/// Both databases with one connection each, and a table.
async fn hurried() -> [Store; 2] {
    let options = || PoolOptions { size: 1, request_timeout: LIMIT, ..PoolOptions::default() };
    let open = |url: &str| Store::open(&DatabaseUrl::parse(url).unwrap(), options()).unwrap();
    let stores = [open("sqlite::memory:"), open(&Postgres::shared().database())];
    for store in &stores {
        write(store, |conn| conn.batch("CREATE TABLE counts (n bigint)")).await.unwrap();
    }
    stores
}

async fn counts(store: &Store) -> i64 {
    read(store, |conn| number(conn, "SELECT count(*) FROM counts")).await.unwrap()
}

#[tokio::test]
async fn no_statement_begins_after_the_deadline() {
    for store in hurried().await {
        let late = write(&store, |conn| {
            conn.batch("INSERT INTO counts VALUES (1)")?;
            sleep(LIMIT + Duration::from_millis(20));
            conn.batch("INSERT INTO counts VALUES (2)")
        });
        assert!(matches!(late.await, Err(Error::Timeout)));
        assert_eq!(counts(&store).await, 0);
        // One that came so far is committed: its client would have waited for nothing.
        let just = write(&store, |conn| {
            conn.batch("INSERT INTO counts VALUES (1)")?;
            sleep(LIMIT + Duration::from_millis(20));
            Ok(())
        });
        just.await.unwrap();
        assert_eq!(counts(&store).await, 1);
        assert_eq!(store.status().readers.size, 1, "the connection is none the worse for it");
    }
}

#[tokio::test]
async fn rows_end_at_the_deadline() {
    for store in hurried().await {
        let began = Instant::now();
        let endless = "WITH RECURSIVE all_numbers(n) AS (SELECT 1::bigint UNION ALL SELECT n + 1 FROM all_numbers) SELECT n FROM all_numbers";
        let endless = match store.dialect() {
            mainstay_crds::sql::Dialect::Postgres => endless.to_owned(),
            mainstay_crds::sql::Dialect::Sqlite => endless.replace("::bigint", ""),
        };
        let late = read(&store, move |conn| number(conn, &endless)).await;
        assert!(matches!(late, Err(Error::Timeout)), "{late:?}");
        assert!(began.elapsed() < LIMIT * 3, "{:?}", began.elapsed());
        assert_eq!(counts(&store).await, 0);
    }
}

#[tokio::test]
async fn postgres_is_told_what_is_left_and_forgets_it() {
    let [_, store] = hurried().await;
    let timeout =
        |conn: &mut Conn| number(conn, "SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout'");
    assert_eq!(read(&store, timeout).await.unwrap(), 800);
    let began = Instant::now();
    let late = write(&store, |conn| {
        sleep(LIMIT / 2);
        conn.batch("SELECT pg_sleep(10)")
    });
    assert!(matches!(late.await, Err(Error::Timeout)));
    assert!(began.elapsed() < LIMIT + LIMIT / 4, "at the deadline, not a whole limit later: {:?}", began.elapsed());
    assert_eq!(read(&store, timeout).await.unwrap(), 800, "rolled back");
    let left = write(&store, move |conn| {
        sleep(LIMIT / 2);
        timeout(conn)
    });
    let left = left.await.unwrap();
    assert!((300..=400).contains(&left), "{left}");
    assert_eq!(read(&store, timeout).await.unwrap(), 800, "committed, and told anew");
    let alone = read(&store, move |conn| {
        sleep(LIMIT / 2);
        timeout(conn)
    });
    assert!((300..=400).contains(&alone.await.unwrap()));
    assert_eq!(store.session(timeout).await.unwrap(), 800, "work that is no request's has all of it");
}

#[tokio::test]
async fn who_waits_for_a_connection_waits_no_longer_than_the_deadline() {
    for store in hurried().await {
        let (other, taken) = (store.clone(), Arc::new(tokio::sync::Notify::new()));
        let told = Arc::clone(&taken);
        let busy = write(&store, move |_| {
            told.notify_one();
            sleep(LIMIT + LIMIT / 2);
            Ok(())
        });
        let waiting = async {
            taken.notified().await;
            let began = Instant::now();
            (write(&other, |conn| conn.batch("INSERT INTO counts VALUES (1)")).await, began.elapsed())
        };
        let (_, (refused, took)) = tokio::join!(busy, waiting);
        assert!(matches!(refused, Err(Error::Busy(_))), "{refused:?}");
        assert!(took < LIMIT + LIMIT / 3, "{took:?}");
    }
}
