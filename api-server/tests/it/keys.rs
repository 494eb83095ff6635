//! API keys made over HTTP, on both databases: what they open, their lives, and who may see what of them.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use mainstay_e2e::database::Database;
use mainstay_e2e::http::{Answer, Caller};
use mainstay_e2e::server::{Server, program};
use reqwest::Method;
use serde_json::{Value as Json, json};

mod hostile;
mod used;

const KEYS: &str = "/api/v1/keys";
/// A collection with rules for roles.
const NOTES: &str = "/api/v1/notes";
const DOCUMENTS: &str = "\
apiVersion: mainstay.dev/v1alpha1
kind: Collection
metadata: { name: notes }
spec:
  fields: [ { name: title, type: text, readRoles: [ auditor, machine ] } ]
  access:
    read: [ { roles: [ machine ] } ]
    create: [ { roles: [ writer ] } ]
";

/// Servers of one database, with the documents of these tests.
struct World {
    servers: Vec<Server>,
    database: Database,
    folder: tempfile::TempDir,
}

impl World {
    fn new(kind: &str, servers: usize, flags: &[&str]) -> World {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("notes.yaml"), DOCUMENTS).unwrap();
        let mut world = World { servers: Vec::new(), database: Database::new(kind), folder };
        for _ in 0..servers {
            let server = world.launch(flags);
            world.servers.push(server);
        }
        world
    }

    fn launch(&self, flags: &[&str]) -> Server {
        let server = Server::launch(program(), self.folder.path().to_str().unwrap(), self.database.url(), flags);
        server.wait_until_ready();
        server
    }

    fn server(&self) -> &Server {
        &self.servers[0]
    }
}

fn on_both(test: impl Fn(&World) -> String) {
    let on = |kind: &str| test(&World::new(kind, 1, &[]));
    let (sqlite, postgres) = (on("sqlite"), on("postgres"));
    assert_eq!(sqlite, postgres, "SQLite (left) and PostgreSQL (right) differ");
}

/// A new key: what was answered of it.
fn create(server: &Server, body: Json) -> Json {
    let mut answer = server.admin.post(KEYS, &body);
    assert_eq!(answer.status, 201, "{body}: {}", answer.body);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let made = answer.body["data"].take();
    assert_eq!(answer.headers["location"].to_str().unwrap(), format!("{KEYS}/{}", text(&made, "id")));
    made
}

fn text<'a>(json: &'a Json, name: &str) -> &'a str {
    json[name].as_str().unwrap_or_else(|| panic!("no {name}: {json}"))
}

fn get(server: &Server, key: &Json) -> Json {
    server.admin.get(&path(key), &[]).body["data"].take()
}

fn path(key: &Json) -> String {
    format!("{KEYS}/{}", text(key, "id"))
}

fn revoke(server: &Server, key: &Json) -> u16 {
    server.admin.send(Method::DELETE, &path(key), &[], None).unwrap().status
}

fn rotate(server: &Server, key: &Json, body: Json) -> Answer {
    server.admin.post(&format!("{}/rotate", path(key)), &body)
}

fn caller(server: &Server, key: &Json) -> Caller {
    Caller::new(&server.url, Some(text(key, "key")))
}

fn reads(server: &Server, key: &Json) -> u16 {
    caller(server, key).get(NOTES, &[]).status
}

fn writes(server: &Server, key: &Json) -> u16 {
    caller(server, key).post(NOTES, &json!({ "title": "x" })).status
}

