//! What is migrated while it is killed: documents before and after, so that each kind of step has a place.

use serde_json::{Value as Json, json};

/// How far documents of before are applied.
pub const WHOLE: &str = "expand,backfill,contract";
const BEGUN: &str = "expand,backfill";

pub struct Case {
    pub name: &'static str,
    /// What is applied first, in this order; records come after the first of them.
    pub before: Vec<(Vec<Json>, &'static str)>,
    /// What is applied and killed.
    pub after: Vec<Json>,
    /// A record of `things`.
    pub record: fn(usize) -> Json,
    pub records: usize,
}

pub fn all() -> Vec<Case> {
    let removed = [removed("Delete"), removed("Retain"), returned()];
    [first(), added(), narrowed(), widened(), converted(), searched()].into_iter().chain(removed).collect()
}

fn collection(name: &str, spec: Json) -> Json {
    json!({ "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection", "metadata": { "name": name }, "spec": spec })
}

/// `things` with these fields and more of the spec, and the `others` that they may refer to.
fn things(fields: Json, more: Json) -> Vec<Json> {
    let mut spec = more;
    spec["fields"] = fields;
    vec![collection("things", spec), collection("others", json!({ "fields": [{ "name": "label", "type": "text" }] }))]
}

fn title() -> Json {
    json!({ "name": "title", "type": "text", "maxLength": 50 })
}

fn first() -> Case {
    let fields = json!([title(), { "name": "by", "type": "ref", "collection": "others" },
        { "name": "code", "type": "text", "maxLength": 9, "unique": true }]);
    let after = things(fields, json!({ "indexes": [{ "fields": ["title"] }] }));
    Case { name: "first", before: Vec::new(), after, record: |_| Json::Null, records: 0 }
}

fn added() -> Case {
    let fields = json!([
        title(),
        { "name": "n", "type": "integer", "default": 7 },
        { "name": "state", "type": "enum", "values": ["on", "off"], "default": "on" },
        { "name": "by", "type": "ref", "collection": "others" },
        { "name": "at", "type": "timestamp", "required": true, "default": "$now" },
        { "name": "code", "type": "text", "maxLength": 9, "unique": true },
    ]);
    Case {
        name: "added",
        before: vec![(things(json!([title()]), json!({})), WHOLE)],
        after: things(fields, json!({ "indexes": [{ "fields": ["n", "-title"] }] })),
        record: |n| json!({ "title": format!("t{n}") }),
        records: 1100,
    }
}

fn narrowed() -> Case {
    let word = |kind: Json| {
        let mut kind = kind;
        kind["name"] = json!("word");
        kind
    };
    let low = |required: bool| json!({ "name": "low", "type": "integer", "required": required, "default": 3 });
    let state = |values: Json| json!({ "name": "state", "type": "enum", "values": values });
    let check = |than: i64| json!([{ "that": { "size": { "lt": than } }, "message": "too large" }]);
    let fields = json!([
        title(), word(json!({ "type": "text" })), { "name": "other", "type": "uuid" }, state(json!(["a", "b"])),
        { "name": "low", "type": "integer" }, { "name": "size", "type": "integer" },
    ]);
    let before = things(
        fields,
        json!({
            "indexes": [{ "fields": ["size"] }], "unique": [{ "fields": ["title", "size"] }], "checks": check(5000),
        }),
    );
    let mut unique = title();
    unique["unique"] = json!(true);
    let fields = json!([
        unique, word(json!({ "type": "enum", "values": ["x", "y"] })),
        { "name": "other", "type": "ref", "collection": "others" }, state(json!(["a", "c"])), low(true),
        { "name": "size", "type": "integer", "minimum": 0 },
    ]);
    Case {
        name: "narrowed",
        before: vec![(before, WHOLE)],
        after: things(fields, json!({ "checks": check(4000) })),
        record: |n| {
            let low = if n.is_multiple_of(3) { Json::Null } else { json!(n) };
            json!({ "title": format!("t{n}"), "word": "x", "other": other(), "state": "a", "low": low, "size": n })
        },
        records: 1100,
    }
}

fn widened() -> Case {
    let fields = |strict: bool| {
        let by = if strict { json!({ "type": "ref", "collection": "others" }) } else { json!({ "type": "uuid" }) };
        let state = if strict { json!({ "type": "enum", "values": ["a"] }) } else { json!({ "type": "text" }) };
        let default = if strict { json!("-") } else { Json::Null };
        let digits = if strict { 9 } else { 12 };
        let mut fields = json!([
            { "name": "title", "type": "text", "maxLength": 50, "required": strict },
            { "name": "note", "type": "text", "default": default },
            { "name": "price", "type": "decimal", "precision": digits, "scale": 2 },
            by, state,
        ]);
        (fields[3]["name"], fields[4]["name"]) = (json!("by"), json!("state"));
        fields
    };
    Case {
        name: "widened",
        before: vec![(things(fields(true), json!({})), WHOLE)],
        after: things(fields(false), json!({})),
        record: |n| json!({ "title": format!("t{n}"), "price": "1.50", "by": other(), "state": "a" }),
        records: 30,
    }
}

fn converted() -> Case {
    let fields = |kind: Json| {
        let mut count = json!({ "name": "count", "required": true, "unique": true });
        count.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
        json!([title(), count])
    };
    let delete = || json!({ "deletionPolicy": "Delete" });
    Case {
        name: "converted",
        before: vec![(things(fields(json!({ "type": "integer" })), delete()), WHOLE)],
        after: things(fields(json!({ "type": "text", "maxLength": 20 })), delete()),
        record: |n| json!({ "title": format!("t{n}"), "count": n }),
        records: 2100,
    }
}

/// The same fields in another language: other words beside the former ones.
fn searched() -> Case {
    let words = |language: &str| {
        let search = json!({ "text": ["title"], "language": language });
        things(json!([title()]), json!({ "search": search }))
    };
    Case {
        name: "searched",
        before: vec![(words("simple"), WHOLE)],
        after: words("english"),
        record: |n| json!({ "title": format!("raining {n}") }),
        records: 1100,
    }
}

/// Things with all that can be removed, and a collection that goes.
fn whole(policy: &str) -> Vec<Json> {
    let fields = json!([title(), { "name": "by", "type": "ref", "collection": "others" },
        { "name": "legacy", "type": "text", "maxLength": 9, "required": true }]);
    let mut all = things(fields, json!({ "deletionPolicy": policy, "indexes": [{ "fields": ["legacy"] }] }));
    let fields = json!([{ "name": "thing", "type": "ref", "collection": "things" }, { "name": "n", "type": "integer" },
            { "name": "word", "type": "text" }]);
    let check = json!([{ "that": { "n": { "lt": 9 } }, "message": "too large" }]);
    let indexes = json!([{ "fields": ["n"] }]);
    let olds = json!({ "deletionPolicy": policy, "fields": fields, "checks": check, "indexes": indexes,
        "search": { "text": ["word"] } });
    all.push(collection("olds", olds));
    all
}

fn old_record(n: usize) -> Json {
    json!({ "title": format!("t{n}"), "by": other(), "legacy": format!("l{n}") })
}

fn removed(policy: &'static str) -> Case {
    let after = things(json!([title()]), json!({ "deletionPolicy": policy }));
    Case { name: policy, before: vec![(whole(policy), WHOLE)], after, record: old_record, records: 30 }
}

/// Before their contract, and without the index, the check and the search that they had.
fn returned() -> Case {
    let rest = things(json!([title()]), json!({ "deletionPolicy": "Retain" }));
    let mut after = whole("Retain");
    (after[0]["spec"]["indexes"], after[2]["spec"]["checks"]) = (json!([]), json!([]));
    after[2]["spec"].as_object_mut().unwrap().remove("search");
    let before = vec![(whole("Retain"), WHOLE), (rest, BEGUN)];
    Case { name: "returned", before, after, record: old_record, records: 30 }
}

/// The id of the one record of `others`.
pub fn other() -> &'static str {
    "00000000-0000-7000-8000-000000000001"
}
