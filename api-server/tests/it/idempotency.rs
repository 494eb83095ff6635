//! `Idempotency-Key` from outside: equal requests at once, on two servers of one database too; a killed server.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;

use mainstay_e2e::database::Database;
use mainstay_e2e::postgres::Postgres;
use mainstay_e2e::server::{ADMIN_KEY, Server};
use reqwest::blocking::{Client, Response};

use crate::faults::name;

const DOCUMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/collections.yaml");

fn post(client: &Client, server: &Server, key: &str, body: &str) -> Response {
    let request = client.post(format!("{}/api/v1/owners", server.url)).header("x-api-key", ADMIN_KEY);
    let request = request.header("content-type", "application/json").header("idempotency-key", key);
    request.body(body.to_owned()).send().unwrap()
}

fn owners(server: &Server) -> usize {
    let answer = server.admin.get("/api/v1/owners", &[("count", "exact")]);
    usize::try_from(answer.body["meta"]["total"].as_u64().unwrap()).unwrap()
}

/// Ten equal requests at once, spread over `servers`: one has the effect, the others are told its answer or to wait.
fn ten_at_once(servers: &[&Server]) {
    let client = Client::new();
    for round in 0..10 {
        let before = owners(servers[0]);
        let start = Barrier::new(10);
        let one = |number: usize| {
            start.wait();
            let answer = post(&client, servers[number % servers.len()], &format!("round-{round}"), r#"{"name":"ann"}"#);
            let replayed = answer.headers().contains_key("idempotency-replayed");
            (answer.status().as_u16(), replayed, answer.text().unwrap())
        };
        let answers: Vec<(u16, bool, String)> = thread::scope(|scope| {
            let all: Vec<_> = (0..10).map(|number| scope.spawn(move || one(number))).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(owners(servers[0]), before + 1, "{answers:?}");
        let first: Vec<_> =
            answers.iter().filter(|(status, replayed, _)| (*status, *replayed) == (201, false)).collect();
        assert_eq!(first.len(), 1, "{answers:?}");
        let mut kinds: BTreeMap<(u16, bool), usize> = BTreeMap::new();
        answers.iter().for_each(|(status, replayed, _)| *kinds.entry((*status, *replayed)).or_default() += 1);
        assert!(kinds.keys().all(|kind| [(201, false), (201, true), (409, false)].contains(kind)), "{kinds:?}");
        let told = answers.iter().filter(|(status, ..)| *status == 201);
        assert!(told.clone().all(|(_, _, body)| *body == first[0].2), "a replay is another answer: {answers:?}");
        // Those that were told to wait are told the answer now.
        let again = post(&client, servers[0], &format!("round-{round}"), r#"{"name":"ann"}"#);
        assert_eq!((again.status().as_u16(), again.headers()["idempotency-replayed"].to_str().unwrap()), (201, "true"));
        assert_eq!(again.text().unwrap(), first[0].2);
    }
}

#[test]
fn ten_equal_requests_at_once_have_one_effect() {
    for kind in ["sqlite", "postgres"] {
        let database = Database::new(kind);
        ten_at_once(&[&Server::start(DOCUMENTS, database.url())]);
    }
}

#[test]
fn two_servers_of_one_database_are_as_one() {
    let url = Postgres::shared().database();
    let (one, other) = (Server::start(DOCUMENTS, &url), Server::start(DOCUMENTS, &url));
    ten_at_once(&[&one, &other]);
}

#[test]
fn an_answer_outlives_a_killed_server() {
    for kind in ["sqlite", "postgres"] {
        let database = Database::new(kind);
        let client = Client::new();
        let server = Server::start(DOCUMENTS, database.url());
        let first = post(&client, &server, "k", r#"{"name":"ann"}"#);
        let (etag, body) = (first.headers()["etag"].clone(), first.text().unwrap());
        server.kill();
        let server = Server::start(DOCUMENTS, database.url());
        let again = post(&client, &server, "k", r#"{"name":"ann"}"#);
        assert_eq!(again.headers()["etag"], etag);
        assert_eq!(again.text().unwrap(), body);
        assert_eq!(owners(&server), 1);
    }
}

#[test]
fn an_answer_of_another_version_is_told_and_not_carried_out_again() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let (client, server) = (Client::new(), Server::start(DOCUMENTS, &url));
    assert_eq!(post(&client, &server, "k", r#"{"name":"ann"}"#).status(), 201);
    postgres.run(name(&url), "UPDATE mainstay_idempotency SET answer = '{\"of\":\"tomorrow\"}'");
    let again = post(&client, &server, "k", r#"{"name":"ann"}"#);
    assert_eq!((again.status().as_u16(), again.headers().contains_key("idempotency-replayed")), (409, false));
    assert!(again.text().unwrap().contains("another version"));
    assert_eq!(owners(&server), 1);
}
