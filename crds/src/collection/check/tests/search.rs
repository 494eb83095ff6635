//! What may be searched, and by whom it may be read.

use serde_json::{Value as Json, json};

use super::{alone, document};
use crate::collection::check;

fn searched(search: &Json) -> Json {
    json!({
        "fields": [
            { "name": "title", "type": "text" },
            { "name": "tags", "type": "list", "items": "text" },
            { "name": "counts", "type": "list", "items": "integer" },
            { "name": "rank", "type": "integer" },
            { "name": "secret", "type": "text", "writeOnly": true },
            { "name": "internal", "type": "text", "readRoles": ["staff"] },
        ],
        "search": search,
    })
}

#[test]
fn search_is_judged() {
    let many: Vec<String> = (0..17).map(|number| format!("n{number}")).collect();
    let cases: [(Json, &[&str]); 17] = [
        (json!({ "text": ["title"] }), &[]),
        (json!({ "text": ["tags", "title"], "language": "german" }), &[]),
        (json!({ "text": ["title"], "language": null }), &[]),
        (json!(null), &[]),
        (json!({}), &["/spec/search required"]),
        (json!(true), &["/spec/search wrong_type"]),
        (json!({ "text": "title" }), &["/spec/search/text wrong_type"]),
        (json!({ "text": [] }), &["/spec/search/text required"]),
        (
            json!({ "text": ["titel"], "language": "klingon" }),
            &["/spec/search/text/0 unknown_field", "/spec/search/language not_allowed"],
        ),
        (json!({ "text": ["title", "title"] }), &["/spec/search/text/1 duplicate"]),
        (
            json!({ "text": ["rank", "counts", "id"] }),
            &["/spec/search/text/0 not_allowed", "/spec/search/text/1 not_allowed", "/spec/search/text/2 not_allowed"],
        ),
        (json!({ "text": ["secret"] }), &["/spec/search/text/0 not_allowed"]),
        (json!({ "text": ["internal"] }), &["/spec/search/text/0 not_allowed"]),
        (json!({ "text": [1] }), &["/spec/search/text/0 wrong_type"]),
        (json!({ "text": ["title"], "language": 1 }), &["/spec/search/language wrong_type"]),
        (json!({ "text": ["title"], "lang": "english" }), &["/spec/search/lang unknown_key"]),
        (json!({ "text": many }), &[]),
    ];
    for (search, expected) in cases {
        let mut found = alone(searched(&search));
        if search["text"] == json!(many) {
            assert!(found.contains(&"/spec/search/text too_many".to_owned()), "{found:?}");
            found.clear();
        }
        assert_eq!(found, expected, "{search}");
    }
    let relevance = json!({
        "fields": [{ "name": "title", "type": "text" }, { "name": "relevance", "type": "integer" }],
        "search": { "text": ["title"] },
    });
    assert_eq!(alone(relevance), ["/spec/search reserved"]);
    // The field's own problem is enough.
    let broken = json!({ "fields": [{ "name": "title", "type": "txt" }], "search": { "text": ["title"] } });
    assert_eq!(alone(broken), ["/spec/fields/0/type unknown_kind"]);
}

#[test]
fn a_search_has_its_fields_and_its_language() {
    let schema = check(&[document("things", searched(&json!({ "text": ["tags", "title"], "language": "german" })))]);
    let schema = schema.unwrap();
    let search = schema.get("things").unwrap().search.as_ref().unwrap();
    assert_eq!((search.column.as_str(), search.language.name), ("search__words", "german"));
    let names: Vec<&str> =
        search.fields.iter().map(|at| schema.get("things").unwrap().fields[*at].name.as_str()).collect();
    assert_eq!(names, ["tags", "title"]);
    let users = check(&[document("users", json!({ "search": { "text": ["name", "email"] } }))]).unwrap();
    assert_eq!(users.get("users").unwrap().search.as_ref().unwrap().language.name, "simple");
}
