//! Earlier versions: that no way to write forgets one, that none is lost or doubled under load or a SIGKILL, and what it costs.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;

use mainstay_e2e::database::Database;
use mainstay_e2e::http::{Answer, Caller};
use mainstay_e2e::postgres::Postgres;
use mainstay_e2e::server::{ADMIN_KEY, Server};
use reqwest::Method;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

const PAGES: &str = "/api/v1/pages";
const BATCH: &str = "/api/v1/batch";

/// Pages that keep so many versions; remarks that go with their page, and links that lose it; notes without a history.
fn documents(keep: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let collection = |name: &str, spec: &str| {
        format!(
            "apiVersion: mainstay.dev/v1alpha1\nkind: Collection\nmetadata: {{ name: {name} }}\nspec:\n{spec}\n---\n"
        )
    };
    let to_page = |on_delete: &str| format!("{{ name: page, type: ref, collection: pages, onDelete: {on_delete} }}");
    let count = "{ name: count, type: integer }";
    let title = "{ name: title, type: text, unique: true, maxLength: 40 }";
    let text = [
        collection("pages", &format!("  history: {{ keep: {keep} }}\n  fields: [{title}, {count}]")),
        collection("remarks", &format!("  history: {{ keep: {keep} }}\n  fields: [{}]", to_page("cascade"))),
        collection("links", &format!("  history: {{ keep: {keep} }}\n  fields: [{}]", to_page("setNull"))),
        collection("notes", &format!("  fields: [{title}, {count}]")),
    ];
    std::fs::write(folder.path().join("all.yaml"), text.concat()).unwrap();
    folder
}

fn serve(folder: &TempDir, database: &Database) -> Server {
    Server::start(folder.path().to_str().unwrap(), database.url())
}

fn call(server: &Server, method: Method, path: &str, query: &[(&str, &str)], body: &Json) -> Answer {
    let body = Some(body).filter(|body| !body.is_null());
    server.admin.send(method, path, query, body).unwrap()
}

/// Imports one line over the record that has its title.
fn import(server: &Server, line: &Json) -> Answer {
    let request = reqwest::blocking::Client::new().post(format!("{}{PAGES}/import?on_conflict=title", server.url));
    let request = request.header("x-api-key", ADMIN_KEY).header("content-type", "application/x-ndjson");
    let response = request.body(format!("{line}\n")).send().unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.json().unwrap() }
}

/// A new record's id.
fn make(server: &Server, collection: &str, body: &Json) -> String {
    let made = server.admin.post(&format!("/api/v1/{collection}"), body);
    assert_eq!(made.status, 201, "{}", made.body);
    made.body["data"]["id"].as_str().unwrap().to_owned()
}

/// All earlier versions of a record as pairs, newest first.
fn versions(caller: &Caller, collection: &str, id: &str) -> Vec<(i64, String)> {
    let all = caller.walk(&format!("/api/v1/{collection}/{id}/history"), &[("limit", "200")]);
    let pair = |one: &Json| (one["version"].as_i64().unwrap(), one["change"].as_str().unwrap().to_owned());
    all.iter().map(pair).collect()
}

/// What a write does to the page that it is given.
#[derive(Clone, Copy)]
enum Ends {
    Update,
    Delete,
    /// It only makes records.
    Nothing,
}

