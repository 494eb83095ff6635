//! Questions that are too much, and patches that meet each other.

use std::sync::atomic::{AtomicU64, Ordering};

use mainstay_e2e::server::ADMIN_KEY;
use reqwest::blocking::Client;
use serde_json::{Value, json};

use super::{KINDS, TEXTS, judge, on_both};

fn post(client: &Client, url: &str, body: &Value) -> (u16, Value) {
    let sent = client.post(url).header("X-API-Key", ADMIN_KEY).json(body).send().unwrap();
    (sent.status().as_u16(), sent.json().unwrap())
}

fn get(client: &Client, url: &str) -> (u16, Value) {
    let sent = client.get(url).header("X-API-Key", ADMIN_KEY).send().unwrap();
    (sent.status().as_u16(), sent.json().unwrap())
}

#[test]
fn every_text_in_every_search_and_aggregate() {
    on_both(|server, client| {
        let things = format!("{}/api/v1/things", server.url);
        for text in TEXTS {
            for field in KINDS {
                for tree in [
                    json!({ *field: text }),
                    json!({ *field: { "in": [text], "contains": text, "has": text } }),
                    json!({ "owner": { "name": text } }),
                    json!({ *text: { *text: text } }),
                    json!({ "exists": { "collection": text, "where": { *field: text } } }),
                    json!({ "exists": { "collection": "parts", "where": { "name": format!("$field.{text}") } } }),
                ] {
                    let (status, answer) = post(client, &format!("{things}/search"), &json!({ "where": tree }));
                    judge(&tree.to_string(), status, &answer);
                }
            }
            for member in ["where", "sort", "limit", "offset", "cursor", "fields", "include", "count", text] {
                for value in [json!(text), json!([text]), json!({ *text: text }), json!(1e300), json!(null)] {
                    let (status, answer) = post(client, &format!("{things}/search"), &json!({ member: value }));
                    judge(&format!("{member}: {value}"), status, &answer);
                }
            }
            for name in ["count", "sum", "avg", "min", "max", "group", text] {
                let query = [(name, *text), ("count", "true")];
                let url = format!("{things}/aggregate");
                let sent = client.get(&url).header("X-API-Key", ADMIN_KEY).query(&query).send().unwrap();
                judge(&format!("{query:?}"), sent.status().as_u16(), &sent.json().unwrap());
            }
        }
    });
}

#[test]
fn searches_that_are_too_much() {
    on_both(|server, client| {
        let search = format!("{}/api/v1/things/search", server.url);
        let nested = |levels: usize, inner: Value| (0..levels).fold(inner, |inner, _| json!({ "not": inner }));
        let exists = |levels: usize| {
            let inner = json!({ "collection": "parts" });
            (0..levels).fold(json!({ "exists": inner }), |inner, _| {
                json!({ "exists": { "collection": "parts", "where": { "and": [{ "thing": "$field.thing" }, inner] } } })
            })
        };
        let labels = |count: usize| json!({ "label": { "in": vec!["x"; count] } });
        for (name, tree, expected) in [
            ("10 levels", nested(10, json!({ "count": 1 })), 200),
            ("11 levels", nested(11, json!({ "count": 1 })), 400),
            ("100 tests", json!({ "or": vec![json!({ "count": 1 }); 100] }), 200),
            ("101 tests", json!({ "or": vec![json!({ "count": 1 }); 101] }), 400),
            ("100,000 groups of nothing", json!({ "or": vec![json!({}); 100_000] }), 400),
            ("1000 values", labels(1000), 200),
            ("1001 values", labels(1001), 400),
            ("1000 values, and 1000 more", json!({ "or": [labels(1000), labels(1000)] }), 400),
            ("50 ways to a thing", json!({ "or": vec![json!({ "owner": { "boss": { "name": "x" } } }); 50] }), 200),
            ("existence in existence", json!({ "not": { "owner": { "not": {} } } }), 200),
            ("existence below existence", exists(0), 200),
            ("existence of another's field", exists(2), 400),
        ] {
            let (status, answer) = post(client, &search, &json!({ "where": tree }));
            judge(name, status, &answer);
            assert_eq!(status, expected, "{name}: {answer}");
        }
        // Each sort key behind a cursor repeats the values.
        let made: Vec<Value> = (0..3).map(|at| json!({ "label": format!("x{at}") })).collect();
        post(client, &format!("{}/api/v1/things", server.url), &json!(made));
        let tree = json!({ "label": { "in": (0..1000).map(|at| format!("x{at}")).collect::<Vec<_>>() } });
        let keys = [
            "label", "-count", "-ratio", "-price", "-at", "-day", "-token", "-state", "-owner", "-slug", "-code",
            "-free", "-origin", "-margin", "-active", "-version",
        ];
        for (keys, expected) in [(&keys[..2], 200), (&keys[..11], 200), (&keys[..], 400)] {
            let first = json!({ "where": tree, "sort": keys, "limit": 1 });
            let (status, answer) = post(client, &search, &first);
            assert_eq!(status, 200, "{answer}");
            let mut next = first.clone();
            next["cursor"] = answer["meta"]["next_cursor"].clone();
            let (status, answer) = post(client, &search, &next);
            judge(&format!("{} keys", keys.len()), status, &answer);
            assert_eq!(status, expected, "{answer}");
        }
    });
}

