//! How much a document may hold: what an API server would refuse is refused here, once, and by who knows more of it.

use serde_json::json;

use super::{alone, field};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("n{number}")).collect()
}

#[test]
fn what_only_an_api_server_bounds_is_a_problem_too() {
    let long = |count: usize| "x".repeat(count);
    let indexes: Vec<_> = (0..65).map(|number| json!({ "fields": [format!("n{number}")] })).collect();
    let fields: Vec<_> = names(65).iter().map(|name| json!({ "name": name, "type": "date" })).collect();
    let cases = [
        (json!({ "description": long(10_000) }), &[][..]),
        (json!({ "description": long(10_001) }), &["/spec/description too_long"]),
        (json!({ "fields": fields, "indexes": indexes }), &["/spec/indexes too_many"]),
        (json!({ "backendRef": { "name": long(41) } }), &["/spec/backendRef/name too_long"]),
    ];
    for (spec, expected) in cases {
        assert_eq!(alone(spec.clone()), expected, "{}", &spec.to_string()[..60]);
    }
    assert_eq!(field(json!({ "format": long(65) })), ["/spec/fields/0/format invalid_option"]);
    assert_eq!(field(json!({ "readRoles": names(101) })), ["/spec/fields/0/readRoles too_many"]);
}

#[test]
fn a_bound_that_the_check_knows_better_is_told_once() {
    let twice = json!([{ "name": "a", "type": "date" }, { "name": "a", "type": "date" }]);
    let many: Vec<_> = names(201).iter().map(|name| json!({ "name": name, "type": "date" })).collect();
    let cases = [
        (json!({ "fields": twice }), "/spec/fields/1/name duplicate"),
        (json!({ "fields": many }), "/spec/fields too_many"),
        (json!({ "name": "x".repeat(49) }), "/spec/name bad_name"),
        (json!({ "access": { "read": [{ "roles": ["a", "a"] }] } }), "/spec/access/read/0/roles/1 duplicate"),
        (json!({ "access": { "read": [{ "roles": ["x".repeat(65)] }] } }), "/spec/access/read/0/roles/0 bad_name"),
    ];
    for (spec, expected) in cases {
        assert_eq!(alone(spec.clone()), [expected], "{}", spec.to_string().chars().take(60).collect::<String>());
    }
    let values = |values: serde_json::Value| field(json!({ "type": "enum", "values": values }));
    assert_eq!(values(json!(names(1001))), ["/spec/fields/0/values invalid_option"]);
    assert_eq!(values(json!(["x".repeat(201)])), ["/spec/fields/0/values/0 invalid_option"]);
}

/// A bound is told beside other mistakes, and hides none.
#[test]
fn a_broken_bound_hides_nothing() {
    let spec = json!({
        "description": "x".repeat(10_001),
        "checks": vec![json!({ "that": { "nothing": 1 }, "message": "m" }); 101],
    });
    let found = alone(spec);
    assert_eq!(found[..2], ["/spec/checks too_many", "/spec/description too_long"]);
    assert!(found[2..].iter().all(|problem| problem.starts_with("/spec/checks/")), "{found:?}");
    assert!(found.len() > 100, "{}", found.len());
}
