//! Documents with mistakes, and exactly the problems that they raise.

use serde_json::{Value as Json, json};

use super::*;

mod access;
mod bounds;
mod many;
mod search;

fn document(name: &str, spec: Json) -> Document {
    Document(json!({
        "apiVersion": API_VERSION, "kind": "Collection", "metadata": { "name": name }, "spec": spec
    }))
}

/// `path code` of each problem of each document.
fn found(documents: &[Document]) -> Vec<Vec<String>> {
    let lists = check(documents).map(|_| vec![vec![]; documents.len()]).unwrap_or_else(|lists| lists);
    let text = |problem: Problem| format!("{} {}", problem.path, problem.code);
    lists.into_iter().map(|list| list.into_iter().map(text).collect()).collect()
}

/// The problems of one document, beside a right one to refer to.
fn alone(spec: Json) -> Vec<String> {
    let orgs = document("orgs", json!({ "fields": [{ "name": "name", "type": "text", "maxLength": 50 }] }));
    found(&[document("things", spec), orgs]).swap_remove(0)
}

fn field(json: Json) -> Vec<String> {
    let mut field = json!({ "name": "a", "type": "text" });
    field.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
    alone(json!({ "fields": [field] }))
}

fn schema(documents: &[Document]) -> Schema {
    check(documents).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// The example of the design, less what it leaves for later.
fn markets() -> Document {
    document(
        "markets",
        json!({
            "backendRef": { "name": "demo" },
            "fields": [
                { "name": "title", "type": "text", "required": true, "minLength": 3, "maxLength": 200 },
                { "name": "slug", "type": "text", "required": true, "unique": true, "format": "slug", "maxLength": 80, "immutable": true },
                { "name": "status", "type": "enum", "values": ["open", "closed", "resolved"], "default": "open" },
                { "name": "volume", "type": "decimal", "precision": 18, "scale": 4, "default": "0", "minimum": "0" },
                { "name": "opens_at", "type": "timestamp", "default": "$now" },
                { "name": "closes_at", "type": "timestamp" },
                { "name": "creator", "type": "ref", "collection": "users", "onDelete": "restrict", "default": "$auth.id" },
                { "name": "tags", "type": "list", "items": "text", "maxItems": 20 },
                { "name": "extra", "type": "json", "schema": { "type": "object", "maxProperties": 50 } },
            ],
            "unique": [{ "fields": ["creator", "title"], "caseInsensitive": true, "where": { "status": "open" } }],
            "indexes": [{ "fields": ["status", "-created_at"] }],
            "checks": [{ "that": { "closes_at": { "gt": "$field.opens_at" } }, "message": "closes before it opens" }],
            "access": {
                "read": [{ "roles": ["anyone"] }],
                "create": [{ "roles": ["user"] }],
                "update": [{ "roles": ["user"], "where": { "creator": "$auth.id" } }],
            },
            "history": { "keep": 20 },
            "requirePrecondition": false,
            "deletionPolicy": "Retain",
        }),
    )
}

#[test]
fn the_documented_example_is_right() {
    let schema = schema(&[markets()]);
    let names: Vec<&str> = schema.collections.iter().map(|collection| collection.name.as_str()).collect();
    assert_eq!(names, ["markets", "users"]);
    let markets = schema.get("markets").unwrap();
    let fields: Vec<&str> = markets.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(fields[..5], ["id", "version", "created_at", "updated_at", "title"]);
    assert_eq!((markets.table.as_str(), markets.singular.as_str()), ("markets", "market"));
    let unique: Vec<(&[usize], bool)> =
        markets.unique.iter().map(|key| (key.fields.as_slice(), key.case_insensitive)).collect();
    assert_eq!(unique, [(&[5][..], false), (&[10, 4][..], true)]);
    // The key on the creator has a condition, so the reference needs an index of its own.
    let indexes: Vec<Vec<(usize, bool)>> = markets
        .indexes
        .iter()
        .map(|index| index.keys.iter().map(|key| (key.field, key.descending)).collect())
        .collect();
    assert_eq!(indexes, [vec![(6, false), (2, true)], vec![(10, false)]]);
    assert_eq!((markets.checks.len(), markets.access.read.len(), markets.access.delete.len()), (1, 1, 0));
    assert_eq!(markets.fields[8].default, Some(crate::schema::DefaultValue::Now));
    assert_eq!((markets.spec.fields.len(), markets.history), (9, Some(20)));
    assert_eq!(schema.get("users").unwrap().history, None);
}

#[test]
fn users_are_there_and_only_gain_fields() {
    let users = schema(&[]).get("users").unwrap().clone();
    let fields: Vec<(&str, bool)> = users.declared().map(|(_, f)| (f.name.as_str(), f.required)).collect();
    assert_eq!(fields, [("email", true), ("name", false), ("roles", false), ("disabled", false)]);
    assert!(users.unique[0].case_insensitive && users.unique[0].fields == [4]);
    assert!(users.access.read.is_empty());

    let more = document("users", json!({ "fields": [{ "name": "phone", "type": "text" }] }));
    let users = schema(&[more]).get("users").unwrap().clone();
    assert_eq!(users.fields.last().unwrap().name.as_str(), "phone");

    // What was stored is read back as it is, and gives the same collection.
    let stored = Document::new("users", &users.spec).unwrap();
    let again = check_stored(&[stored]).unwrap();
    let again = again.get("users").unwrap();
    assert_eq!(format!("{:?}", again.fields), format!("{:?}", users.fields));
    assert_eq!(again.unique[0].name, users.unique[0].name);
    assert_eq!(again.spec, users.spec);

    let redefined = document("users", json!({ "fields": [{ "name": "email", "type": "integer" }] }));
    assert_eq!(found(&[redefined]), [["/spec/fields/0/name reserved"]]);
}

#[test]
fn an_envelope_is_judged() {
    let cases: [(Json, &[&str]); 8] = [
        (json!(null), &[" wrong_type"]),
        (json!([]), &[" wrong_type"]),
        (json!({}), &[" required", " required", " required", " required"]),
        (
            json!({ "apiVersion": "mainstay.dev/v1", "kind": "Collections", "metadata": { "name": "a" }, "spec": {} }),
            &["/apiVersion not_allowed", "/kind not_allowed"],
        ),
        (
            json!({ "apiVersion": API_VERSION, "kind": "Collection", "metadata": { "nam": "a" }, "spec": {} }),
            &["/metadata/nam unknown_key"],
        ),
        (
            json!({ "apiVersion": API_VERSION, "kind": "Collection", "metadata": { "name": 3 }, "spec": [] }),
            &["/metadata/name wrong_type", "/spec wrong_type"],
        ),
        (
            json!({ "apiVersion": API_VERSION, "kind": "Collection", "metadata": {}, "spec": { "name": "a" }, "data": 1 }),
            &["/data unknown_key", "/metadata required"],
        ),
        (
            json!({ "apiVersion": API_VERSION, "kind": "Collection", "metadata": { "name": "a", "uid": "x" }, "spec": {}, "status": { "x": 1 } }),
            &[],
        ),
    ];
    for (document, expected) in cases {
        assert_eq!(found(&[Document(document.clone())])[0], expected, "{document}");
    }
}

#[test]
fn names_of_collections_are_judged() {
    let cases = [
        ("markets", None),
        ("order-lines", None),
        ("Markets", Some("/metadata/name bad_name")),
        ("a_b", Some("/metadata/name bad_name")),
        ("a-", Some("/metadata/name bad_name")),
        ("auth", Some("/metadata/name reserved")),
        ("audit", Some("/metadata/name reserved")),
        ("mainstay-x", Some("/metadata/name reserved")),
        ("sqlite-x", Some("/metadata/name reserved")),
        ("pg-class", Some("/metadata/name reserved")),
        ("unnamed", None),
    ];
    for (name, expected) in cases {
        let problems = found(&[document(name, json!({}))]).swap_remove(0);
        assert_eq!(problems.first().map(String::as_str), expected, "{name}");
    }
    let named = document("team.markets", json!({ "name": "markets" }));
    assert!(schema(&[named]).get("markets").is_some());
    let named = document("Team", json!({ "name": "keys", "singular": "A b" }));
    let expected = ["/metadata/name bad_name", "/spec/name reserved", "/spec/singular bad_name"];
    assert_eq!(found(&[named]), [expected]);
}

#[test]
fn documents_do_not_collide() {
    let empty = || json!({});
    assert_eq!(
        found(&[
            document("markets", empty()),
            document("markets", json!({ "fields": [{ "name": "x", "type": "txt" }] }))
        ]),
        [vec![], vec!["/spec/fields/0/type unknown_kind", "/metadata/name duplicate"]]
    );
    assert_eq!(found(&[document("users", empty()), document("users", empty())])[1], ["/metadata/name duplicate"]);
    let other = document("shops", json!({ "singular": "market" }));
    assert_eq!(found(&[document("markets", empty()), other])[1], ["/spec/singular duplicate"]);
    // `MarketList` is the list of `Market`.
    let lists = found(&[document("markets", empty()), document("market-lists", empty())]);
    assert_eq!(lists[1], ["/spec duplicate"]);
    assert_eq!(found(&[document("user", empty())])[0], Vec::<String>::new());
}

#[test]
fn one_mistake_is_one_problem() {
    let refers =
        |target: &str| document("b", json!({ "fields": [{ "name": "x", "type": "ref", "collection": target }] }));
    for (name, target) in [("Order_Lines", "order-lines"), ("jobs", "jobs")] {
        let lists = found(&[document(name, json!({})), refers(target)]);
        assert_eq!(lists.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0], "{name}");
    }
    // The field's own problem is enough: what names the field is right.
    let broken = json!({
        "fields": [{ "name": "a", "type": "txt" }, { "name": "other", "type": "text" }],
        "unique": [{ "fields": ["a"] }],
        "indexes": [{ "fields": ["-a"] }],
        "checks": [{ "that": { "or": [{ "a": { "gt": 5 } }, { "other": "$field.a" }] }, "message": "m" }],
    });
    let refers = document(
        "bs",
        json!({
            "fields": [{ "name": "x", "type": "ref", "collection": "as" }],
            "access": { "read": [{ "roles": ["anyone"], "where": { "x": { "a": 1 } } }] },
        }),
    );
    assert_eq!(found(&[document("as", broken), refers]), [vec!["/spec/fields/0/type unknown_kind"], vec![]]);
}

