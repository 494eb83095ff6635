//! Hostile requests on both databases: a 4xx with a path, never a 500, never another value than was sent.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use mainstay_e2e::database::Database;
use mainstay_e2e::server::{ADMIN_KEY, Server};
use reqwest::blocking::Client;
use serde_json::{Value, json};
use uuid::Uuid;

mod questions;
mod raw;
mod words;

/// Texts that have broken other servers.
const TEXTS: &[&str] = &[
    "'; DROP TABLE things; --",
    "\" OR 1=1 --",
    "$1 ? :x @y %s {0} ${7*7}",
    "a\\b\\\\c\\'",
    "\u{1}\u{7f}\u{80}\u{9f}",
    "\u{202e}right to left\u{feff}",
    "\u{fffd}\u{ffff}\u{10ffff}",
    "e\u{301} is not é",
    "0",
    "-0",
    "1e400",
    "NaN",
    "null",
    "true",
    "99999-01-01T00:00:00Z",
    "0000-00-00",
    "00000000-0000-0000-0000-000000000000",
    "[]",
    "{\"a\":1}",
    " ",
    "../../etc/passwd",
    "<script>",
];

const KINDS: &[&str] = &[
    "label",
    "slug",
    "free",
    "code",
    "count",
    "ratio",
    "price",
    "active",
    "at",
    "day",
    "token",
    "state",
    "owner",
    "extra",
    "tags",
    "numbers",
    "links",
    "moods",
    "blob",
    "secret",
    "origin",
    "margin",
    "id",
    "version",
    "created_at",
];

fn on_both(test: impl Fn(&Server, &Client)) {
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/collections.yaml");
    for kind in ["sqlite", "postgres"] {
        let database = Database::new(kind);
        let server = Server::start(documents.to_str().unwrap(), database.url());
        test(&server, &Client::new());
        assert!(!server.log().contains("\"level\":\"ERROR\""), "an error was logged:\n{}", server.log());
    }
}

/// Checks the status and, for a refusal, that every detail has a path, a code and a message.
fn judge(context: &str, status: u16, body: &Value) {
    assert!(status < 500, "{context}: {status} {body}");
    if status == 400 {
        let details = body["details"].as_array().unwrap_or_else(|| panic!("{context}: {body}"));
        assert!(!details.is_empty(), "{context}: {body}");
        for detail in details {
            let told = |name: &str| detail[name].as_str().is_some_and(|text| name == "path" || !text.is_empty());
            assert!(told("path") && told("code") && told("message"), "{context}: {detail}");
        }
    }
}

#[test]
fn every_text_in_every_field_and_filter() {
    on_both(|server, client| {
        let things = format!("{}/api/v1/things", server.url);
        for text in TEXTS {
            for field in KINDS {
                let body = json!({ "label": "hostile", *field: text });
                let sent = client.post(&things).header("X-API-Key", ADMIN_KEY).json(&body).send().unwrap();
                let status = sent.status().as_u16();
                let answer: Value = sent.json().unwrap();
                let context = format!("{field} = {text:?}");
                judge(&context, status, &answer);
                let kept = ["label", "free", "slug", "code", "tags"].contains(field);
                if status == 201 && kept {
                    assert_eq!(answer["data"][*field], json!(text), "{context}");
                    let id = answer["data"]["id"].as_str().unwrap();
                    let read = client.get(format!("{things}/{id}")).header("X-API-Key", ADMIN_KEY).send().unwrap();
                    assert_eq!(read.json::<Value>().unwrap()["data"], answer["data"], "{context}");
                }
                for operator in
                    ["", "__ne", "__gt", "__in", "__contains", "__icontains", "__startswith", "__has", "__isnull"]
                {
                    let query = [(format!("{field}{operator}"), *text), ("limit".to_owned(), "1")];
                    let read = client.get(&things).header("X-API-Key", ADMIN_KEY).query(&query).send().unwrap();
                    let status = read.status().as_u16();
                    judge(&format!("{query:?}"), status, &read.json().unwrap());
                }
            }
            for name in [text, &"sort", &"fields", &"include", &"cursor", &"limit", &"offset", &"count"] {
                let read = client.get(&things).header("X-API-Key", ADMIN_KEY).query(&[(name, text)]).send().unwrap();
                let status = read.status().as_u16();
                judge(&format!("{name}={text}"), status, &read.json().unwrap());
            }
        }
    });
}

