//! How a server ends: what is in flight is finished, what arrives is served until it is time, a second signal ends all.

use std::process::Stdio;

use super::*;

#[test]
fn a_stop_finishes_what_is_in_flight() {
    let documents = Documents::new();
    let postgres = Postgres::shared();
    let url = postgres.database();
    let server = documents.serve(&url, &["--drain-delay", "3s"]);
    let lock = Held::lock(&url);
    let status = thread::scope(|scope| {
        let flying = scope.spawn(|| server.admin.post(NOTES, &note("flying")));
        wait_for_waiters(postgres, &url, 1);
        assert_eq!(server.admin.get("/openapi.json", &[]).headers.get("connection"), None, "it stays open");
        let began = Instant::now();
        server.terminate();
        wait_until("not ready", || readiness(&server).status == 503);
        assert!(began.elapsed() < Duration::from_secs(2), "at once, not {:?}", began.elapsed());
        let served = server.admin.get("/openapi.json", &[]);
        assert_eq!(served.status, 200, "what arrives is served");
        assert_eq!(served.headers["connection"], "close", "no client sends more on a connection that will be closed");
        // The delay is over when nobody is let in any more.
        wait_until("a closed door", || server.anonymous.send(Method::GET, "/health", &[], None).is_err());
        drop(lock);
        flying.join().unwrap().status
    });
    assert_eq!(status, 201);
    assert_eq!(server.wait().code(), Some(0));
    let server = documents.serve(&url, &[]);
    assert_eq!(total(&server), 1);
}

#[test]
fn a_second_signal_waits_for_no_statement() {
    let documents = Documents::new();
    let postgres = Postgres::shared();
    let url = postgres.database();
    let server = documents.serve(&url, &["--timeouts-lock", "50s", "--timeouts-request", "50s"]);
    let lock = Held::lock(&url);
    let caller = server.admin.clone();
    let flying = thread::spawn(move || caller.send(Method::POST, NOTES, &[], Some(&note("cut"))));
    wait_for_waiters(postgres, &url, 1);
    server.terminate();
    wait_until("the stop has begun", || server.log().contains("stopping"));
    let began = Instant::now();
    server.terminate();
    assert_eq!(server.wait().code(), Some(75));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(flying.join().unwrap().is_err());
    drop(lock);
}

#[test]
fn a_stop_waits_for_no_migration() {
    let documents = Documents::new();
    let postgres = Postgres::shared();
    let url = postgres.database();
    assert_eq!(documents.migrate(&url, "up").0, 0);
    documents.write("{ name: n, type: integer }", "");
    let lock = Held::lock(&url);
    let mut command = program();
    command.args(["serve", "-f", documents.path(), "--database-url", &url, "--admin-key", "a-key-for-nobody-at-all"]);
    command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let mut server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for_waiters(postgres, &url, 1);
    let began = Instant::now();
    assert!(Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap().success());
    assert_eq!(server.wait().unwrap().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    drop(lock);
    make(&documents.serve(&url, &[]), "one");
}
