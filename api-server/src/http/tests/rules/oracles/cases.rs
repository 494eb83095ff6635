//! What a caller may try who wants to know of records that are hidden, with the status that a missing one gets.

use super::*;

/// One question.
pub struct Case {
    pub name: &'static str,
    pub status: u16,
    pub call: Call,
}

fn case(name: &'static str, status: u16, call: Call) -> Case {
    Case { name, status, call }
}

fn uri(number: u128) -> String {
    format!("/api/v1/notes/{}", id(number))
}

fn get(path: &str) -> Call {
    call("GET", format!("/api/v1/{path}"))
}

fn search(body: Json) -> Call {
    call("POST", "/api/v1/notes/search").body(&body)
}

fn batch(operation: Json) -> Call {
    call("POST", "/api/v1/batch").body(&json!({ "operations": [operation] }))
}

/// Each is sent to both worlds, in order.
pub fn cases() -> Vec<Case> {
    let mut cases = by_id();
    cases.extend(reads());
    cases.extend(questions());
    cases.extend(writes());
    cases.extend(references());
    cases
}

fn by_id() -> Vec<Case> {
    // The tag that the hidden record has: two versions, made at the time of these tests.
    let tag = "\"2-gsz49b7k00\"";
    let rank = json!({ "rank": 1 });
    let patch = json!([{ "op": "test", "path": "/rank", "value": 3 }]);
    vec![
        case("get", 404, call("GET", uri(HIDDEN))),
        case("get with If-None-Match", 404, call("GET", uri(HIDDEN)).header("if-none-match", tag)),
        case("get with If-None-Match: *", 404, call("GET", uri(HIDDEN)).header("if-none-match", "*")),
        case("get with If-Match", 404, call("GET", uri(HIDDEN)).header("if-match", "*")),
        case("get with a wrong parameter", 400, call("GET", format!("{}?nope=1", uri(HIDDEN)))),
        case("head", 404, call("HEAD", uri(HIDDEN))),
        case("history", 404, call("GET", format!("{}/history", uri(HIDDEN)))),
        case("patch", 404, call("PATCH", uri(HIDDEN)).body(&rank)),
        case("patch with what is wrong", 404, call("PATCH", uri(HIDDEN)).body(&json!({ "version": 7 }))),
        case("patch with If-Match", 412, call("PATCH", uri(HIDDEN)).body(&rank).header("if-match", tag)),
        case("patch with If-Match: *", 412, call("PATCH", uri(HIDDEN)).body(&rank).header("if-match", "*")),
        case("json patch", 404, call("PATCH", uri(HIDDEN)).text("application/json-patch+json", patch.to_string())),
        case("put with If-Match", 412, call("PUT", uri(HIDDEN)).body(&rank).header("if-match", "*")),
        case("delete", 404, call("DELETE", uri(HIDDEN))),
        case("delete with If-Match", 412, call("DELETE", uri(HIDDEN)).header("if-match", tag)),
    ]
}

fn reads() -> Vec<Case> {
    vec![
        case("list", 200, get("notes?count=exact")),
        case("sort", 200, get("notes?sort=-rank,title&limit=2&count=exact")),
        case("offset", 200, get("notes?sort=rank&offset=2&limit=1")),
        case("filter", 200, get("notes?rank__lte=5&count=exact")),
        case("filter by id", 200, get(&format!("notes?id__in={},{}", id(HIDDEN), id(1)))),
        case("words", 200, get("notes?q=secret&count=exact")),
        case("words that leave out", 200, get("notes?q=rain%20-secret")),
        // How rare a word is among all records would tell what the hidden ones hold.
        case("relevance", 200, get("notes?q=rain%20tree&sort=relevance")),
        case("aggregate", 200, get("notes/aggregate?count=true&sum=rank&avg=rank&min=rank&max=rank")),
        case("groups", 200, get("notes/aggregate?count=true&group=title,rank")),
        case("groups of words", 200, get("notes/aggregate?count=true&q=rain")),
        case("export", 200, get("notes/export?format=csv&sort=rank")),
        case("export of words", 200, get("notes/export?format=ndjson&q=rain")),
        case("include of referrers", 200, get("boxes?include=notes")),
        case("include of one's referrers", 200, get(&format!("boxes/{}?include=notes,notes.pins!also", id(1)))),
        case("history of what is read", 200, call("GET", format!("{}/history", uri(1)))),
    ]
}

fn questions() -> Vec<Case> {
    let hidden = id(HIDDEN);
    let pins = |more: Json| {
        let mut whole = json!({ "also": "$field.id" });
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "exists": { "collection": "pins", "where": whole } })
    };
    let condition =
        |tree: Json| batch(json!({ "op": "update", "collection": "notes", "id": id(2), "data": {}, "if": tree }));
    vec![
        case("exists", 200, search(json!({ "where": pins(json!({})), "count": "exact" }))),
        case("not exists", 200, search(json!({ "where": { "not": pins(json!({ "kind": "x" })) } }))),
        case("through", 200, search(json!({ "where": { "box": { "name": "theirs" } } }))),
        case("not through", 200, search(json!({ "where": { "not": { "box": { "open": true } } } }))),
        case(
            "exists of one",
            200,
            search(json!({ "where": { "exists": { "collection": "notes", "where": { "id": hidden } } } })),
        ),
        case("if exists", 412, condition(pins(json!({})))),
        case("if not exists", 200, condition(json!({ "not": pins(json!({})) }))),
    ]
}

