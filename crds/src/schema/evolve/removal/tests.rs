//! What is planned for fields and collections that leave and return, by policy.

use serde_json::{Value as Json, json};

use super::super::{Evolution, evolve, may_follow};
use crate::collection::{Document, check};
use crate::plan::{Plan, Step};
use crate::schema::Schema;
use crate::schema::stored::{Fate, Stored};

fn declared(collections: &[(&str, Json)]) -> Schema {
    let documents: Vec<Document> = collections
        .iter()
        .map(|(name, spec)| {
            let metadata = json!({ "name": name });
            let version = "mainstay.dev/v1alpha1";
            Document(json!({ "apiVersion": version, "kind": "Collection", "metadata": metadata, "spec": spec }))
        })
        .collect();
    check(&documents).unwrap()
}

/// Markets with these fields beside `title`.
fn markets(policy: &str, fields: Json, more: Json) -> Schema {
    declared(&[("markets", spec(policy, fields, more))])
}

fn spec(policy: &str, fields: Json, more: Json) -> Json {
    let mut spec = json!({
        "deletionPolicy": policy, "fields": [{ "name": "title", "type": "text", "maxLength": 200 }],
    });
    spec["fields"].as_array_mut().unwrap().extend(fields.as_array().unwrap().iter().cloned());
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

fn effects(plan: &Plan) -> Vec<String> {
    let line = |step: &Step| format!("{:?} {:?}: {}", step.phase, step.class, step.effect);
    plan.steps.iter().map(line).collect()
}

fn way(from: &Stored, to: &Schema) -> Evolution {
    evolve(from, to).unwrap_or_else(|problems| panic!("{problems:?}"))
}

const LEGACY: &str = r#"[{ "name": "legacy", "type": "text", "maxLength": 50, "required": true, "unique": true }]"#;

fn legacy() -> Json {
    serde_json::from_str(LEGACY).unwrap()
}

#[test]
fn the_applied_policy_decides_what_a_removed_field_becomes() {
    let relax = "Expand Safe: no longer require markets.legacy";
    let cases = [
        ("Delete", "Contract Destructive: drop field markets.legacy", true, 0),
        ("Retain", "Contract Safe: drop indexes and reference of the retained field markets.legacy", false, 1),
    ];
    for (policy, contract, gated, left) in cases {
        let first = way(&Stored::default(), &markets(policy, legacy(), json!({}))).stored;
        // What the new documents say comes too late.
        let other = if policy == "Delete" { "Retain" } else { "Delete" };
        let removed = way(&first, &markets(other, json!([]), json!({})));
        assert_eq!(effects(&removed.plan), [relax, contract]);
        assert_eq!(removed.plan.approval_hash.is_some(), gated);
        assert!(may_follow(&removed.plan));
        assert_eq!(removed.notes.len(), 1);
        let open = &removed.stored;
        assert_eq!(open.get("markets").unwrap().retained.len(), 1);
        let done = open.contracted();
        assert_eq!(done.get("markets").unwrap().retained.len(), left);
        assert!(done.get("markets").unwrap().retained.iter().all(|one| one.fate == Fate::Keep));
        // The same documents are no other revision, before and after the contract.
        for stored in [open, &done] {
            let again = way(stored, &markets(other, json!([]), json!({})));
            assert_eq!((again.plan.to_revision, again.plan.steps.len()), (2, 0));
            assert_eq!(again.stored, *stored);
        }
        let text = serde_json::to_string(open).unwrap();
        assert_eq!(serde_json::from_str::<Stored>(&text).unwrap(), *open);
    }
    let plain = json!([{ "name": "legacy", "type": "integer" }]);
    let first = way(&Stored::default(), &markets("Retain", plain, json!({}))).stored;
    assert_eq!(effects(&way(&first, &markets("Retain", json!([]), json!({}))).plan), Vec::<String>::new());
}

#[test]
fn a_plan_that_follows_an_open_contract_drops_what_it_left() {
    let first = way(&Stored::default(), &markets("Delete", legacy(), json!({}))).stored;
    let open = way(&first, &markets("Delete", json!([]), json!({})));
    let more = json!([{ "name": "rank", "type": "integer" }]);
    let next = way(&open.stored, &markets("Delete", more, json!({})));
    assert_eq!(
        effects(&next.plan),
        ["Expand Safe: add field markets.rank", "Contract Destructive: drop field markets.legacy"]
    );
    assert_eq!(next.stored.contracted().get("markets").unwrap().retained, []);

    let back = way(&open.stored, &markets("Delete", legacy(), json!({})));
    assert_eq!(
        effects(&back.plan),
        ["Contract DataDependent: require markets.legacy", "Contract DataDependent: add unique key markets (legacy)"]
    );
    assert_eq!(back.stored.get("markets").unwrap().retained, []);
    assert!(!may_follow(&back.plan));
}

#[test]
fn a_field_returns_to_its_column_only_with_its_type() {
    let first = way(&Stored::default(), &markets("Retain", legacy(), json!({}))).stored;
    let without = way(&first, &markets("Retain", json!([]), json!({}))).stored.contracted();
    let column = |evolution: &Evolution| {
        let markets = evolution.schema.get("markets").unwrap();
        markets.fields[markets.position("legacy").unwrap()].column.clone()
    };
    let same = json!([{ "name": "legacy", "type": "text", "maxLength": 60 }]);
    let back = way(&without, &markets("Retain", same, json!({})));
    assert_eq!((column(&back), effects(&back.plan)), ("legacy".to_owned(), vec![]));
    let narrower = json!([{ "name": "legacy", "type": "text", "maxLength": 9 }]);
    let narrower = way(&without, &markets("Retain", narrower, json!({})));
    assert_eq!(effects(&narrower.plan), ["Contract DataDependent: hold markets.legacy to maxLength 9"]);
    assert_eq!(back.stored.get("markets").unwrap().retained, []);

    let other = json!([{ "name": "legacy", "type": "integer" }]);
    let other = way(&without, &markets("Retain", other, json!({})));
    assert_eq!(column(&other), "legacy__3");
    assert_eq!(effects(&other.plan), ["Expand Safe: add field markets.legacy"]);
    assert_eq!(other.stored.get("markets").unwrap().retained.len(), 1, "the data of the other type stays");
}

#[test]
fn a_check_that_names_a_removed_field_goes_before_new_servers_write() {
    let fields = json!([{ "name": "a", "type": "integer" }, { "name": "b", "type": "integer" }]);
    let checks = json!({ "checks": [
        { "that": { "or": [{ "a": { "isnull": false } }, { "b": { "isnull": false } }] }, "message": "one of them" },
        { "that": { "b": { "gt": 0 } }, "message": "positive" },
    ] });
    let first = way(&Stored::default(), &markets("Delete", fields, checks)).stored;
    let b = json!([{ "name": "b", "type": "integer" }]);
    let plan = way(&first, &markets("Delete", b, json!({}))).plan;
    assert_eq!(
        effects(&plan),
        [
            r#"Expand Safe: drop check markets {"or":[{"a":{"isnull":false}},{"b":{"isnull":false}}]}"#,
            "Contract Destructive: drop field markets.a",
            r#"Contract Safe: drop check markets {"b":{"gt":0}}"#,
        ]
    );
}

#[test]
fn a_removed_collection_is_retained_or_dropped_and_returns() {
    let orders = |policy: &str| {
        let buyer = json!([{ "name": "buyer", "type": "ref", "collection": "users", "required": true }]);
        spec(policy, buyer, json!({ "indexes": [{ "fields": ["created_at"] }] }))
    };
    let plain = ("markets", spec("Retain", json!([]), json!({})));
    for (policy, contract) in [
        ("Delete", "Contract Destructive: drop table orders"),
        ("Retain", "Contract Safe: drop indexes and references of the retained collection orders"),
    ] {
        let with = declared(&[plain.clone(), ("orders", orders(policy))]);
        let first = way(&Stored::default(), &with).stored;
        let without = way(&first, &declared(std::slice::from_ref(&plain)));
        assert_eq!(effects(&without.plan), [contract]);
        for sql in [&without.plan.steps[0].postgres, &without.plan.steps[0].sqlite] {
            let forgets = sql.up.contains(&"DELETE FROM mainstay_history WHERE collection = 'orders'".to_owned());
            assert_eq!(forgets, policy == "Delete", "{:?}", sql.up);
        }
        assert_eq!(without.stored.get("orders"), None);
        assert_eq!(without.stored.removed.len(), 1);
        let done = without.stored.contracted();
        let again = way(&done, &declared(std::slice::from_ref(&plain)));
        assert_eq!((again.plan.steps.len(), &again.stored), (0, &done));

        let before = way(&without.stored, &with);
        assert!(effects(&before.plan).iter().all(|effect| !effect.contains("table")), "{:?}", effects(&before.plan));
        assert_eq!(before.stored.removed, []);
        let after = effects(&way(&done, &with).plan);
        match policy {
            "Delete" => assert_eq!(after[0], "Expand Safe: create table orders"),
            _ => {
                assert!(after.contains(&"Expand DataDependent: add reference orders.buyer to users".to_owned()));
                assert!(!after.iter().any(|effect| effect.contains("require ")), "it has been so all along: {after:?}");
            }
        }
    }
}
