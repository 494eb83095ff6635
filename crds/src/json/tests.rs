//! The reader and the writer against the RFCs, against serde_json, and against texts made to break them.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{canonical, parse, write_double, write_string};

fn problems(text: &[u8]) -> Vec<(String, &'static str)> {
    let found = parse(text, 8).expect_err("must be refused");
    found.into_iter().map(|problem| (problem.path, problem.code)).collect()
}

#[test]
fn reads_what_is_json() {
    let cases = [
        ("null", json!(null)),
        (" \t\r\n[ ] ", json!([])),
        ("{}", json!({})),
        (r#"{"a":{"b":[1,-2,3.5,1e2,true,false,null,"x"]}}"#, json!({"a":{"b":[1,-2,3.5,100.0,true,false,null,"x"]}})),
        (r#""\ud83d\ude00\u0000\/\"""#, json!("😀\0/\"")),
        ("9007199254740991", json!(9007199254740991i64)),
        ("-9007199254740991", json!(-9007199254740991i64)),
        ("1e20", json!(1e20)),
        ("-0", json!(0)),
        ("1e-400", json!(0.0)),
        (r#"{"":1,"a":2}"#, json!({"":1,"a":2})),
    ];
    for (text, value) in cases {
        assert_eq!(parse(text.as_bytes(), 8), Ok(value), "{text}");
    }
}

#[test]
fn refuses_with_the_path() {
    let cases: &[(&[u8], &str, &str)] = &[
        (b"", "", "malformed"),
        (b"nul", "", "malformed"),
        (b"\xef\xbb\xbf1", "", "malformed"),
        (b"1 2", "", "malformed"),
        (b"[1,]", "/1", "malformed"),
        (b"{\"a\":[1", "/a", "malformed"),
        (b"{\"a\":1,}", "", "malformed"),
        (b"{a:1}", "", "malformed"),
        (b"{\"a\" 1}", "/a", "malformed"),
        (b"\"\\", "", "malformed"),
        (b"\"a", "", "malformed"),
        (b"[01]", "/0", "malformed"),
        (b"[+1]", "/0", "malformed"),
        (b"[1.]", "/0", "malformed"),
        (b"[.5]", "/0", "malformed"),
        (b"[1e]", "/0", "malformed"),
        (b"[--1]", "/0", "malformed"),
        (b"[NaN]", "/0", "malformed"),
        (b"[\"\xff\"]", "/0", "malformed"),
        (b"[\"a\nb\"]", "/0", "malformed"),
        (b"[\"\\x\"]", "/0", "malformed"),
        (br#"{"a":"\ud800"}"#, "/a", "malformed"),
        (br#"{"a":"\udc00\ud800"}"#, "/a", "malformed"),
        (br#"{"a/b":{"~":9007199254740992}}"#, "/a~1b/~0", "integer_out_of_range"),
        (b"-9007199254740992", "", "integer_out_of_range"),
        (b"100000000000000000000", "", "integer_out_of_range"),
        (b"[1e400]", "/0", "number_overflow"),
        (b"[-1e400]", "/0", "number_overflow"),
        (br#"{"a":1,"\u0061":2}"#, "/a", "duplicate_key"),
        (b"[[[[[[[[[1]]]]]]]]]", "/0/0/0/0/0/0/0/0", "too_deep"),
    ];
    for (text, path, code) in cases {
        let shown = String::from_utf8_lossy(text);
        assert_eq!(problems(text), [((*path).to_owned(), *code)], "{shown}");
    }
}

#[test]
fn collects_every_problem() {
    let text = br#"{"a":1e400,"b":[9007199254740992,"\ud800",{"c":1,"c":1}],"d":[[[[[[[["]",{}]]]]]]]],"e":01,"f":]"#;
    let expected = [
        ("/a", "number_overflow"),
        ("/b/0", "integer_out_of_range"),
        ("/b/1", "malformed"),
        ("/b/2/c", "duplicate_key"),
        ("/d/0/0/0/0/0/0/0", "too_deep"),
        ("/e", "malformed"),
        ("/f", "malformed"),
    ];
    assert_eq!(problems(text), expected.map(|(path, code)| (path.to_owned(), code)));
}

#[test]
fn an_endless_integer_is_an_integer() {
    assert_eq!(problems("9".repeat(500).as_bytes()), [(String::new(), "integer_out_of_range")]);
}

#[test]
fn says_line_and_column() {
    let found = parse(b"{\n  \"a\": x\n}", 8).expect_err("must be refused");
    assert_eq!(found[0].message, "not JSON: a JSON value is expected at line 2, column 8");
}

#[test]
fn deep_and_long_texts_end() {
    let deep = vec![b'['; 1 << 20];
    assert_eq!(problems(&deep)[0].1, "too_deep");
    assert!(parse("[[]]".repeat(1 << 18).as_bytes(), usize::MAX).is_err());
    let long = format!("[{}0]", "[[[[]]]],".repeat(100_000));
    assert!(parse(long.as_bytes(), 8).is_ok());
    assert!(parse(&deep, usize::MAX).is_err(), "the reader's own bound keeps the stack");
}

/// RFC 8785, sections 3.2.2 and 3.2.3.
#[test]
fn canonical_is_rfc_8785() {
    let text = r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],
        "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#;
    let expected = concat!(
        r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"#,
        r#""string":"€$\u000f\nA'B\"\\\\\"/"}"#
    );
    assert_eq!(canonical(&parse(text.as_bytes(), 8).unwrap()), expected);

    let keys = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
        "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
    let expected = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
        \"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\
        \"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
    assert_eq!(canonical(&parse(keys.as_bytes(), 8).unwrap()), expected);
}

/// RFC 8785, appendix B.
#[test]
fn doubles_are_printed_as_ecmascript_does() {
    let cases = [
        (0x0000000000000000, "0"),
        (0x8000000000000000, "0"),
        (0x0000000000000001, "5e-324"),
        (0x7fefffffffffffff, "1.7976931348623157e+308"),
        (0x4340000000000000, "9007199254740992"),
        (0x4430000000000000, "295147905179352830000"),
        (0x44b52d02c7e14af6, "1e+23"),
        (0x444b1ae4d6e2ef50, "1e+21"),
        (0x3eb0c6f7a0b5ed8d, "0.000001"),
        (0x41b3de4355555553, "333333333.3333332"),
        (0xbecbf647612f3696, "-0.0000033333333333333333"),
        (0x7fffffffffffffff, "null"),
        (0x7ff0000000000000, "null"),
    ];
    for (bits, text) in cases {
        let mut out = Vec::new();
        write_double(f64::from_bits(bits), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}

fn any_json() -> impl Strategy<Value = Json> {
    let number = prop_oneof![
        (-super::MAX_SAFE_INTEGER..=super::MAX_SAFE_INTEGER).prop_map(Json::from),
        any::<f64>().prop_filter_map("finite", |double| serde_json::Number::from_f64(double).map(Json::Number)),
    ];
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        number,
        any::<String>().prop_map(Json::String)
    ];
    scalar.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
            proptest::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn reads_what_serde_json_writes(value in any_json()) {
        // serde_json prints an integral double with `.0`, so no integer is out of range.
        let text = serde_json::to_string(&value).unwrap();
        prop_assert_eq!(parse(text.as_bytes(), 8), Ok(serde_json::from_str::<Json>(&text).unwrap()));
    }

    #[test]
    fn canonical_is_idempotent(value in any_json()) {
        let once = canonical(&value);
        let again = serde_json::from_str::<Json>(&once).unwrap();
        prop_assert_eq!(canonical(&again), once);
    }

    #[test]
    fn takes_nothing_that_serde_json_refuses(bytes in proptest::collection::vec(prop_oneof![
        Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b'"'), Just(b'\\'), Just(b','), Just(b':'), Just(b'0'), Just(b'1'),
        Just(b'-'), Just(b'.'), Just(b'e'), Just(b' '), Just(b'u'), any::<u8>()], 0..24)) {
        if let Ok(value) = parse(&bytes, 8) {
            let theirs = serde_json::from_slice::<Json>(&bytes);
            prop_assert_eq!(theirs.map(|value| canonical(&value)).ok(), Some(canonical(&value)));
        }
    }

    #[test]
    fn strings_are_written_as_serde_json_does(text in any::<String>()) {
        let mut out = Vec::new();
        write_string(&text, &mut out);
        prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
    }
}
