//! Connections that die, statements that are never the same, files that are taken.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const KILL_ALL: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// A store on a fresh PostgreSQL database, and another that can end its connections.
fn victim() -> (Store, Store) {
    let url = Postgres::shared().database();
    (open(&url), open(&url))
}

async fn kill(killer: &Store) {
    assert!(read(killer, |conn| number(conn, KILL_ALL)).await.unwrap() > 0);
}

#[tokio::test]
async fn a_name_that_is_not_known_is_no_text() {
    for store in both() {
        let unknown = read(&store, |conn| number(conn, "SELECT count(*) FROM mainstay_schema WHERE \"nothing\" = '1'"));
        assert!(matches!(unknown.await, Err(Error::Other(_))));
    }
}

#[tokio::test]
async fn a_dead_connection_is_replaced() {
    let (store, killer) = victim();
    write(&store, |conn| conn.batch("CREATE TABLE counts (n bigint)")).await.unwrap();
    kill(&killer).await;
    assert_eq!(read(&store, |conn| number(conn, "SELECT 1::bigint")).await.unwrap(), 1);
    kill(&killer).await;
    write(&store, |conn| conn.batch("INSERT INTO counts VALUES (1)")).await.unwrap();
    assert_eq!(read(&store, |conn| number(conn, "SELECT count(*) FROM counts")).await.unwrap(), 1);
}

#[tokio::test]
async fn a_transaction_cut_short_runs_again_as_a_whole() {
    let (store, killer) = victim();
    write(&store, |conn| conn.batch("CREATE TABLE counts (n bigint)")).await.unwrap();
    let rounds = Arc::new(AtomicU32::new(0));
    let (seen, handle) = (Arc::clone(&rounds), tokio::runtime::Handle::current());
    let done = write(&store, move |conn| {
        conn.batch("INSERT INTO counts VALUES (1)")?;
        if seen.fetch_add(1, Ordering::Relaxed) == 0 {
            handle.block_on(kill(&killer));
        }
        conn.batch("INSERT INTO counts VALUES (2)")
    });
    done.await.unwrap();
    assert_eq!(rounds.load(Ordering::Relaxed), 2);
    assert_eq!(read(&store, |conn| number(conn, "SELECT count(*) FROM counts")).await.unwrap(), 2);
}

#[tokio::test]
async fn a_commit_that_nobody_confirms_is_unknown() {
    let (store, _) = victim();
    let mut sql = Sql::new();
    sql.push("SELECT pg_terminate_backend(pg_backend_pid())");
    assert!(matches!(store.write_one(sql).await, Err(Error::OutcomeUnknown)));
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_failed_body_leaves_nothing() {
    for store in both() {
        write(&store, |conn| conn.batch("CREATE TABLE counts (n bigint)")).await.unwrap();
        let done = write(&store, |conn| {
            conn.batch("INSERT INTO counts VALUES (1)")?;
            Err::<(), _>(Error::Timeout)
        });
        assert!(matches!(done.await, Err(Error::Timeout)));
        // PostgreSQL would answer the COMMIT of a failed transaction with a silent rollback.
        let swallowed = write(&store, |conn| {
            conn.batch("INSERT INTO counts VALUES (1)")?;
            assert!(conn.batch("INSERT INTO nowhere VALUES (1)").is_err());
            Ok(())
        });
        assert!(matches!(swallowed.await, Err(Error::Other(_))));
        assert_eq!(read(&store, |conn| number(conn, "SELECT count(*) FROM counts")).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_panic_leaves_no_open_transaction() {
    for store in both() {
        write(&store, |conn| conn.batch("CREATE TABLE counts (n bigint)")).await.unwrap();
        let done = write(&store, |conn| {
            conn.batch("INSERT INTO counts VALUES (1)")?;
            if conn.failed { Ok(()) } else { panic!("on purpose") }
        });
        assert!(matches!(done.await, Err(Error::Other(_))));
        write(&store, |conn| conn.batch("INSERT INTO counts VALUES (2)")).await.unwrap();
        assert_eq!(read(&store, |conn| number(conn, "SELECT count(*) FROM counts")).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn texts_without_bound_do_not_fill_the_cache() {
    let store = open(&Postgres::shared().database());
    let prepared = store.session(|conn| {
        for n in 0..700 {
            let mut sql = Sql::new();
            sql.push(&format!("SELECT {n}::bigint + ")).bind(ColumnType::Integer, Value::Integer(1));
            conn.query_varying(sql, |_| Ok(()))?;
        }
        let varying = number(conn, "SELECT count(*) FROM pg_prepared_statements")?;
        for n in 0..700 {
            number(conn, &format!("SELECT {n}::bigint"))?;
        }
        Ok((varying, number(conn, "SELECT count(*) FROM pg_prepared_statements")?))
    });
    let (varying, all) = prepared.await.unwrap();
    assert!((300..=400).contains(&varying), "{varying}");
    assert!((500..=513).contains(&all), "{all}");
}

#[tokio::test]
async fn sqlite_readers_do_not_write_and_a_file_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/a.db", folder.path().display());
    let store = open(&url);
    write(&store, |conn| conn.batch("CREATE TABLE counts (n INTEGER)")).await.unwrap();
    let wrote = read(&store, |conn| conn.batch("INSERT INTO counts VALUES (1)")).await;
    assert!(matches!(wrote, Err(Error::ReadOnly)), "{wrote:?}");
    let second = Store::open(&DatabaseUrl::parse(&url).unwrap(), PoolOptions::default());
    assert!(matches!(second, Err(Error::Refused(message)) if message.contains("in use")));
    drop(store);

    let nowhere = format!("sqlite:{}/no/such/folder/a.db", folder.path().display());
    assert!(Store::open(&DatabaseUrl::parse(&nowhere).unwrap(), PoolOptions::default()).is_err());
    assert!(!folder.path().join("no").exists());
}

#[tokio::test]
async fn a_server_that_is_away_is_told_as_such() {
    let store = open("postgres://nobody:s3cret@127.0.0.1:1/none");
    let away = store.ping().await;
    assert!(matches!(&away, Err(Error::Away(_))), "{away:?}");
    assert!(!format!("{away:?}").contains("s3cret"));
}
