//! People at a running server: tokens that end, passwords that change, guesses that wait, and what nobody is told.
//!
//! Every test waits for a condition, never for a time.

use std::process::Command;
use std::time::{Duration, Instant};

use mainstay_e2e::database::Database;
use mainstay_e2e::http::Answer;
use mainstay_e2e::server::{Server, program};
use reqwest::Method;
use reqwest::blocking::Client;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

mod families;

const SECRET: &str = "a-secret-that-only-the-tests-know-of";
const PASSWORD: &str = "tired horse battery";
const DOCUMENT: &str = "
apiVersion: mainstay.dev/v1alpha1
kind: Collection
metadata: { name: notes }
spec:
  history: { keep: 5 }
  fields:
    - { name: title, type: text }
    - { name: writer, type: ref, collection: users, onDelete: cascade, default: $auth.id }
  access:
    read: [ { roles: [user], where: { writer: $auth.id } }, { roles: [editor] } ]
    create: [ { roles: [user] } ]
---
apiVersion: mainstay.dev/v1alpha1
kind: Collection
metadata: { name: users }
spec:
  history: { keep: 5 }
  fields: []
  access:
    read: [ { roles: [user], where: { id: $auth.id } } ]
    update: [ { roles: [user], where: { id: $auth.id } } ]
";
/// How long a condition may take to come.
const PATIENCE: Duration = Duration::from_secs(30);
/// In which time a person who is locked out is out.
const SOON: Duration = Duration::from_secs(5);

/// A server with its documents and its database, which go with it.
struct World {
    server: Server,
    client: Client,
    documents: TempDir,
    database: Database,
}

fn documents() -> TempDir {
    let documents = tempfile::tempdir().unwrap();
    std::fs::write(documents.path().join("notes.yaml"), DOCUMENT).unwrap();
    documents
}

fn launch(command: Command, documents: &TempDir, database: &Database, flags: &[&str]) -> Server {
    let server = Server::launch(command, documents.path().to_str().unwrap(), database.url(), flags);
    server.wait_until_ready();
    server
}

/// What a pair of tokens lets one do.
#[derive(Clone, Debug, PartialEq)]
struct Tokens {
    access: String,
    refresh: String,
}

impl Tokens {
    fn of(answer: &Answer) -> Tokens {
        let text = |name: &str| answer.body["data"][name].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned();
        Tokens { access: text("access_token"), refresh: text("refresh_token") }
    }
}

impl World {
    fn new(kind: &str) -> World {
        let (documents, database) = (documents(), Database::new(kind));
        let server = launch(program(), &documents, &database, &["--jwt-secret", SECRET]);
        World { server, client: Client::new(), documents, database }
    }

    /// Another server of the same database.
    fn beside(&self) -> Server {
        launch(program(), &self.documents, &self.database, &["--jwt-secret", SECRET])
    }

    fn send(&self, method: Method, path: &str, token: Option<&str>, body: Option<Json>) -> Answer {
        send(&self.client, &self.server.url, method, path, token, body)
    }

    /// A user with [`PASSWORD`]; its id.
    fn user(&self, email: &str, more: Json) -> String {
        let mut body = json!({ "email": email });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.server.admin.post("/api/v1/users", &body);
        assert_eq!(made.status, 201, "{made:?}");
        let id = made.body["data"]["id"].as_str().unwrap().to_owned();
        self.set_password(&id, PASSWORD);
        id
    }

    fn set_password(&self, id: &str, password: &str) {
        let (path, body) = (format!("/api/v1/auth/passwords/{id}"), json!({ "password": password }));
        let set = self.server.admin.send(Method::PUT, &path, &[], Some(&body)).unwrap();
        assert_eq!(set.status, 204, "{set:?}");
    }

    fn change(&self, id: &str, body: Json) {
        let path = format!("/api/v1/users/{id}");
        assert_eq!(self.server.admin.send(Method::PATCH, &path, &[], Some(&body)).unwrap().status, 200);
    }

    fn try_login(&self, email: &str, password: &str) -> Answer {
        self.send(Method::POST, "/api/v1/auth/login", None, Some(json!({ "email": email, "password": password })))
    }