#[test]
fn bodies_that_are_too_much() {
    on_both(|server, client| {
        let things = format!("{}/api/v1/things", server.url);
        let deep = |open: &str, close: &str| {
            format!("{{\"label\":\"x\",\"extra\":{}1{}}}", open.repeat(5000), close.repeat(5000))
        };
        let large = format!("{{\"label\":\"x\",\"free\":\"{}\"}}", "a".repeat(10 << 20));
        let full = format!("{{\"label\":\"x\",\"free\":\"{}\"}}", "a".repeat((1 << 20) - 100));
        let many = format!("[{}]", vec!["{\"label\":\"x\"}"; 1001].join(","));
        let problems = format!("[{}]", vec!["{\"label\":5}"; 1000].join(","));
        for (name, body, expected) in [
            ("10 MB", large.as_str(), 413),
            ("1 MiB", &full, 201),
            ("deep objects", &deep("{\"a\":", "}"), 400),
            ("deep arrays", &deep("[", "]"), 400),
            ("1001 records", &many, 400),
            ("1000 problems", &problems, 400),
            ("empty", "", 400),
            ("not UTF-8 is not text", "\"\\ud800\"", 400),
        ] {
            let sent = client.post(&things).header("X-API-Key", ADMIN_KEY).header("Content-Type", "application/json");
            let sent = sent.body(body.to_owned()).send().unwrap();
            let status = sent.status().as_u16();
            let answer: Value = sent.json().unwrap();
            assert_eq!(status, expected, "{name}: {answer}");
            if name == "1000 problems" {
                assert_eq!(answer["details"].as_array().unwrap().len(), 1000);
            }
        }
    });
}

#[test]
fn every_text_in_every_place_of_a_batch() {
    on_both(|server, _| {
        let made = server.admin.post("/api/v1/accounts", &json!({ "name": "hostile", "balance": "1" }));
        let id = &made.body["data"]["id"];
        for text in TEXTS.iter().chain(&["$0.id", "$0.name", "$1.id", "$00.id", "$0.secret", "$999999999.id"]) {
            let operations = [
                json!({ "op": text, "collection": "accounts" }),
                json!({ "op": "create", "collection": text }),
                json!({ "op": "update", "collection": "accounts", "id": text, "data": {} }),
                json!({ "op": "update", "collection": "accounts", "id": id, "data": text }),
                json!({ "op": "update", "collection": "accounts", "id": id, "data": { *text: text } }),
                json!({ "op": "update", "collection": "accounts", "id": id, "increment": { "balance": text } }),
                json!({ "op": "update", "collection": "accounts", "id": id, "increment": { *text: 1 } }),
                json!({ "op": "update", "collection": "accounts", "id": id, "data": {}, "if": { "name": text } }),
                json!({ "op": "update", "collection": "accounts", "id": id, "data": {}, "if": { *text: text } }),
                json!({ "op": "update", "collection": "accounts", "id": id, "data": {}, "if": text, "version": text }),
                json!({ "op": "upsert", "collection": "accounts", "on_conflict": text, "data": {} }),
                json!({ "op": "upsert", "collection": "accounts", "on_conflict": "name", "data": { "name": text } }),
                json!({ "op": "delete", "collection": "accounts", "id": text, *text: text }),
            ];
            for operation in operations {
                // Behind another one, so that references have something to lead to.
                let first = json!({ "op": "create", "collection": "owners", "data": { "name": "first" } });
                let answer = server.admin.post("/api/v1/batch", &json!({ "operations": [first, operation] }));
                judge(&operation.to_string(), answer.status, &answer.body);
            }
            for path in ["/api/v1/accounts", "/api/v1/notes"] {
                let upsert = [("on_conflict", *text)];
                let answer = server.admin.send(reqwest::Method::POST, path, &upsert, Some(&json!({ "name": text })));
                let answer = answer.unwrap();
                judge(&format!("{path} {text}"), answer.status, &answer.body);
                let bulk = [("max_affected", *text), ("name", text)];
                let answer = server.admin.send(reqwest::Method::PATCH, path, &bulk, Some(&json!({ "name": text })));
                let answer = answer.unwrap();
                judge(&format!("{path} {text}"), answer.status, &answer.body);
                assert_eq!(answer.status, 400, "{text}");
            }
        }
    });
}

