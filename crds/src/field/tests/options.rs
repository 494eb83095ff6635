//! Options that a kind refuses: every one at once, each with its path.

use serde_json::{Value as Json, json};

use super::{kind, try_kind};

#[test]
fn refused_options() {
    let text = |length: usize| "x".repeat(length);
    let cases: &[(Json, &[(&str, &str)])] = &[
        (json!({"type":"text","minLength":5,"maxLength":4}), &[("/f/minLength", "invalid_option")]),
        (
            json!({"type":"text","minLength":5,"maxLength":4,"pattern":"(?=a)","format":"emial"}),
            &[("/f/minLength", "invalid_option"), ("/f/pattern", "invalid_option"), ("/f/format", "invalid_option")],
        ),
        (json!({"type":"integer","minimum":2,"maximum":1}), &[("/f/minimum", "invalid_option")]),
        (
            json!({"type":"integer","minimum":0.5,"maximum":"1"}),
            &[("/f/minimum", "not_integral"), ("/f/maximum", "wrong_type")],
        ),
        (
            json!({"type":"number","minimum":"0","maximum":[]}),
            &[("/f/minimum", "wrong_type"), ("/f/maximum", "wrong_type")],
        ),
        (json!({"type":"decimal"}), &[("/f", "missing_option")]),
        (
            json!({"type":"decimal","precision":19,"scale":19}),
            &[("/f/precision", "invalid_option"), ("/f/scale", "invalid_option")],
        ),
        (json!({"type":"decimal","precision":2,"scale":3}), &[("/f/scale", "invalid_option")]),
        (json!({"type":"decimal","precision":0,"scale":0}), &[("/f/precision", "invalid_option")]),
        (
            json!({"type":"decimal","scale":2,"minimum":0,"maximum":"0.001"}),
            &[("/f/minimum", "wrong_type"), ("/f/maximum", "too_many_places")],
        ),
        (json!({"type":"timestamp","minimum":"2024-01-31"}), &[("/f/minimum", "malformed")]),
        (
            json!({"type":"date","minimum":"2024-02-30","maximum":1}),
            &[("/f/minimum", "malformed"), ("/f/maximum", "wrong_type")],
        ),
        (json!({"type":"date","minimum":"2024-02-02","maximum":"2024-02-01"}), &[("/f/minimum", "invalid_option")]),
        (json!({"type":"enum"}), &[("/f", "missing_option")]),
        (json!({"type":"enum","values":[]}), &[("/f/values", "invalid_option")]),
        (
            json!({"type":"enum","values":["a","","a","\0",text(201)]}),
            &[
                ("/f/values/1", "invalid_option"),
                ("/f/values/2", "duplicate"),
                ("/f/values/3", "nul"),
                ("/f/values/4", "invalid_option"),
            ],
        ),
        (json!({"type":"ref"}), &[("/f", "missing_option")]),
        (
            json!({"type":"ref","collection":"No","onDelete":"setnull"}),
            &[("/f/collection", "invalid_option"), ("/f/onDelete", "invalid_option")],
        ),
        (
            json!({"type":"ref","collection":"users","onDelete":"setNull","required":true}),
            &[("/f/onDelete", "invalid_option")],
        ),
        (json!({"type":"list"}), &[("/f", "missing_option")]),
        (
            json!({"type":"list","items":"number","values":["a"],"minItems":2,"maxItems":1}),
            &[("/f/minItems", "invalid_option"), ("/f/items", "invalid_option"), ("/f/values", "invalid_option")],
        ),
        (json!({"type":"list","items":"enum"}), &[("/f", "missing_option")]),
        (json!({"type":"json","schema":[]}), &[("/f/schema", "wrong_type")]),
        (
            json!({"type":"json","schema":{"type":"strnig","maxLength":-1}}),
            &[("/f/schema/maxLength", "invalid_option"), ("/f/schema/type", "invalid_option")],
        ),
        (
            json!({"type":"json","schema":{"$schema":"http://json-schema.org/draft-07/schema#","$ref":"http://127.0.0.1:1/x",
                "items":{"$ref":"other.json"}}}),
            &[
                ("/f/schema/$ref", "invalid_option"),
                ("/f/schema/$schema", "invalid_option"),
                ("/f/schema/items/$ref", "invalid_option"),
            ],
        ),
        (json!({"type":"json","schema":{"$ref":"#/$defs/none"}}), &[("/f/schema", "invalid_option")]),
        (json!({"type":"json","schema":{"pattern":"(?=a)"}}), &[("/f/schema", "invalid_option")]),
    ];
    for (spec, expected) in cases {
        let problems = try_kind(spec.clone()).expect_err(&spec.to_string());
        let mut found: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.code)).collect();
        let mut expected = expected.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{spec}: {problems:?}");
    }
}

#[test]
fn hints_name_the_nearest() {
    let cases = [
        (json!({"type":"text","format":"emial"}), "did you mean `email`?"),
        (json!({"type":"ref","collection":"users","onDelete":"setnull"}), "did you mean `setNull`?"),
        (json!({"type":"decimal","scale":1,"minimum":5}), "write it in quotes: \"5\""),
    ];
    for (spec, hint) in cases {
        let problems = try_kind(spec.clone()).unwrap_err();
        assert_eq!(problems[0].hint.as_deref(), Some(hint), "{spec}");
    }
}

#[test]
fn a_published_schema_holds_no_reference() {
    let spec =
        json!({"type":"json","schema":{"properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"type":"integer"}}}});
    assert_eq!(kind(spec).json_schema()["properties"]["a"], json!({"type":"integer"}));
    let recursive = json!({"type":"json","schema":{"properties":{"a":{"$ref":"#"}}}});
    assert_eq!(kind(recursive).json_schema(), json!({}));
}

#[test]
fn every_bound_is_published() {
    let cases = [
        (
            json!({"type":"text","minLength":1,"maxLength":9}),
            json!({"type":"string","minLength":1,"maxLength":9,"pattern":"^[^\\x00]*$"}),
        ),
        (json!({"type":"text","pattern":"a|b"}), json!({"type":"string","pattern":"^(?:a|b)$"})),
        (
            json!({"type":"integer","minimum":3}),
            json!({"type":"integer","format":"int64","minimum":3,"maximum":9007199254740991i64}),
        ),
        (json!({"type":"number","maximum":3}), json!({"type":"number","format":"double","maximum":3.0})),
        (
            json!({"type":"decimal","precision":6,"scale":2}),
            json!({"type":"string","pattern":"^-?[0-9]{1,4}(?:\\.[0-9]{1,2})?$"}),
        ),
        (json!({"type":"enum","values":["a"]}), json!({"type":"string","enum":["a"]})),
        (
            json!({"type":"list","items":"enum","values":["a"],"minItems":1,"maxItems":2,"uniqueItems":true}),
            json!({"type":"array","items":{"type":"string","enum":["a"]},"minItems":1,"maxItems":2,"uniqueItems":true}),
        ),
    ];
    for (spec, schema) in cases {
        assert_eq!(kind(spec).json_schema(), schema);
    }
}
