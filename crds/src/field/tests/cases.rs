//! Tables of values: accepted with the canonical JSON they are answered as, refused with the codes.

use serde_json::{Value as Json, json};

use super::{kind, parse, written};
use crate::problem::Problems;

/// Rules that JSON Schema cannot say of the kind's JSON.
const UNSAID: &[(&str, &str)] = &[("timestamp", "too_small"), ("timestamp", "too_large")];

fn check(spec: Json, accepted: &[(Json, &str)], refused: &[(Json, &[&str])]) {
    let kind = kind(spec.clone());
    let schema = kind.json_schema();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    for (json, expected) in accepted {
        let value = parse(&kind, json).unwrap_or_else(|problems| panic!("{spec} takes {json}: {problems:?}"));
        assert_eq!(written(&*kind, &value), *expected, "{spec} answers {json}");
        assert!(validator.is_valid(json), "{schema} takes {json}");
        assert!(validator.is_valid(&serde_json::from_str(expected).unwrap()), "{schema} takes {expected}");
    }
    for (json, codes) in refused {
        let problems = parse(&kind, json).expect_err(&format!("{spec} refuses {json}"));
        let found: Vec<_> = problems.iter().map(|problem| problem.code).collect();
        assert_eq!(found, *codes, "{spec} refuses {json}");
        assert!(problems.iter().all(|problem| problem.path.starts_with("/v") && !problem.message.is_empty()));
        let said = codes.iter().any(|code| !UNSAID.contains(&(kind.name(), *code)));
        assert_eq!(validator.is_valid(json), !said, "{schema} refuses {json}");
    }
}

#[test]
fn text() {
    check(
        json!({"type":"text","minLength":2,"maxLength":4,"pattern":"[a-z😀]+"}),
        &[(json!("ab"), "\"ab\""), (json!("😀😀😀😀"), "\"😀😀😀😀\"")],
        &[
            (json!("a"), &["too_short"]),
            (json!("A"), &["too_short", "pattern"]),
            (json!("abcde"), &["too_long"]),
            (json!("ABCDE"), &["too_long", "pattern"]),
            (json!("a\0"), &["nul", "pattern"]),
            (json!("ab\n"), &["pattern"]),
            (json!(1), &["wrong_type"]),
            (json!(["ab"]), &["wrong_type"]),
        ],
    );
    check(
        json!({"type":"text"}),
        &[(json!(""), "\"\""), (json!(" é\n\u{ffff}\u{7f}\"\\/\u{1}"), "\" é\\n\u{ffff}\u{7f}\\\"\\\\/\\u0001\"")],
        &[(json!("\0"), &["nul"]), (json!("a\0b\0"), &["nul"]), (json!(true), &["wrong_type"])],
    );
}

#[test]
fn no_pattern_lets_nul_in() {
    for pattern in [".*", "[^a]*", r"\W*", r"[\D]*", r"[\x00-\x1f]*", "(?:.)*", "a?"] {
        check(json!({"type":"text","pattern":pattern}), &[(json!(""), "\"\"")], &[]);
        let kind = kind(json!({"type":"text","pattern":pattern}));
        let validator = jsonschema::validator_for(&kind.json_schema()).unwrap();
        assert!(!validator.is_valid(&json!("\0")) && parse(&kind, &json!("\0")).is_err(), "{pattern}");
    }
}

