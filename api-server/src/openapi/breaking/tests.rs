//! One document beside another: every option of every kind of field, changed there and back; and what is no field's.

use std::collections::BTreeSet;

use mainstay_crds::collection::{Document, FieldSpec, check};
use mainstay_crds::field::KINDS;
use serde_json::{Value as Json, json};

use super::{Change, changes, judge};
use crate::openapi::{document, to_json};
use crate::query::page::Limits;

fn collection(name: &str, spec: &Json) -> Document {
    Document(json!({
        "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection", "metadata": { "name": name }, "spec": spec,
    }))
}

fn published(collections: &[(&str, Json)], max: u32) -> Json {
    let documents: Vec<Document> = collections.iter().map(|(name, spec)| collection(name, spec)).collect();
    let schema = check(&documents).unwrap_or_else(|problems| panic!("{collections:?}: {problems:?}"));
    serde_json::from_str(&to_json(&document(&schema, Limits { default: 20, max })).unwrap()).unwrap()
}

/// The document of a collection with this field; none, when it is null.
fn with_field(field: &Json) -> Json {
    let mut fields = vec![json!({ "name": "other", "type": "text" })];
    let mut field = field.clone();
    if !field.is_null() {
        field["name"] = json!("field");
        fields.push(field);
    }
    let spec = json!({ "fields": fields, "access": { "read": [{ "roles": ["anyone"] }] } });
    let target = json!({ "fields": [{ "name": "title", "type": "text" }] });
    published(&[("things", spec), ("targets", target)], 200)
}

fn codes(changes: &[Change], breaks: bool) -> Vec<&'static str> {
    changes.iter().filter(|change| change.breaks == breaks).map(|change| change.code).collect()
}

/// Kind, option, the field before and after, what breaks on the way there, what breaks on the way back.
type Case = (&'static str, &'static str, Json, Json, &'static [&'static str], &'static [&'static str]);

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    let narrower: &[&str] = &["narrower"];
    vec![
        ("text", "minLength", json!({"minLength":1}), json!({"minLength":2}), narrower, &[]),
        ("text", "maxLength", json!({"maxLength":9}), json!({"maxLength":8}), narrower, &[]),
        ("text", "pattern", json!({"pattern":"[a-z]*"}), json!({"pattern":"[a-z]{0,9}"}), narrower, &[]),
        ("text", "format", json!({}), json!({"format":"email"}), &["format_changed"], &["format_changed"]),
        ("text", "format", json!({"format":"slug"}), json!({"format":"slug","pattern":"[a-z-]+"}), narrower, &[]),
        ("integer", "minimum", json!({"minimum":1}), json!({"minimum":2}), narrower, &[]),
        ("integer", "maximum", json!({}), json!({"maximum":5}), narrower, &[]),
        ("number", "minimum", json!({}), json!({"minimum":0.5}), narrower, &[]),
        ("number", "maximum", json!({"maximum":2.5}), json!({"maximum":2}), narrower, &[]),
        ("decimal", "precision", json!({"precision":9,"scale":2}), json!({"precision":8,"scale":2}), narrower, &[]),
        ("decimal", "scale", json!({"precision":9,"scale":2}), json!({"precision":8,"scale":1}), narrower, &[]),
        ("decimal", "minimum", json!({"precision":9,"scale":2}), json!({"precision":9,"scale":2,"minimum":"0"}), narrower, &[]),
        ("decimal", "maximum", json!({"precision":4,"scale":2,"maximum":"9.50"}), json!({"precision":4,"scale":2,"maximum":"9.49"}), narrower, &[]),
        ("timestamp", "minimum", json!({}), json!({"minimum":"2024-01-01T00:00:00Z"}), narrower, &[]),
        ("timestamp", "maximum", json!({"maximum":"2024-01-01T00:00:00Z"}), json!({"maximum":"2023-12-31T23:59:59Z"}), narrower, &[]),
        ("date", "minimum", json!({"minimum":"2024-01-01"}), json!({"minimum":"2024-01-02"}), narrower, &[]),
        ("date", "maximum", json!({}), json!({"maximum":"2024-01-02"}), narrower, &[]),
        ("enum", "values", json!({"values":["a","b"]}), json!({"values":["a"]}), &["removed_values"], &[]),
        ("ref", "collection", json!({"collection":"targets"}), json!({"collection":"users"}), &["removed_parameter", "target_changed"], &["removed_parameter", "target_changed"]),
        ("ref", "onDelete", json!({"collection":"targets"}), json!({"collection":"targets","onDelete":"cascade"}), &[], &[]),
        ("json", "schema", json!({}), json!({"schema":{"type":"object"}}), &["type_changed"], &["type_changed"]),
        ("json", "schema", json!({"schema":{"type":"object","maxProperties":5}}), json!({"schema":{"type":"object","maxProperties":4}}), narrower, &[]),
        ("json", "schema", json!({"schema":{"type":"object","properties":{"a":{"maxLength":3}}}}), json!({"schema":{"type":"object","properties":{"a":{"maxLength":2}}}}), narrower, &[]),
        ("json", "schema", json!({"schema":{"type":"object"}}), json!({"schema":{"type":"object","required":["a"]}}), &["required_now"], &[]),
        ("json", "schema", json!({"schema":{"type":"integer"}}), json!({"schema":{"type":"integer","multipleOf":2}}), &["rule_changed"], &[]),
        ("list", "items", json!({"items":"text"}), json!({"items":"integer"}), &["type_changed"], &["type_changed"]),
        ("list", "values", json!({"items":"enum","values":["a","b"]}), json!({"items":"enum","values":["b"]}), &["removed_values"], &[]),
        ("list", "minItems", json!({"items":"text"}), json!({"items":"text","minItems":1}), narrower, &[]),
        ("list", "maxItems", json!({"items":"text","maxItems":3}), json!({"items":"text","maxItems":2}), narrower, &[]),
        ("list", "uniqueItems", json!({"items":"text"}), json!({"items":"text","uniqueItems":true}), narrower, &[]),
        ("bytes", "maxLength", json!({"maxLength":9}), json!({"maxLength":8}), narrower, &[]),
        ("text", "required", json!({}), json!({"required":true}), &["required_now"], &["null_now"]),
        ("text", "default", json!({"required":true,"default":"a"}), json!({"required":true}), &["required_now"], &[]),
        ("text", "unique", json!({"maxLength":9}), json!({"maxLength":9,"unique":true}), &[], &["removed_parameter"]),
        ("text", "immutable", json!({}), json!({"immutable":true}), &["immutable_now"], &[]),
        ("text", "immutable", json!({"required":true}), json!({"required":true,"immutable":true}), &["read_only_now", "immutable_now"], &["required_now"]),
        ("text", "writeOnly", json!({}), json!({"writeOnly":true}), &["removed_field"], &[]),
        ("text", "readOnly", json!({}), json!({"readOnly":true}), &["refused_field"], &[]),
        ("text", "readRoles", json!({}), json!({"readRoles":["staff"]}), &["absent_now"], &[]),
        ("text", "writeRoles", json!({}), json!({"writeRoles":["staff"]}), &[], &[]),
        ("text", "description", json!({}), json!({"description":"A name."}), &[], &[]),
        ("text", "example", json!({}), json!({"example":"A name."}), &[], &[]),
        ("text", "renamedFrom", json!({}), json!({"renamedFrom":"old"}), &[], &[]),
        ("text", "type", json!({}), json!({"type":"integer"}), &["type_changed"], &["type_changed"]),
        ("text", "name", Json::Null, json!({"required":true}), &["required_now"], &["removed_field"]),
    ]
}