#[test]
fn what_a_bound_leaves_out_is_told() {
    on_both(|server, client| {
        let api = format!("{}/api/v1", server.url);
        let id = "00000000-0000-7000-8000-0000000000aa";
        assert_eq!(post(client, &format!("{api}/things"), &json!({ "id": id, "label": "full" })).0, 201);
        let parts = |from: usize, to: usize| -> Value {
            (from..to).map(|at| json!({ "thing": id, "name": format!("{at}") })).collect()
        };
        assert_eq!(post(client, &format!("{api}/parts"), &parts(0, 1000)).0, 201);
        let (_, whole) = get(client, &format!("{api}/things/{id}?include=parts"));
        assert_eq!(whole["included"]["parts"].as_object().unwrap().len(), 1000);
        assert_eq!(whole.get("meta"), None);
        let (status, groups) = get(client, &format!("{api}/parts/aggregate?count=true&group=name"));
        assert_eq!((status, groups["data"].as_array().unwrap().len()), (200, 1000));

        assert_eq!(post(client, &format!("{api}/parts"), &parts(1000, 1001)).0, 201);
        for url in [format!("{api}/things/{id}?include=parts,parts.thing"), format!("{api}/things?include=parts")] {
            let (_, cut) = get(client, &url);
            assert_eq!(cut["included"]["parts"].as_object().unwrap().len(), 1000, "{url}");
            assert_eq!(cut["meta"]["truncated"], json!(["parts"]), "{url}");
        }
        let (_, cut) = get(client, &format!("{api}/parts?limit=1&include=thing.parts"));
        assert_eq!(cut["meta"]["truncated"], json!(["thing.parts"]));
        let (status, groups) = get(client, &format!("{api}/parts/aggregate?count=true&group=name"));
        assert_eq!((status, &groups["details"][0]["path"]), (409, &json!("?group")), "{groups}");
    });
}

#[test]
fn patches_that_test_what_they_change_lose_nothing() {
    on_both(|server, client| {
        let url = format!("{}/api/v1/things/00000000-0000-7000-8000-0000000000aa", server.url);
        let made = client.put(&url).header("X-API-Key", ADMIN_KEY).json(&json!({ "label": "x", "count": 0 })).send();
        assert_eq!(made.unwrap().status().as_u16(), 201);
        let done = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..15).for_each(|_| count_up(&url, &done)));
            }
        });
        let (_, answer) = get(client, &url);
        assert_eq!(answer["data"]["count"], json!(done.load(Ordering::Relaxed)));
        assert!(done.load(Ordering::Relaxed) >= 15, "somebody is always first");
    });
}

/// Reads the count and adds one to it, unless it is another one by then.
fn count_up(url: &str, done: &AtomicU64) {
    let client = Client::new();
    let count = get(&client, url).1["data"]["count"].as_u64().unwrap();
    let patch = json!([
        { "op": "test", "path": "/count", "value": count },
        { "op": "replace", "path": "/count", "value": count + 1 },
    ]);
    let sent = client.patch(url).header("X-API-Key", ADMIN_KEY).header("Content-Type", "application/json-patch+json");
    let status = sent.body(patch.to_string()).send().unwrap().status().as_u16();
    match status {
        200 => _ = done.fetch_add(1, Ordering::Relaxed),
        status => assert_eq!(status, 422),
    }
}
