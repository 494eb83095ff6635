//! Every route and method has an entry in the document, an access case and an error case: a new endpoint fails here until it
//! has all three.
//!
//! Driven from `/openapi.json` of the conformance collections, which has collections with rules for everybody and without.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mainstay_e2e::database::Database;
use mainstay_e2e::server::Server;
use reqwest::Method;
use reqwest::blocking::Client;
use serde_json::{Value as Json, json};

/// A request that each route must refuse: route, method, what is added to the URL, body, status.
const ERRORS: &[(&str, &str, &str, Option<&str>, u16)] = &[
    ("/api/v1/{collection}", "get", "?nope=1", None, 400),
    ("/api/v1/{collection}", "post", "", Some("[]"), 400),
    ("/api/v1/{collection}", "patch", "", Some("{}"), 400),
    ("/api/v1/{collection}", "delete", "?nope=1", None, 400),
    ("/api/v1/batch", "post", "", Some("[]"), 400),
    ("/api/v1/keys", "get", "?nope=1", None, 400),
    ("/api/v1/keys", "post", "", Some("[]"), 400),
    ("/api/v1/keys/{id}", "get", "?nope=1", None, 400),
    ("/api/v1/keys/{id}", "delete", "?nope=1", None, 400),
    ("/api/v1/keys/{id}/rotate", "post", "", Some("[]"), 400),
    ("/api/v1/auth/login", "post", "", Some("[]"), 400),
    ("/api/v1/auth/refresh", "post", "?nope=1", Some("{}"), 400),
    ("/api/v1/auth/logout", "post", "", Some("{}"), 400),
    ("/api/v1/auth/register", "post", "", Some("{}"), 403),
    ("/api/v1/auth/me", "get", "?nope=1", None, 400),
    ("/api/v1/auth/password", "put", "", Some("{}"), 403),
    ("/api/v1/auth/passwords/{id}", "put", "", Some("[]"), 400),
    ("/api/v1/{collection}/search", "post", "", Some("[]"), 400),
    ("/api/v1/{collection}/aggregate", "get", "?nope=1", None, 400),
    ("/api/v1/{collection}/{id}", "get", "?nope=1", None, 400),
    ("/api/v1/{collection}/{id}/history", "get", "?offset=1", None, 400),
    ("/api/v1/{collection}/{id}", "put", "", Some("[]"), 400),
    ("/api/v1/{collection}/{id}", "patch", "", Some("[]"), 400),
    ("/api/v1/{collection}/{id}", "delete", "?nope=1", None, 400),
    ("/api/v1/{collection}/export", "get", "?nope=1", None, 400),
    ("/api/v1/{collection}/import", "post", "", Some("[]"), 415),
    ("/health", "get", LONG, None, 414),
    ("/health/ready", "get", LONG, None, 414),
    ("/openapi.json", "get", LONG, None, 414),
    ("/.well-known/jwks.json", "get", LONG, None, 414),
];

/// Routes for people, which no client is generated for.
const PAGES: &[&str] = &["/docs", "/docs/{file:.*}"];
/// Stands for a query that is too long.
const LONG: &str = "?long";
/// The one path that is about every collection.
const BATCH: &str = "/api/v1/batch";
/// What paths about API keys begin with.
const KEYS: &str = "/api/v1/keys";
/// Begins the paths that are about no collection's records.
const AUTH: &str = "/api/v1/auth/";
/// Those that ask for no credential, since their bodies bear one.
const OPEN: [&str; 4] = ["login", "refresh", "logout", "register"];
const ID: &str = "00000000-0000-7000-8000-0000000000ee";

/// One documented operation: its path, the route that serves it, its method, what the document says.
struct Operation {
    path: String,
    route: String,
    method: String,
    says: Json,
}

#[test]
fn every_route_is_documented_guarded_and_refuses() {
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/collections.yaml");
    let database = Database::new("sqlite");
    let server = Server::start(documents.to_str().unwrap(), database.url());
    let document = server.anonymous.get("/openapi.json", &[]).body;
    let operations = operations(&document);
    let documented: BTreeSet<&str> = operations.iter().map(|operation| operation.route.as_str()).collect();
    assert_eq!(served(), documented, "the routes of http.rs (left) and of the document (right)");
    allowed(&server, &operations);
    access(&server, &operations);
    errors(&server, &operations);
}

