//! Trees with their meaning, and trees with their problems.

use serde_json::{Value as Json, json};

use super::*;
use crate::collection::{Document, check};

fn schema() -> Schema {
    let document = |name: &str, spec: Json| {
        let metadata = json!({ "name": name });
        Document(
            json!({ "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection", "metadata": metadata, "spec": spec }),
        )
    };
    let fields = json!({ "fields": [
        { "name": "title", "type": "text", "minLength": 3 },
        { "name": "status", "type": "enum", "values": ["open", "closed"] },
        { "name": "count", "type": "integer", "minimum": 0 },
        { "name": "volume", "type": "decimal", "precision": 18, "scale": 4 },
        { "name": "fee", "type": "decimal", "precision": 10, "scale": 2 },
        { "name": "opens_at", "type": "timestamp" },
        { "name": "closes_at", "type": "timestamp" },
        { "name": "owner", "type": "ref", "collection": "users" },
        { "name": "org", "type": "ref", "collection": "orgs" },
        { "name": "tags", "type": "list", "items": "text" },
        { "name": "members", "type": "list", "items": "uuid" },
        { "name": "secret", "type": "text", "writeOnly": true },
        { "name": "extra", "type": "json" },
        { "name": "ratio", "type": "number" },
        { "name": "hidden", "type": "boolean" },
    ] });
    let orgs = json!({ "fields": [
        { "name": "name", "type": "text" },
        { "name": "owner", "type": "ref", "collection": "users" },
    ] });
    check(&[document("markets", fields), document("orgs", orgs)]).unwrap()
}

fn read(tree: &Json, place: Place) -> Result<Filter, Vec<String>> {
    let schema = schema();
    let mut problems = Problems::new();
    let filter = parse(tree, schema.get("markets").unwrap(), &schema, place, &mut problems);
    let found = problems.into_vec();
    assert_eq!(filter.is_none(), !found.is_empty(), "{tree}: a tree or a problem");
    filter.ok_or_else(|| found.iter().map(|problem| format!("{} {}", problem.path, problem.code)).collect())
}

/// A tree as text, with the names of fields.
fn shown(filter: &Filter, collection: &str) -> String {
    let schema = schema();
    let fields = &schema.get(collection).unwrap().fields;
    let all = |filters: &[Filter]| filters.iter().map(|f| shown(f, collection)).collect::<Vec<_>>().join(", ");
    match filter {
        Filter::And(filters) => format!("and({})", all(filters)),
        Filter::Or(filters) => format!("or({})", all(filters)),
        Filter::Not(filter) => format!("not({})", shown(filter, collection)),
        Filter::Exists { collection: of, filter } => format!("exists {of}({})", shown(filter, of.as_str())),
        Filter::Words(_) => panic!("no tree asks for words"),
        Filter::Through { field, target, filter, .. } => {
            format!("{}->{target}({})", fields[*field].name, shown(filter, target.as_str()))
        }
        Filter::Test { field, op, operands } => {
            let operands: Vec<String> = operands
                .iter()
                .map(|operand| match operand {
                    Operand::Value(Value::Boolean(value)) => value.to_string(),
                    Operand::Value(value) => {
                        let kind = asked(&fields[*field], *op).unwrap();
                        let mut out = Vec::new();
                        kind.write_json(value, &mut out);
                        String::from_utf8(out).unwrap()
                    }
                    Operand::Field(other) => format!("${}", fields[*other].name),
                    other => format!("{other:?}"),
                })
                .collect();
            format!("{} {} {}", fields[*field].name, op.name(), operands.join("|"))
        }
    }
}