#[test]
fn every_option_of_every_kind_is_known() {
    for (kind, option, before, after, there, back) in cases() {
        let field = |mut spec: Json| {
            if !spec.is_null() && spec.get("type").is_none() {
                spec["type"] = json!(kind);
            }
            with_field(&spec)
        };
        let (before, after) = (field(before), field(after));
        for (way, old, new, expected) in [("there", &before, &after, there), ("back", &after, &before, back)] {
            let found = changes(old, new);
            let mut told: Vec<_> = codes(&found, true);
            let mut expected = expected.to_vec();
            told.sort_unstable();
            expected.sort_unstable();
            told.dedup();
            assert_eq!(told, expected, "{kind} {option}, {way}: {found:#?}");
            let placed = |change: &&Change| {
                change
                    .field
                    .as_deref()
                    .is_some_and(|field| field.starts_with("field") || ["on_conflict", "things"].contains(&field))
            };
            let places = found.iter().filter(|change| change.breaks).all(|change| placed(&change));
            assert!(places, "{kind} {option}, {way}: {found:#?}");
        }
    }
}

#[test]
fn an_option_without_a_case_fails() {
    let cases = cases();
    let known: BTreeSet<(&str, &str)> = cases.iter().map(|(kind, option, ..)| (*kind, *option)).collect();
    let own: BTreeSet<&str> = KINDS.iter().flat_map(|row| row.options).copied().collect();
    for row in KINDS {
        for option in row.options {
            assert!(known.contains(&(row.name, *option)), "{}: {option} has no case", row.name);
        }
    }
    let all = serde_json::to_value(schemars::schema_for!(FieldSpec)).unwrap();
    for option in all["properties"].as_object().unwrap().keys().filter(|option| !own.contains(option.as_str())) {
        assert!(known.iter().any(|(_, known)| known == option), "{option}, an option of all kinds, has no case");
    }
}