#[test]
fn batches_that_are_too_much() {
    on_both(|server, _| {
        let create = |name: &str| json!({ "op": "create", "collection": "owners", "data": { "name": name } });
        let many = |count: usize| json!({ "operations": vec![create("x"); count] });
        let answer = server.admin.post("/api/v1/batch", &many(1000));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body["data"]["results"].as_array().unwrap().len(), 1000);
        assert_eq!(server.admin.post("/api/v1/batch", &many(1001)).status, 400);
        // A short reference may stand for much: a text of 100 kB, a thousand times.
        let long =
            json!({ "op": "create", "collection": "things", "data": { "label": "x", "free": "a".repeat(100_000) } });
        let extra = json!({ "all": vec!["$0.free"; 1000] });
        let again = json!({ "op": "create", "collection": "things", "data": { "label": "y", "extra": extra } });
        let answer = server.admin.post("/api/v1/batch", &json!({ "operations": [long, again] }));
        assert_eq!((answer.status, &answer.body["details"][0]["code"]), (422, &json!("too_long")), "{}", answer.body);
        // Deep, and with more leaves than a filter has.
        let deep = (0..200).fold(json!("$0.id"), |inner, _| json!([inner]));
        let deep = json!({ "op": "create", "collection": "things", "data": { "label": "z", "extra": { "a": deep } } });
        let answer = server.admin.post("/api/v1/batch", &json!({ "operations": [deep] }));
        assert_eq!(answer.status, 400, "{}", answer.body);
        let leaves = json!({ "or": vec![json!({ "name": "x" }); 101] });
        let wide = json!({ "op": "update", "collection": "owners", "id": Uuid::from_u128(7).to_string(), "data": {}, "if": leaves });
        let answer = server.admin.post("/api/v1/batch", &json!({ "operations": [wide] }));
        assert_eq!(answer.status, 400, "{}", answer.body);
        // More than a bulk change may be about is not changed.
        let bulk = |count: &str| {
            let path = format!("/api/v1/owners?max_affected={count}");
            server.admin.send(reqwest::Method::DELETE, &path, &[], None).unwrap()
        };
        assert_eq!(bulk("999").status, 409);
        let gone = bulk("1000");
        assert_eq!((gone.status, &gone.body["data"]["affected"]), (200, &json!(1000)), "{}", gone.body);
    });
}

