//! What is compressed, as the client asks for it; and entity tags of compressed answers: each has its mark, and every form
//! of the tag names the same state.

use std::path::Path;

use mainstay_e2e::server::{ADMIN_KEY, Server};
use reqwest::blocking::{Client, Response};
use serde_json::json;

fn serve() -> Server {
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/collections.yaml");
    Server::start(documents.to_str().unwrap(), "sqlite::memory:")
}

/// A record whose answer is longer than the floor.
fn long(server: &Server) -> String {
    let meta = json!({ "words": vec!["again and"; 200] });
    let made = server.admin.post("/api/v1/notes", &json!({ "text": "compressed", "meta": meta }));
    format!("{}{}", server.url, made.headers["location"].to_str().unwrap())
}

#[test]
fn what_is_long_is_compressed_as_the_client_asks() {
    let server = serve();
    let long = long(&server);
    let short = server.admin.post("/api/v1/notes", &json!({ "text": "short" }));
    let short = format!("{}{}", server.url, short.headers["location"].to_str().unwrap());
    let client = Client::new();
    let ask = |url: &str, accept: &str| {
        let answer = client.get(url).header("Accept-Encoding", accept).send().unwrap();
        assert_eq!(answer.headers()["vary"], "Authorization, X-API-Key, Accept, Accept-Encoding");
        let encoding = answer.headers().get("content-encoding").map(|encoding| encoding.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        (status, encoding, answer.bytes().unwrap())
    };
    let plain = client.get(&long).send().unwrap().bytes().unwrap();
    for (accept, expected) in [
        ("gzip", Some("gzip")),
        ("br", Some("br")),
        ("zstd", Some("zstd")),
        ("gzip;q=0.5, br;q=0.8, zstd;q=0.1", Some("br")),
        ("gzip;q=0.5, zstd", Some("zstd")),
        ("gzip;q=0, br", Some("br")),
        ("identity", None),
        ("gzip;q=0", None),
        ("gzip;q=0.1, identity", None),
        ("compress", None),
        ("", None),
    ] {
        let (status, encoding, bytes) = ask(&long, accept);
        assert_eq!((status, encoding.as_deref()), (200, expected), "{accept}");
        match expected {
            Some(_) => assert!(bytes.len() < plain.len() / 4, "{accept}: {} of {}", bytes.len(), plain.len()),
            None => assert_eq!(bytes, plain, "{accept}"),
        }
    }
    for url in [&short, &format!("{}/health", server.url)] {
        assert_eq!(ask(url, "gzip, br, zstd").1, None, "{url} is short");
    }
    let (status, encoding, _) = ask(&format!("{}/nowhere", server.url), "gzip");
    assert_eq!((status, encoding), (404, None), "what went wrong is told as it is");
    assert_eq!(ask(&format!("{}/api/v1/notes/export", server.url), "gzip").1.as_deref(), Some("gzip"));
}

#[test]
fn a_tag_holds_with_and_without_its_mark() {
    let server = serve();
    let record = long(&server);
    let client = Client::new();
    let tag = |response: &Response| response.headers()["etag"].to_str().unwrap().to_owned();
    let plain = tag(&client.get(&record).send().unwrap());
    for encoding in ["gzip", "br", "zstd", "deflate"] {
        let get = || client.get(&record).header("Accept-Encoding", encoding);
        let answer = get().send().unwrap();
        assert_eq!(answer.headers()["content-encoding"], encoding);
        let marked = tag(&answer);
        assert_eq!(marked, format!("{}-{encoding}\"", plain.trim_end_matches('"')));
        for known in [&marked, &plain, &format!("W/{marked}"), &format!("\"0-0\", {marked}")] {
            let answer = get().header("If-None-Match", known).send().unwrap();
            assert_eq!(answer.status(), 304, "{known}");
            // A cache looks for what it has by the tag.
            let expected = if *known == plain { &plain } else { &marked };
            assert_eq!(tag(&answer), *expected, "{known}");
        }
        let put = client.put(&record).header("X-API-Key", ADMIN_KEY).json(&json!({ "text": "x" }));
        assert_eq!(put.header("If-Match", marked.replace("1-", "9-")).send().unwrap().status(), 412);
        assert_eq!(get().header("If-Match", marked).send().unwrap().status(), 200);
    }
}