fn operations(document: &Json) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let route = match path.strip_prefix("/api/v1/") {
            Some(rest) if path != BATCH && ![AUTH, KEYS].iter().any(|begin| path.starts_with(begin)) => {
                format!("/api/v1/{{collection}}{}", rest.find('/').map_or("", |at| &rest[at..]))
            }
            _ => path.clone(),
        };
        for (method, says) in item.as_object().unwrap() {
            if method.to_uppercase().parse::<Method>().is_ok() && says.get("responses").is_some() {
                let (path, route) = (path.replace("{id}", ID), route.clone());
                operations.push(Operation { path, route, method: method.clone(), says: says.clone() });
            }
        }
    }
    operations
}

/// The public routes, as the source has them.
fn served() -> BTreeSet<&'static str> {
    let source = [include_str!("../../src/http.rs"), include_str!("../../src/http/docs.rs")];
    let public = source.map(|text| text.split("\nfn admin(").next().unwrap_or_default());
    let mut routes = BTreeSet::new();
    for text in public {
        for (at, _) in text.match_indices("path(") {
            let rest = text[at + "path(".len()..].trim_start();
            routes.extend(rest.strip_prefix('"').and_then(|rest| rest.split('"').next()));
        }
    }
    routes.retain(|route| !PAGES.contains(route));
    routes
}

/// What a path says that it takes is what the document says.
fn allowed(server: &Server, operations: &[Operation]) {
    let mut methods: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for Operation { path, method, .. } in operations {
        let known = methods.entry(path).or_default();
        known.insert(method.to_uppercase());
        known.extend((method == "get").then(|| "HEAD".to_owned()));
    }
    for (path, documented) in methods {
        let answer = server.anonymous.send(Method::OPTIONS, path, &[], None).unwrap();
        let allow = answer.headers["allow"].to_str().unwrap();
        let allowed: BTreeSet<String> = allow.split(", ").map(str::to_owned).collect();
        assert_eq!((answer.status, allowed), (204, documented), "{path}");
    }
}

/// Without a rule for everybody, a request without a credential is 401 whatever it holds; with one, it is not.
fn access(server: &Server, operations: &[Operation]) {
    let mut guarded = BTreeSet::new();
    for Operation { path, route, method, says } in operations {
        let open = says["security"].as_array().unwrap().contains(&json!({}));
        let body = ["post", "put", "patch"].contains(&method.as_str()).then(|| json!({ "nonsense": 1 }));
        let verb = method.to_uppercase().parse().unwrap();
        let answer = server.anonymous.send(verb, path, &[], body.as_ref()).unwrap();
        assert_eq!(answer.status == 401, !open, "{method} {path}: {}", answer.body);
        if answer.status == 401 {
            assert!(answer.headers.contains_key("www-authenticate"), "{method} {path}");
            guarded.insert((route, method));
        }
    }
    // The batch is closed by each collection that it names.
    let closed = json!({ "operations": [{ "op": "create", "collection": "parts", "data": {} }] });
    assert_eq!(server.anonymous.post(BATCH, &closed).status, 401);
    let closed = |route: &str| {
        route.starts_with("/api/") && route != BATCH && !OPEN.iter().any(|open| route == format!("{AUTH}{open}"))
    };
    let records = operations.iter().filter(|operation| closed(&operation.route));
    for Operation { route, method, .. } in records {
        assert!(guarded.contains(&(route, method)), "{method} {route} has no access case: no collection closes it");
    }
}

/// Each route refuses what `ERRORS` sends, with a status that the document declares and in the one shape.
fn errors(server: &Server, operations: &[Operation]) {
    let client = Client::new();
    for Operation { path, route, method, says } in operations {
        let case = ERRORS.iter().find(|(known, verb, ..)| known == route && verb == method);
        let (_, _, query, body, status) = case.unwrap_or_else(|| panic!("{method} {route} has no error case"));
        assert!(says["responses"].get(status.to_string()).is_some(), "{method} {path}: {status} is not declared");
        let query = if *query == LONG { format!("?{}", "a".repeat(20_000)) } else { (*query).to_owned() };
        let verb: Method = method.to_uppercase().parse().unwrap();
        let mut request = client.request(verb, format!("{}{path}{query}", server.url));
        request = request.header("X-API-Key", mainstay_e2e::server::ADMIN_KEY).header("If-Match", "*");
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(*body);
        }
        let answer = request.send().unwrap();
        assert!(answer.headers().contains_key("x-request-id"), "{method} {path}");
        assert_eq!(answer.status().as_u16(), *status, "{method} {path}");
        let body: Json = answer.json().unwrap();
        assert_eq!(body["success"], false, "{method} {path}: {body}");
        for member in ["error", "code", "details", "request_id"] {
            assert!(body.get(member).is_some(), "{method} {path} tells no {member}: {body}");
        }
    }
}