#[test]
fn trees_mean_what_they_say() {
    let cases = [
        (json!({}), Place::Request, "and()"),
        (json!({ "status": "open" }), Place::Request, "status eq \"open\""),
        (
            json!({ "volume": { "gte": "100", "lt": "200" } }),
            Place::Request,
            "and(volume gte \"100.0000\", volume lt \"200.0000\")",
        ),
        (json!({ "status": "open", "count": 1 }), Place::Request, "and(count eq 1, status eq \"open\")"),
        (
            json!({ "or": [{ "count": 1.0 }, { "not": { "count": { "in": [1e2, 3] } } }] }),
            Place::Request,
            "or(count eq 1, not(count in 100|3))",
        ),
        (json!({ "or": [] }), Place::Request, "or()"),
        // Below the minimum, and shorter than minLength: a question, not a value.
        (json!({ "count": { "gt": -1 }, "title": "a" }), Place::Request, "and(count gt -1, title eq \"a\")"),
        (
            json!({ "title": { "contains": "", "startswith": "a" } }),
            Place::Request,
            "and(title contains \"\", title startswith \"a\")",
        ),
        (json!({ "extra": { "isnull": false } }), Place::Request, "extra isnull false"),
        (json!({ "tags": { "has": "x" } }), Place::Request, "tags has \"x\""),
        (json!({ "hidden": true }), Place::Request, "hidden eq true"),
        (json!({ "ratio": { "gt": 1.5 } }), Place::Request, "ratio gt 1.5"),
        (json!({ "owner": { "name": "ann" } }), Place::Request, "owner->users(name eq \"ann\")"),
        (
            json!({ "org": { "owner": { "name": { "ne": "ann" } }, "name": "x" } }),
            Place::Request,
            "org->orgs(and(name eq \"x\", owner->users(name ne \"ann\")))",
        ),
        (json!({ "owner": { "isnull": true } }), Place::Request, "owner isnull true"),
        (json!({ "opens_at": { "lte": "$now" } }), Place::Request, "opens_at lte Now"),
        (json!({ "title": "$auth.id" }), Place::Request, "title eq \"$auth.id\""),
        (json!({ "title": "$5" }), Place::Rule, "title eq \"$5\""),
        (json!({ "owner": "$auth.id" }), Place::Rule, "owner eq AuthId"),
        (json!({ "members": { "has": "$auth.id" } }), Place::Rule, "members has AuthId"),
        (json!({ "status": { "in": "$auth.roles" } }), Place::Rule, "status in AuthRoles"),
        (json!({ "title": "$auth.claims.team" }), Place::Rule, "title eq AuthClaim { name: \"team\", column: Text }"),
        (
            json!({ "org": { "in": "$auth.claims.https://a.example/orgs" } }),
            Place::Rule,
            "org in AuthClaim { name: \"https://a.example/orgs\", column: Uuid }",
        ),
        (
            json!({ "members": { "has": "$auth.claims.sub" } }),
            Place::Rule,
            "members has AuthClaim { name: \"sub\", column: Uuid }",
        ),
        (json!({ "closes_at": { "gt": "$field.opens_at" } }), Place::Rule, "closes_at gt $opens_at"),
        (json!({ "closes_at": { "gt": "$field.created_at" } }), Place::Check, "closes_at gt $created_at"),
        (json!({ "secret": { "ne": "x" } }), Place::Check, "secret ne \"x\""),
        (json!({ "exists": { "collection": "orgs" } }), Place::Request, "exists orgs(and())"),
        (
            json!({ "exists": { "collection": "orgs", "where": { "id": "$field.org", "owner": { "name": "$field.title" } } } }),
            Place::Request,
            "exists orgs(and(id eq Outer(12), owner->users(name eq Outer(4))))",
        ),
        (
            json!({ "exists": { "collection": "markets", "where": { "org": "$field.org", "owner": "$auth.id" } } }),
            Place::Rule,
            "exists markets(and(org eq Outer(12), owner eq AuthId))",
        ),
        // Only `exists` has a record outside of it.
        (json!({ "title": "$field.status" }), Place::Request, "title eq \"$field.status\""),
    ];
    for (tree, place, expected) in cases {
        let filter = read(&tree, place).unwrap_or_else(|problems| panic!("{tree}: {problems:?}"));
        assert_eq!(shown(&filter, "markets"), expected, "{tree}");
    }
}

