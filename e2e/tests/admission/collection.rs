//! Collections. What they mean is judged by the operator; an API server judges their size and what cannot be changed.

use serde_json::{Value as Json, json};

use super::table::{Table, bad};

fn collections() -> Table {
    let good = json!({
        "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection", "metadata": { "name": "markets" },
        "spec": {
            "backendRef": { "name": "demo" },
            "fields": [
                { "name": "title", "type": "text", "required": true, "maxLength": 200, "readRoles": ["user"] },
                { "name": "status", "type": "enum", "values": ["open", "closed"], "default": "open" },
            ],
            "access": { "read": [{ "roles": ["anyone"], "where": { "status": "open" } }] },
        },
    });
    Table { plural: "collections", good }
}

fn fields(count: usize) -> Json {
    (0..count).map(|n| json!({ "name": format!("f{n}"), "type": "text" })).collect()
}

#[test]
fn good_collections_are_admitted() {
    collections().admits(&[
        vec![],
        vec![("/spec/fields", fields(200))],
        // What it means is for the operator, which says more than an API server could.
        vec![("/spec/fields/0/type", json!("txt")), ("/spec/fields/0/name", json!("No_Name"))],
        vec![("/spec/name", json!("user-groups")), ("/spec/singular", json!("group"))],
        vec![("/spec/fields/1/default", json!({ "any": ["thing", 1, null] }))],
        vec![("/spec/deletionPolicy", json!("Delete")), ("/spec/requirePrecondition", json!(true))],
    ]);
    collections().admits_updates(&[
        (vec![], vec![("/spec/fields", fields(3))]),
        (vec![("/metadata/name", json!("shops"))], vec![("/spec/name", json!("shops"))]),
        (vec![("/metadata/name", json!("shops")), ("/spec/name", json!("shops"))], vec![]),
        (vec![("/spec/name", json!("shops"))], vec![("/spec/name", json!("shops")), ("/spec/fields", json!([]))]),
    ]);
}

#[test]
fn bad_collections_are_refused_by_their_rule() {
    let long = |count: usize| json!("x".repeat(count));
    let keys = |count: usize| -> Json { (0..count).map(|n| json!(format!("f{n}"))).collect() };
    let twice = json!([{ "name": "a", "type": "text" }, { "name": "a", "type": "date" }]);
    collections().refuses(
        &[
            bad([("/spec/backendRef", json!(null))], "spec", "`backendRef` is missing"),
            bad([("/spec/backendRef/name", json!("Demo"))], "spec.backendRef.name", "this is no Backend's name"),
            bad([("/spec/fields", fields(201))], "spec.fields", "Too many"),
            bad([("/spec/fields", twice)], "spec.fields[1]", "Duplicate value"),
            bad([("/spec/fields/0/name", long(49))], "spec.fields[0].name", "Too long"),
            bad([("/spec/fields/0/readRoles", json!(["a", "a"]))], "spec.fields[0].readRoles[1]", "Duplicate value"),
            bad([("/spec/fields/1/values", keys(1001))], "spec.fields[1].values", "Too many"),
            bad([("/spec/name", long(49))], "spec.name", "Too long"),
            bad([("/spec/description", long(10_001))], "spec.description", "Too long"),
            bad([("/spec/indexes", json!([{ "fields": keys(17) }]))], "spec.indexes[0].fields", "Too many"),
            bad([("/spec/deletionPolicy", json!("Drop"))], "spec.deletionPolicy", "Unsupported value"),
            bad([("/spec/requirePrecondition", json!("yes"))], "spec.requirePrecondition", "must be of type"),
        ],
        &[
            (vec![], bad([("/spec/backendRef/name", json!("other"))], "spec", "`backendRef` cannot be changed")),
            (vec![], bad([("/spec/name", json!("shops"))], "<nil>", "a collection's name cannot be changed")),
            (
                vec![("/spec/name", json!("shops"))],
                bad([("/spec/name", json!(null))], "<nil>", "a collection's name cannot be changed"),
            ),
        ],
    );
}
