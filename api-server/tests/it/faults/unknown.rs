//! A connection that breaks between a commit and its answer: what was committed is found by its id and told as done.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use mainstay_e2e::server::ADMIN_KEY;

use super::*;

/// What breaks a connection, and when.
#[derive(Clone, Copy, PartialEq)]
enum Cut {
    /// A `COMMIT` that PostgreSQL has answered.
    Commit,
    /// The run of a prepared `INSERT` that PostgreSQL has answered.
    Insert,
    /// A `COMMIT` that never reaches PostgreSQL.
    BeforeCommit,
}

/// A relay to PostgreSQL that breaks a connection on demand.
struct Relay {
    url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    cut: Mutex<Option<Cut>>,
    /// After the cut nobody comes through.
    shut_then: AtomicBool,
    shut: AtomicBool,
}

impl Relay {
    fn to(url: &str) -> Relay {
        let (head, database) = url.rsplit_once('/').unwrap();
        let (scheme, address) = head.rsplit_once('@').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}@{}/{database}", listener.local_addr().unwrap());
        let (state, address) = (Arc::new(State::default()), address.to_owned());
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if !shared.shut.load(SeqCst) {
                    relay(client, TcpStream::connect(&address).unwrap(), &shared);
                }
            }
        });
        Relay { url, state }
    }

    /// The next such moment breaks its connection. With `shut` the database stays out of reach.
    fn cut(&self, cut: Cut, shut: bool) {
        self.state.shut_then.store(shut, SeqCst);
        *self.state.cut.lock().unwrap() = Some(cut);
    }

    fn assert_cut(&self) {
        assert!(self.state.cut.lock().unwrap().is_none(), "the moment never came");
    }

    fn open(&self) {
        self.state.shut.store(false, SeqCst);
    }
}

