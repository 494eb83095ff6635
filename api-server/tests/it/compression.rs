//! Entity tags of compressed answers: each has its mark, and every form of the tag names the same state.

use std::path::Path;

use mainstay_e2e::database::Database;
use mainstay_e2e::server::{ADMIN_KEY, Server};
use reqwest::blocking::{Client, Response};
use serde_json::json;

#[test]
fn a_tag_holds_with_and_without_its_mark() {
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/collections.yaml");
    let database = Database::new("sqlite");
    let server = Server::start(documents.to_str().unwrap(), database.url());
    let made = server.admin.post("/api/v1/notes", &json!({ "text": "compressed" }));
    let record = format!("{}{}", server.url, made.headers["location"].to_str().unwrap());
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
