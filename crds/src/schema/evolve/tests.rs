//! Every change that a plan can hold or refuse, as a table, and what the two hashes depend on.

use serde_json::{Value as Json, json};

use super::*;
use crate::collection::{Document, check};
use crate::plan::Phase;
use crate::sql::Dialect;

mod fields;
mod renames;
mod search;

fn declared(collections: &[(&str, Json)]) -> Schema {
    let document = |(name, spec): &(&str, Json)| {
        Document(json!({
            "apiVersion": "mainstay.dev/v1alpha1",
            "kind": "Collection",
            "metadata": { "name": name },
            "spec": spec,
        }))
    };
    check(&collections.iter().map(document).collect::<Vec<_>>()).unwrap()
}

/// The markets of most cases, with `extra` merged into the spec.
fn markets(extra: Json) -> Schema {
    let mut spec = json!({
        "fields": [
            { "name": "title", "type": "text", "required": true, "maxLength": 200 },
            { "name": "status", "type": "enum", "values": ["open", "closed"] },
            { "name": "volume", "type": "decimal", "precision": 18, "scale": 4 },
            { "name": "creator", "type": "ref", "collection": "users" },
            { "name": "opens_at", "type": "timestamp" },
            { "name": "closes_at", "type": "timestamp" }
        ]
    });
    for (key, value) in extra.as_object().unwrap() {
        match key.as_str() {
            "fields" => spec["fields"].as_array_mut().unwrap().extend(value.as_array().unwrap().iter().cloned()),
            _ => spec[key] = value.clone(),
        }
    }
    declared(&[("markets", spec)])
}

/// The markets with one field's document changed.
fn with_field(name: &str, change: Json) -> Schema {
    let mut spec = serde_json::to_value(&markets(json!({})).get("markets").unwrap().spec).unwrap();
    let fields = spec["fields"].as_array_mut().unwrap();
    let field = fields.iter_mut().find(|field| field["name"] == name).unwrap();
    for (key, value) in change.as_object().unwrap() {
        field[key] = value.clone();
    }
    declared(&[("markets", spec)])
}

fn applied(schema: &Schema) -> Stored {
    evolve(&Stored::default(), schema).unwrap().stored
}

fn effects(plan: &Plan) -> Vec<String> {
    let line = |step: &Step| format!("{:?} {:?}: {}", step.phase, step.class, step.effect);
    plan.steps.iter().map(line).collect()
}

#[test]
fn a_first_schema_makes_tables_then_references_then_indexes() {
    let schema = markets(json!({ "indexes": [{ "fields": ["creator", "-volume"] }] }));
    let evolution = evolve(&Stored::default(), &schema).unwrap();
    let effects = effects(&evolution.plan);
    assert_eq!(effects[..2], ["Expand Safe: create table markets", "Expand Safe: create table users"]);
    assert_eq!(effects[2], "Expand Safe: add reference markets.creator to users");
    assert!(effects.contains(&"Expand Safe: add index markets (creator, -volume)".to_owned()), "{effects:?}");
    assert_eq!((evolution.plan.from_revision, evolution.plan.to_revision), (0, 1));
    assert_eq!(evolution.plan.approval_hash, None);
    let reference = &evolution.plan.steps[2];
    assert!(reference.sql(Dialect::Sqlite).up.is_empty());
    assert!(reference.transactional);
}

#[test]
fn the_same_schema_is_no_change() {
    let stored = applied(&markets(json!({})));
    let text = serde_json::to_string(&stored).unwrap();
    let stored: Stored = serde_json::from_str(&text).unwrap();
    let schema = markets(json!({ "backendRef": { "name": "elsewhere" } }));
    let again = evolve(&stored, &schema).unwrap();
    assert_eq!((again.plan.to_revision, again.plan.steps.len()), (1, 0));
    assert_eq!(again.stored, stored);
}