#[test]
fn keys_are_judged_by_structure() {
    let cases: [(Json, &[&str]); 14] = [
        (
            json!({ "cache": { "ttl": "30s" }, "audit": true }),
            &["/spec/audit not_supported", "/spec/cache not_supported"],
        ),
        (json!({ "history": {} }), &["/spec/history required"]),
        (json!({ "history": { "keep": 0 } }), &["/spec/history/keep out_of_range"]),
        (json!({ "history": { "keep": 1001 } }), &["/spec/history/keep out_of_range"]),
        (
            json!({ "history": { "keep": 1.5, "keeps": 2 } }),
            &["/spec/history/keep out_of_range", "/spec/history/keeps unknown_key"],
        ),
        (json!({ "history": true }), &["/spec/history wrong_type"]),
        (
            json!({ "feilds": [{ "name": "a", "type": "txt" }] }),
            &["/spec/feilds unknown_key", "/spec/fields/0/type unknown_kind"],
        ),
        (json!({ "whatever": 1 }), &["/spec/whatever unknown_key"]),
        (json!({ "deletionPolicy": "delete" }), &["/spec/deletionPolicy not_allowed"]),
        (json!({ "requirePrecondition": "true" }), &["/spec/requirePrecondition wrong_type"]),
        (json!({ "fields": {} }), &["/spec/fields wrong_type"]),
        (json!({ "fields": ["title", null] }), &["/spec/fields/0 wrong_type", "/spec/fields/1 wrong_type"]),
        (
            json!({ "access": { "read": [{ "role": ["anyone"] }], "list": [] } }),
            &["/spec/access/list unknown_key", "/spec/access/read/0/role unknown_key"],
        ),
        (json!({ "description": null, "singular": null, "access": null, "deletionPolicy": null }), &[]),
    ];
    for (spec, expected) in cases {
        assert_eq!(alone(spec.clone()), expected, "{spec}");
    }
}