    fn login(&self, email: &str) -> Tokens {
        Tokens::of(&self.try_login(email, PASSWORD))
    }

    fn refresh(&self, token: &str) -> Answer {
        self.send(Method::POST, "/api/v1/auth/refresh", None, Some(json!({ "refresh_token": token })))
    }

    fn notes(&self, token: &str) -> u16 {
        self.send(Method::GET, "/api/v1/notes", Some(token), None).status
    }
}

fn send(client: &Client, url: &str, method: Method, path: &str, token: Option<&str>, body: Option<Json>) -> Answer {
    try_send(client, url, method, path, token, body).unwrap()
}

fn try_send(
    client: &Client,
    url: &str,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<Json>,
) -> Result<Answer, reqwest::Error> {
    let mut request = client.request(method, format!("{url}{path}"));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send()?;
    let (status, headers, text) = (response.status().as_u16(), response.headers().clone(), response.text()?);
    Ok(Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Json::Null) })
}

/// Returns once `condition` holds; how long it took.
#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "it never came: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    began.elapsed()
}

#[test]
fn a_person_owns_what_they_write_and_nothing_else() {
    for kind in ["sqlite", "postgres"] {
        let world = World::new(kind);
        let id = world.user("ann@example.com", json!({ "name": "Ann" }));
        world.user("bob@example.com", json!({}));
        let (ann, bob) = (world.login("ann@example.com"), world.login("bob@example.com"));
        let made = world.send(Method::POST, "/api/v1/notes", Some(&ann.access), Some(json!({ "title": "mine" })));
        assert_eq!((made.status, &made.body["data"]["writer"]), (201, &json!(id)), "{kind}: {made:?}");
        let count = |token: &str| {
            let list = world.send(Method::GET, "/api/v1/notes", Some(token), None);
            list.body["data"].as_array().map(Vec::len)
        };
        assert_eq!([count(&ann.access), count(&bob.access)], [Some(1), Some(0)]);
        assert_eq!(world.server.anonymous.get("/api/v1/notes", &[]).status, 401);

        // People may change their record, and not what it grants them.
        let own = format!("/api/v1/users/{id}");
        let patch = |body: Json| world.send(Method::PATCH, &own, Some(&ann.access), Some(body));
        assert_eq!(patch(json!({ "name": "Anna" })).status, 200);
        assert_eq!(patch(json!({ "roles": ["admin"] })).status, 403);
        assert_eq!(patch(json!({ "disabled": true })).status, 403);
        let me = world.send(Method::GET, "/api/v1/auth/me", Some(&ann.access), None).body["data"].clone();
        let expected =
            json!({ "kind": "user", "id": id, "email": "ann@example.com", "name": "Anna", "roles": ["user"] });
        assert_eq!(me, expected);

        // What a write does once belongs to its person.
        let once = |token: &str| {
            let request = world.client.post(format!("{}/api/v1/notes", world.server.url)).bearer_auth(token);
            let request = request.header("Idempotency-Key", "one").json(&json!({ "title": "once" }));
            request.send().unwrap().json::<Json>().unwrap()["data"]["id"].clone()
        };
        assert_eq!(once(&ann.access), once(&ann.access));
        assert_ne!(once(&ann.access), once(&bob.access));
    }
}