#[test]
fn settings_raise_the_revision_without_a_step() {
    let stored = applied(&markets(json!({})));
    let cases = [
        markets(json!({ "description": "Questions" })),
        markets(json!({ "access": { "read": [{ "roles": ["anyone"] }] } })),
        with_field("title", json!({ "immutable": true })),
        with_field("creator", json!({ "onDelete": "cascade" })),
        with_field("status", json!({ "values": ["closed", "open"] })),
        with_field("opens_at", json!({ "default": "$now" })),
        markets(json!({ "history": { "keep": 20 } })),
    ];
    let mut hashes = Vec::new();
    for schema in cases {
        let evolution = evolve(&stored, &schema).unwrap();
        assert_eq!((evolution.plan.to_revision, evolution.plan.steps.len()), (2, 0));
        assert_ne!(evolution.stored, stored);
        assert_eq!(evolution.plan.approval_hash, None);
        hashes.push(evolution.plan.plan_hash);
    }
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), 7);
    let with = applied(&markets(json!({ "history": { "keep": 20 } })));
    for other in [json!({}), json!({ "history": { "keep": 1 } })] {
        let evolution = evolve(&with, &markets(other)).unwrap();
        assert_eq!((evolution.plan.to_revision, evolution.plan.steps.len()), (2, 0));
    }
}

