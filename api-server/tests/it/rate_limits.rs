//! Rate limits of a running server: what clients are told, who is counted, what is never refused.
//!
//! Windows are an hour, so that no test waits for one; what comes back in time is proven on the pure counts.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use mainstay_e2e::database::Database;
use mainstay_e2e::http::{Answer, Caller};
use mainstay_e2e::server::{ADMIN_KEY, Server, binary, program};
use reqwest::blocking::Client;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

mod shared;

const NOTES: &str = "/api/v1/notes";
const DOCUMENT: &str = "
apiVersion: mainstay.dev/v1alpha1
kind: Collection
metadata: { name: notes }
spec:
  fields: [ { name: title, type: text } ]
  access: { read: [ { roles: [anyone] } ], create: [ { roles: [anyone] } ] }
";

/// How long a condition may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server with its documents and its database, which go with it.
struct World {
    server: Server,
    _documents: TempDir,
    _database: Database,
}

fn serve(policies: &str, flags: &[&str]) -> World {
    launch(program(), Database::new("sqlite"), &[&["--rate-limits", policies], flags].concat())
}

fn launch(command: Command, database: Database, flags: &[&str]) -> World {
    let documents = tempfile::tempdir().unwrap();
    let file = documents.path().join("notes.yaml");
    std::fs::write(&file, DOCUMENT).unwrap();
    let server = Server::launch(command, file.to_str().unwrap(), database.url(), flags);
    server.wait_until_ready();
    World { server, _documents: documents, _database: database }
}

/// Returns once `condition` holds.
#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl World {
    /// A list for a client behind a proxy, or without one.
    fn list(&self, header: Option<(&str, &str)>) -> Answer {
        self.ask(header.as_slice())
    }

    fn ask(&self, headers: &[(&str, &str)]) -> Answer {
        let request = Client::new().get(format!("{}{NOTES}", self.server.url));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = request.send().unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.json().unwrap_or(Json::Null) }
    }

    /// The lines of a figure.
    fn figure(&self, name: &str) -> String {
        let text = Caller::new(&self.server.admin_url, None).get("/metrics", &[]).body;
        let lines = text.as_str().unwrap().lines().filter(|line| line.starts_with(name));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// The number after `"default";r=N;t=`; some of an hour's window may have passed.
fn seconds(answer: &Answer, remaining: u32) -> u64 {
    let told = field(answer, "ratelimit").strip_prefix(&format!("\"default\";r={remaining};t="));
    told.unwrap_or_else(|| panic!("{remaining} remain? {answer:?}")).parse().unwrap()
}

fn field<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[test]
fn clients_are_told_what_is_left_and_then_refused() {
    for kind in ["sqlite", "postgres"] {
        let policies = ["--rate-limits", "[{ name: default, by: ip, limit: 3, window: 1h }]"];
        let world = launch(program(), Database::new(kind), &policies);
        for left in [2, 1, 0] {
            let answer = world.list(None);
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert_eq!(field(&answer, "ratelimit-policy"), "\"default\";q=3;w=3600");
            assert!((1100..=1200).contains(&seconds(&answer, left)), "{answer:?}");
            assert_eq!(field(&answer, "retry-after"), "");
        }
        // A path that is not there, and one of another method, are requests too.
        for answer in [
            world.list(None),
            world.server.anonymous.get("/api/v1/nothing/here", &[]),
            world.server.admin.post(NOTES, &json!({})),
        ] {
            assert_eq!((answer.status, &answer.body["code"]), (429, &json!("RATE_LIMITED")), "{}", answer.body);
            let wait = seconds(&answer, 0);
            assert_eq!(field(&answer, "retry-after"), wait.to_string());
            let told = format!("the rate limit `default` of 3 requests in 3600 s is used up: try again in {wait} s");
            assert_eq!((&answer.body["error"], &answer.body["success"]), (&json!(told), &json!(false)));
            assert_eq!(answer.body["request_id"], field(&answer, "x-request-id"));
        }
        let problem = world.ask(&[("accept", "application/problem+json")]);
        assert_eq!((problem.status, &problem.body["status"]), (429, &json!(429)), "{}", problem.body);
        for path in ["/health", "/health/ready", "/openapi.json", "/docs/", "/.well-known/jwks.json", "/nothing"] {
            let answer = world.server.anonymous.get(path, &[]);
            assert_ne!(answer.status, 429, "{path}");
            assert_eq!(field(&answer, "ratelimit"), "", "{path}");
        }
        assert_eq!(world.figure("mainstay_rate_limited_total"), "mainstay_rate_limited_total{policy=\"default\"} 4");
        assert!(world.figure("mainstay_rate_limit_backend").contains("{backend=\"local\"} 1"));
    }
}

#[test]
fn without_policies_nothing_is_told() {
    let world = serve("", &[]);
    let answer = world.list(None);
    assert_eq!((answer.status, field(&answer, "ratelimit"), field(&answer, "ratelimit-policy")), (200, "", ""));
    let document = world.server.anonymous.get("/openapi.json", &[]).body;
    let told = &document["paths"][NOTES]["get"]["responses"]["429"];
    assert!(told.is_object(), "keys may have a limit of their own: {document}");
}

#[test]
fn a_path_with_encoded_letters_is_counted_as_what_it_is() {
    let world = serve("[{ name: default, by: ip, limit: 2, window: 1h }]", &[]);
    let list = |path: &str| world.server.anonymous.get(path, &[]);
    let first = list("/%61pi/v1/notes");
    assert_eq!((first.status, field(&first, "cache-control")), (200, field(&world.list(None), "cache-control")));
    assert_eq!(["/%61pi/v1/notes", "/%61p%69/%761/%6eotes"].map(|path| list(path).status), [429, 429]);
}

#[test]
fn a_refused_request_takes_from_no_policy() {
    let policies = "[{ name: all, by: ip, limit: 5, window: 1h, algorithm: fixedWindow },
        { name: writes, by: ip, routes: [write], limit: 1, window: 1h, algorithm: slidingWindow }]";
    let world = serve(policies, &[]);
    let write = || world.server.anonymous.post(NOTES, &json!({ "title": "x" }));
    let first = write();
    assert_eq!(first.status, 201, "{}", first.body);
    assert_eq!(field(&first, "ratelimit-policy"), "\"all\";q=5;w=3600, \"writes\";q=1;w=3600");
    assert!(field(&first, "ratelimit").starts_with("\"all\";r=4;t=3600, \"writes\";r=0;t=3"), "{first:?}");
    for _ in 0..3 {
        let refused = write();
        assert_eq!(refused.status, 429);
        assert!(refused.body["error"].as_str().unwrap().contains("`writes`"), "{}", refused.body);
    }
    assert!(field(&world.list(None), "ratelimit").starts_with("\"all\";r=3;"));
}

