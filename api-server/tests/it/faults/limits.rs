//! A PostgreSQL that is slow, locked, full, frozen or takes no writes.

use super::*;

#[test]
fn a_slow_statement_is_504_and_a_lock_503() {
    let documents = Documents::new();
    let url = Postgres::shared().database();
    let server = documents.serve(&url, &["--timeouts-request", "300ms"]);
    let impatient = documents.serve(&url, &["--timeouts-lock", "100ms"]);
    let path = make(&server, "one");
    let lock = Held::lock(&url);
    for answer in each_kind(&server, &path) {
        assert_eq!((answer.status, &answer.body["code"]), (504, &json!("TIMEOUT")), "{}", answer.body);
    }
    each_kind(&impatient, &path).iter().for_each(assert_unavailable);
    drop(lock);
    for server in [&server, &impatient] {
        assert_eq!(total(server), 1, "nothing half, and no connection was lost");
        assert_eq!(pool(server, "busy"), 0);
    }
}

#[test]
fn a_pool_without_a_free_connection_is_503_in_time() {
    let documents = Documents::new();
    let postgres = Postgres::shared();
    let url = postgres.database();
    let server = documents.serve(&url, &["--database-pool-size", "1", "--database-pool-wait", "200ms"]);
    let lock = Held::lock(&url);
    thread::scope(|scope| {
        let first = scope.spawn(|| server.admin.post(NOTES, &note("one")));
        wait_for_waiters(postgres, &url, 1);
        let began = Instant::now();
        assert_unavailable(&server.admin.get(NOTES, &[]));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(readiness(&server).status, 200);
        drop(lock);
        assert_eq!(first.join().unwrap().status, 201);
    });
    assert_eq!(total(&server), 1);
}

#[test]
fn a_database_without_room_for_connections_is_503() {
    let documents = Documents::new();
    let postgres = Postgres::with(&["max_connections=8", "superuser_reserved_connections=0"]);
    let url = postgres.database();
    let server = documents.serve(&url, &[]);
    let path = make(&server, "one");
    assert!(end_connections(&postgres, &url) > 0);
    let mut held = Vec::new();
    while let Ok(session) = Held::new(&url, "SELECT 1") {
        held.push(session);
    }
    assert!(held.len() >= 6, "only {}", held.len());
    each_kind(&server, &path).iter().for_each(assert_unavailable);
    drop(held);
    let statuses: Vec<u16> = each_kind(&server, &path).iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 201, 201, 200, 200, 204]);
}

#[test]
fn a_database_that_takes_no_writes_is_read() {
    let documents = Documents::new();
    let postgres = Postgres::shared();
    let url = postgres.database();
    let server = documents.serve(&url, &[]);
    let path = make(&server, "one");
    let alter = |sql: &str| {
        postgres.run("postgres", &format!("ALTER DATABASE {} {sql}", name(&url)));
        end_connections(postgres, &url);
    };
    alter("SET default_transaction_read_only = on");
    let answers = each_kind(&server, &path);
    assert_eq!((answers[0].status, answers[1].status), (200, 200));
    answers[2..].iter().for_each(assert_unavailable);
    alter("RESET default_transaction_read_only");
    assert_eq!(total(&server), 1);
    make(&server, "two");
}

#[test]
fn a_database_that_says_nothing_is_not_waited_for_without_end() {
    let documents = Documents::new();
    let postgres = Postgres::with(&[]);
    let url = postgres.database();
    let server = documents.serve(&url, &["--timeouts-request", "250ms", "--database-pool-wait", "250ms"]);
    let path = make(&server, "one");
    postgres.signal("STOP");
    // A shell stops it at some moment after it was told to.
    wait_until("a read that is not answered", || server.admin.get(&path, &[]).status != 200);
    let began = Instant::now();
    let read = server.admin.get(&path, &[]);
    assert!([503, 504].contains(&read.status), "{}", read.body);
    let write = send(&server.admin, Method::PATCH, &path, Some(&note("two")));
    assert_unavailable(&write);
    assert_eq!(readiness(&server).status, 200);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    postgres.signal("CONT");
    wait_until("an answer", || server.admin.get(&path, &[]).status == 200);
    wait_until("all connections at rest", || pool(&server, "busy") == 0);
    make(&server, "three");
    assert!(server.stop().success());
}
