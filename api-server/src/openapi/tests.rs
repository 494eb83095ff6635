//! The document of one collection of every kind, as a snapshot (without `users`, which every document has), and what holds for every document.

use std::collections::BTreeSet;

use mainstay_crds::collection::{Document, check};
use mainstay_crds::schema::Schema;
use serde_json::{Value as Json, json};

use super::{document, to_json};
use crate::query::page::Limits;

fn schema(specs: &[(&str, Json)]) -> Schema {
    let declared = |(name, spec): &(&str, Json)| {
        Document(json!({
            "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection", "metadata": { "name": name }, "spec": spec,
        }))
    };
    check(&specs.iter().map(declared).collect::<Vec<_>>()).unwrap()
}

fn printed(specs: &[(&str, Json)]) -> Json {
    let document = document(&schema(specs), Limits { default: 20, max: 200 });
    serde_json::from_str(&to_json(&document).unwrap()).unwrap()
}

fn every_kind() -> Json {
    json!({
        "description": "One field of every kind.",
        "fields": [
            { "name": "title", "type": "text", "required": true, "minLength": 3, "maxLength": 200, "unique": true, "example": "Rain" },
            { "name": "rank", "type": "integer", "minimum": 1 },
            { "name": "score", "type": "number", "minimum": 0 },
            { "name": "volume", "type": "decimal", "precision": 18, "scale": 4, "default": "0", "minimum": "0" },
            { "name": "hot", "type": "boolean", "required": true, "default": false },
            { "name": "closes_at", "type": "timestamp" },
            { "name": "day", "type": "date" },
            { "name": "token", "type": "uuid", "writeOnly": true },
            { "name": "status", "type": "enum", "values": ["open", "closed"], "default": "open" },
            { "name": "creator", "type": "ref", "collection": "users" },
            { "name": "parent", "type": "ref", "collection": "things", "onDelete": "setNull" },
            { "name": "extra", "type": "json", "schema": { "type": "object", "maxProperties": 50 } },
            { "name": "tags", "type": "list", "items": "text", "maxItems": 20, "uniqueItems": true },
            { "name": "logo", "type": "bytes", "maxLength": 64 },
            { "name": "limit", "type": "integer" }
        ],
        "history": { "keep": 20 },
        "checks": [{ "that": { "rank": { "gte": 1 } }, "message": "too low" }],
        "access": { "read": [{ "roles": ["anyone"], "where": { "hot": false } }] }
    })
}

