//! How a server ends: what is in flight is finished, what arrives is served until it is time, a second signal ends all.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use mainstay_e2e::server::ADMIN_KEY;

use super::traffic::ask;
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

/// Requests one after the other on a connection of its own, as long as a load balancer would send some; how many were made.
fn keep_asking(server: &Server, gone: &AtomicBool) -> Result<usize, String> {
    let caller = Caller::new(&server.url, Some(ADMIN_KEY));
    let mut made = 0;
    while !gone.load(Ordering::SeqCst) {
        let body = ask(&caller, Method::POST, NOTES, Some(&note("one of many")), 201)?;
        made += 1;
        let path = format!("{NOTES}/{}", body["data"]["id"].as_str().unwrap());
        ask(&caller, Method::GET, &path, None, 200)?;
    }
    Ok(made)
}

#[test]
fn a_stop_under_load_loses_and_refuses_nothing() {
    const CLIENTS: usize = 64;
    let folder = tempfile::tempdir().unwrap();
    for url in [format!("sqlite:{}/notes.db", folder.path().display()), Postgres::shared().database()] {
        let documents = Documents::new();
        let server = documents.serve(&url, &["--drain-delay", "3s"]);
        let gone = AtomicBool::new(false);
        let made: Vec<Result<usize, String>> = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| keep_asking(&server, &gone))).collect();
            wait_until("a load", || server.log().matches("answered").count() > 4 * CLIENTS);
            server.terminate();
            // What load balancers do: they ask, and after a while send nothing more.
            wait_until("not ready", || readiness(&server).status == 503);
            let answered = server.log().matches("answered").count();
            wait_until("a load on a stopping server", || server.log().matches("answered").count() > answered + CLIENTS);
            gone.store(true, Ordering::SeqCst);
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        let failed: Vec<&String> = made.iter().filter_map(|made| made.as_ref().err()).collect();
        assert!(failed.is_empty(), "{url}: {} of {CLIENTS} failed: {failed:?}", failed.len());
        assert_eq!(server.wait().code(), Some(0));
        let made: usize = made.into_iter().flatten().sum();
        let server = documents.serve(&url, &[]);
        assert_eq!(usize::try_from(total(&server)).unwrap(), made, "{url}: what was answered is there, and no more");
    }
}

#[test]
fn a_request_that_never_ends_ends_with_the_grace() {
    let documents = Documents::new();
    let postgres = Postgres::shared();
    let url = postgres.database();
    let flags = ["--timeouts-lock", "50s", "--timeouts-request", "50s", "--shutdown-grace", "1500ms"];
    let server = documents.serve(&url, &flags);
    let lock = Held::lock(&url);
    let caller = server.admin.clone();
    let flying = thread::spawn(move || caller.send(Method::POST, NOTES, &[], Some(&note("cut"))));
    wait_for_waiters(postgres, &url, 1);
    let began = Instant::now();
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    let took = began.elapsed();
    assert!(took > Duration::from_millis(1400) && took < Duration::from_secs(8), "{took:?}");
    assert!(flying.join().unwrap().is_err());
    drop(lock);
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