#[test]
fn fields_are_judged() {
    let cases: [(Json, &[&str]); 30] = [
        (json!({}), &[]),
        (json!({ "name": "Title" }), &["/spec/fields/0/name bad_name"]),
        (json!({ "name": "a__b" }), &["/spec/fields/0/name bad_name"]),
        (json!({ "name": "created_at" }), &["/spec/fields/0/name reserved"]),
        (json!({ "name": "ctid" }), &["/spec/fields/0/name reserved"]),
        (
            json!({ "name": 3, "max_length": 2 }),
            &["/spec/fields/0/max_length unknown_key", "/spec/fields/0/name wrong_type"],
        ),
        (json!({ "type": "string", "default": 3 }), &["/spec/fields/0/type unknown_kind"]),
        (json!({ "type": null }), &["/spec/fields/0/type wrong_type"]),
        (
            json!({ "maxLength": "5", "minLength": -1 }),
            &["/spec/fields/0/maxLength wrong_type", "/spec/fields/0/minLength out_of_range"],
        ),
        (json!({ "maxLength": 5.5 }), &["/spec/fields/0/maxLength out_of_range"]),
        (
            json!({ "precision": 4, "values": ["a"] }),
            &["/spec/fields/0/precision unknown_option", "/spec/fields/0/values unknown_option"],
        ),
        (json!({ "required": "yes" }), &["/spec/fields/0/required wrong_type"]),
        (json!({ "default": 5 }), &["/spec/fields/0/default wrong_type"]),
        (json!({ "default": "$now" }), &["/spec/fields/0/default wrong_type"]),
        (json!({ "default": "$nw" }), &["/spec/fields/0/default unknown_variable"]),
        (json!({ "default": "$5" }), &[]),
        (json!({ "type": "uuid", "default": "$uuid" }), &[]),
        (json!({ "type": "uuid", "default": "$auth.id" }), &[]),
        (json!({ "type": "date", "default": "$now" }), &["/spec/fields/0/default wrong_type"]),
        (json!({ "type": "ref", "collection": "orgs", "default": "$auth.id" }), &["/spec/fields/0/default wrong_type"]),
        (json!({ "type": "ref", "collection": "org" }), &["/spec/fields/0/collection unknown_collection"]),
        (
            json!({ "type": "ref", "collection": "orgs", "onDelete": "setNull", "required": true }),
            &["/spec/fields/0/onDelete invalid_option"],
        ),
        (json!({ "type": "enum", "values": "open" }), &["/spec/fields/0/values wrong_type"]),
        (json!({ "type": "enum", "values": ["a", 3], "default": "a" }), &["/spec/fields/0/values/1 wrong_type"]),
        (json!({ "type": "enum", "values": ["a"], "example": "b" }), &["/spec/fields/0/example unknown_value"]),
        (json!({ "readOnly": true, "required": true }), &["/spec/fields/0/readOnly contradiction"]),
        (json!({ "readOnly": true, "writeOnly": true }), &["/spec/fields/0/writeOnly contradiction"]),
        (
            json!({ "readRoles": ["a", "a", "b c"], "writeRoles": [""] }),
            &[
                "/spec/fields/0/readRoles/1 duplicate",
                "/spec/fields/0/readRoles/2 bad_name",
                "/spec/fields/0/writeRoles/0 bad_name",
            ],
        ),
        (json!({ "renamedFrom": "Old" }), &["/spec/fields/0/renamedFrom bad_name"]),
        (json!({ "renamedFrom": "a" }), &["/spec/fields/0/renamedFrom contradiction"]),
    ];
    for (extra, expected) in cases {
        assert_eq!(field(extra.clone()), expected, "{extra}");
    }
    let twice = json!({ "fields": [{ "name": "a", "type": "text" }, { "name": "a", "type": "txt" }] });
    assert_eq!(alone(twice), ["/spec/fields/1/name duplicate", "/spec/fields/1/type unknown_kind"]);
}