#[test]
fn every_problem_has_its_path() {
    let cases: [(Json, Place, &[&str]); 39] = [
        (json!({ "title": { "in": "$auth.roles" } }), Place::Request, &["/title/in wrong_type"]),
        (json!([]), Place::Request, &[" wrong_type"]),
        (json!({ "statu": 1, "cont": 2 }), Place::Request, &["/cont unknown_field", "/statu unknown_field"]),
        (
            json!({ "count": { "gtt": 1, "lt": "x" } }),
            Place::Request,
            &["/count/gtt unknown_operator", "/count/lt wrong_type"],
        ),
        (json!({ "count": {} }), Place::Request, &["/count required"]),
        (json!({ "owner": {} }), Place::Request, &["/owner required"]),
        (json!({ "count": null }), Place::Request, &["/count wrong_type"]),
        (json!({ "count": { "ne": null } }), Place::Request, &["/count/ne wrong_type"]),
        (
            json!({ "count": { "in": [1, null, "x"] } }),
            Place::Request,
            &["/count/in/1 wrong_type", "/count/in/2 wrong_type"],
        ),
        (json!({ "count": { "in": 1 } }), Place::Request, &["/count/in wrong_type"]),
        (json!({ "count": { "isnull": "true" } }), Place::Request, &["/count/isnull wrong_type"]),
        (json!({ "count": { "contains": 1 } }), Place::Request, &["/count/contains not_allowed"]),
        (json!({ "tags": ["a"] }), Place::Request, &["/tags not_allowed"]),
        (json!({ "extra": 1 }), Place::Request, &["/extra not_allowed"]),
        (json!({ "status": "opn" }), Place::Request, &["/status unknown_value"]),
        (
            json!({ "and": { "a": 1 }, "or": [1, { "x": 1 }] }),
            Place::Request,
            &["/and wrong_type", "/or/0 wrong_type", "/or/1/x unknown_field"],
        ),
        (json!({ "not": [] }), Place::Request, &["/not wrong_type"]),
        (
            json!({ "owner": { "nme": 1, "email": 2 } }),
            Place::Request,
            &["/owner/email wrong_type", "/owner/nme unknown_field"],
        ),
        (json!({ "owner": { "eqq": "x" } }), Place::Request, &["/owner/eqq unknown_field"]),
        (json!({ "secret": "x" }), Place::Request, &["/secret not_allowed"]),
        (json!({ "secret": "x" }), Place::Rule, &["/secret not_allowed"]),
        (json!({ "title": "$field.secret" }), Place::Rule, &["/title not_allowed"]),
        (json!({ "exists": [] }), Place::Rule, &["/exists wrong_type"]),
        (
            json!({ "exists": { "wher": {}, "where": 1 } }),
            Place::Request,
            &["/exists/wher unknown_key", "/exists/collection required"],
        ),
        (json!({ "exists": { "collection": "org" } }), Place::Rule, &["/exists/collection unknown_collection"]),
        (
            json!({ "exists": { "collection": "orgs", "where": { "nme": 1, "name": "$field.count", "owner": "$field.org" } } }),
            Place::Request,
            &["/exists/where/name wrong_type", "/exists/where/nme unknown_field", "/exists/where/owner wrong_type"],
        ),
        (
            json!({ "exists": { "collection": "orgs", "where": { "name": "$field.secret" } } }),
            Place::Rule,
            &["/exists/where/name not_allowed"],
        ),
        (
            json!({ "exists": { "collection": "orgs", "where": { "name": { "in": ["$field.title"] } } } }),
            Place::Request,
            &["/exists/where/name/in/0 not_allowed"],
        ),
        (json!({ "exists": { "collection": "orgs" } }), Place::Check, &["/exists not_allowed"]),
        (json!({ "owner": "$auth.id" }), Place::Request, &["/owner malformed"]),
        (
            json!({ "owner": "$auth.ids", "title": "$foo" }),
            Place::Rule,
            &["/owner unknown_variable", "/title unknown_variable"],
        ),
        (json!({ "title": "$auth.id" }), Place::Rule, &["/title wrong_type"]),
        (json!({ "title": { "eq": "$auth.roles" } }), Place::Rule, &["/title/eq wrong_type"]),
        (json!({ "count": { "gt": "$now" } }), Place::Rule, &["/count/gt wrong_type"]),
        (
            json!({ "count": { "gt": "$field.volume", "lt": "$field.cont" } }),
            Place::Rule,
            &["/count/gt wrong_type", "/count/lt unknown_field"],
        ),
        (json!({ "volume": { "gt": "$field.fee" } }), Place::Rule, &["/volume/gt wrong_type"]),
        (json!({ "owner": "$field.org" }), Place::Rule, &["/owner wrong_type"]),
        (json!({ "title": { "contains": "$field.status" } }), Place::Rule, &["/title/contains not_allowed"]),
        (
            json!({ "opens_at": { "gt": "$now" }, "owner": { "name": "x" } }),
            Place::Check,
            &["/opens_at/gt not_allowed", "/owner not_allowed"],
        ),
    ];
    for (tree, place, expected) in cases {
        assert_eq!(read(&tree, place).unwrap_err(), expected, "{tree}");
    }
}

