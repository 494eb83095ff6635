//! Every route × caller × rule: what a rule grants to a caller is what each route shows, makes, changes or deletes, no more and
//! no less. The routes are those of the OpenAPI document; one without a case fails.

use std::collections::BTreeSet;

use super::*;
use crate::openapi;

mod cases;

/// Collections of the same fields and records, each with a rule of another shape on all actions.
const SHAPES: [(&str, &str); 6] = [
    ("none", "[]"),
    ("open", r#"[{ "roles": ["anyone"] }]"#),
    ("role", r#"[{ "roles": ["staff"] }]"#),
    ("own", r#"[{ "roles": ["user"], "where": { "owner": "$auth.id" } }]"#),
    (
        "related",
        r#"[{ "roles": ["user"], "where": { "exists": { "collection": "members",
             "where": { "org": "$field.org", "member": "$auth.id" } } } }]"#,
    ),
    ("claims", r#"[{ "roles": ["user"], "where": { "team": { "in": "$auth.claims.teams" } } }]"#),
];

/// The records of each collection: whose they are, and in which organisation and team.
const ROWS: [Row; 3] = [
    Row { name: "red", number: 1, owner: Some(OWNER), org: Some(0x11), team: Some("red") },
    Row { name: "blue", number: 2, owner: Some(OTHER), org: Some(0x12), team: Some("blue") },
    Row { name: "grey", number: 3, owner: None, org: None, team: None },
];

const OWNER: u128 = 0xa1;
const OTHER: u128 = 0xa2;

struct Row {
    name: &'static str,
    number: u128,
    owner: Option<u128>,
    org: Option<u128>,
    team: Option<&'static str>,
}

/// Names of records.
type Names = BTreeSet<String>;

/// What a caller got of a route.
#[derive(Debug, PartialEq)]
enum Seen {
    /// Nothing, with this status, whatever the record.
    Refused(u16),
    /// These records were shown, made, changed or deleted.
    Rows(Names),
}

fn documents() -> Vec<Document> {
    let fields = json!([
        { "name": "name", "type": "text", "required": true, "maxLength": 20 },
        { "name": "code", "type": "text", "unique": true, "maxLength": 40 },
        { "name": "owner", "type": "ref", "collection": "users" },
        { "name": "org", "type": "ref", "collection": "orgs" },
        { "name": "team", "type": "text" },
        { "name": "note", "type": "text" },
    ]);
    let shaped = SHAPES.map(|(name, rules)| {
        let rules: Json = serde_json::from_str(rules).unwrap();
        let access = json!({ "read": rules, "create": rules, "update": rules, "delete": rules });
        let spec =
            json!({ "singular": format!("{name}-one"), "fields": fields, "access": access, "history": { "keep": 2 } });
        document(name, spec)
    });
    let open = json!({ "read": [{ "roles": ["anyone"] }] });
    let member = json!([
        { "name": "org", "type": "ref", "collection": "orgs" }, { "name": "member", "type": "ref", "collection": "users" },
    ]);
    let others = [
        document("orgs", json!({ "fields": [{ "name": "name", "type": "text" }], "access": open })),
        document("users", json!({ "access": open })),
        // For admin alone: a rule sees what its caller does not.
        document("members", json!({ "fields": member })),
    ];
    shaped.into_iter().chain(others).collect()
}

async fn fill(world: &World) {
    for (number, org) in [(OWNER, 0x11), (OTHER, 0x12)] {
        world.make("users", json!({ "id": id(number), "email": format!("{number}@example.com") })).await;
        world.make("orgs", json!({ "id": id(org), "name": "x" })).await;
        world.make("members", json!({ "org": id(org), "member": id(number) })).await;
    }
    for (shape, _) in SHAPES {
        for row in ROWS {
            let mut record = row.record();
            record["id"] = json!(id(row.number));
            record["code"] = json!(format!("key-{}", row.name));
            world.make(shape, record.clone()).await;
            // A version that a history can show.
            let uri = format!("/api/v1/{shape}/{}", id(row.number));
            world.admin(call("PATCH", uri).body(&json!({ "note": "made" }))).await;
        }
    }
}

impl Row {
    /// Without an id and a key.
    fn record(&self) -> Json {
        let Row { name, owner, org, team, .. } = self;
        json!({ "name": name, "owner": owner.map(id), "org": org.map(id), "team": team })
    }
}