fn writes() -> Vec<Case> {
    let on = |op: &str, more: Json| {
        let mut operation = json!({ "op": op, "collection": "notes", "id": id(HIDDEN) });
        operation.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        batch(operation)
    };
    let rank = json!({ "rank": 4 });
    let bulk = |method: &str, query: &str| call(method, format!("/api/v1/notes?{query}"));
    vec![
        case("batch update", 404, on("update", json!({ "data": rank }))),
        case("batch update if", 404, on("update", json!({ "data": rank, "if": { "rank": 3 } }))),
        case("batch update of a version", 412, on("update", json!({ "data": rank, "version": 2 }))),
        case("batch increment", 404, on("update", json!({ "increment": { "rank": 1 } }))),
        case("batch replace of a version", 412, on("replace", json!({ "data": rank, "version": 2 }))),
        case("batch delete", 404, on("delete", json!({}))),
        case("batch delete if", 404, on("delete", json!({ "if": { "rank": 3 } }))),
        case("bulk patch at the bound", 200, bulk("PATCH", "title__contains=rain&max_affected=2").body(&rank)),
        case("bulk patch over the bound", 409, bulk("PATCH", "title__contains=rain&max_affected=1").body(&rank)),
        case("bulk patch of hidden ones", 200, bulk("PATCH", "title__contains=secret&max_affected=1").body(&rank)),
        case("bulk patch of words", 200, bulk("PATCH", "q=secret&max_affected=1").body(&rank)),
        case("bulk delete of hidden ones", 200, bulk("DELETE", "title__contains=secret&max_affected=1")),
        case("what they left", 200, get("notes?sort=rank")),
    ]
}

fn references() -> Vec<Case> {
    let pin = |note: Json| json!({ "id": id(0x51), "note": note });
    let make = |body: &Json| call("POST", "/api/v1/pins").body(body);
    let line = |body: &Json| call("POST", "/api/v1/pins/import").text("application/x-ndjson", format!("{body}\n"));
    let patch = call("PATCH", format!("/api/v1/pins/{}", id(1)));
    let hidden = pin(json!(id(HIDDEN)));
    vec![
        case("a reference", 422, make(&hidden)),
        case("references of an array", 422, make(&json!([hidden, { "note": id(NOWHERE) }]))),
        case("a changed reference", 422, patch.body(&json!({ "note": id(HIDDEN) }))),
        case("a reference of a line", 200, line(&hidden)),
        case("a reference of a batch", 422, batch(json!({ "op": "create", "collection": "pins", "data": hidden }))),
        // Their referrers are changed with them, and nobody is told.
        case("a delete that hidden ones refer to", 204, call("DELETE", uri(2))),
        case("a delete that takes along what is pinned", 409, call("DELETE", format!("/api/v1/boxes/{}", id(1)))),
        case("the pin", 204, call("DELETE", format!("/api/v1/pins/{}", id(1)))),
        case("a delete that takes hidden ones along", 204, call("DELETE", format!("/api/v1/boxes/{}", id(1)))),
        case("what is left", 200, get("notes?count=exact")),
    ]
}

/// Each meets the hidden record by its id or its key.
pub fn in_the_way() -> Vec<Case> {
    let code = format!("hidden-{HIDDEN}");
    let (own, keyed) = (json!({ "id": id(HIDDEN) }), json!({ "code": code }));
    let make = |query: &str, body: &Json| call("POST", format!("/api/v1/notes{query}")).body(body);
    let create = |data: &Json| batch(json!({ "op": "create", "collection": "notes", "data": data }));
    let line = |body: &Json| call("POST", "/api/v1/notes/import").text("application/x-ndjson", format!("{body}\n"));
    let both = json!({ "id": id(HIDDEN), "code": code });
    let bulk = format!("/api/v1/notes?id={}&max_affected=1", id(1));
    vec![
        case("a taken id", 409, make("", &own)),
        case("a taken key", 409, make("", &keyed)),
        case("both", 409, make("", &both)),
        case("an array", 409, make("", &json!([{ "title": "x" }, keyed]))),
        case("a changed key", 409, call("PATCH", uri(1)).body(&keyed)),
        case("a replaced key", 409, call("PUT", uri(1)).body(&keyed)),
        case("keys of a bulk change", 409, call("PATCH", bulk).body(&keyed)),
        case("a batch", 409, create(&keyed)),
        case("a line", 200, line(&keyed)),
    ]
}