#[test]
fn keys_and_indexes_are_judged() {
    let with = |extra: Json| {
        let mut spec = json!({ "fields": [
            { "name": "short", "type": "text", "maxLength": 600 },
            { "name": "long", "type": "text" },
            { "name": "tags", "type": "list", "items": "text" },
            { "name": "org", "type": "ref", "collection": "orgs" },
            { "name": "more", "type": "text", "maxLength": 60 },
            { "name": "broken", "type": "txt" },
        ] });
        spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let mut problems = alone(spec);
        let known = problems.iter().position(|problem| problem == "/spec/fields/5/type unknown_kind");
        problems.remove(known.unwrap());
        problems
    };
    let cases: [(Json, &[&str]); 14] = [
        (json!({ "unique": [{ "fields": ["short", "org"] }] }), &[]),
        (json!({ "unique": [{ "fields": ["long"] }] }), &["/spec/unique/0/fields too_large"]),
        (json!({ "unique": [{ "fields": ["short", "more"] }] }), &["/spec/unique/0/fields too_large"]),
        (json!({ "unique": [{ "fields": ["id"] }] }), &["/spec/unique/0/fields/0 reserved"]),
        (
            json!({ "unique": [{ "fields": ["org"], "caseInsensitive": true }] }),
            &["/spec/unique/0/caseInsensitive contradiction"],
        ),
        (
            json!({ "unique": [{ "fields": [] }, { "fields": ["shrt", 3] }] }),
            &[
                "/spec/unique/1/fields/1 wrong_type",
                "/spec/unique/0/fields required",
                "/spec/unique/1/fields/0 unknown_field",
            ],
        ),
        (json!({ "unique": [{ "fields": ["broken"] }] }), &[]),
        (json!({ "unique": [{ "fields": ["short"] }, { "fields": ["short"] }] }), &["/spec/unique/1 duplicate"]),
        (
            json!({ "unique": [{ "fields": ["short"], "where": { "shrt": 1, "broken": 5, "org": { "name": "x" } } }] }),
            &["/spec/unique/0/where/org not_allowed", "/spec/unique/0/where/shrt unknown_field"],
        ),
        (json!({ "indexes": [{ "fields": ["-short", "-created_at"] }] }), &[]),
        (json!({ "indexes": [{ "fields": ["short", "-short"] }] }), &["/spec/indexes/0/fields/1 duplicate"]),
        (
            json!({ "indexes": [{ "fields": ["tags"] }, { "fields": ["-id"] }] }),
            &["/spec/indexes/0/fields/0 not_allowed", "/spec/indexes/1/fields/0 reserved"],
        ),
        (
            json!({ "indexes": [{ "field": ["short"] }, { "fields": ["long"] }] }),
            &["/spec/indexes/0/field unknown_key", "/spec/indexes/1/fields too_large"],
        ),
        (json!({ "indexes": [{}] }), &["/spec/indexes/0 required"]),
    ];
    for (extra, expected) in cases {
        assert_eq!(with(extra.clone()), expected, "{extra}");
    }
    assert_eq!(field(json!({ "unique": true })), ["/spec/fields/0/unique too_large"]);
    // What bounds it was meant to be there.
    assert_eq!(field(json!({ "unique": true, "maxLength": "9" })), ["/spec/fields/0/maxLength wrong_type"]);
    assert_eq!(field(json!({ "unique": true, "type": "json" })), ["/spec/fields/0/unique not_allowed"]);
}

