//! Bodies against a collection, on create, PUT and PATCH.

use mainstay_crds::collection::{Document, check};
use mainstay_crds::schema::Schema;
use serde_json::json;

use super::*;
use crate::service::Caller;

const NOW: i64 = 1_000_000;

fn schema() -> Schema {
    let fields = json!([
        { "name": "title", "type": "text", "required": true },
        { "name": "rank", "type": "integer", "default": 3 },
        { "name": "slug", "type": "text", "immutable": true },
        { "name": "origin", "type": "text", "readOnly": true, "default": "here" },
        { "name": "pin", "type": "text", "writeOnly": true },
        { "name": "pay", "type": "integer", "readRoles": ["staff"], "writeRoles": ["staff"] },
        { "name": "note", "type": "text", "readRoles": ["staff"] },
        { "name": "made", "type": "timestamp", "default": "$now" },
        { "name": "token", "type": "uuid", "default": "$uuid" },
        { "name": "extra", "type": "json" },
    ]);
    let checks = json!([{ "that": { "rank": { "lt": 10 } }, "message": "too high" }]);
    let document = json!({
        "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection",
        "metadata": { "name": "things" }, "spec": { "fields": fields, "checks": checks },
    });
    check(&[Document(document)]).unwrap()
}

fn text(text: &str) -> Value<'static> {
    Value::from(text.to_owned())
}