/// Every way to write, as the OpenAPI document has it (`batch` by its operations): what it sends, and what that ends.
fn way(operation: &str, server: &Server, id: &str) -> Option<(Answer, Ends)> {
    let one = format!("{PAGES}/{id}");
    let title = server.admin.get(&one, &[]).body["data"]["title"].clone();
    let filter = [("title", title.as_str().unwrap()), ("max_affected", "1")];
    let none = Json::Null;
    let batch = |members: Json| call(server, Method::POST, BATCH, &[], &json!({ "operations": [members] }));
    let on = |op: &str, more: Json| {
        let mut members = json!({ "op": op, "collection": "pages" });
        members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        members
    };
    let body = json!({ "title": title, "count": 2 });
    Some(match operation {
        "post /{collection}" => (call(server, Method::POST, PAGES, &[("on_conflict", "title")], &body), Ends::Update),
        "patch /{collection}" => (call(server, Method::PATCH, PAGES, &filter, &json!({ "count": 2 })), Ends::Update),
        "delete /{collection}" => (call(server, Method::DELETE, PAGES, &filter, &none), Ends::Delete),
        "put /{collection}/{id}" => (call(server, Method::PUT, &one, &[], &body), Ends::Update),
        "patch /{collection}/{id}" => (call(server, Method::PATCH, &one, &[], &json!({ "count": 2 })), Ends::Update),
        "delete /{collection}/{id}" => (call(server, Method::DELETE, &one, &[], &none), Ends::Delete),
        "post /{collection}/import" => (import(server, &body), Ends::Update),
        "batch create" => (batch(on("create", json!({ "data": {} }))), Ends::Nothing),
        "batch update" => (batch(on("update", json!({ "id": id, "increment": { "count": 1 } }))), Ends::Update),
        "batch replace" => (batch(on("replace", json!({ "id": id, "data": body }))), Ends::Update),
        "batch upsert" => (batch(on("upsert", json!({ "on_conflict": "title", "data": body }))), Ends::Update),
        "batch delete" => (batch(on("delete", json!({ "id": id }))), Ends::Delete),
        _ => return None,
    })
}

/// Every operation on pages that writes, and every one of a batch.
fn operations(document: &Json) -> Vec<String> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(rest) = path.strip_prefix(PAGES) else { continue };
        let reads = ["/search", "/aggregate", "/export", "/{id}/history"].contains(&rest);
        let methods = item
            .as_object()
            .unwrap()
            .iter()
            .filter(|(method, _)| ["post", "put", "patch", "delete"].contains(&method.as_str()));
        all.extend(methods.filter(|_| !reads).map(|(method, _)| format!("{method} /{{collection}}{rest}")));
    }
    let verbs = &document["components"]["schemas"]["BatchOperation"]["properties"]["op"]["enum"];
    all.extend(verbs.as_array().unwrap().iter().map(|verb| format!("batch {}", verb.as_str().unwrap())));
    all
}

#[test]
fn every_way_to_write_keeps_the_version_that_it_ends() {
    let folder = documents(20);
    for kind in ["sqlite", "postgres"] {
        let database = Database::new(kind);
        let server = serve(&folder, &database);
        let operations = operations(&server.admin.get("/openapi.json", &[]).body);
        assert!(operations.len() >= 12, "{operations:?}");
        for operation in operations {
            let id = make(&server, "pages", &json!({ "title": operation, "count": 1 }));
            let (answer, ends) = way(&operation, &server, &id)
                .unwrap_or_else(|| panic!("{operation} has no case: what becomes of the version that it ends?"));
            assert!(answer.status < 300, "{operation}: {}", answer.body);
            let expected: &[(i64, String)] = match ends {
                Ends::Update => &[(1, "update".to_owned())],
                Ends::Delete => &[(1, "delete".to_owned())],
                Ends::Nothing => &[],
            };
            let found = versions(&server.admin, "pages", &id);
            assert_eq!(found, expected, "{kind}: {operation}");
        }
        // What a delete does to others is a write of each of them.
        let page = make(&server, "pages", &json!({ "title": "gone" }));
        let [remark, link] = ["remarks", "links"].map(|name| make(&server, name, &json!({ "page": page })));
        assert_eq!(call(&server, Method::DELETE, &format!("{PAGES}/{page}"), &[], &Json::Null).status, 204);
        assert_eq!(versions(&server.admin, "remarks", &remark), [(1, "delete".to_owned())]);
        assert_eq!(versions(&server.admin, "links", &link), [(1, "update".to_owned())]);
        let kept = server.admin.get(&format!("/api/v1/links/{link}/history"), &[]);
        assert_eq!(kept.body["data"][0]["record"]["page"], json!(page), "as it was before");
    }
}

