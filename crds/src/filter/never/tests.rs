//! Contradictions with their reasons, and conditions that are none.

use serde_json::{Value as Json, json};

use super::*;
use crate::Problems;
use crate::collection::{Document, check};
use crate::filter::parse::{Place, parse};

fn schema() -> Schema {
    let document = |name: &str, spec: Json| {
        let metadata = json!({ "name": name });
        Document(
            json!({ "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection", "metadata": metadata, "spec": spec }),
        )
    };
    let things = json!({ "fields": [
        { "name": "name", "type": "text", "required": true }, { "name": "note", "type": "text" },
        { "name": "n", "type": "integer" }, { "name": "state", "type": "enum", "values": ["new", "used"] },
        { "name": "flag", "type": "boolean" }, { "name": "at", "type": "timestamp" },
        { "name": "tags", "type": "list", "items": "text" },
        { "name": "owner", "type": "ref", "collection": "users" }, { "name": "part", "type": "ref", "collection": "parts" },
    ] });
    let parts = json!({ "fields": [{ "name": "n", "type": "integer" }, { "name": "thing", "type": "ref", "collection": "things" }] });
    check(&[document("things", things), document("parts", parts)]).unwrap()
}

fn read(tree: &Json) -> Filter {
    let (schema, mut problems) = (schema(), Problems::new());
    let filter = parse(tree, schema.get("things").unwrap(), &schema, Place::Rule, &mut problems);
    filter.unwrap_or_else(|| panic!("{tree}: {:?}", problems.into_vec()))
}

fn reason(tree: &Json) -> Option<String> {
    let schema = schema();
    never(&read(tree), schema.get("things").unwrap(), &schema)
}

#[test]
fn plain_contradictions_are_found() {
    let two = |one: Json, other: Json| json!({ "and": [one, other] });
    for (tree, part) in [
        (two(json!({ "state": "new" }), json!({ "state": "used" })), "`state` can have no value"),
        (two(json!({ "note": "a" }), json!({ "and": [{ "note": "b" }] })), "`note` can have no value"),
        (json!({ "n": { "eq": 1, "ne": 1 } }), "differ"),
        (json!({ "owner": { "eq": "$auth.id", "ne": "$auth.id" } }), "differ"),
        (two(json!({ "owner": "$auth.id" }), json!({ "owner": { "nin": ["$auth.id"] } })), "differ"),
        (json!({ "n": { "in": [] } }), "one of no values"),
        (json!({ "not": { "n": { "nin": [] } } }), "one of no values"),
        (json!({ "n": { "in": [1, 2], "gt": 2 } }), "no value"),
        (json!({ "n": { "in": [1, 2], "nin": [2, 1] } }), "no value"),
        (json!({ "n": { "gt": 2, "lt": 1 } }), "no value"),
        (json!({ "n": { "gt": 2, "lte": 2 } }), "no value"),
        (json!({ "state": { "nin": ["new", "used"] } }), "no value"),
        (json!({ "flag": { "ne": true }, "not": { "flag": false } }), "no value"),
        (json!({ "name": { "isnull": true } }), "`name` is required"),
        (json!({ "not": { "name": { "isnull": false } } }), "`name` is required"),
        (json!({ "note": { "isnull": true, "contains": "x" } }), "to be null and to have a value"),
        (json!({ "owner": { "isnull": true }, "not": { "owner": "$auth.id" } }), "to be null and to have a value"),
        (two(json!({ "part": { "n": 1 } }), json!({ "part": { "isnull": true } })), "to be null and to have a value"),
        (json!({ "note": { "ne": "$field.note" } }), "differs from itself"),
        (json!({ "or": [] }), "a choice of nothing"),
        (json!({ "not": {} }), "a choice of nothing"),
        (json!({ "or": [{ "n": { "in": [] } }, { "name": { "isnull": true } }] }), "one of no values"),
        (json!({ "part": { "n": { "gt": 1, "lt": 0 } } }), "`n` can have no value"),
        (
            json!({ "exists": { "collection": "parts", "where": { "thing": "$field.id", "n": { "in": [] } } } }),
            "no values",
        ),
    ] {
        let found = reason(&tree).unwrap_or_else(|| panic!("{tree} may hold"));
        assert!(found.contains(part), "{tree}: {found}");
    }
}

#[test]
fn what_may_hold_is_left_alone() {
    for tree in [
        json!({}),
        json!({ "n": 1, "note": "a" }),
        json!({ "n": { "gt": 1, "lt": 2 } }),
        json!({ "n": { "gte": 2, "lte": 2 } }),
        json!({ "n": { "in": [1, 2], "ne": 2 } }),
        json!({ "or": [{ "state": "new" }, { "state": "used" }] }),
        json!({ "or": [{ "n": { "in": [] } }, { "n": 1 }] }),
        json!({ "not": { "n": { "eq": 1, "ne": 1 } } }),
        json!({ "state": { "nin": ["new"] } }),
        json!({ "note": { "isnull": true } }),
        json!({ "name": { "isnull": false } }),
        // Nobody knows what the caller has.
        json!({ "owner": { "eq": "$auth.id", "ne": "0190b5a3-8d2e-7c4f-9a1b-2c3d4e5f6071" } }),
        json!({ "note": { "eq": "$auth.claims.a", "ne": "$auth.claims.b" } }),
        json!({ "note": { "in": "$auth.roles", "nin": "$auth.claims.b" } }),
        // Null is none of an empty list.
        json!({ "note": { "isnull": true, "nin": "$auth.claims.b" } }),
        json!({ "note": { "isnull": true, "nin": [] } }),
        json!({ "at": { "gt": "$now", "lt": "2030-01-01T00:00:00Z" } }),
        json!({ "n": { "ne": "$field.version" } }),
        json!({ "tags": { "has": "a" }, "not": { "tags": { "has": "b" } } }),
        json!({ "not": { "exists": { "collection": "parts", "where": { "n": { "in": [] } } } } }),
        json!({ "not": { "part": { "n": { "in": [] } } } }),
    ] {
        assert_eq!(reason(&tree), None, "{tree}");
    }
}

#[test]
fn a_variable_of_people_is_found_wherever_it_stands() {
    for (tree, variable) in [
        (json!({ "owner": "$auth.id" }), Some("$auth.id")),
        (
            json!({ "or": [{ "n": 1 }, { "not": { "note": { "in": "$auth.claims.teams" } } }] }),
            Some("$auth.claims.teams"),
        ),
        (
            json!({ "exists": { "collection": "parts", "where": { "thing": { "owner": "$auth.id" } } } }),
            Some("$auth.id"),
        ),
        (json!({ "part": { "thing": { "owner": "$auth.id" } } }), Some("$auth.id")),
        (json!({ "note": { "in": "$auth.roles" }, "at": { "lt": "$now" } }), None),
    ] {
        assert_eq!(of_people(&read(&tree)).as_deref(), variable, "{tree}");
    }
}