fn same(texts: &[&'static str]) -> Vec<(Json, &'static str)> {
    let quoted = |text: &str| -> &'static str { Box::leak(json!(text).to_string().into_boxed_str()) };
    texts.iter().map(|text| (json!(text), quoted(text))).collect()
}

fn wrong<'a>(texts: &[&str], codes: &'a [&'a str]) -> Vec<(Json, &'a [&'a str])> {
    texts.iter().map(|text| (json!(text), codes)).collect()
}

#[test]
fn formats() {
    let cases: [(&str, &[&'static str], &[&str]); 4] = [
        (
            "email",
            &["a@b", "ann.o'neil+x@mail.example.org", "A@B-C.d"],
            &["", "a", "@b", "a@", "a b@c", "a@b..c", "a@-b", "a@b-", "a@b\n", "é@b", "a@b@c"],
        ),
        (
            "url",
            &["http://a", "HTTPS://a.example:8443/x/%20y?z=1#f", "https://[::1]/", "http://127.0.0.1?x"],
            &[
                "",
                "a",
                "ftp://a",
                "http://",
                "//a",
                "http:///x",
                "http://a b",
                "http://a/é",
                "http://u:p@a",
                "http://a/%2",
            ],
        ),
        ("slug", &["a", "a-1", "0"], &["", "-a", "a-", "a--b", "A", "a_b", "é"]),
        ("hostname", &["a", "a.b-c.example", "1.2"], &["", ".", "a.", "-a", "a_b", "a..b"]),
    ];
    for (format, accepted, refused) in cases {
        check(json!({"type":"text","format":format}), &same(accepted), &wrong(refused, &["format"]));
    }
    let long = format!("{}a", "a.".repeat(127));
    check(json!({"type":"text","format":"hostname"}), &[], &[(json!(long), &["too_long"])]);
    check(
        json!({"type":"text","format":"slug","pattern":"a.*"}),
        &same(&["a-b"]),
        &[(json!("a--"), &["format"]), (json!("b"), &["pattern"]), (json!("B"), &["format", "pattern"])],
    );
}

#[test]
fn integer() {
    check(
        json!({"type":"integer"}),
        &[
            (json!(0), "0"),
            (json!(-0.0), "0"),
            (json!(1.0), "1"),
            (json!(1e2), "100"),
            (json!(9007199254740991i64), "9007199254740991"),
            (json!(-9007199254740991i64), "-9007199254740991"),
            (json!(9007199254740991.0), "9007199254740991"),
        ],
        &[
            (json!(0.5), &["not_integral"]),
            (json!(9007199254740992i64), &["integer_out_of_range"]),
            (json!(9007199254740992.0), &["integer_out_of_range"]),
            (json!(u64::MAX), &["integer_out_of_range"]),
            (json!(i64::MIN), &["integer_out_of_range"]),
            (json!(1e300), &["integer_out_of_range"]),
            (json!("1"), &["wrong_type"]),
        ],
    );
    check(
        json!({"type":"integer","minimum":-1,"maximum":1e1}),
        &[(json!(-1), "-1"), (json!(10), "10")],
        &[(json!(-2), &["too_small"]), (json!(11), &["too_large"])],
    );
}

#[test]
fn number() {
    check(
        json!({"type":"number"}),
        &[
            (json!(-0.0), "0"),
            (json!(0.1), "0.1"),
            (json!(1e21), "1e+21"),
            (json!(1e20), "100000000000000000000"),
            (json!(-1.5e-7), "-1.5e-7"),
            (json!(f64::MAX), "1.7976931348623157e+308"),
        ],
        &[(json!("1"), &["wrong_type"])],
    );
    check(
        json!({"type":"number","minimum":0,"maximum":0.5}),
        &[(json!(-0.0), "0"), (json!(0.5), "0.5")],
        &[(json!(-5e-324), &["too_small"]), (json!(0.51), &["too_large"])],
    );
}

#[test]
fn decimal() {
    check(
        json!({"type":"decimal","precision":5,"scale":2}),
        &[
            (json!("0"), "\"0.00\""),
            (json!("-0"), "\"0.00\""),
            (json!("-0.00"), "\"0.00\""),
            (json!("-0.01"), "\"-0.01\""),
            (json!("1.5"), "\"1.50\""),
            (json!("007"), "\"7.00\""),
            (json!("999.99"), "\"999.99\""),
        ],
        &[
            (json!("1.005"), &["too_many_places"]),
            (json!("1.000"), &["too_many_places"]),
            (json!("1000"), &["too_many_digits"]),
            (json!("0000"), &["too_many_digits"]),
            (json!(1.5), &["wrong_type"]),
            (json!(null), &["wrong_type"]),
        ],
    );
    let malformed =
        ["", "-", ".", "1.", ".5", "+1", "1e2", " 1", "1 ", "1,5", "--1", "1.2.3", "١", "NaN", "0x1", "1\n", "1.-5"];
    check(json!({"type":"decimal","precision":5,"scale":2}), &[], &wrong(&malformed, &["malformed"]));
    check(
        json!({"type":"decimal","precision":18,"scale":18,"minimum":"0"}),
        &[(json!("0.000000000000000001"), "\"0.000000000000000001\""), (json!("0"), "\"0.000000000000000000\"")],
        &[(json!("1"), &["too_many_digits"]), (json!("00"), &["too_many_digits"])],
    );
    check(
        json!({"type":"decimal","precision":18,"scale":0,"minimum":"-999999999999999999","maximum":"5"}),
        &[(json!("-999999999999999999"), "\"-999999999999999999\""), (json!("5"), "\"5\"")],
        &[
            (json!("6"), &["too_large"]),
            (json!("1.0"), &["too_many_places"]),
            (json!("1234567890123456789"), &["too_many_digits"]),
        ],
    );
    let never_negative = kind(json!({"type":"decimal","scale":1,"minimum":"0.0"})).json_schema();
    assert_eq!(never_negative["pattern"], r"^[0-9]{1,17}(?:\.[0-9]{1,1})?$");
    let positive = kind(json!({"type":"decimal","precision":4,"scale":1,"minimum":"0.1"})).json_schema();
    assert_eq!(
        positive["pattern"],
        r"^(?:0\.(?:1|[2-9])|(?:[1-9]|[1-9][0-9]{1,1}|(?:[1-8][0-9][0-9]|9(?:[0-8][0-9]|9[0-8])))(?:\.[0-9]{1,1})?|999(?:\.(?:9|[0-8]))?)$"
    );
}

#[test]
fn timestamp() {
    check(
        json!({"type":"timestamp"}),
        &[
            (json!("2024-01-31T12:00:00Z"), "\"2024-01-31T12:00:00.000000Z\""),
            (json!("2024-01-31t12:00:00.5z"), "\"2024-01-31T12:00:00.500000Z\""),
            (json!("2024-02-29T00:30:00.123456+01:00"), "\"2024-02-28T23:30:00.123456Z\""),
            (json!("2023-12-31T23:59:59-00:01"), "\"2024-01-01T00:00:59.000000Z\""),
            (json!("0001-01-01T00:00:00Z"), "\"0001-01-01T00:00:00.000000Z\""),
            (json!("0001-01-01T01:00:00+01:00"), "\"0001-01-01T00:00:00.000000Z\""),
            (json!("9999-12-31T23:59:59.999999Z"), "\"9999-12-31T23:59:59.999999Z\""),
            (json!("1969-12-31T23:59:59.999999Z"), "\"1969-12-31T23:59:59.999999Z\""),
        ],
        &[(json!(1706702400), &["wrong_type"])],
    );
    let malformed = [
        "",
        "2024-01-31",
        "2024-01-31T12:00:00",
        "2024-01-31T12:00Z",
        "2024-01-31 12:00:00Z",
        "2024-01-31T12:00:00+0100",
        "2024-01-31T12:00:00 01:00",
        "2024-01-31T12:00:00+24:00",
        "2024-01-31T12:00:00+01:60",
        "2024-01-31T12:00:00+01:00Z",
        "2024-01-31T12:00:00.Z",
        "2024-01-31T12:00:00,5Z",
        "2024-01-31T12:00:00.1234567Z",
        "2024-01-31T24:00:00Z",
        "2024-01-31T12:60:00Z",
        "2016-12-31T23:59:60Z",
        "2023-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "99999-01-01T00:00:00Z",
        "-001-01-01T00:00:00Z",
        "2024-1-31T12:00:00ZZ",
        "2024-01-31T12:00:00Z\n",
        "٢024-01-31T12:00:00Z",
    ];
    check(json!({"type":"timestamp"}), &[], &wrong(&malformed, &["malformed"]));
    let kind = kind(json!({"type":"timestamp","minimum":"2024-01-01T00:00:00Z","maximum":"2024-12-31T23:59:59Z"}));
    for (text, code) in [
        ("2023-12-31T23:59:59.999999Z", "too_small"),
        ("2024-12-31T23:59:59.000001Z", "too_large"),
        ("0001-01-01T00:00:00+00:01", "out_of_range"),
        ("9999-12-31T23:59:59.999999-00:01", "out_of_range"),
    ] {
        assert_eq!(parse(&kind, &json!(text)).unwrap_err()[0].code, code, "{text}");
    }
    let mut problems = Problems::new();
    assert!(kind.parse_parameter("2024-01-31T12:00:00 01:00", &mut problems).is_none());
    assert!(problems.into_vec()[0].hint.as_ref().unwrap().contains("%2B"));
}

#[test]
fn date() {
    check(
        json!({"type":"date"}),
        &[
            (json!("2024-02-29"), "\"2024-02-29\""),
            (json!("0001-01-01"), "\"0001-01-01\""),
            (json!("9999-12-31"), "\"9999-12-31\""),
        ],
        &[(json!(20240229), &["wrong_type"])],
    );
    let malformed = [
        "",
        "2024-2-29",
        "2023-02-29",
        "1900-02-29",
        "2024-04-31",
        "2024-13-01",
        "2024-00-01",
        "2024-01-00",
        "0000-01-01",
        "10000-01-01",
        "2024/01/01",
        "2024-01-01Z",
        "2024-01-01\n",
        "20240101",
        "+024-01-01",
    ];
    check(json!({"type":"date"}), &[], &wrong(&malformed, &["malformed"]));
    check(
        json!({"type":"date","minimum":"2024-01-02","maximum":"2024-01-03"}),
        &same(&["2024-01-02", "2024-01-03"]),
        &[(json!("2024-01-01"), &["too_small"]), (json!("2024-01-04"), &["too_large"])],
    );
}

#[test]
fn boolean_uuid_reference() {
    check(
        json!({"type":"boolean"}),
        &[(json!(true), "true"), (json!(false), "false")],
        &[(json!(0), &["wrong_type"]), (json!("true"), &["wrong_type"])],
    );
    let lower = "\"01890a5d-ac96-774b-bcce-b302099a8057\"";
    let malformed = [
        "",
        "01890a5dac96774bbcceb302099a8057",
        "{01890a5d-ac96-774b-bcce-b302099a8057}",
        "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
        "01890a5d-ac96-774b-bcce-b302099a805g",
        "01890a5dac-96-774b-bcce-b302099a8057",
        "01890a5d-ac96-774b-bcce-b302099a8057\n",
        "0١890a5d-ac96-774b-bcce-b302099a805",
    ];
    for spec in [json!({"type":"uuid"}), json!({"type":"ref","collection":"users"})] {
        let accepted = [
            (json!("01890A5D-AC96-774b-BCCE-B302099A8057"), lower),
            (json!("00000000-0000-0000-0000-000000000000"), "\"00000000-0000-0000-0000-000000000000\""),
        ];
        check(spec.clone(), &accepted, &wrong(&malformed, &["malformed"]));
        check(spec, &[], &[(json!(1), &["wrong_type"])]);
    }
}

#[test]
fn enumeration() {
    check(
        json!({"type":"enum","values":["open","closed"]}),
        &same(&["open", "closed"]),
        &[(json!("Open"), &["unknown_value"]), (json!(""), &["unknown_value"]), (json!(0), &["wrong_type"])],
    );
    let kind = kind(json!({"type":"enum","values":["open","closed"]}));
    let problem = &parse(&kind, &json!("opne")).unwrap_err()[0];
    assert_eq!(problem.message, "must be one of: open, closed");
    assert_eq!(problem.hint.as_deref(), Some("did you mean `open`?"));
}

#[test]
fn json_text() {
    check(
        json!({"type":"json"}),
        &[(json!({"b":1.0,"a":[null,"\u{0}é"]}), r#"{"a":[null,"\u0000é"],"b":1}"#), (json!(false), "false")],
        &[],
    );
    check(
        json!({"type":"json","schema":{"type":"object","maxProperties":2,"properties":{"a":{"$ref":"#/$defs/n"}},
            "$defs":{"n":{"type":"integer","minimum":1}}}}),
        &[(json!({"a":1}), r#"{"a":1}"#)],
        &[(json!({"a":0,"b":1,"c":2}), &["schema", "schema"]), (json!([]), &["schema"])],
    );
    let kind = kind(json!({"type":"json","schema":{"properties":{"a/b":{"items":{"type":"string"}}}}}));
    let problems = parse(&kind, &json!({"a/b":["x", 1, {"secret":2}]})).unwrap_err();
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["/v/a~1b/1", "/v/a~1b/2"]);
    assert!(problems.iter().all(|problem| !problem.message.contains("secret")));
}

#[test]
fn list() {
    check(
        json!({"type":"list","items":"integer","minItems":1,"maxItems":3,"uniqueItems":true}),
        &[(json!([1, 2.0, -3]), "[1,2,-3]")],
        &[
            (json!([]), &["too_few_items"]),
            (json!([1, 1.0]), &["duplicate_item"]),
            (
                json!([1, "x", 0.5, null, 1]),
                &["wrong_type", "not_integral", "wrong_type", "too_many_items", "duplicate_item"],
            ),
            (json!({}), &["wrong_type"]),
        ],
    );
    check(
        json!({"type":"list","items":"enum","values":["a","b"]}),
        &[(json!([]), "[]"), (json!(["b", "a", "b"]), r#"["b","a","b"]"#)],
        &[(json!(["c"]), &["unknown_value"])],
    );
    check(json!({"type":"list","items":"text"}), &[(json!(["a,\"b"]), r#"["a,\"b"]"#)], &[(json!(["\0"]), &["nul"])]);
    let kind = kind(json!({"type":"list","items":"uuid","uniqueItems":true}));
    let (upper, lower) = ("ABCDEF00-0000-0000-0000-000000000000", "abcdef00-0000-0000-0000-000000000000");
    let problems = parse(&kind, &json!([upper, "x", lower])).unwrap_err();
    let found: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.code)).collect();
    assert_eq!(found, [("/v/1", "malformed"), ("/v/2", "duplicate_item")]);
}

#[test]
fn bytes() {
    check(json!({"type":"bytes"}), &same(&["", "AA==", "AAA=", "AAAA", "+/+/"]), &[(json!(1), &["wrong_type"])]);
    let malformed = ["A", "AA", "AAA", "AA=", "AB==", "AAB=", "AA==\n", "-_-_", "AA ==", "====", "é"];
    check(json!({"type":"bytes"}), &[], &wrong(&malformed, &["malformed"]));
    for most in 0..8usize {
        use base64::Engine;
        let text = |length: usize| base64::engine::general_purpose::STANDARD.encode(vec![7u8; length]);
        for length in 0..12usize {
            let (spec, json) = (json!({"type":"bytes","maxLength":most}), json!(text(length)));
            match length <= most {
                true => check(spec, &[(json.clone(), &json.to_string())], &[]),
                false => check(spec, &[], &[(json, &["too_long"])]),
            }
        }
    }
}

#[test]
fn parameters() {
    let cases: &[(Json, &str, Result<&str, &str>)] = &[
        (json!({"type":"text","minLength":3}), "a", Ok("\"a\"")),
        (json!({"type":"text"}), "\0", Err("nul")),
        (json!({"type":"integer","minimum":5}), "1e0", Ok("1")),
        (json!({"type":"integer"}), "01", Err("wrong_type")),
        (json!({"type":"integer"}), " 1", Err("wrong_type")),
        (json!({"type":"integer"}), "", Err("wrong_type")),
        (json!({"type":"integer"}), "1.5", Err("not_integral")),
        (json!({"type":"integer"}), "9007199254740992", Err("integer_out_of_range")),
        (json!({"type":"number"}), "-0", Ok("0")),
        (json!({"type":"number"}), "1e400", Err("number_overflow")),
        (json!({"type":"number"}), "100000000000000000000", Ok("100000000000000000000")),
        (json!({"type":"number"}), "Infinity", Err("wrong_type")),
        (json!({"type":"decimal","scale":2,"minimum":"1"}), "0.5", Ok("\"0.50\"")),
        (json!({"type":"decimal","scale":2}), "0.555", Err("too_many_places")),
        (json!({"type":"boolean"}), "true", Ok("true")),
        (json!({"type":"boolean"}), "1", Err("wrong_type")),
        (json!({"type":"date"}), "2024-01-31", Ok("\"2024-01-31\"")),
        (json!({"type":"timestamp"}), "2024-01-31T00:00:00+01:00", Ok("\"2024-01-30T23:00:00.000000Z\"")),
        (json!({"type":"uuid"}), "x", Err("malformed")),
        (json!({"type":"enum","values":["a"]}), "b", Err("unknown_value")),
    ];
    for (spec, text, expected) in cases {
        let (kind, mut problems) = (kind(spec.clone()), Problems::new());
        let value = kind.parse_parameter(text, &mut problems);
        let found = value.map(|value| written(&*kind, &value));
        let problems = problems.into_vec();
        let found = found.as_deref().ok_or_else(|| problems[0].code);
        assert_eq!(found, *expected, "{spec} {text:?}");
    }
    let list = kind(json!({"type":"list","items":"integer"}));
    assert_eq!(list.parse_parameter("7", &mut Problems::new()), Some(crate::Value::Integer(7)));
}