#[test]
fn locked_out_and_other_roles_within_seconds() {
    for kind in ["sqlite", "postgres"] {
        let world = World::new(kind);
        let beside = (kind == "postgres").then(|| world.beside());
        let id = world.user("ann@example.com", json!({}));
        let ann = world.login("ann@example.com");
        let statuses = || {
            let urls = [Some(&world.server), beside.as_ref()].into_iter().flatten().map(|server| &server.url);
            let ask = |url: &String| send(&world.client, url, Method::GET, "/api/v1/auth/me", Some(&ann.access), None);
            urls.map(|url| (ask(url).status, world.notes(&ann.access))).collect::<Vec<_>>()
        };
        let list = || {
            world.send(Method::GET, "/api/v1/notes?count=exact", Some(&ann.access), None).body["meta"]["total"].clone()
        };
        world.server.admin.post("/api/v1/notes", &json!({ "title": "nobody's" }));
        assert_eq!(list(), 0);
        world.change(&id, json!({ "roles": ["editor"] }));
        assert!(wait_until("the role", || list() == 1) < SOON);
        world.change(&id, json!({ "roles": [] }));
        assert!(wait_until("the end of the role", || list() == 0) < SOON);

        world.change(&id, json!({ "disabled": true }));
        let out = wait_until("the end of the person", || statuses().iter().all(|both| *both == (401, 401)));
        assert!(out < SOON, "{out:?}");
        assert_eq!(world.refresh(&ann.refresh).status, 401);
        let answer = world.try_login("ann@example.com", PASSWORD);
        assert_eq!(answer.body["error"], world.try_login("ann@example.com", "wrong horse battery").body["error"]);
        world.change(&id, json!({ "disabled": false }));
        assert_eq!(world.try_login("ann@example.com", PASSWORD).status, 200);
    }
}

#[test]
fn a_later_record_of_the_same_id_is_another_person() {
    for kind in ["sqlite", "postgres"] {
        let world = World::new(kind);
        let id = world.user("ann@example.com", json!({}));
        let ann = world.login("ann@example.com");
        let path = format!("/api/v1/users/{id}");
        assert_eq!(world.server.admin.send(Method::DELETE, &path, &[], None).unwrap().status, 204);
        let again = world.server.admin.post("/api/v1/users", &json!({ "id": id, "email": "ann@example.com" }));
        assert_eq!(again.status, 201);
        assert_eq!(world.try_login("ann@example.com", PASSWORD).status, 401, "{kind}: the old password");
        assert_eq!(world.refresh(&ann.refresh).status, 401, "{kind}: the old session");
        wait_until("the end of the old token", || world.notes(&ann.access) == 401);
        world.set_password(&id, PASSWORD);
        assert_eq!(world.try_login("ann@example.com", PASSWORD).status, 200);
    }
}

#[test]
fn a_changed_password_ends_every_other_session() {
    for kind in ["sqlite", "postgres"] {
        let world = World::new(kind);
        let id = world.user("ann@example.com", json!({}));
        let (here, there) = (world.login("ann@example.com"), world.login("ann@example.com"));
        let body = json!({ "current": PASSWORD, "new": "another horse battery" });
        let changed = world.send(Method::PUT, "/api/v1/auth/password", Some(&here.access), Some(body));
        assert_eq!(changed.status, 204, "{kind}: {changed:?}");
        assert_eq!([world.notes(&here.access), world.notes(&there.access)], [200, 401], "{kind}");
        assert_eq!([&here, &there].map(|tokens| world.refresh(&tokens.refresh).status), [200, 401]);
        assert_eq!(world.try_login("ann@example.com", PASSWORD).status, 401);
        let now = Tokens::of(&world.try_login("ann@example.com", "another horse battery"));
        world.set_password(&id, PASSWORD);
        assert_eq!([world.notes(&now.access), world.notes(&here.access)], [401, 401], "an admin ends all of them");
        world.login("ann@example.com");
    }
}

#[test]
fn of_two_changes_of_one_password_the_later_one_finds_it_changed() {
    for kind in ["sqlite", "postgres"] {
        let world = World::new(kind);
        world.user("ann@example.com", json!({}));
        let here = world.login("ann@example.com");
        let change = &|number: usize| {
            let body = json!({ "current": PASSWORD, "new": format!("another horse battery {number}") });
            world.send(Method::PUT, "/api/v1/auth/password", Some(&here.access), Some(body)).status
        };
        let mut statuses: Vec<u16> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|number| scope.spawn(move || change(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 403, 403, 403], "{kind}");
    }
}

#[test]
fn an_address_that_no_database_takes_is_400() {
    for kind in ["sqlite", "postgres"] {
        let refused = World::new(kind).try_login("ann\0@example.com", PASSWORD);
        assert_eq!((refused.status, &refused.body["details"][0]["code"]), (400, &json!("nul")), "{kind}: {refused:?}");
    }
}