#[test]
fn more_problems_than_anyone_reads() {
    on_both(|server, _| {
        let names: Value = (0..50_000).map(|n| (format!("f{n}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
        let answer = server.admin.post("/api/v1/things", &names);
        assert_eq!(answer.status, 400);
        let details = answer.body["details"].as_array().unwrap();
        assert_eq!(details.len(), 1001);
        // The missing label is one of them.
        assert_eq!(details[1000]["message"], "49001 more problems are not listed");
    });
}

#[test]
fn a_chain_of_references_as_long_as_a_delete_may_follow() {
    on_both(|server, _| {
        let id = |n: usize| format!("00000000-0000-7000-8000-{n:012x}");
        let note = |n: usize| json!({ "id": id(n), "text": id(n), "reply": n.checked_sub(1).map(id) });
        for start in (0..9_000).step_by(1_000) {
            let notes: Vec<Value> = (start..start + 1_000).map(note).collect();
            assert_eq!(server.anonymous.post("/api/v1/notes", &json!(notes)).status, 201);
        }
        let gone = server.anonymous.send(reqwest::Method::DELETE, &format!("/api/v1/notes/{}", id(0)), &[], None);
        assert_eq!(gone.unwrap().status, 204);
        assert_eq!(server.anonymous.get("/api/v1/notes", &[]).body["data"], json!([]));
    });
}

#[test]
fn a_delete_that_many_records_refer_to() {
    on_both(|server, _| {
        let id = |n: usize| format!("00000000-0000-7000-8000-{n:012x}");
        let made = |path: &str, body: Value| assert_eq!(server.admin.post(path, &body).status, 201);
        let delete = |path: &str, n: usize| {
            let path = format!("{path}/{}", id(n));
            let answer = server.admin.send(reqwest::Method::DELETE, &path, &[], None).unwrap();
            (answer.status, answer.body["details"].as_array().map_or(0, Vec::len))
        };
        made("/api/v1/owners", json!([{ "id": id(1), "name": "owner" }, { "id": id(2), "name": "boss" }]));
        made("/api/v1/notes", json!({ "id": id(3), "text": "first", "about": id(1) }));
        for start in (10_000..21_000).step_by(1_000) {
            let ids = start..start + 1_000;
            let bosses = ids.clone().map(|n| json!({ "id": id(n), "name": "x", "boss": id(2) }));
            made("/api/v1/owners", bosses.collect());
            let notes = ids.filter(|n| *n < 19_000).map(|n| {
                json!({ "id": id(n), "text": id(n), "about": id(1), "reply": if n < 16_000 { Some(id(3)) } else { None } })
            });
            let notes: Vec<Value> = notes.collect();
            if !notes.is_empty() {
                made("/api/v1/notes", json!(notes));
            }
        }
        assert_eq!(delete("/api/v1/owners", 2), (409, 10), "restricted by 11000, of which ten are told");
        assert_eq!(delete("/api/v1/notes", 3), (204, 0), "6000 are deleted");
        assert_eq!(delete("/api/v1/owners", 1), (204, 0), "3000 lose their reference");
    });
}

#[test]
fn requests_that_are_hardly_http() {
    on_both(|server, _| {
        let address = server.url.strip_prefix("http://").unwrap().to_owned();
        let long = "a".repeat(60_000);
        let huge = "a".repeat(300_000);
        for (name, request, expected) in [
            ("a long URL", format!("GET /api/v1/things?free={long} HTTP/1.1\r\nHost: x\r\n\r\n"), "414"),
            ("a huge header", format!("GET /health HTTP/1.1\r\nHost: x\r\nX-A: {huge}\r\n\r\n"), "4"),
            ("raw bytes in the path", "GET /api/v1/th\u{ff}ings HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "4"),
            ("no such version", "GET / HTTP/9.9\r\nHost: x\r\n\r\n".to_owned(), "4"),
            (
                "two lengths",
                "POST /api/v1/things HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}".to_owned(),
                "4",
            ),
            (
                "a length and chunks",
                "POST /api/v1/things HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                    .to_owned(),
                "4",
            ),
            ("a dotted path", "GET /api/v1/things/../../health HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "4"),
            ("an encoded slash", "GET /api/v1/things%2f HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "4"),
            ("a NUL in the path", "GET /api/v1/things%00 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "4"),
        ] {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            // The server may answer and close before all of it is sent.
            drop(stream.write_all(request.as_bytes()));
            let mut answer = [0u8; 64];
            let length = stream.read(&mut answer).unwrap_or(0);
            let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
            let status = answer.strip_prefix("HTTP/1.1 ").unwrap_or("closed");
            assert!(status.starts_with(expected) || status == "closed", "{name}: {answer}");
        }
    });
}

#[test]
fn unbounded_filter_shapes_do_not_grow_the_server() {
    on_both(|server, client| {
        let things = format!("{}/api/v1/things", server.url);
        for length in 1..90 {
            let ids: Vec<String> = (0..length).map(|n| n.to_string()).collect();
            let query = [("count__in", ids.join(",")), ("fields", "label".to_owned())];
            let read = client.get(&things).header("X-API-Key", ADMIN_KEY).query(&query).send().unwrap();
            assert_eq!(read.status().as_u16(), 200);
        }
        let over: Vec<String> = (0..200).map(|n| n.to_string()).collect();
        let read = client.get(&things).header("X-API-Key", ADMIN_KEY).query(&[("count__in", over.join(","))]).send();
        assert_eq!(read.unwrap().status().as_u16(), 400);
    });
}

#[test]
fn every_parameter_of_a_list_at_once() {
    on_both(|server, client| {
        let document: Value = client.get(format!("{}/openapi.json", server.url)).send().unwrap().json().unwrap();
        let parameters = document["paths"]["/api/v1/things"]["get"]["parameters"].as_array().unwrap();
        let query: Vec<(&str, &str)> = parameters.iter().filter_map(sample).collect();
        assert!(query.len() > 100, "{query:?}");
        let things = format!("{}/api/v1/things", server.url);
        let read = client.get(&things).header("X-API-Key", ADMIN_KEY).query(&query).send().unwrap();
        assert_eq!(read.status().as_u16(), 200, "{}", read.text().unwrap());
    });
}

/// A parameter with a value that its schema allows; none for the cursor, which only a page gives.
fn sample(parameter: &Value) -> Option<(&str, &str)> {
    let schema = match &parameter["schema"]["items"] {
        Value::Null => &parameter["schema"],
        items => items,
    };
    let name = parameter["name"].as_str().filter(|name| *name != "cursor")?;
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str())?;
    let value = match (schema["enum"][0].as_str(), schema["format"].as_str(), kind) {
        (Some(word), ..) => word,
        (_, Some("uuid"), _) => "00000000-0000-7000-8000-000000000001",
        (_, Some("date-time"), _) => "2024-01-01T00:00:00Z",
        (_, Some("date"), _) => "2024-01-01",
        (_, _, "boolean") => "true",
        _ => "1",
    };
    Some((name, value))
}