#[test]
fn what_is_kept_follows_the_documents() {
    for kind in ["sqlite", "postgres"] {
        let database = Database::new(kind);
        let with = |keep| serve(&documents(keep), &database);
        let server = with(4);
        let page = make(&server, "pages", &json!({ "title": "t", "count": 1 }));
        let path = format!("{PAGES}/{page}");
        let change = |server: &Server, count: i64| {
            assert_eq!(call(server, Method::PATCH, &path, &[], &json!({ "count": count })).status, 200);
        };
        let kept =
            |server: &Server| versions(&server.admin, "pages", &page).iter().map(|(n, _)| *n).collect::<Vec<_>>();
        (1..=6).for_each(|count| change(&server, count));
        assert_eq!(kept(&server), [6, 5, 4, 3], "{kind}");
        drop(server);
        // Fewer: at the next change. More: from now on.
        let server = with(2);
        assert_eq!(kept(&server), [6, 5, 4, 3]);
        change(&server, 7);
        assert_eq!(kept(&server), [7, 6]);
        drop(server);
        let server = with(3);
        (8..=9).for_each(|count| change(&server, count));
        assert_eq!(kept(&server), [9, 8, 7]);
        drop(server);

        // A field is known by its column: another name, other rules, another type, none.
        let folder = tempfile::tempdir().unwrap();
        let spec = |history: &str, fields: &str| {
            let text = format!(
                "apiVersion: mainstay.dev/v1alpha1\nkind: Collection\nmetadata: {{ name: pages }}\nspec:\n  {history}\n  fields: [{fields}]\n  access: {{ read: [{{ roles: [anyone] }}] }}\n"
            );
            std::fs::write(folder.path().join("pages.yaml"), text).unwrap();
            serve(&folder, &database)
        };
        let renamed = "{ name: heading, renamedFrom: title, type: text, unique: true, maxLength: 40 }";
        let server = spec("history: { keep: 3 }", &format!("{renamed}, {{ name: note, type: text }}"));
        let newest = server.admin.get(&format!("{path}/history"), &[("limit", "1")]).body["data"][0]["record"].clone();
        assert_eq!(newest["heading"], "t", "{newest}");
        assert!(
            newest.get("title").is_none() && newest.get("count").is_none() && newest.get("note").is_none(),
            "{newest}"
        );
        drop(server);
        let server = spec("", renamed);
        assert_eq!(server.admin.get(&format!("{path}/history"), &[]).status, 404);
        assert_eq!(call(&server, Method::DELETE, &path, &[], &Json::Null).status, 204);
        assert_eq!(call(&server, Method::PUT, &path, &[], &json!({ "heading": "u" })).status, 201);
        drop(server);
        // Off and on again: what was kept is there; that it is of a deleted record is known although nobody kept its end.
        let server = spec("history: { keep: 3 }", renamed);
        assert_eq!(kept(&server), [9, 8, 7], "{kind}");
        assert!(versions(&server.anonymous, "pages", &page).is_empty());
        assert_eq!(call(&server, Method::PATCH, &path, &[], &json!({ "heading": "v" })).status, 200);
        assert_eq!(kept(&server), [1, 9, 8], "{kind}");
        assert_eq!(versions(&server.anonymous, "pages", &page), [(1, "update".to_owned())]);
    }
}

/// Every version from 1 on, each once, with the count that it had.
#[track_caller]
fn assert_gapless(server: &Server, id: &str) -> i64 {
    let current = server.admin.get(&format!("{PAGES}/{id}"), &[]).body["data"].clone();
    let mut all = server.admin.walk(&format!("{PAGES}/{id}/history"), &[("limit", "200")]);
    all.reverse();
    let mut expected: Vec<i64> = (1..current["version"].as_i64().unwrap()).collect();
    let found: Vec<i64> = all.iter().map(|one| one["version"].as_i64().unwrap()).collect();
    assert_eq!(found, expected);
    let counts: Vec<i64> = all.iter().map(|one| one["record"]["count"].as_i64().unwrap()).collect();
    expected.iter_mut().for_each(|version| *version -= 1);
    assert_eq!(counts, expected, "each version is what the change before it made");
    current["version"].as_i64().unwrap()
}