/// Calls `visit` with every object of the document.
fn walk(json: &Json, visit: &mut impl FnMut(&serde_json::Map<String, Json>)) {
    match json {
        Json::Object(members) => {
            visit(members);
            members.values().for_each(|value| walk(value, visit));
        }
        Json::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

fn operations(document: &Json) -> Vec<&Json> {
    let methods = ["get", "post", "put", "patch", "delete"];
    let paths = document["paths"].as_object().unwrap().values();
    paths.flat_map(|path| methods.iter().filter_map(|method| path.get(method))).collect()
}

fn ids(document: &Json) -> Vec<&str> {
    operations(document).iter().map(|operation| operation["operationId"].as_str().unwrap()).collect()
}

#[test]
fn the_document_of_every_kind() {
    let mut document = printed(&[("things", every_kind())]);
    document["paths"].as_object_mut().unwrap().retain(|path, _| !path.contains("users"));
    document["components"]["schemas"].as_object_mut().unwrap().retain(|name, _| !name.starts_with("User"));
    // The version changes with every release.
    document["info"]["version"] = json!("0");
    insta::assert_yaml_snapshot!(document);
}

#[test]
fn every_reference_resolves_and_every_component_is_used() {
    let document = printed(&[("things", every_kind())]);
    let mut used = BTreeSet::new();
    walk(&document, &mut |members| {
        let Some(Json::String(target)) = members.get("$ref") else { return };
        let pointer = target.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{target}");
        used.insert(pointer.to_owned());
    });
    for section in ["schemas", "responses", "headers"] {
        for name in document["components"][section].as_object().unwrap().keys() {
            assert!(used.contains(&format!("/components/{section}/{name}")), "{section}/{name} is never used");
        }
    }
}

#[test]
fn names_are_unique_even_when_collections_collide() {
    let named = |singular: &str| json!({ "fields": [{ "name": "title", "type": "text" }], "singular": singular });
    let collections =
        [("a-1", "one"), ("a1", "two"), ("markets", "market"), ("x", "market-answer"), ("y", "list-meta")];
    let document = printed(&collections.map(|(name, singular)| (name, named(singular))));
    let all = ids(&document);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, property) in
        [("MarketAnswer", "data"), ("MarketAnswer2", "title"), ("ListMeta", "limit"), ("ListMeta2", "title")]
    {
        assert!(schemas[name]["properties"].get(property).is_some(), "{name}");
    }
}

#[test]
fn each_operation_lists_what_can_happen_there() {
    let open = json!([{ "roles": ["anyone"] }]);
    let bare = json!({ "fields": [{ "name": "title", "type": "text" }] });
    let mut free = bare.clone();
    free["access"] = json!({ "read": open, "create": open, "update": open, "delete": open });
    let mut strict = bare.clone();
    strict["requirePrecondition"] = json!(true);
    let refers = json!({ "fields": [{ "name": "free", "type": "ref", "collection": "frees" }] });
    let document = printed(&[("frees", free), ("stricts", strict), ("refers", refers), ("things", every_kind())]);
    for (path, method, has, lacks) in [
        ("frees", "get", "200 400 401 406 414 431 503 504", "403 404 409 412 428"),
        ("frees", "post", "201 400 408 409 413 415 422", "204 403 404 412"),
        ("frees/{id}", "put", "200 201 204 409 412 422", "403 404 428"),
        ("frees/{id}", "patch", "200 204 404 409 412 422", "403 428"),
        ("frees/{id}", "delete", "204 404 409 412 422", "200 403 408 413 428"),
        ("stricts/{id}", "delete", "204 403 409 422 428", ""),
        ("stricts/{id}", "patch", "200 204 403 409 422 428", ""),
        ("refers", "post", "201 409 422", "204"),
        ("frees", "patch", "200 400 409 413 415 422", "201 204 403 404 412 428"),
        ("frees", "delete", "200 400 409 422", "204 403 404 408 412 428"),
        ("stricts", "patch", "200 403 409 422 428", "412"),
        ("things", "post", "200 201 204 403 409 422", "404 428"),
        ("things", "patch", "200 403 409 422", "428"),
        ("batch", "post", "200 204 400 403 404 409 412 422 428", "201"),
        ("frees/search", "post", "200 400 408 413 415", "201 403 404 409 412 422"),
        ("things/search", "post", "200 403", "409 422"),
        ("frees/aggregate", "get", "200 400 409 422", "403 404 408 412"),
        ("things/{id}", "patch", "409 422", "428"),
        ("things/{id}", "delete", "409 422", "428"),
    ] {
        let responses = &document["paths"][format!("/api/v1/{path}")][method]["responses"];
        assert!(responses.is_object(), "{method} {path} is not there");
        for status in has.split(' ') {
            assert!(responses.get(status).is_some(), "{method} {path} lacks {status}");
        }
        for status in lacks.split_whitespace() {
            assert!(responses.get(status).is_none(), "{method} {path} has {status}");
        }
    }
}

#[test]
fn filters_are_typed_and_reserved_names_win() {
    let document = printed(&[("things", every_kind())]);
    let parameters = document["paths"]["/api/v1/things"]["get"]["parameters"].as_array().unwrap();
    let bulk = document["paths"]["/api/v1/things"]["delete"]["parameters"].as_array().unwrap();
    let filters = parameters.iter().filter(|parameter| bulk.contains(parameter)).count();
    assert_eq!(filters + 2, bulk.len(), "a bulk change takes the filters of a list, a bound and a key");
    assert!(bulk.iter().any(|parameter| parameter["name"] == "max_affected" && parameter["required"] == true));
    let upsert = &document["paths"]["/api/v1/things"]["post"]["parameters"][0];
    assert_eq!((&upsert["name"], &upsert["schema"]["enum"]), (&json!("on_conflict"), &json!(["title"])));
    let find = |name: &str| parameters.iter().find(|parameter| parameter["name"] == name);
    let names: BTreeSet<_> = parameters.iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), parameters.len(), "a parameter twice");
    assert_eq!(find("title").unwrap()["schema"], json!({ "type": "string", "pattern": "^[^\\x00]*$" }));
    assert_eq!(find("hot").unwrap()["schema"]["type"], "boolean");
    assert_eq!(find("closes_at__isnull").unwrap()["schema"], json!({ "type": "boolean" }));
    assert_eq!(find("status__in").unwrap()["explode"], false);
    assert_eq!(find("status__in").unwrap()["schema"]["items"]["enum"], json!(["open", "closed"]));
    assert_eq!(find("rank__gte").unwrap()["schema"]["minimum"], json!(-9_007_199_254_740_991_i64));
    assert!(find("volume").unwrap()["schema"]["pattern"].as_str().unwrap().starts_with("^-?"));
    assert_eq!(find("limit").unwrap()["schema"]["maximum"], 200);
    for once in ["sort", "fields", "include"] {
        assert_eq!(find(once).unwrap()["schema"]["uniqueItems"], true, "{once}");
    }
    assert_eq!(find("cursor").unwrap()["schema"]["pattern"], "^[A-Za-z0-9_-]+$");
    assert!(find("limit__eq").is_some() && find("title__eq").is_none());
    assert!(find("token").is_none() && find("extra").is_none() && find("extra__isnull").is_some());
    let include = &find("include").unwrap()["schema"]["items"]["enum"];
    assert_eq!(include.as_array().unwrap()[..4], ["creator", "parent", "things", "creator.things"]);
}