/// A record as it is stored, at version 2.
fn stored() -> Record {
    vec![
        Value::Uuid(Uuid::from_u128(7)),
        Value::Integer(2),
        Value::Timestamp(1),
        Value::Timestamp(2),
        text("old"),
        Value::Integer(5),
        text("slug"),
        text("elsewhere"),
        text("1234"),
        Value::Integer(100),
        text("unseen"),
        Value::Timestamp(1),
        Value::Uuid(Uuid::from_u128(9)),
        Value::Json(r#"{"a":1,"b":{"c":2}}"#.into()),
    ]
}

enum How {
    Create,
    Replace,
    Patch,
}

/// The record, or its problems as `path code`.
fn draft(caller: Caller, how: &How, body: Json) -> Result<Record, Vec<String>> {
    let (schema, ctx) = (schema(), Ctx { caller, now: NOW, once: None });
    let (things, body) = (schema.get("things").unwrap(), body.as_object().unwrap());
    let mut problems = Problems::new();
    let record = match how {
        How::Create => create(&ctx, things, body, None, &mut problems),
        How::Replace => replace(&ctx, things, body, &stored(), &mut problems),
        How::Patch => patch(&ctx, things, body, &stored(), &mut problems),
    };
    let told = |problem: Problem| format!("{} {}", problem.path, problem.code);
    problems.finish(record).map_err(|problems| problems.into_iter().map(told).collect())
}

/// Values by the names of their fields.
fn assert_has(record: &Record, expected: &[(&str, Value<'static>)]) {
    let schema = schema();
    let things = schema.get("things").unwrap();
    for (name, value) in expected {
        assert_eq!(record[things.position(name).unwrap()], *value, "{name}");
    }
}

#[test]
fn a_new_record_has_its_defaults() {
    let record = draft(Caller::Anonymous, &How::Create, json!({ "title": "new" })).unwrap();
    assert_has(
        &record,
        &[
            ("version", Value::Integer(1)),
            ("created_at", Value::Timestamp(NOW)),
            ("updated_at", Value::Timestamp(NOW)),
            ("rank", Value::Integer(3)),
            ("origin", text("here")),
            ("slug", Value::Null),
            ("made", Value::Timestamp(NOW)),
        ],
    );
    let ids: Vec<_> = [0, 12].map(|at| matches!(record[at], Value::Uuid(id) if id.get_version_num() == 7)).into();
    assert_eq!(ids, [true, true], "the id and the token are UUIDs of version 7");
    // Null is a value: it is not the default.
    let record = draft(Caller::Anonymous, &How::Create, json!({ "title": "new", "rank": null })).unwrap();
    assert_has(&record, &[("rank", Value::Null)]);
}

#[test]
fn put_keeps_what_its_caller_cannot_give() {
    let record = draft(Caller::Anonymous, &How::Replace, json!({ "title": "new" })).unwrap();
    let kept = [
        ("created_at", Value::Timestamp(1)),
        ("slug", text("slug")),
        ("origin", text("elsewhere")),
        ("pin", text("1234")),
        ("pay", Value::Integer(100)),
        ("note", text("unseen")),
    ];
    assert_has(&record, &kept);
    let changed = [
        ("version", Value::Integer(3)),
        ("updated_at", Value::Timestamp(NOW)),
        ("title", text("new")),
        ("rank", Value::Integer(3)),
        ("made", Value::Timestamp(NOW)),
        ("extra", Value::Null),
    ];
    assert_has(&record, &changed);
    // Who sees them replaces them.
    let record = draft(Caller::Admin, &How::Replace, json!({ "title": "new" })).unwrap();
    assert_has(&record, &[("pay", Value::Null), ("note", Value::Null), ("pin", text("1234"))]);
}

#[test]
fn a_patch_changes_what_it_names() {
    let body = json!({ "rank": null, "extra": { "b": { "c": null, "d": [null] }, "a": null } });
    let record = draft(Caller::Anonymous, &How::Patch, body).unwrap();
    let extra = Value::Json(r#"{"b":{"d":[null]}}"#.into());
    assert_has(&record, &[("title", text("old")), ("rank", Value::Null), ("extra", extra), ("pin", text("1234"))]);
    let record = draft(Caller::Anonymous, &How::Patch, json!({})).unwrap();
    assert_has(&record, &[("version", Value::Integer(3)), ("extra", stored()[13].clone())]);
}

#[test]
fn every_wrong_member_is_told() {
    let (anyone, admin) = (|| Caller::Anonymous, || Caller::Admin);
    let seven = Uuid::from_u128(7).to_string();
    for (caller, how, body, problems) in [
        (anyone(), How::Create, json!({}), vec!["/title required"]),
        (anyone(), How::Create, json!({ "title": null, "nope": 1 }), vec!["/nope unknown_field", "/title required"]),
        (anyone(), How::Create, json!({ "title": 1, "rank": "1" }), vec!["/title wrong_type", "/rank wrong_type"]),
        (anyone(), How::Create, json!({ "title": "x", "version": 1 }), vec!["/version read_only"]),
        (anyone(), How::Create, json!({ "title": "x", "origin": "there" }), vec!["/origin read_only"]),
        (anyone(), How::Create, json!({ "title": "x", "origin": "here" }), vec![]),
        (anyone(), How::Create, json!({ "title": "x", "pay": null }), vec!["/pay forbidden"]),
        (anyone(), How::Create, json!({ "title": "x", "id": Uuid::nil().to_string() }), vec!["/id invalid"]),
        (anyone(), How::Create, json!({ "title": "x", "id": Uuid::max().to_string() }), vec!["/id invalid"]),
        (anyone(), How::Create, json!({ "title": "x", "id": 7 }), vec!["/id wrong_type"]),
        (anyone(), How::Replace, json!({}), vec!["/title required"]),
        (anyone(), How::Patch, json!({ "title": null }), vec!["/title required"]),
        (anyone(), How::Patch, json!({ "id": seven, "version": 2, "slug": "slug", "origin": "elsewhere" }), vec![]),
        (
            anyone(),
            How::Patch,
            json!({ "id": Uuid::max().to_string(), "version": 3 }),
            vec!["/id read_only", "/version read_only"],
        ),
        (anyone(), How::Patch, json!({ "slug": "other" }), vec!["/slug immutable"]),
        (anyone(), How::Patch, json!({ "slug": null }), vec!["/slug immutable"]),
        (anyone(), How::Patch, json!({ "origin": "here" }), vec!["/origin read_only"]),
        // A right guess is told like a wrong one.
        (anyone(), How::Patch, json!({ "pay": 100 }), vec!["/pay forbidden"]),
        (anyone(), How::Patch, json!({ "pay": 101 }), vec!["/pay forbidden"]),
        (admin(), How::Patch, json!({ "pay": 101 }), vec![]),
    ] {
        let found = draft(caller, &how, body.clone()).err().unwrap_or_default();
        assert_eq!(found, problems, "{body}");
    }
}

#[test]
fn only_false_breaks_a_check() {
    let schema = schema();
    let things = schema.get("things").unwrap();
    for (rank, broken) in [(Value::Integer(9), 0), (Value::Integer(10), 1), (Value::Null, 0)] {
        let mut record = stored();
        record[5] = rank.clone();
        assert_eq!(broken_checks(things, &record, "/3").len(), broken, "{rank:?}");
    }
}

#[test]
fn fields_that_may_not_be_written_are_forbidden_and_the_rest_is_invalid() {
    let problem = |code| Problem { path: String::new(), code, message: String::new(), hint: None };
    assert_eq!(refusal(vec![problem("forbidden")]).code, Code::Forbidden);
    assert_eq!(refusal(vec![problem("forbidden"), problem("required")]).code, Code::ValidationError);
}

#[test]
fn increments_keep_the_bounds_of_their_fields() {
    let schema = schema();
    let (things, ctx) = (schema.get("things").unwrap(), Ctx { caller: Caller::Admin, now: NOW, once: None });
    let codes = |problems: Problems| problems.into_vec().iter().map(|p| format!("{} {}", p.path, p.code)).collect();
    let added = |json: Json| -> Result<Record, Vec<String>> {
        let mut problems = Problems::new();
        let increments = increment::parse(&ctx, things, &json, &Map::new(), &mut problems);
        if !problems.is_empty() {
            return Err(codes(problems));
        }
        let mut record = stored();
        increment::apply(things, &mut record, &increments, &mut problems);
        if problems.is_empty() { Ok(record) } else { Err(codes(problems)) }
    };
    assert_has(
        &added(json!({ "rank": 2, "pay": -100.0 })).unwrap(),
        &[("rank", Value::Integer(7)), ("pay", Value::Integer(0))],
    );
    for (json, problem) in [
        (json!({ "rank": 9_007_199_254_740_991_i64 }), "/rank integer_out_of_range"),
        (json!({ "rank": 0.5 }), "/rank not_integral"),
        (json!({ "rank": "1" }), "/rank wrong_type"),
        (json!({ "rank": null }), "/rank wrong_type"),
        (json!({ "title": 1 }), "/title not_a_number"),
        (json!({ "slug": 1 }), "/slug read_only"),
        (json!({ "version": 1 }), "/version read_only"),
        (json!({ "nope": 1 }), "/nope unknown_field"),
        (json!([1]), " wrong_type"),
    ] {
        assert_eq!(added(json.clone()).unwrap_err()[0], problem, "{json}");
    }
    // Whoever may not read a field would learn of it by the bounds.
    let ctx = Ctx { caller: Caller::Anonymous, now: NOW, once: None };
    let mut problems = Problems::new();
    increment::parse(&ctx, things, &json!({ "pay": 1 }), &Map::new(), &mut problems);
    assert_eq!(codes(problems), ["/pay forbidden"]);
}

/// The test cases of RFC 7396, appendix A.
#[test]
fn merging_follows_the_examples_of_the_standard() {
    for (target, patch, merged) in [
        (json!({ "a": "b" }), json!({ "a": "c" }), json!({ "a": "c" })),
        (json!({ "a": "b" }), json!({ "b": "c" }), json!({ "a": "b", "b": "c" })),
        (json!({ "a": "b" }), json!({ "a": null }), json!({})),
        (json!({ "a": "b", "b": "c" }), json!({ "a": null }), json!({ "b": "c" })),
        (json!({ "a": ["b"] }), json!({ "a": "c" }), json!({ "a": "c" })),
        (json!({ "a": "c" }), json!({ "a": ["b"] }), json!({ "a": ["b"] })),
        (json!({ "a": { "b": "c" } }), json!({ "a": { "b": "d", "c": null } }), json!({ "a": { "b": "d" } })),
        (json!({ "a": [{ "b": "c" }] }), json!({ "a": [1] }), json!({ "a": [1] })),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({ "a": "b" }), json!(["c"]), json!(["c"])),
        (json!({ "a": "foo" }), json!(null), json!(null)),
        (json!({ "a": "foo" }), json!("bar"), json!("bar")),
        (json!({ "e": null }), json!({ "a": 1 }), json!({ "e": null, "a": 1 })),
        (json!([1, 2]), json!({ "a": "b", "c": null }), json!({ "a": "b" })),
        (json!({}), json!({ "a": { "bb": { "ccc": null } } }), json!({ "a": { "bb": {} } })),
    ] {
        let mut found = target.clone();
        merge(&mut found, &patch);
        assert_eq!(found, merged, "{patch} on {target}");
    }
}