fn increment(server: &Server, id: &str) -> Result<u16, reqwest::Error> {
    let add =
        json!({ "operations": [{ "op": "update", "collection": "pages", "id": id, "increment": { "count": 1 } }] });
    server.admin.send(Method::POST, BATCH, &[], Some(&add)).map(|answer| answer.status)
}

#[test]
fn writers_on_two_servers_leave_a_chain_without_gaps() {
    let folder = documents(1000);
    for kind in ["sqlite", "postgres"] {
        let database = Database::new(kind);
        // A SQLite file belongs to one server.
        let servers: Vec<Server> =
            (0..if kind == "postgres" { 2 } else { 1 }).map(|_| serve(&folder, &database)).collect();
        let id = make(&servers[0], "pages", &json!({ "title": "counter", "count": 0 }));
        let done = AtomicI64::new(0);
        thread::scope(|scope| {
            for writer in 0..8 {
                let server = &servers[writer % servers.len()];
                let (id, done) = (&id, &done);
                scope.spawn(move || {
                    for _ in 0..25 {
                        match increment(server, id).unwrap() {
                            200 => _ = done.fetch_add(1, Ordering::Relaxed),
                            status => assert_eq!(status, 503, "only a busy database may turn one away"),
                        }
                    }
                });
            }
        });
        for server in &servers {
            assert_eq!(assert_gapless(server, &id), done.load(Ordering::Relaxed) + 1, "{kind}");
        }
    }
}

#[test]
fn a_killed_server_leaves_no_half() {
    let folder = documents(1000);
    for kind in ["sqlite", "postgres"] {
        let database = Database::new(kind);
        let server = serve(&folder, &database);
        let id = make(&server, "pages", &json!({ "title": "counter", "count": 0 }));
        let (killed, done) = (AtomicBool::new(false), AtomicI64::new(0));
        let process = server.process();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while let Ok(200) = increment(&server, &id) {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    assert!(killed.load(Ordering::SeqCst), "an answer failed before the kill");
                });
            }
            while done.load(Ordering::Relaxed) < 60 {
                thread::yield_now();
            }
            killed.store(true, Ordering::SeqCst);
            let kill = std::process::Command::new("kill").args(["-KILL", &process.to_string()]).status().unwrap();
            assert!(kill.success());
        });
        drop(server);
        let server = serve(&folder, &database);
        let version = assert_gapless(&server, &id);
        assert!(version > done.load(Ordering::Relaxed), "{kind}: an acknowledged change is lost");
    }
}

/// How often PostgreSQL was asked about records and their history since the last reset.
fn asked(postgres: &Postgres, database: &str) -> (i64, i64) {
    let sql = "SELECT coalesce(sum(calls) FILTER (WHERE query ~ '\"(notes|pages)\"'), 0) || ' ' || \
        coalesce(sum(calls) FILTER (WHERE query LIKE '%mainstay_history%'), 0) \
        FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'";
    let found = postgres.run(database, sql);
    let (records, history) = found.split_once(' ').unwrap();
    (records.parse().unwrap(), history.parse().unwrap())
}

#[test]
fn a_version_costs_one_statement_and_no_history_none() {
    let postgres = Postgres::with(&["shared_preload_libraries=pg_stat_statements"]);
    let url = postgres.database();
    let name = url.rsplit('/').next().unwrap();
    postgres.run(name, "CREATE EXTENSION pg_stat_statements");
    let folder = documents(2);
    let server = Server::start(folder.path().to_str().unwrap(), &url);
    let cost = |collection: &str| {
        let path = format!("/api/v1/{collection}/{}", make(&server, collection, &json!({ "title": "t" })));
        [(Method::PATCH, json!({ "count": 1 }), 200), (Method::DELETE, Json::Null, 204)].map(
            |(method, body, status)| {
                postgres.run(name, "SELECT pg_stat_statements_reset()");
                assert_eq!(call(&server, method, &path, &[], &body).status, status);
                asked(&postgres, name)
            },
        )
    };
    for (plain, kept) in cost("notes").into_iter().zip(cost("pages")) {
        assert_eq!((plain.1, kept.1), (0, 1), "statements about history, without and with one");
        assert!(plain.0 >= 2, "what was asked about the record was counted: {plain:?}");
    }
}