/// Carries the bytes of one connection both ways.
fn relay(mut client: TcpStream, mut server: TcpStream, state: &Arc<State>) {
    let swallow = Arc::new(AtomicBool::new(false));
    let (mut back_client, mut back_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (state, swallows) = (state.clone(), swallow.clone());
    thread::spawn(move || {
        let mut bytes = [0; 65536];
        let mut inserts = false;
        while let Ok(length @ 1..) = client.read(&mut bytes) {
            let sent = &bytes[..length];
            let has = |text: &[u8]| sent.windows(text.len()).any(|part| part == text);
            inserts |= has(b"INSERT INTO");
            let mut cut = state.cut.lock().unwrap();
            let now = match *cut {
                Some(Cut::Commit | Cut::BeforeCommit) => has(b"COMMIT\0"),
                Some(Cut::Insert) => inserts && sent.first() == Some(&b'B'),
                None => false,
            };
            let before = now && *cut == Some(Cut::BeforeCommit);
            if now {
                *cut = None;
                state.shut.store(state.shut_then.load(SeqCst), SeqCst);
                swallows.store(true, SeqCst);
            }
            drop(cut);
            if before || server.write_all(sent).is_err() {
                break;
            }
        }
        close(&client, &server);
    });
    thread::spawn(move || {
        let mut bytes = [0; 65536];
        while let Ok(length @ 1..) = back_server.read(&mut bytes) {
            // What comes now is the answer to the commit: it has happened.
            if swallow.load(SeqCst) || back_client.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        close(&back_client, &back_server);
    });
}

fn close(one: &TcpStream, other: &TcpStream) {
    for socket in [one, other] {
        drop(socket.shutdown(Shutdown::Both)); // fails when it is closed already
    }
}

const BATCH: &str = "/api/v1/batch";

/// A batch that makes a note and changes another one.
fn operations(path: &str) -> Json {
    let id = path.rsplit('/').next().unwrap();
    json!({ "operations": [
        { "op": "create", "collection": "notes", "data": note("six") },
        { "op": "update", "collection": "notes", "id": id, "data": note("seven") },
    ] })
}

/// A server behind a relay, and another that always reaches the database.
fn scene() -> (Documents, Relay, Server, Server) {
    scene_of(Documents::new())
}

fn scene_of(documents: Documents) -> (Documents, Relay, Server, Server) {
    let url = Postgres::shared().database();
    let relay = Relay::to(&url);
    let direct = documents.serve(&url, &[]);
    let server = documents.serve(&relay.url, &["--database-pool-size", "1"]);
    (documents, relay, server, direct)
}

#[test]
fn a_commit_without_an_answer_is_looked_up() {
    let (_documents, relay, server, direct) = scene();
    relay.cut(Cut::Insert, false);
    let path = make(&server, "one");
    relay.assert_cut();
    relay.cut(Cut::Commit, false);
    assert_eq!(server.admin.post(NOTES, &json!([note("two"), note("three")])).status, 201);
    relay.assert_cut();
    assert_eq!(total(&direct), 3);

    relay.cut(Cut::Commit, false);
    let patched = send(&server.admin, Method::PATCH, &path, Some(&note("four")));
    relay.assert_cut();
    assert_eq!((patched.status, &patched.body["data"]["title"]), (200, &json!("four")), "{}", patched.body);
    relay.cut(Cut::Commit, false);
    assert_eq!(send(&server.admin, Method::PUT, &path, Some(&note("five"))).status, 200);
    relay.assert_cut();
    assert_eq!(direct.admin.get(&path, &[]).body["data"]["version"], 3, "each once");
    relay.cut(Cut::Commit, false);
    let batch = send(&server.admin, Method::POST, BATCH, Some(&operations(&path)));
    relay.assert_cut();
    assert_eq!(
        (batch.status, &batch.body["data"]["results"][1]["data"]["title"]),
        (200, &json!("seven")),
        "{}",
        batch.body
    );
    relay.cut(Cut::Commit, false);
    let bulk = send(&server.admin, Method::PATCH, &format!("{NOTES}?title=six&max_affected=5"), Some(&note("eight")));
    relay.assert_cut();
    assert_eq!((bulk.status, &bulk.body["data"]), (200, &json!({ "affected": 1 })), "{}", bulk.body);
    assert_eq!(direct.admin.get(&path, &[]).body["data"]["version"], 4, "each once");
    relay.cut(Cut::Commit, false);
    assert_eq!(send(&server.admin, Method::DELETE, &path, None).status, 204);
    relay.assert_cut();
    assert_eq!(direct.admin.get(&path, &[]).status, 404);
}

/// Imports lines through the API; the status and the report, or the refusal.
fn import(server: &Server, query: &str, lines: &str) -> (u16, Json) {
    let url = format!("{}{NOTES}/import?{query}", server.url);
    let request = reqwest::blocking::Client::new().post(url).header("X-API-Key", ADMIN_KEY);
    let answer = request.header("Content-Type", "application/x-ndjson").body(lines.to_owned()).send().unwrap();
    (answer.status().as_u16(), answer.json().unwrap())
}

#[test]
fn a_batch_of_an_import_without_an_answer_is_looked_up() {
    let documents = Documents::new();
    documents.write("", "  unique: [{ fields: [title] }]\n");
    let (_documents, relay, server, direct) = scene_of(documents);
    let (lines, failed) = ("{\"title\":\"one\"}\n{\"title\":\"two\"}\n", json!([]));
    let report = |updated: Option<u64>| {
        let mut report = json!({ "imported": 2, "failed": failed, "last_line": 2 });
        report.as_object_mut().unwrap().extend(updated.map(|updated| ("updated".to_owned(), json!(updated))));
        report
    };
    for (query, updated) in [("", None), ("on_conflict=title", Some(2))] {
        relay.cut(Cut::Commit, false);
        let (status, body) = import(&server, query, lines);
        relay.assert_cut();
        assert_eq!((status, &body["data"]), (200, &report(updated)), "{query}");
    }
    let notes = direct.admin.get(NOTES, &[]).body;
    let versions = notes["data"].as_array().unwrap().iter().map(|note| note["version"].as_u64());
    assert_eq!(versions.collect::<Vec<_>>(), [Some(2), Some(2)], "each once");
    for (query, lines) in [("", "{\"title\":\"three\"}"), ("on_conflict=title", lines)] {
        relay.cut(Cut::BeforeCommit, false);
        let (status, body) = import(&server, query, lines);
        relay.assert_cut();
        assert_eq!((status, &body["outcome"]), (503, &json!("unknown")), "{query}");
    }
    assert_eq!(total(&direct), 2);
}

#[test]
fn an_outcome_that_cannot_be_looked_up_is_told_as_unknown() {
    let (_documents, relay, server, direct) = scene();
    let path = make(&server, "one");
    let (two, many) = (note("two"), json!([note("three"), note("four")]));
    let cases = [
        (Method::POST, NOTES, Some(&two), Cut::Insert),
        (Method::POST, NOTES, Some(&many), Cut::Commit),
        (Method::PATCH, &path, Some(&two), Cut::Commit),
        (Method::DELETE, &path, None, Cut::Commit),
    ];
    for (method, path, body, cut) in cases {
        // A new connection, so that the text of its statements is seen.
        end_connections(Postgres::shared(), &relay.url);
        relay.cut(cut, true);
        let answer = send(&server.admin, method.clone(), path, body);
        relay.assert_cut();
        assert_unavailable(&answer);
        assert_eq!(answer.body["outcome"], "unknown", "{method}: {}", answer.body);
        relay.open();
        assert_eq!(server.admin.get(NOTES, &[]).status, 200, "back by itself");
    }
    assert_eq!(total(&direct), 3, "all of them had happened");
    assert_eq!(direct.admin.get(&path, &[]).status, 404);
}

#[test]
fn a_commit_that_never_arrived_is_not_told_as_done() {
    let (_documents, relay, server, direct) = scene();
    let path = make(&server, "one");
    let (two, many) = (note("two"), json!([note("three"), note("four")]));
    let (batch, bulk) = (operations(&path), format!("{NOTES}?max_affected=5"));
    let cases = [
        (Method::POST, NOTES, Some(&many)),
        (Method::PATCH, &path, Some(&two)),
        (Method::DELETE, &path, None),
        (Method::POST, BATCH, Some(&batch)),
        (Method::PATCH, &bulk, Some(&two)),
        (Method::DELETE, &bulk, None),
    ];
    for (method, path, body) in cases {
        relay.cut(Cut::BeforeCommit, false);
        let answer = send(&server.admin, method, path, body);
        relay.assert_cut();
        assert_unavailable(&answer);
        assert_eq!(answer.body["outcome"], "unknown", "{}", answer.body);
    }
    assert_eq!(total(&direct), 1);
    assert_eq!(direct.admin.get(&path, &[]).body["data"]["title"], "one");
}