fn wait_until(what: &str, within: Duration, done: impl Fn() -> bool) {
    let deadline = Instant::now() + within;
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within {within:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// An answer without what differs from run to run.
fn masked(json: &Json) -> Json {
    match json {
        Json::Object(members) => {
            // When a use is told depends on the time that the requests take.
            let members = members.iter().filter(|(name, _)| *name != "last_used_at");
            let mask = |(name, value): (&String, &Json)| {
                let random = ["id", "key", "prefix", "replaces", "request_id", "next_cursor"].contains(&name.as_str());
                (name.clone(), if random || name.ends_with("_at") { json!("*") } else { masked(value) })
            };
            Json::Object(members.map(mask).collect())
        }
        Json::Array(items) => Json::Array(items.iter().map(masked).collect()),
        other => other.clone(),
    }
}

#[test]
fn a_key_is_made_shown_once_used_and_revoked() {
    on_both(|world| {
        let server = world.server();
        let limit = json!({ "limit": 1000, "window": "60s" });
        let body = json!({ "name": "nightly", "roles": ["writer"], "expires_after": "90d", "rate_limit": limit });
        let made = create(server, body);
        let key = text(&made, "key");
        assert!(key.len() == 36 && key.starts_with(text(&made, "prefix")) && text(&made, "prefix").len() == 11);
        assert_eq!((reads(server, &made), writes(server, &made)), (200, 201));
        let plain = create(server, json!({ "name": "nightly" }));
        assert_eq!((reads(server, &plain), writes(server, &plain)), (200, 403));
        let bearer = reqwest::blocking::Client::new().get(format!("{}{NOTES}", server.url)).bearer_auth(key);
        assert_eq!(bearer.send().unwrap().status(), 200);

        let got = get(server, &made);
        assert!(got.get("key").is_none() && got["prefix"] == made["prefix"] && got["expires_at"] == made["expires_at"]);
        let mut listed = server.admin.get(KEYS, &[]);
        assert_eq!(listed.body["data"][1]["id"], made["id"], "newest first");
        for told in [&got, &listed.body] {
            assert!(!told.to_string().contains(key) && !told.to_string().contains("hash"), "{told}");
        }
        assert_eq!([revoke(server, &made), revoke(server, &made)], [204, 204]);
        assert_eq!([reads(server, &made), reads(server, &plain)], [401, 200], "on this server at once");
        let revoked = get(server, &made);
        assert_eq!(revoked["status"], "revoked");
        assert!(!server.log().contains(key), "a key is not logged");
        listed.body["data"].as_array_mut().unwrap().push(revoked);
        listed.body["data"].as_array_mut().unwrap().push(made);
        masked(&listed.body).to_string()
    });
}

#[test]
fn what_is_wrong_is_told_and_what_is_odd_too() {
    on_both(|world| {
        let server = world.server();
        let body = json!({ "nam": 1, "roles": ["a b"], "expires_after": "0d", "rate_limit": { "limit": 0 } });
        let refused = server.admin.post(KEYS, &body);
        assert_eq!(refused.status, 400);
        let odd = json!({ "name": "odd", "roles": ["admin", "user", "machine", "writr", "auditor"] });
        let warned = server.admin.post(KEYS, &odd);
        assert_eq!(warned.status, 201);
        let codes: Vec<_> = warned.body["meta"]["warnings"].as_array().unwrap().iter().map(|w| &w["code"]).collect();
        assert_eq!(codes, ["admin_role", "user_role", "implied_role", "unknown_role"]);
        assert_eq!(warned.body["meta"]["warnings"][3]["hint"], "did you mean `writer`?");
        let unknown = server.admin.get(&format!("{KEYS}/0190b5a3-8d2e-7c4f-9a1b-2c3d4e5f6071"), &[]);
        assert_eq!(unknown.status, 404);
        let wrong_id = server.admin.get(&format!("{KEYS}/me"), &[]);
        let parameters = server.admin.get(KEYS, &[("limit", "0"), ("cursor", "x"), ("sort", "name")]);
        assert_eq!((wrong_id.status, parameters.status), (400, 400));
        [refused, warned, unknown, wrong_id, parameters].map(|answer| masked(&answer.body).to_string()).join("\n")
    });
}

#[test]
fn pages_of_keys_follow_each_other() {
    on_both(|world| {
        let server = world.server();
        let made: Vec<Json> = (0..5).map(|n| create(server, json!({ "name": format!("k{n}") }))).collect();
        let walked = server.admin.walk(KEYS, &[("limit", "2")]);
        let ids: Vec<&str> = walked.iter().map(|key| text(key, "id")).collect();
        let newest_first: Vec<&str> = made.iter().rev().map(|key| text(key, "id")).collect();
        assert_eq!(ids, newest_first);
        let first = server.admin.get(KEYS, &[("limit", "2")]);
        assert!(first.headers["link"].to_str().unwrap().contains("rel=\"next\""));
        masked(&first.body).to_string()
    });
}

#[test]
fn a_rotation_leaves_both_keys_for_a_while() {
    on_both(|world| {
        let server = world.server();
        let limit = json!({ "limit": 1000, "window": "60s" });
        let body = json!({ "name": "app", "roles": ["writer"], "expires_after": "90d", "rate_limit": limit });
        let old = create(server, body);
        let mut answer = rotate(server, &old, json!({ "overlap": "1s" }));
        assert_eq!(answer.status, 201, "{}", answer.body);
        let new = answer.body["data"].take();
        assert_eq!((&new["replaces"], &new["roles"], &new["name"]), (&old["id"], &old["roles"], &old["name"]));
        assert!(new["rate_limit"] == old["rate_limit"] && new["expires_at"].is_string(), "{new}");
        assert_eq!(writes(server, &new), 201);
        let again = rotate(server, &old, json!({}));
        assert!(again.status == 409 && text(&again.body, "error").contains(text(&new, "id")), "{}", again.body);
        wait_until("the old key's end", Duration::from_secs(5), || reads(server, &old) == 401);
        assert_eq!((get(server, &old)["status"].as_str(), writes(server, &new)), (Some("expired"), 201));
        assert_eq!(rotate(server, &old, json!({})).status, 409, "it opens nothing any more");

        // Without an overlap, with another life; and a revoked successor leaves room for another one.
        let next = rotate(server, &new, json!({ "overlap": "0s", "expires_after": "1h" })).body["data"].take();
        assert_eq!([reads(server, &new), reads(server, &next)], [401, 200]);
        let third = rotate(server, &next, json!({})).body["data"].take();
        assert_eq!((revoke(server, &third), rotate(server, &next, json!({})).status), (204, 201));
        assert_eq!(rotate(server, &third, json!({})).status, 409);
        let all = server.admin.get(KEYS, &[]);
        masked(&all.body).to_string()
    });
}

#[test]
fn one_of_two_rotations_at_once_wins() {
    for kind in ["sqlite", "postgres"] {
        let world = World::new(kind, 1, &[]);
        for _ in 0..10 {
            let old = create(world.server(), json!({ "name": "app" }));
            let start = Barrier::new(2);
            let one = || {
                start.wait();
                rotate(world.server(), &old, json!({})).status
            };
            let mut statuses = thread::scope(|scope| {
                let both = [scope.spawn(one), scope.spawn(one)];
                both.map(|one| one.join().unwrap())
            });
            statuses.sort_unstable();
            assert_eq!(statuses, [201, 409], "{kind}");
        }
    }
}

#[test]
fn keys_of_one_rotation_are_one_caller() {
    let world = World::new("sqlite", 1, &[]);
    let server = world.server();
    let old = create(server, json!({ "name": "app", "roles": ["writer"] }));
    let other = create(server, json!({ "name": "app", "roles": ["writer"] }));
    let new = rotate(server, &old, json!({})).body["data"].take();
    let client = reqwest::blocking::Client::new();
    let once = |key: &Json| {
        let request = client.post(format!("{}{NOTES}", server.url)).header("x-api-key", text(key, "key"));
        let answer = request.header("idempotency-key", "k").json(&json!({ "title": "once" })).send().unwrap();
        (answer.status().as_u16(), answer.headers().contains_key("idempotency-replayed"))
    };
    assert_eq!([once(&old), once(&new)], [(201, false), (201, true)]);
    assert_eq!(once(&other), (201, false), "a name is not what tells callers apart");
}

#[test]
fn a_key_has_its_own_rate_limit() {
    let world = World::new("sqlite", 1, &[]);
    let server = world.server();
    let limit = json!({ "limit": 2, "window": "1h" });
    let old = create(server, json!({ "name": "slow", "rate_limit": limit }));
    let first = caller(server, &old).get(NOTES, &[]);
    assert_eq!(first.headers["ratelimit-policy"], "\"own\";q=2;w=3600", "from its first request on");
    let new = rotate(server, &old, json!({})).body["data"].take();
    assert_eq!([reads(server, &new), reads(server, &new), reads(server, &old)], [200, 429, 429], "shared by both keys");
    let quick = create(server, json!({ "name": "quick" }));
    assert_eq!([(); 5].map(|()| reads(server, &quick)), [200; 5]);
}

#[test]
fn only_admin_manages_keys_and_a_key_may_be_admin() {
    on_both(|world| {
        let server = world.server();
        let boss = create(server, json!({ "name": "boss", "roles": ["admin"] }));
        let clerk = create(server, json!({ "name": "clerk", "roles": ["writer"] }));
        let all = |caller: &Caller| {
            let send = |method: Method, path: &str, body: Option<&Json>| caller.send(method, path, &[], body).unwrap();
            // A body that is wrong is not looked at before the caller is.
            let wrong = json!([]);
            [
                send(Method::POST, KEYS, Some(&wrong)).status,
                send(Method::GET, KEYS, None).status,
                send(Method::GET, &path(&clerk), None).status,
                send(Method::POST, &format!("{}/rotate", path(&clerk)), Some(&wrong)).status,
                send(Method::DELETE, &format!("{KEYS}/none"), None).status,
            ]
        };
        assert_eq!(all(&server.anonymous), [401; 5]);
        assert_eq!(all(&caller(server, &clerk)), [403; 5]);
        assert_eq!(all(&caller(server, &boss)), [400, 200, 200, 400, 400]);
        let made = caller(server, &boss).post(KEYS, &json!({ "name": "made" }));
        let by = text(&made.body["data"], "created_by").to_owned();
        assert_eq!((made.status, by), (201, format!("machine:boss/{}", text(&boss, "id"))), "it shows who made it");
        assert_eq!(revoke(server, &boss), 204);
        assert_eq!(all(&caller(server, &boss)), [401; 5]);
        assert_eq!(reads(server, &made.body["data"]), 200, "what it made is revoked by itself");
        String::new()
    });
}