#[test]
fn who_guesses_waits_and_the_owner_at_home_does_not() {
    let world = World::new("sqlite");
    world.user("ann@example.com", json!({}));
    let guess = |email: &str| world.try_login(email, "wrong horse battery");
    for email in ["ann@example.com", "nobody@example.com"] {
        assert!((0..5).all(|_| guess(email).status == 401));
        let refused = guess(email);
        let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert_eq!((refused.status, &refused.body["code"]), (429, &json!("RATE_LIMITED")), "{refused:?}");
        assert!((1..=30).contains(&wait));
    }
    // The right password waits too, for it could be a guess; once it was right, this address is known.
    wait_until("the end of the wait", || world.try_login("ann@example.com", PASSWORD).status == 200);
    world.login("ann@example.com");
}

#[test]
fn nobody_is_told_which_accounts_there_are() {
    let world = World::new("sqlite");
    world.user("ann@example.com", json!({}));
    let without = world.server.admin.post("/api/v1/users", &json!({ "email": "new@example.com" }));
    assert_eq!(without.status, 201);
    let mut medians = Vec::new();
    let mut answers = Vec::new();
    for email in ["ann@example.com", "new@example.com", "nobody@example.com"] {
        let mut times: Vec<Duration> = (0..4)
            .map(|_| {
                let began = Instant::now();
                let mut answer = world.try_login(email, "wrong horse battery");
                answer.body["request_id"] = Json::Null;
                answers.push((answer.status, answer.body));
                began.elapsed()
            })
            .collect();
        times.sort();
        medians.push(times[1]);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    assert!(*most < *least * 3, "one answer takes another time: {medians:?}");
}

#[test]
fn a_hash_is_never_told() {
    for kind in ["sqlite", "postgres"] {
        let world = World::new(kind);
        let id = world.user("ann@example.com", json!({ "name": "Ann" }));
        let ann = world.login("ann@example.com");
        world.change(&id, json!({ "name": "Anna" }));
        let mut told = world.server.log();
        for path in ["", "/export", &format!("/{id}"), &format!("/{id}/history"), "?include=notes"] {
            told += &world.server.admin.get(&format!("/api/v1/users{path}"), &[]).body.to_string();
        }
        told += &world.server.anonymous.get("/openapi.json", &[]).body.to_string();
        for secret in ["$argon2id", PASSWORD, &ann.access, &ann.refresh, SECRET] {
            assert!(!told.contains(secret), "{kind}: {secret}");
        }
        assert!(told.contains("Anna"));
    }
}

#[test]
fn without_a_key_nobody_signs_in_and_the_rest_works() {
    let (documents, database) = (documents(), Database::new("postgres"));
    let server = launch(program(), &documents, &database, &[]);
    let body = json!({ "email": "ann@example.com", "password": PASSWORD });
    let refused = server.anonymous.post("/api/v1/auth/login", &body);
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.body["error"].as_str().unwrap().contains("MAINSTAY_JWT_KEYS_FILE"));
    assert_eq!(server.anonymous.post("/api/v1/auth/register", &body).status, 403);
    assert_eq!(server.admin.get("/api/v1/auth/me", &[]).body["data"]["kind"], "admin");
}

/// A laptop's key is made once: tokens outlive a restart.
#[test]
fn a_server_on_sqlite_makes_its_own_key() {
    let (documents, database) = (documents(), Database::new("sqlite"));
    let server = launch(program(), &documents, &database, &[]);
    let world = World { server, client: Client::new(), documents, database };
    world.user("ann@example.com", json!({}));
    let ann = world.login("ann@example.com");
    let jwks = world.server.anonymous.get("/.well-known/jwks.json", &[]).body;
    assert_eq!(jwks["keys"][0]["alg"], "EdDSA", "{jwks}");
    let World { server, client, documents, database } = world;
    assert!(server.stop().success());
    let server = launch(program(), &documents, &database, &[]);
    let world = World { server, client, documents, database };
    assert_eq!(world.notes(&ann.access), 200);
    assert_eq!(world.refresh(&ann.refresh).status, 200);
}
