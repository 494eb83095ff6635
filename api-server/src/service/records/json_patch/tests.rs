//! Patches of a record: what they may name, and what the record's fields make of them.

use mainstay_crds::collection::{Document, check};
use mainstay_crds::schema::Schema;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::service::Caller;

fn schema() -> Schema {
    let fields = json!([
        { "name": "title", "type": "text" },
        { "name": "rank", "type": "integer" },
        { "name": "tags", "type": "list", "items": "text" },
        { "name": "extra", "type": "json" },
        { "name": "pin", "type": "text", "writeOnly": true },
        { "name": "note", "type": "json", "readRoles": ["staff"] },
    ]);
    let document = json!({
        "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection",
        "metadata": { "name": "things" }, "spec": { "fields": fields },
    });
    check(&[Document(document)]).unwrap()
}

fn stored() -> Vec<Value<'static>> {
    vec![
        Value::Uuid(Uuid::from_u128(7)),
        Value::Integer(2),
        Value::Timestamp(1),
        Value::Timestamp(2),
        Value::from("old".to_owned()),
        Value::Null,
        Value::List(vec![Value::from("a".to_owned()), Value::from("b".to_owned())]),
        Value::Json(r#"{"a":1,"b":{"c":2}}"#.into()),
        Value::from("1234".to_owned()),
        Value::Json(r#"{"x":1}"#.into()),
    ]
}

/// The members that a patch gives, or the code, path and rule of its refusal.
fn given(caller: Caller, patch: &Json) -> Result<Json, (Code, String, &'static str)> {
    let (schema, ctx) = (schema(), Ctx { caller, now: 1, once: None });
    let things = schema.get("things").unwrap();
    let patch = read(&ctx, things, patch);
    let members = patch.and_then(|patch| members(&ctx, things, &patch, &stored(), 32));
    members.map(Json::Object).map_err(|error| (error.code, error.details[0].path.clone(), error.details[0].code))
}

#[test]
fn a_patch_gives_the_fields_that_it_writes() {
    for (patch, expected) in [
        (json!([]), json!({})),
        (json!([{ "op": "replace", "path": "/title", "value": "new" }]), json!({ "title": "new" })),
        (json!([{ "op": "test", "path": "/rank", "value": null }]), json!({})),
        (json!([{ "op": "add", "path": "/tags/-", "value": "c" }]), json!({ "tags": ["a", "b", "c"] })),
        (json!([{ "op": "remove", "path": "/tags/0" }]), json!({ "tags": ["b"] })),
        (json!([{ "op": "remove", "path": "/extra/b" }]), json!({ "extra": { "a": 1 } })),
        // A record has every field: one that is removed is null.
        (json!([{ "op": "remove", "path": "/title" }]), json!({ "title": null })),
        (
            json!([{ "op": "move", "from": "/title", "path": "/extra/t" }]),
            json!({ "extra": { "a": 1, "b": { "c": 2 }, "t": "old" }, "title": null }),
        ),
        (json!([{ "op": "copy", "from": "/extra/a", "path": "/rank" }]), json!({ "rank": 1 })),
        // What is written and unchanged is given all the same, and judged as a merge patch would be.
        (json!([{ "op": "add", "path": "/version", "value": 2 }]), json!({ "version": 2 })),
    ] {
        assert_eq!(given(Caller::Anonymous, &patch), Ok(expected), "{patch}");
    }
}

#[test]
fn refusals_name_the_operation() {
    let invalid = Code::ValidationError;
    let cannot = Code::Unprocessable;
    for (patch, code, path, rule) in [
        (json!({}), invalid, "", "wrong_type"),
        (json!([{ "op": "test", "path": "", "value": {} }]), invalid, "/0/path", "not_allowed"),
        (json!([{ "op": "copy", "from": "", "path": "/extra" }]), invalid, "/0/from", "not_allowed"),
        (json!([{ "op": "add", "path": "/titel", "value": 1 }]), invalid, "/0/path", "unknown_field"),
        (json!([{ "op": "test", "path": "/nope", "value": 1 }]), invalid, "/0/path", "unknown_field"),
        (json!([{ "op": "add", "path": "/tags/01", "value": "x" }]), invalid, "/0/path", "malformed"),
        (json!([{ "op": "add", "path": "/tags/3", "value": "x" }]), cannot, "/0/path", "not_found"),
        (json!([{ "op": "remove", "path": "/extra/z" }]), cannot, "/0/path", "not_found"),
        (json!([{ "op": "add", "path": "/title/0", "value": 1 }]), cannot, "/0/path", "not_found"),
        (
            json!([{ "op": "add", "path": "/rank", "value": 1 }, { "op": "test", "path": "/title", "value": "x" }]),
            cannot,
            "/1",
            "test_failed",
        ),
    ] {
        assert_eq!(given(Caller::Anonymous, &patch), Err((code, path.to_owned(), rule)), "{patch}");
    }
}

#[test]
fn hidden_fields_can_be_set_and_never_asked_about() {
    let refused = |member: &str| Err((Code::ValidationError, format!("/0/{member}"), "not_allowed"));
    for name in ["pin", "note"] {
        let at = format!("/{name}");
        for op in ["add", "replace"] {
            let patch = json!([{ "op": op, "path": at, "value": "x" }]);
            assert_eq!(given(Caller::Anonymous, &patch), Ok(json!({ name: "x" })), "{patch}");
        }
        // Whether it was null before makes no difference.
        assert_eq!(given(Caller::Anonymous, &json!([{ "op": "remove", "path": at }])), Ok(json!({ name: null })));
        let copy = json!([{ "op": "copy", "from": "/title", "path": at }]);
        assert_eq!(given(Caller::Anonymous, &copy), Ok(json!({ name: "old" })));
        for (operation, member) in [
            (json!({ "op": "test", "path": at, "value": "1234" }), "path"),
            (json!({ "op": "test", "path": at, "value": null }), "path"),
            (json!({ "op": "copy", "from": at, "path": "/title" }), "from"),
            (json!({ "op": "move", "from": at, "path": "/title" }), "from"),
            (json!({ "op": "add", "path": format!("{at}/x"), "value": 1 }), "path"),
            (json!({ "op": "remove", "path": format!("{at}/x") }), "path"),
        ] {
            assert_eq!(given(Caller::Anonymous, &json!([operation])), refused(member), "{operation}");
        }
    }
    // Who reads a field patches it like any other; writeOnly is read by nobody.
    let test = |name: &str, value: Json| json!([{ "op": "test", "path": format!("/{name}"), "value": value }]);
    assert_eq!(given(Caller::Admin, &test("note", json!({ "x": 1 }))), Ok(json!({})));
    assert_eq!(given(Caller::Admin, &test("pin", json!("1234"))), refused("path"));
}