fn callers() -> Vec<(&'static str, Sender)> {
    let claims = |team: &str| json!({ "teams": [team, "green"] });
    vec![
        ("anonymous", Sender::Wire(None)),
        ("wrong", Sender::Wire(Some("a-credential-that-nobody-knows"))),
        ("machine", machine(&[])),
        ("staff", machine(&["staff"])),
        ("owner", user(Uuid::from_u128(OWNER), &[], claims("red"))),
        ("other", user(Uuid::from_u128(OTHER), &[], claims("blue"))),
        // Neither a record of `users` that owns anything, nor a claim.
        ("stranger", user(Uuid::from_u128(0xa3), &[], json!({}))),
        ("admin", Sender::Wire(Some(ADMIN_KEY))),
    ]
}

/// What the rules are to grant: the whole contract in one table.
fn expected(caller: &str, shape: &str) -> Seen {
    let rows = |names: &[&str]| Seen::Rows(names.iter().map(|name| (*name).to_owned()).collect());
    match (caller, shape) {
        ("wrong", _) => Seen::Refused(401),
        ("admin", _) | (_, "open") | ("staff", "role") => rows(&["red", "blue", "grey"]),
        ("anonymous", _) => Seen::Refused(401),
        ("owner", "own" | "related" | "claims") => rows(&["red"]),
        ("other", "own" | "related" | "claims") => rows(&["blue"]),
        // The rules are about people, of which this is one: nothing is theirs. Without the claim the rule grants nothing at all.
        ("stranger", "own" | "related") => rows(&[]),
        _ => Seen::Refused(403),
    }
}

/// Every operation of the document as `method route`, and the ways of a batch and an upsert.
fn operations(document: &Json) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let below = path.strip_prefix("/api/v1/open").filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let of_another = SHAPES.iter().map(|(shape, _)| *shape).chain(["orgs", "users", "members"]).any(|name| {
            let rest = path.strip_prefix("/api/v1/").and_then(|rest| rest.strip_prefix(name));
            below.is_none() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        if of_another {
            continue;
        }
        let route = below.map_or_else(|| path.clone(), |rest| format!("/{{collection}}{rest}"));
        let methods = ["get", "put", "post", "patch", "delete"].into_iter().filter(|method| item.get(method).is_some());
        all.extend(methods.map(|method| format!("{method} {route}")));
    }
    assert!(all.remove("post /api/v1/batch"), "a batch is many ways: {all:?}");
    let verbs = &document["components"]["schemas"]["BatchOperation"]["properties"]["op"]["enum"];
    all.extend(verbs.as_array().unwrap().iter().map(|verb| format!("batch {}", verb.as_str().unwrap())));
    all.extend(["post /{collection}?on_conflict".to_owned(), "get /{collection}?include".to_owned()]);
    all
}

#[actix_web::test]
async fn every_route_grants_to_every_caller_what_the_rules_say() {
    for world in World::both(&documents()).await {
        fill(&world).await;
        let schema = world.state.service.schema();
        let document = openapi::to_json(&openapi::document(&schema, world.state.service.page)).unwrap();
        let operations = operations(&serde_json::from_str(&document).unwrap());
        assert!(operations.len() >= 20, "{operations:?}");
        for operation in &operations {
            for (caller, sender) in callers() {
                if cases::PUBLIC.contains(&operation.as_str()) {
                    let (_, path) = operation.split_once(' ').unwrap();
                    assert_eq!(world.send(&sender, &call("GET", path)).await.status, 200, "{operation} as {caller}");
                    continue;
                }
                if let Some((call, status)) = cases::apart(operation, caller) {
                    let answer = world.send(&sender, &call).await;
                    assert_eq!(answer.status, status, "{operation} as {caller}: {answer:?}");
                    continue;
                }
                for (shape, _) in SHAPES {
                    let seen = cases::seen(&world, operation, shape, &sender).await;
                    let Some(seen) = seen else {
                        panic!("{operation} has no case: what does it show or do under the rules of a collection?")
                    };
                    let expected = cases::narrowed(operation, caller, expected(caller, shape));
                    assert_eq!(
                        seen, expected,
                        "{operation} as {caller} where the rule is `{shape}`, {:?}",
                        world.dialect
                    );
                }
            }
        }
    }
}
