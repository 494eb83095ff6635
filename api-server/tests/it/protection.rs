//! What browsers and caches are told with every answer, and which web pages may call.

use std::path::Path;

use mainstay_e2e::server::{ADMIN_KEY, Server, program};
use reqwest::Method;
use reqwest::blocking::{Client, Response};
use serde_json::json;

const PAGE: &str = "https://app.example.com";

fn serve(flags: &[&str]) -> Server {
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/collections.yaml");
    let server = Server::launch(program(), documents.to_str().unwrap(), "sqlite::memory:", flags);
    server.wait_until_ready();
    server
}

fn told<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn every_answer_says_what_may_be_done_with_it() {
    let server = serve(&[]);
    let made = server.admin.post("/api/v1/notes", &json!({ "text": "one" }));
    let record = made.headers["location"].to_str().unwrap().to_owned();
    let client = Client::new();
    for (path, key, status, caching) in [
        (record.as_str(), false, 200, Some("no-cache")),
        (&record, true, 200, Some("private, no-cache")),
        ("/api/v1/notes", false, 200, Some("no-cache")),
        ("/api/v1/notes/export", true, 200, Some("private, no-cache")),
        ("/api/v1/nothing", false, 404, Some("no-store")),
        ("/api/v1/notes?limit=0", false, 400, Some("no-store")),
        ("/nowhere", false, 404, Some("no-store")),
        ("/.well-known/jwks.json", false, 200, Some("public, max-age=60")),
        ("/openapi.json", false, 200, None),
        ("/health", false, 200, None),
        ("/docs/", false, 200, None),
    ] {
        let mut request = client.get(format!("{}{path}", server.url));
        if key {
            request = request.header("X-API-Key", ADMIN_KEY);
        }
        let answer = request.send().unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(told(&answer, "cache-control"), caching, "{path}");
        assert_eq!(told(&answer, "x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(told(&answer, "referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(told(&answer, "strict-transport-security"), None, "{path}: there is no TLS");
        let policy = told(&answer, "content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(policy.contains("script-src 'self'"), path == "/docs/", "{path}: {policy}");
        assert_eq!(told(&answer, "server"), None, "{path}");
    }
}

#[test]
fn no_page_may_call_unless_it_is_named() {
    let server = serve(&[]);
    let client = Client::new();
    let notes = format!("{}/api/v1/notes", server.url);
    let answer = client.get(&notes).header("Origin", PAGE).send().unwrap();
    assert_eq!((answer.status().as_u16(), told(&answer, "access-control-allow-origin")), (200, None));
    let preflight = client.request(Method::OPTIONS, &notes).header("Origin", PAGE);
    let answer = preflight.header("Access-Control-Request-Method", "POST").send().unwrap();
    assert_eq!(told(&answer, "access-control-allow-origin"), None);
    assert_eq!(told(&answer, "allow"), Some("GET, HEAD, POST, PATCH, DELETE"));
}

#[test]
fn a_page_that_is_named_asks_first_and_reads_what_it_needs() {
    let server = serve(&["--cors-allowed-origins", PAGE, "--cors-allow-credentials", "true", "--cors-max-age", "5m"]);
    let client = Client::new();
    // A browser sends no credential with it: what needs one must not be asked for one here.
    let preflight = client.request(Method::OPTIONS, format!("{}/api/v1/secrets", server.url)).header("Origin", PAGE);
    let preflight = preflight.header("Access-Control-Request-Method", "DELETE");
    let answer = preflight.header("Access-Control-Request-Headers", "authorization, if-match").send().unwrap();
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(told(&answer, "access-control-allow-origin"), Some(PAGE));
    assert_eq!(told(&answer, "access-control-allow-credentials"), Some("true"));
    assert_eq!(told(&answer, "access-control-max-age"), Some("300"));
    assert!(told(&answer, "access-control-allow-headers").unwrap().to_ascii_lowercase().contains("if-match"));
    assert!(told(&answer, "vary").unwrap().contains("Origin"), "{answer:?}");
    for (path, status) in [("/api/v1/notes", 200), ("/api/v1/nothing", 404), ("/api/v1/notes?limit=0", 400)] {
        let answer = client.get(format!("{}{path}", server.url)).header("Origin", PAGE).send().unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(told(&answer, "access-control-allow-origin"), Some(PAGE), "{path}: a page may read why");
        let exposed = told(&answer, "access-control-expose-headers").unwrap().to_ascii_lowercase();
        for name in ["etag", "link", "location", "retry-after", "x-request-id", "idempotency-replayed"] {
            assert!(exposed.contains(name), "{name}: {exposed}");
        }
        assert!(told(&answer, "vary").unwrap().contains("Origin"), "{path}");
    }
    let other = client.get(format!("{}/api/v1/notes", server.url)).header("Origin", "https://evil.example").send();
    assert_eq!(told(&other.unwrap(), "access-control-allow-origin"), None);
}