#[test]
fn checks_and_rules_are_judged() {
    let with = |extra: Json| {
        let mut spec = json!({ "fields": [
            { "name": "a", "type": "integer" },
            { "name": "b", "type": "integer" },
            { "name": "secret", "type": "text", "writeOnly": true },
            { "name": "org", "type": "ref", "collection": "orgs" },
        ] });
        spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        alone(spec)
    };
    let cases: [(Json, &[&str]); 9] = [
        (json!({ "checks": [{ "that": { "a": { "lt": "$field.b" } }, "message": "m" }] }), &[]),
        (json!({ "checks": [{ "that": { "secret": { "ne": "" } }, "message": "m" }] }), &[]),
        (
            json!({ "checks": [{ "that": { "a": { "lt": "$field.c" } }, "message": " " }, { "message": 3 }] }),
            &[
                "/spec/checks/1/message wrong_type",
                "/spec/checks/1 required",
                "/spec/checks/0/message required",
                "/spec/checks/0/that/a/lt unknown_field",
            ],
        ),
        (
            json!({ "checks": [{ "that": { "org": { "name": "x" }, "id": "$auth.id" }, "message": "m" }] }),
            &["/spec/checks/0/that/id not_allowed", "/spec/checks/0/that/org not_allowed"],
        ),
        (
            json!({ "checks": [{ "that": {}, "message": "m" }, { "that": {}, "message": "n" }] }),
            &["/spec/checks/1 duplicate"],
        ),
        (json!({ "access": { "read": [{ "roles": ["anyone"], "where": { "org": { "name": "x" } } }] } }), &[]),
        (
            json!({ "access": { "read": [{ "roles": [] }], "update": [{ "roles": ["a b"], "where": { "secret": "x" } }] } }),
            &[
                "/spec/access/read/0/roles required",
                "/spec/access/update/0/roles/0 bad_name",
                "/spec/access/update/0/where/secret not_allowed",
            ],
        ),
        (
            json!({ "access": { "delete": [{ "roles": ["user"], "where": [] }, { "where": { "org": { "nme": 1 } } }] } }),
            &[
                "/spec/access/delete/1 required",
                "/spec/access/delete/0/where wrong_type",
                "/spec/access/delete/1/where/org/nme unknown_field",
            ],
        ),
        (
            json!({ "access": { "read": [{ "roles": ["user"], "where": { "exists": { "collection": "nope" } } }] } }),
            &["/spec/access/read/0/where/exists/collection unknown_collection"],
        ),
    ];
    for (extra, expected) in cases {
        assert_eq!(with(extra.clone()), expected, "{extra}");
    }
}

