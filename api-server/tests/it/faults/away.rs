//! A database that is away or not migrated, at the start and later, and connections that died at rest.

use super::*;

#[test]
fn a_server_that_is_not_ready_says_so_everywhere() {
    let documents = Documents::new();
    let url = Postgres::shared().database();
    let server = documents.launch(&url, &["--migrate", "verify"]);
    for answer in each_kind(&server, &format!("{NOTES}/0190b5d5-0000-7000-8000-000000000000")) {
        assert_unavailable(&answer);
    }
    assert_unavailable(&server.anonymous.get("/api/v1/nothing", &[]));
    for path in ["/health", "/openapi.json", "/docs/"] {
        assert_eq!(server.anonymous.get(path, &[]).status, 200, "{path}");
    }
    let ready = readiness(&server);
    assert_eq!(ready.status, 503);
    assert!(ready.body.to_string().contains("mainstay migrate up"), "{}", ready.body);

    assert_eq!(documents.migrate(&url, "up").0, 0);
    server.wait_until_ready();
    make(&server, "one");
    assert!(server.stop().success());
}

#[test]
fn an_older_server_than_the_contract_allows_is_not_ready() {
    let documents = Documents::new();
    let url = Postgres::shared().database();
    documents.write("{ name: n, type: integer }", "  indexes: [ { fields: [n] } ]\n");
    assert_eq!(documents.migrate(&url, "up").0, 0);
    let old = Documents::new();
    old.write("{ name: n, type: integer }", "  indexes: [ { fields: [n] } ]\n");
    documents.write("{ name: n, type: integer }", "");
    let (status, told) = documents.migrate(&url, "up --phase expand,backfill");
    assert_eq!(status, 0, "{told}");
    // Until the contract both may run.
    assert!(old.serve(&url, &["--migrate", "verify"]).stop().success());
    assert!(documents.serve(&url, &["--migrate", "verify"]).stop().success());
    assert_eq!(documents.migrate(&url, "up").0, 0);
    let server = old.launch(&url, &["--migrate", "verify"]);
    assert_unavailable(&server.admin.get(NOTES, &[]));
    let ready = readiness(&server);
    assert!(ready.body.to_string().contains("revision 2"), "{}", ready.body);
    assert!(documents.serve(&url, &["--migrate", "verify"]).stop().success());
}

#[test]
fn postgres_may_be_away_at_the_start_and_later() {
    let documents = Documents::new();
    let postgres = Postgres::with(&[]);
    let url = postgres.database();
    postgres.stop();
    let server = documents.launch(&url, &[]);
    assert_unavailable(&server.admin.get(NOTES, &[]));
    assert_eq!((readiness(&server).status, server.anonymous.get("/health", &[]).status), (503, 200));
    postgres.start_again();
    server.wait_until_ready();
    let path = make(&server, "one");

    // It goes while connections rest.
    for answer in at_once(8, |_| server.admin.get(&path, &[])) {
        assert_eq!(answer.status, 200);
    }
    postgres.stop();
    for answer in each_kind(&server, &path) {
        assert_unavailable(&answer);
        assert_eq!(answer.body.get("outcome"), None, "nothing was begun: {}", answer.body);
    }
    assert_eq!(readiness(&server).status, 200, "later, away is a 503 of a ready server");
    assert_eq!(pool(&server, "busy"), 0);
    postgres.start_again();
    let statuses: Vec<u16> = each_kind(&server, &path).iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 201, 201, 200, 200, 204]);

    // It was away while nobody asked: every connection is dead, and nobody is told.
    let paths: Vec<String> = (0..8).map(|n| make(&server, &format!("{n}"))).collect();
    for answer in at_once(8, |n| server.admin.get(&paths[n], &[])) {
        assert_eq!(answer.status, 200);
    }
    postgres.stop();
    postgres.start_again();
    for statuses in at_once(7, |n| each_kind(&server, &paths[n]).iter().map(|a| a.status).collect::<Vec<_>>()) {
        assert_eq!(statuses, [200, 200, 201, 201, 200, 200, 204]);
    }
    assert!(server.stop().success());
}

#[test]
fn connections_that_died_at_rest_fail_no_request() {
    let documents = Documents::new();
    let postgres = Postgres::shared();
    let url = postgres.database();
    let server = documents.serve(&url, &[]);
    let paths: Vec<String> = (0..10).map(|n| make(&server, &format!("{n}"))).collect();
    for kind in ["read", "write", "read"] {
        // All at once, so that there is more than one connection.
        let lock = Held::lock(&url);
        thread::scope(|scope| {
            let reads: Vec<_> = paths.iter().map(|path| scope.spawn(|| server.admin.get(path, &[]))).collect();
            wait_for_waiters(postgres, &url, paths.len());
            drop(lock);
            reads.into_iter().for_each(|read| assert_eq!(read.join().unwrap().status, 200));
        });
        assert!(end_connections(postgres, &url) >= paths.len());
        let answers = at_once(paths.len(), |n| match kind {
            "read" => server.admin.get(&paths[n], &[]),
            _ => send(&server.admin, Method::PATCH, &paths[n], Some(&note("changed"))),
        });
        for answer in answers {
            assert_eq!(answer.status, 200, "{kind}: {}", answer.body);
        }
    }
    wait_until("all connections at rest", || pool(&server, "busy") == 0);
}