#[test]
fn what_belongs_to_no_field_is_told_once() {
    let spec = |more: Json| {
        let mut spec =
            json!({ "fields": [{ "name": "title", "type": "text" }, { "name": "rank", "type": "integer" }] });
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        spec
    };
    let open = json!({ "access": { "read": [{ "roles": ["anyone"] }] } });
    let some = json!({ "access": { "read": [{ "roles": ["anyone"], "where": { "rank": 1 } }] } });
    let rule = json!({ "checks": [{ "that": { "rank": { "gte": 1 } }, "message": "too low" }] });
    for (what, before, after, breaks, notes) in [
        ("nothing", json!({}), json!({}), vec![], vec![]),
        ("a rule for nobody", open.clone(), json!({}), vec!["credential_needed", "null_now"], vec!["new_error"]),
        ("a rule for some rows", open.clone(), some, vec!["null_now"], vec!["new_error"]),
        ("a rule for everybody", json!({}), open, vec![], vec![]),
        (
            "a condition on changes",
            json!({}),
            json!({ "requirePrecondition": true }),
            vec!["required_parameter"],
            vec!["new_error"],
        ),
        ("a check", json!({}), rule, vec![], vec![]),
        ("another name of its schemas", json!({}), json!({ "singular": "item" }), vec![], vec![]),
        ("an index", json!({}), json!({ "indexes": [{ "fields": ["rank"] }] }), vec![], vec![]),
    ] {
        let found = changes(&published(&[("things", spec(before))], 200), &published(&[("things", spec(after))], 200));
        let set = |breaks| codes(&found, breaks).into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
        assert_eq!((set(true), set(false)), (breaks, notes), "{what}: {found:#?}");
        let mut breaking = found.iter().filter(|change| change.breaks);
        assert!(breaking.all(|change| change.collection.as_deref() == Some("things")), "{what}");
    }
}

#[test]
fn a_removed_collection_and_a_smaller_page_are_told() {
    let spec = json!({ "fields": [{ "name": "title", "type": "text" }] });
    let old = published(&[("things", spec.clone()), ("others", spec.clone())], 200);
    let found = changes(&old, &published(&[("things", spec.clone())], 200));
    let told: Vec<_> = found.iter().map(|change| (change.code, change.collection.as_deref())).collect();
    assert_eq!(told, [("removed_collection", Some("others"))]);
    let found = changes(&published(&[("things", spec.clone())], 200), &published(&[("things", spec)], 100));
    assert_eq!(found[0].message, "`limit` takes at most 100, it took 200");
}

#[test]
fn a_removed_field_is_one_change_with_all_that_hangs_on_it() {
    let target = json!({ "type": "ref", "collection": "targets" });
    let found = changes(&with_field(&target), &with_field(&Json::Null));
    let told: Vec<_> = found.iter().map(|change| (change.code, change.message.as_str())).collect();
    let other = "`things` is a reference to include of `GET /api/v1/targets` no longer";
    assert_eq!(told, [("removed_field", "`field` is gone"), ("removed_parameter", other)], "{found:#?}");
}

#[test]
fn more_values_are_a_note_and_a_narrower_text_is_shown() {
    let found = changes(
        &with_field(&json!({ "type": "enum", "values": ["a"] })),
        &with_field(&json!({ "type": "enum", "values": ["a", "b"] })),
    );
    assert_eq!(codes(&found, false), ["new_values"]);
    assert_eq!(found[0].message, "`field` may be answered as `b`");
    let date = |least: &str| with_field(&json!({ "type": "date", "minimum": least }));
    let found = changes(&date("2024-01-01"), &date("2024-01-02"));
    assert_eq!(found[0].message, "`field` takes \"2024-01-01\" no longer");
}

#[test]
fn a_document_that_is_not_ours_is_refused_and_a_hostile_one_read() {
    for (document, ours) in [
        (json!({}), false),
        (json!([]), false),
        (json!({ "swagger": "2.0" }), false),
        (json!({ "openapi": "3.1.0", "info": { "title": "Pets" }, "paths": {} }), false),
        (json!({ "openapi": "2.0", "info": { "title": "Mainstay backend" }, "paths": {} }), false),
        (json!({ "openapi": "3.1.0", "info": { "title": "Mainstay backend" } }), false),
        (json!({ "openapi": "3.1.0", "info": { "title": "Mainstay backend" }, "paths": {} }), true),
        (with_field(&Json::Null), true),
    ] {
        assert_eq!(judge(&document).is_ok(), ours, "{document}");
    }
    let mut circle = with_field(&json!({ "type": "text" }));
    for name in ["Thing", "ThingCreate", "ThingPartial"] {
        circle["components"]["schemas"][name] = json!({ "$ref": format!("#/components/schemas/{name}") });
    }
    circle["components"]["schemas"]["ThingPatch"] =
        json!({ "properties": { "field": { "$ref": "#/components/schemas/ThingPatch" } } });
    for (old, new) in [(&circle, &circle), (&circle, &with_field(&Json::Null)), (&json!({"paths": 1}), &circle)] {
        changes(old, new);
    }
}