#[test]
fn hints_name_the_next_step() {
    let hint = |spec: Json| check(&[document("things", spec)]).unwrap_err()[0][0].hint.clone().unwrap_or_default();
    let cases = [
        (json!({ "feilds": [] }), "did you mean `fields`?"),
        (json!({ "fields": [{ "name": "a", "type": "text", "maxlength": 3 }] }), "did you mean `maxLength`?"),
        (json!({ "fields": [{ "name": "a", "type": "string" }] }), "did you mean `text`?"),
        (json!({ "fields": [{ "name": "a", "type": "integr" }] }), "did you mean `integer`?"),
        (json!({ "fields": [{ "name": "closesAt", "type": "text" }] }), "did you mean `closes_at`?"),
        (json!({ "fields": [{ "name": "a", "type": "text", "scale": 3 }] }), "remove it; it is an option of `decimal`"),
        (json!({ "fields": [{ "name": "a", "type": "ref", "collection": "user" }] }), "did you mean `users`?"),
        (json!({ "requirePrecondition": "true" }), "write true without quotes"),
        (json!({ "description": 5 }), "write \"5\""),
        (json!({ "indexes": [{ "fields": ["createdat"] }] }), "did you mean `created_at`?"),
    ];
    for (spec, expected) in cases {
        assert_eq!(hint(spec.clone()), expected, "{spec}");
    }
}

#[test]
fn two_hundred_fields_are_the_most() {
    let fields = |count: usize| {
        let fields: Vec<Json> = (0..count).map(|n| json!({ "name": format!("f{n}"), "type": "text" })).collect();
        alone(json!({ "fields": fields }))
    };
    assert_eq!(fields(200), Vec::<String>::new());
    assert_eq!(fields(201), ["/spec/fields too_many"]);
}

#[test]
fn identifiers_fit_and_tell_definitions_apart() {
    let long = "a".repeat(48);
    let name = names::identifier(&long, &[&long, &long], "key", "x");
    assert_eq!(name.len(), 63);
    assert_ne!(name, names::identifier(&long, &[&long, &long], "key", "y"));
    assert_eq!(name, names::identifier(&long, &[&long, &long], "key", "x"));
    assert!(names::identifier("markets", &["slug"], "idx", "slug").starts_with("markets_slug_"));
}
