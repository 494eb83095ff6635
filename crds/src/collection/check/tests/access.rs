//! Rules that grant nothing to anybody are mistakes, each told with its place and the next step.

use super::*;

fn things(access: Json) -> Document {
    let fields = json!([
        { "name": "name", "type": "text", "required": true }, { "name": "level", "type": "integer" },
        { "name": "state", "type": "enum", "values": ["new", "used"] },
        { "name": "owner", "type": "ref", "collection": "users" }, { "name": "org", "type": "uuid" },
        { "name": "staff", "type": "text", "readRoles": ["staff"] },
    ]);
    document("things", json!({ "fields": fields, "access": access }))
}

#[test]
fn what_grants_nothing_is_told_all_at_once() {
    let contradiction = json!({ "and": [{ "state": "new" }, { "state": "used" }] });
    let access = json!({
        "read": [
            { "roles": ["everyone"], "where": contradiction },
            { "roles": ["staff", "Machine"], "where": { "level": { "in": [] } } },
            { "roles": ["user"], "where": { "owner": "$auth.id", "name": { "isnull": false } } },
        ],
        "create": [{ "roles": ["machine"], "where": { "owner": "$auth.id" } }],
        "update": [{ "roles": ["machine"], "where": { "org": { "in": "$auth.claims.orgs" } } }],
        "delete": [{ "roles": ["machine", "user"], "where": { "or": [{ "owner": "$auth.id" }, { "name": { "isnull": true } }] } }],
    });
    let expected = [
        "/spec/access/read/0/roles/0 unknown_role",
        "/spec/access/read/0/where never",
        "/spec/access/read/1/roles/1 unknown_role",
        "/spec/access/read/1/where never",
        "/spec/access/create/0/where never",
        "/spec/access/update/0/where never",
    ];
    assert_eq!(found(&[things(access.clone())]), [expected]);
    let problems = check(&[things(access)]).unwrap_err().remove(0);
    assert_eq!(problems[0].hint.as_deref(), Some("did you mean `anyone`?"));
    assert!(problems[1].message.contains("`state`"), "{problems:?}");
    assert!(problems[4].message.contains("a machine has no `$auth.id`"), "{problems:?}");
    assert!(problems[5].message.contains("`$auth.claims.orgs`"), "{problems:?}");
}

#[test]
fn variables_are_known_and_fit_their_fields() {
    let rule = |tree: Json| found(&[things(json!({ "read": [{ "roles": ["user"], "where": tree }] }))]).concat();
    for (tree, expected) in [
        (json!({ "name": "$auth.name" }), vec!["/name unknown_variable"]),
        (json!({ "name": "$auth.claims." }), vec!["/name unknown_variable"]),
        (json!({ "name": "$authid" }), vec!["/name unknown_variable"]),
        (json!({ "name": "$now", "level": { "gt": "$now" } }), vec!["/level/gt wrong_type", "/name wrong_type"]),
        (json!({ "name": "$auth.id" }), vec!["/name wrong_type"]),
        (json!({ "level": { "in": "$auth.roles" } }), vec!["/level/in wrong_type"]),
        (json!({ "name": { "contains": "$auth.claims.x" } }), vec!["/name/contains wrong_type"]),
        (json!({ "org": { "in": "$auth.id" } }), vec!["/org/in wrong_type"]),
        (json!({ "org": { "in": "$auth.claims.orgs" }, "name": { "in": ["$auth.claims.a", "b"] } }), vec![]),
    ] {
        let expected: Vec<String> =
            expected.into_iter().map(|problem| format!("/spec/access/read/0/where{problem}")).collect();
        assert_eq!(rule(tree.clone()), expected, "{tree}");
    }
}

#[test]
fn a_claim_has_one_form() {
    let rule = |tree: Json| json!({ "read": [{ "roles": ["user"], "where": tree }] });
    let of = |name: &str, tree: Json| {
        let Document(mut document) = things(rule(tree));
        document["metadata"]["name"] = json!(name);
        Document(document)
    };
    let as_text = of("as", json!({ "or": [{ "name": "$auth.claims.team" }, { "org": "$auth.claims.team" }] }));
    let as_number = of("bs", json!({ "level": { "gte": "$auth.claims.team" } }));
    assert_eq!(found(std::slice::from_ref(&as_text)), [Vec::<String>::new()], "a text may be an id");
    let both = [as_text, as_number];
    assert_eq!(found(&both), [vec![], vec!["/spec/access/read/0/where never".to_owned()]]);
    let problems = check(&both).unwrap_err();
    assert!(problems[1][0].message.contains("/spec/access/read/0/where of as"), "{problems:?}");
}

#[test]
fn roles_that_nobody_has_are_told_wherever_they_stand() {
    let field =
        json!({ "name": "a", "type": "text", "readRoles": ["Admin", "staff"], "writeRoles": ["authenticated"] });
    let expected = ["/spec/fields/0/readRoles/0 unknown_role", "/spec/fields/0/writeRoles/0 unknown_role"];
    assert_eq!(found(&[document("things", json!({ "fields": [field] }))]), [expected]);
}

#[test]
fn what_was_applied_before_is_read_as_it_is() {
    let access = json!({ "read": [{ "roles": ["everyone"], "where": { "level": { "in": [] } } }] });
    let Document(mut stored) = things(access);
    let mut field = json!({ "name": "x", "type": "text" });
    field["readRoles"] = json!(["Staff", "ADMIN"]);
    stored["spec"]["fields"].as_array_mut().unwrap().push(field);
    let users = document("users", json!({ "fields": [] }));
    let schema = check_stored(&[Document(stored), users]).unwrap();
    assert_eq!(schema.get("things").unwrap().access.read.len(), 1);
}

#[test]
fn nobody_grants_himself_roles() {
    let schema = schema(&[document(
        "users",
        json!({ "access": { "update": [{ "roles": ["user"], "where": { "id": "$auth.id" } }] } }),
    )]);
    let users = schema.get("users").unwrap();
    for name in ["roles", "disabled"] {
        let field = &users.fields[users.position(name).unwrap()];
        assert_eq!(field.write_roles.as_deref(), Some(&["admin".to_owned()][..]), "{name}");
    }
}