#[test]
fn limits_hold() {
    let leaves = |count: usize| json!({ "or": vec![json!({ "count": 1 }); count] });
    assert!(read(&leaves(MAX_LEAVES), Place::Request).is_ok());
    assert_eq!(read(&leaves(MAX_LEAVES + 1), Place::Request).unwrap_err(), [" too_many_leaves"]);
    let deep = |levels: usize| (0..levels).fold(json!({ "count": 1 }), |inner, _| json!({ "not": inner }));
    assert!(read(&deep(MAX_DEPTH), Place::Request).is_ok());
    let problems = read(&deep(MAX_DEPTH + 1), Place::Request).unwrap_err();
    assert_eq!(problems, [format!("{} too_deep", "/not".repeat(MAX_DEPTH + 1))]);
    assert!(read(&json!({ "count": { "in": vec![1; MAX_OPERANDS] } }), Place::Request).is_ok());
    let many = json!({ "count": { "in": vec![1; MAX_OPERANDS + 1] } });
    assert_eq!(read(&many, Place::Request).unwrap_err(), ["/count/in too_many"]);
    let many = json!({ "count": { "in": vec![1; MAX_OPERANDS], "gt": 1 } });
    assert_eq!(read(&many, Place::Request).unwrap_err(), [" too_many"]);
    // What asks for nothing is counted too.
    for nothing in [json!({}), json!({ "or": [] }), json!({ "exists": { "collection": "orgs" } })] {
        assert!(read(&json!({ "or": vec![nothing.clone(); MAX_LEAVES] }), Place::Request).is_ok());
        let many = json!({ "or": vec![nothing; MAX_LEAVES + 1] });
        assert_eq!(read(&many, Place::Request).unwrap_err(), [" too_many_leaves"]);
    }
}

#[test]
fn what_a_caller_may_not_see_is_not_there() {
    let schema = schema();
    let markets = schema.get("markets").unwrap();
    let hidden = ["hidden", "email"];
    let visible = |collection: &Collection, field: usize| !hidden.contains(&collection.fields[field].name.as_str());
    for (tree, path) in [
        (json!({ "hidden": true }), "/hidden"),
        (json!({ "not": { "owner": { "email": "a@b.c" } } }), "/not/owner/email"),
        (json!({ "exists": { "collection": "users", "where": { "email": "a@b.c" } } }), "/exists/where/email"),
        (
            json!({ "exists": { "collection": "users", "where": { "disabled": "$field.hidden" } } }),
            "/exists/where/disabled",
        ),
    ] {
        let mut problems = Problems::new();
        assert_eq!(request(&tree, markets, &schema, &visible, &mut problems), None);
        let problems = problems.into_vec();
        assert_eq!((problems[0].path.as_str(), problems[0].code), (path, "unknown_field"), "{tree}");
        assert!(!problems[0].hint.as_ref().unwrap().contains(path.rsplit('/').next().unwrap()), "{problems:?}");
        assert!(request(&tree, markets, &schema, &|_, _| true, &mut Problems::new()).is_some());
    }
}