#[test]
fn words_are_asked_for_only_where_there_are_some() {
    let with = |search: Json| json!({ "fields": [{ "name": "title", "type": "text" }], "search": search });
    let document = printed(&[("notes", with(json!({ "text": ["title"] }))), ("plains", with(Json::Null))]);
    let find = |path: &str, method: &str, name: &str| {
        let parameters = &document["paths"][format!("/api/v1/{path}")][method]["parameters"];
        parameters.as_array().unwrap().iter().find(|parameter| parameter["name"] == name).cloned()
    };
    let of_all = [("", "get"), ("", "patch"), ("", "delete"), ("/export", "get"), ("/aggregate", "get")];
    for (path, method) in of_all {
        let q = find(&format!("notes{path}"), method, "q").unwrap();
        assert_eq!(q["schema"], json!({ "type": "string", "minLength": 1, "maxLength": 1000 }), "{method} {path}");
        assert_eq!(find(&format!("plains{path}"), method, "q"), None, "{method} {path}");
    }
    let keys = |path: &str| find(path, "get", "sort").unwrap()["schema"]["items"]["enum"].clone();
    let has_relevance = |keys: &Json| keys.as_array().unwrap().contains(&json!("relevance"));
    assert!(has_relevance(&keys("notes")) && !has_relevance(&keys("notes/export")) && !has_relevance(&keys("plains")));
    let member = |schema: &str, name: &str| document["components"]["schemas"][schema]["properties"].get(name).cloned();
    assert!(member("NoteSearch", "q").is_some() && member("PlainSearch", "q").is_none());
    assert!(has_relevance(&member("NoteSearch", "sort").unwrap()["items"]["enum"]));
}

#[test]
fn the_same_schema_prints_the_same_bytes() {
    let print = || to_json(&document(&schema(&[("things", every_kind())]), Limits { default: 20, max: 200 })).unwrap();
    assert_eq!(print(), print());
}