#[test]
fn each_supported_change_has_its_steps() {
    let check = json!([{ "that": { "closes_at": { "gt": "$field.opens_at" } }, "message": "too early" }]);
    let cases: Vec<(Schema, Vec<&str>)> = vec![
        (
            markets(json!({ "fields": [{ "name": "slug", "type": "text", "maxLength": 80, "unique": true }] })),
            vec!["Expand Safe: add field markets.slug", "Expand Safe: add unique key markets (slug)"],
        ),
        (
            markets(
                json!({ "fields": [{ "name": "kind", "type": "enum", "values": ["a"], "required": true, "default": "a" }] }),
            ),
            vec!["Expand Safe: add field markets.kind", "Expand Safe: check values of markets.kind"],
        ),
        (
            markets(json!({ "indexes": [{ "fields": ["status", "-created_at"] }] })),
            vec!["Expand Safe: add index markets (status, -created_at)"],
        ),
        (
            markets(json!({ "unique": [{ "fields": ["title"], "caseInsensitive": true }] })),
            vec!["Contract DataDependent: add unique key markets (title) ignoring case"],
        ),
        (
            markets(json!({ "unique": [{ "fields": ["title"], "where": { "status": "open" } }] })),
            vec![r#"Contract DataDependent: add unique key markets (title) where {"status":{"eq":"open"}}"#],
        ),
        (
            markets(json!({ "checks": check })),
            vec![r#"Contract DataDependent: add check markets {"closes_at":{"gt":"$field.opens_at"}}"#],
        ),
        (
            with_field("status", json!({ "values": ["closed", "void", "open"] })),
            vec!["Expand Safe: allow markets.status: void"],
        ),
        (with_field("closes_at", json!({ "name": "ends_at", "renamedFrom": "closes_at" })), vec![]),
    ];
    let stored = applied(&markets(json!({})));
    for (schema, expected) in cases {
        let evolution = evolve(&stored, &schema).unwrap();
        assert_eq!(effects(&evolution.plan), expected);
        assert_eq!(evolution.plan.to_revision, 2);
        let gated = expected.iter().any(|effect| effect.contains("DataDependent"));
        assert_eq!(evolution.plan.approval_hash.is_some(), gated, "{expected:?}");
        for step in &evolution.plan.steps {
            for sql in [&step.postgres, &step.sqlite] {
                let asks = sql.violations.is_some() || step.judges.is_some();
                assert_eq!(asks, step.class == Class::DataDependent, "{}", step.effect);
            }
            let concurrent = step.postgres.up.iter().any(|sql| sql.contains("CONCURRENTLY"));
            assert!(!(concurrent && step.transactional), "{}", step.effect);
        }
        // What was applied is the next plan's start: nothing is left to do, and every removal is planned.
        assert_eq!(evolve(&evolution.stored, &schema).unwrap().plan.to_revision, 2);
    }
}

#[test]
fn dropped_rules_are_safe_contract_steps() {
    let schema = markets(json!({
        "unique": [{ "fields": ["title"] }],
        "indexes": [{ "fields": ["status"] }],
        "checks": [{ "that": { "closes_at": { "gt": "$field.opens_at" } }, "message": "too early" }],
    }));
    let evolution = evolve(&applied(&schema), &markets(json!({}))).unwrap();
    let dropped = [
        "Contract Safe: drop unique key markets (title)",
        "Contract Safe: drop index markets (status)",
        r#"Contract Safe: drop check markets {"closes_at":{"gt":"$field.opens_at"}}"#,
    ];
    assert_eq!(effects(&evolution.plan), dropped);
}

#[test]
fn what_is_not_supported_is_refused_all_at_once_with_the_next_step() {
    let stored = applied(&markets(json!({})));
    let fresh = json!([{ "name": "owner", "type": "ref", "collection": "users",
        "default": "0192f0c1-2345-7abc-8def-0123456789ab" }]);
    let cases: Vec<(Schema, &str, &str)> = vec![
        (with_field("opens_at", json!({ "type": "boolean" })), "/markets/spec/fields/4/type", "timestamp to boolean"),
        (with_field("closes_at", json!({ "type": "integer" })), "/markets/spec/fields/5/type", "timestamp to integer"),
        (
            with_field("status", json!({ "type": "integer", "values": null })),
            "/markets/spec/fields/1/type",
            "enum to integer",
        ),
        (markets(json!({ "fields": fresh })), "/markets/spec/fields/6", "a new reference with a constant default"),
    ];
    for (schema, path, message) in cases {
        let problems = evolve(&stored, &schema).unwrap_err();
        let found: Vec<(&str, &str)> = problems.iter().map(|problem| (problem.path.as_str(), problem.code)).collect();
        assert_eq!(found, [(path, "not_supported")]);
        assert!(problems[0].message.contains(message), "{}", problems[0].message);
        assert!(problems[0].hint.is_some());
    }
    let mut spec = serde_json::to_value(&markets(json!({})).get("markets").unwrap().spec).unwrap();
    spec["fields"][4]["type"] = json!("json");
    spec["fields"][5]["type"] = json!("bytes");
    assert_eq!(evolve(&stored, &declared(&[("markets", spec)])).unwrap_err().len(), 2);
}

#[test]
fn a_lost_and_a_found_field_of_one_type_look_like_a_rename() {
    let stored = applied(&markets(json!({})));
    let evolution = evolve(&stored, &with_field("closes_at", json!({ "name": "ends_at" }))).unwrap();
    let note = "`markets.closes_at` is declared no longer: its data stays in the database and is served no longer; if \
        `ends_at` is its new name, add `renamedFrom: closes_at` to it";
    assert_eq!(evolution.notes, [note]);
}

#[test]
fn the_approval_hash_depends_on_gated_effects_and_what_they_touch_alone() {
    let unique = json!([{ "fields": ["title"] }]);
    let first = applied(&markets(json!({})));
    let hash = |stored: &Stored, schema: &Schema| evolve(stored, schema).unwrap().plan.approval_hash.unwrap();
    let approved = hash(&first, &markets(json!({ "unique": unique })));
    // Safe steps and settings beside it change nothing.
    let more = markets(json!({ "unique": unique, "indexes": [{ "fields": ["volume"] }], "description": "Questions" }));
    assert_eq!(hash(&first, &more), approved);
    // Another gated effect does, and so does another start.
    let other = markets(json!({ "unique": [{ "fields": ["title"], "caseInsensitive": true }] }));
    assert_ne!(hash(&first, &other), approved);
    let moved = evolve(&first, &markets(json!({ "description": "Questions" }))).unwrap().stored;
    assert_ne!(hash(&moved, &more), approved);

    // SQL text does not matter, and the plan hash is over the SQL.
    let mut evolution = evolve(&first, &more).unwrap();
    let plan_hash = evolution.plan.plan_hash.clone();
    for step in &mut evolution.plan.steps {
        step.postgres.up.push("SELECT 1".to_owned());
    }
    let again = hashed(&first, &evolution.stored, evolution.plan.steps);
    assert_eq!(again.approval_hash.as_deref(), Some(approved.as_str()));
    assert_ne!(again.plan_hash, plan_hash);
    assert_eq!(plan_hash.len(), 64);
}

#[test]
fn contract_follows_expand() {
    let schema = markets(json!({
        "fields": [{ "name": "slug", "type": "text", "maxLength": 80 }],
        "unique": [{ "fields": ["title"] }],
        "indexes": [{ "fields": ["slug"] }],
    }));
    let plan = evolve(&applied(&markets(json!({}))), &schema).unwrap().plan;
    assert!(plan.steps.is_sorted_by_key(|step| step.phase));
    assert_eq!(plan.steps.last().map(|step| step.phase), Some(Phase::Contract));
}
