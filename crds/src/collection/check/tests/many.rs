//! Hundreds of mistakes at once, and documents made at random.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{check, document};
use crate::collection::Document;
use crate::field::KINDS;

/// Each of 300 fields with one mistake, of many sorts, and no alarm beside them.
#[test]
fn three_hundred_mistakes_are_three_hundred_problems() {
    let mistakes = [
        json!({ "type": "txt" }),
        json!({ "type": "text", "max_length": 5 }),
        json!({ "type": "text", "maxLength": "5" }),
        json!({ "type": "text", "precision": 5 }),
        json!({ "type": "integer", "default": "five" }),
        json!({ "type": "enum", "values": "open" }),
        json!({ "type": "ref", "collection": "nowhere" }),
        json!({ "type": "boolean", "required": "yes" }),
        json!({ "type": "timestamp", "default": "$nov" }),
        json!({ "type": "text", "readOnly": true, "writeOnly": true }),
    ];
    let documents: Vec<Document> = (0..3)
        .map(|document_number| {
            let fields = (0..100).map(|number| {
                let mut field = mistakes[number % mistakes.len()].clone();
                field["name"] = json!(format!("f{number}"));
                field
            });
            document(&format!("c{document_number}s"), json!({ "fields": fields.collect::<Vec<_>>() }))
        })
        .collect();
    let lists = check(&documents).unwrap_err();
    assert_eq!(lists.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 100]);
    for list in &lists {
        let mut fields: Vec<&str> = list.iter().map(|problem| problem.path.split('/').nth(3).unwrap()).collect();
        fields.sort_unstable();
        fields.dedup();
        assert_eq!(fields.len(), 100, "one problem a field");
    }
}

fn arbitrary_json() -> impl Strategy<Value = Json> {
    let words = prop::sample::select(vec![
        "name",
        "type",
        "fields",
        "spec",
        "values",
        "text",
        "enum",
        "ref",
        "list",
        "collection",
        "unique",
        "indexes",
        "checks",
        "access",
        "read",
        "roles",
        "where",
        "and",
        "or",
        "not",
        "that",
        "message",
        "metadata",
        "default",
        "$now",
        "$field.a",
        "$auth.id",
        "a",
        "-a",
        "id",
        "users",
        "schema",
        "items",
        "minimum",
        "pattern",
        "isnull",
    ]);
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        words.clone().prop_map(Json::from),
        ".*".prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec((words.clone().prop_map(str::to_owned), inner), 0..8)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_answered(spec in arbitrary_json(), whole in arbitrary_json()) {
        let lists = check(&[document("things", spec), Document(whole)]);
        prop_assert!(lists.is_err());
    }

    #[test]
    fn any_field_and_tree_is_answered(
        members in prop::collection::btree_map(
            prop::sample::select(vec!["default", "minimum", "maximum", "values", "schema", "items", "pattern", "maxLength", "unique", "example"]),
            arbitrary_json(), 0..5),
        kind in prop::sample::select(KINDS.iter().map(|row| row.name).collect::<Vec<_>>()),
        tree in arbitrary_json(),
    ) {
        let mut field = json!({ "name": "a", "type": kind, "collection": "users" });
        if let Json::Object(field) = &mut field {
            field.extend(members.into_iter().map(|(key, value)| (key.to_owned(), value)));
        }
        let spec = json!({ "fields": [field], "access": { "read": [{ "roles": ["anyone"], "where": tree }] } });
        if let Err(lists) = check(&[document("things", spec)]) {
            prop_assert!(!lists[0].is_empty());
        }
    }
}