#[test]
fn guessing_a_key_has_the_limit_of_its_address() {
    let world = serve("[{ name: calls, by: caller, limit: 2, window: 1h }]", &[]);
    let guess = |key: &str| world.ask(&[("x-api-key", key)]).status;
    assert_eq!(["one", "two", "three"].map(guess), [401, 401, 429]);
    assert_eq!(world.list(None).status, 429, "a caller without a key is counted by the address as well");
    assert_eq!([ADMIN_KEY; 3].map(guess), [200, 200, 429], "who has a key is counted by it");
    assert_eq!(world.ask(&[("x-api-key", ADMIN_KEY), ("authorization", "Bearer x")]).status, 429);
}

#[test]
fn a_client_behind_a_proxy_is_counted_by_its_own_address() {
    let policies = "[{ name: default, by: ip, limit: 1, window: 1h }]";
    let world = serve(policies, &["--proxies-trusted", "127.0.0.0/8,10.0.0.0/8"]);
    let client = |chain| world.list(Some(("x-forwarded-for", chain))).status;
    assert_eq!([client("203.0.113.1"), client("203.0.113.1"), client("203.0.113.2")], [200, 429, 200]);
    // Whatever a client wrote before the proxies did.
    assert_eq!([client("198.51.100.9, 203.0.113.1, 10.0.0.7"), client("198.51.100.9,203.0.113.2")], [429, 429]);
    // Of IPv6, one /64 is one client.
    assert_eq!([client("2001:db8::1"), client("2001:db8::2"), client("2001:db8:0:1::1")], [200, 429, 200]);
    let named = |line: &str| line.contains("answered") && line.contains("\"client\":\"203.0.113.2\"");
    wait_until("a log line with the client", || world.server.log().lines().any(named));

    let plain = serve(policies, &[]);
    let client = |chain| plain.list(Some(("x-forwarded-for", chain))).status;
    assert_eq!([client("203.0.113.1"), client("203.0.113.2")], [200, 429], "who is not trusted is not believed");
    let other = serve(policies, &["--proxies-trusted", "127.0.0.1", "--proxies-header", "forwarded"]);
    let client = |name, chain| other.list(Some((name, chain))).status;
    assert_eq!(client("forwarded", "for=203.0.113.1"), 200);
    assert_eq!(client("forwarded", "for=203.0.113.1;x=\"a, for=203.0.113.7\""), 429);
    assert_eq!([client("x-forwarded-for", "203.0.113.3"), client("x-forwarded-for", "203.0.113.4")], [200, 429]);
}

