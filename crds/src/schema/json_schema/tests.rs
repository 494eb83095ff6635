//! Each shape of one collection, and records against their schemas.

use serde_json::{Value as Json, json};

use super::*;
use crate::collection::{Document, check};

fn collection() -> Collection {
    let spec = json!({ "description": "Things.", "fields": [
        { "name": "title", "type": "text", "required": true, "maxLength": 20, "description": "Its name.", "example": "Hi" },
        { "name": "status", "type": "enum", "values": ["a", "b"], "default": "a" },
        { "name": "level", "type": "integer", "required": true, "default": 3 },
        { "name": "secret", "type": "text", "required": true, "writeOnly": true },
        { "name": "code", "type": "text", "required": true, "immutable": true },
        { "name": "made_at", "type": "timestamp", "required": true, "readOnly": true, "default": "$now" },
        { "name": "salary", "type": "decimal", "precision": 10, "scale": 2, "readRoles": ["hr"] },
        { "name": "extra", "type": "json", "schema": { "type": "object", "enum": [{}] } },
        { "name": "free", "type": "json" },
    ] });
    let metadata = json!({ "name": "things" });
    let document =
        json!({ "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection", "metadata": metadata, "spec": spec });
    Collection::clone(check(&[Document(document)]).unwrap().get("things").unwrap())
}

fn keys(schema: &Json) -> (Vec<String>, Vec<String>) {
    let properties = schema["properties"].as_object().unwrap().keys().cloned().collect();
    let required = schema.get("required").and_then(Json::as_array).into_iter().flatten();
    (properties, required.map(|name| name.as_str().unwrap().to_owned()).collect())
}

#[test]
fn each_shape_has_its_fields() {
    let answered = "code created_at extra free id level made_at salary status title updated_at version";
    let all = "code created_at extra free id level made_at salary secret status title updated_at version";
    let cases = [
        (Shape::Record, answered, "id version created_at updated_at title status level code made_at extra free"),
        (Shape::Partial, answered, ""),
        (Shape::Create, "code extra free id level salary secret status title", "title secret code"),
        (Shape::Update, all, "title"),
        (Shape::Patch, all, ""),
    ];
    for (shape, properties, required) in cases {
        let schema = json_schema(&collection(), shape);
        let (mut has, needs) = keys(&schema);
        has.sort();
        assert_eq!(has.join(" "), properties, "{shape:?}");
        assert_eq!(needs.join(" "), required, "{shape:?}");
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(schema["description"], json!("Things."));
    }
}

#[test]
fn properties_say_what_a_client_needs() {
    let create = json_schema(&collection(), Shape::Create);
    let property = |name: &str| create["properties"][name].clone();
    assert_eq!(property("title")["description"], json!("Its name."));
    assert_eq!(property("title")["examples"], json!(["Hi"]));
    assert_eq!(property("status"), json!({ "type": ["string", "null"], "enum": ["a", "b", null], "default": "a" }));
    assert_eq!((&property("level")["type"], &property("level")["default"]), (&json!("integer"), &json!(3)));
    assert_eq!(property("secret")["writeOnly"], json!(true));
    assert_eq!(property("id").get("readOnly"), None);
    assert_eq!(property("extra")["anyOf"][1], json!({ "type": "null" }));
    let patch = json_schema(&collection(), Shape::Patch);
    assert_eq!(patch["properties"]["id"]["readOnly"], json!(true));
    assert_eq!(patch["properties"]["made_at"]["readOnly"], json!(true));
    assert_eq!(patch["properties"]["code"]["readOnly"], json!(true));
    assert_eq!(property("code").get("readOnly"), None);
    assert_eq!(patch["properties"]["level"].get("default"), None);
    let record = json_schema(&collection(), Shape::Record);
    assert_eq!(record["properties"]["id"].get("readOnly"), None);
}

#[test]
fn bodies_are_told_apart() {
    let cases = [
        (Shape::Create, json!({ "title": "x", "secret": "s", "code": "c" }), true),
        (
            Shape::Create,
            json!({ "title": "x", "secret": "s", "code": "c", "status": null, "extra": {}, "free": [null] }),
            true,
        ),
        (Shape::Create, json!({ "title": null, "secret": "s", "code": "c" }), false),
        (Shape::Create, json!({ "title": "x", "secret": "s" }), false),
        (Shape::Create, json!({ "title": "x", "secret": "s", "code": "c", "version": 1 }), false),
        (Shape::Create, json!({ "title": "x", "secret": "s", "code": "c", "extra": 5 }), false),
        (Shape::Patch, json!({}), true),
        (Shape::Patch, json!({ "status": null, "extra": null, "free": null }), true),
        (Shape::Patch, json!({ "level": null }), false),
        (Shape::Patch, json!({ "other": 1 }), false),
        (Shape::Update, json!({ "title": "x" }), true),
        (Shape::Partial, json!({ "salary": "1.00" }), true),
    ];
    for (shape, body, valid) in cases {
        let schema = json_schema(&collection(), shape);
        assert!(jsonschema::draft202012::meta::is_valid(&schema), "{schema}");
        let validator = jsonschema::validator_for(&schema).unwrap();
        assert_eq!(validator.is_valid(&body), valid, "{shape:?} {body}");
    }
}