#[test]
fn a_key_has_the_limit_of_its_own_that_its_file_says() {
    let keys = tempfile::tempdir().unwrap();
    let file = keys.path().join("keys.yaml");
    let write = |limit: &str| {
        let hash: String = Sha256::digest(b"the-key").iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("keys: [{{ name: shop/reader, id: ms_1, hash: {hash}{limit} }}]");
        std::fs::write(keys.path().join("new"), text).unwrap();
        std::fs::rename(keys.path().join("new"), &file).unwrap();
    };
    write(", rateLimit: { limit: 2, window: 1h }");
    let mut command = Command::new("sh");
    command.args(["-c", r#"file=$1; shift; MAINSTAY_API_KEYS_FILE=$file exec "$0" "$@""#]).arg(binary()).arg(&file);
    let policies = ["--rate-limits", "[{ name: keys, by: key, limit: 1, window: 1h }]"];
    let world = launch(command, Database::new("sqlite"), &policies);
    let call = || world.ask(&[("x-api-key", "the-key")]);
    let first = call();
    assert_eq!((first.status, field(&first, "ratelimit")), (200, "\"own\";r=1;t=1800"), "{}", first.body);
    assert_eq!([call().status, call().status], [200, 429]);
    assert_eq!(world.list(None).status, 200, "without a key nothing counts");
    write("");
    wait_until("the file is read again", || field(&call(), "ratelimit-policy").starts_with("\"keys\""));
}

#[test]
fn a_refusal_does_not_wait_for_the_body() {
    let world = serve("[{ name: default, by: ip, limit: 1, window: 1h }]", &[]);
    assert_eq!(world.list(None).status, 200);
    let mut stream = TcpStream::connect(world.server.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head =
        format!("POST {NOTES} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(std::str::from_utf8(&start).unwrap(), "HTTP/1.1 429");
}

#[test]
fn pages_may_read_the_fields_and_ask_first_for_free() {
    let world = serve("[{ name: default, by: ip, limit: 1, window: 1h }]", &["--cors-allowed-origins", "*"]);
    let preflight = || {
        let request = Client::new().request(reqwest::Method::OPTIONS, format!("{}{NOTES}", world.server.url));
        let request = request.header("origin", "https://a.example").header("access-control-request-method", "GET");
        request.send().unwrap().status().as_u16()
    };
    assert_eq!([preflight(), preflight(), preflight()], [200, 200, 200]);
    for status in [200, 429] {
        let answer = world.ask(&[("origin", "https://a.example")]);
        let exposed = field(&answer, "access-control-expose-headers").to_ascii_lowercase();
        assert_eq!(answer.status, status);
        for name in ["ratelimit", "ratelimit-policy", "retry-after"] {
            assert!(exposed.split(',').any(|exposed| exposed.trim() == name), "{name} in {exposed}");
        }
    }
}

#[test]
fn the_document_promises_it() {
    let world = serve("[{ name: default, by: caller, limit: 1000, window: 1h }]", &[]);
    let document = world.server.anonymous.get("/openapi.json", &[]).body;
    for (path, item) in document["paths"].as_object().unwrap() {
        let operations = item.as_object().unwrap().iter().filter(|(_, member)| member.get("responses").is_some());
        for (method, operation) in operations {
            let answers = &operation["responses"];
            assert_eq!(answers.get("429").is_some(), path.starts_with("/api/"), "{method} {path}");
            let fine = answers.get("200").and_then(|answer| answer["headers"].get("RateLimit"));
            assert!(!path.starts_with("/api/") || answers.get("200").is_none() || fine.is_some(), "{method} {path}");
        }
    }
    let refused = &document["components"]["responses"]["TooManyRequests"];
    assert!(
        refused["headers"]["Retry-After"].is_object() && refused["content"]["application/problem+json"].is_object()
    );
}

#[test]
fn callers_at_once_get_exactly_what_is_there() {
    let world = serve("[{ name: default, by: ip, limit: 40, window: 1h, algorithm: fixedWindow }]", &[]);
    let allowed: usize = std::thread::scope(|scope| {
        let one = || (0..20).filter(|_| world.server.anonymous.get(NOTES, &[]).status == 200).count();
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(allowed, 40);
}
