//! The operations against the examples of RFC 6902 (appendix A) and the cases that implementations are known to get wrong.

use serde_json::json;

use super::*;

const DEPTH: usize = 32;

/// What a patch makes of a document, or the first problem or failure as text.
fn patched(document: &Json, patch: &Json) -> Result<Json, String> {
    let mut problems = Problems::new();
    let patch = parse(patch, &mut problems);
    let problems = problems.into_vec();
    if let Some(problem) = problems.first() {
        return Err(format!("{} {}", problem.path, problem.code));
    }
    let mut document = document.clone();
    let done = patch.apply(&mut document, DEPTH);
    done.map(|()| document).map_err(|failure| format!("{} {:?}", failure.path, failure.why))
}

fn all(cases: impl IntoIterator<Item = (Json, Json, Result<Json, &'static str>)>) {
    for (document, patch, expected) in cases {
        assert_eq!(patched(&document, &patch), expected.map_err(str::to_owned), "{patch} on {document}");
    }
}

#[test]
fn the_examples_of_the_standard() {
    all([
        // A.1 to A.7: an object member or an array element, added, removed, replaced, moved.
        (
            json!({ "foo": "bar" }),
            json!([{ "op": "add", "path": "/baz", "value": "qux" }]),
            Ok(json!({ "baz": "qux", "foo": "bar" })),
        ),
        (
            json!({ "foo": ["bar", "baz"] }),
            json!([{ "op": "add", "path": "/foo/1", "value": "qux" }]),
            Ok(json!({ "foo": ["bar", "qux", "baz"] })),
        ),
        (
            json!({ "baz": "qux", "foo": "bar" }),
            json!([{ "op": "remove", "path": "/baz" }]),
            Ok(json!({ "foo": "bar" })),
        ),
        (
            json!({ "foo": ["bar", "qux", "baz"] }),
            json!([{ "op": "remove", "path": "/foo/1" }]),
            Ok(json!({ "foo": ["bar", "baz"] })),
        ),
        (
            json!({ "baz": "qux", "foo": "bar" }),
            json!([{ "op": "replace", "path": "/baz", "value": "boo" }]),
            Ok(json!({ "baz": "boo", "foo": "bar" })),
        ),
        (
            json!({ "foo": { "bar": "baz", "waldo": "fred" }, "qux": { "corge": "grault" } }),
            json!([{ "op": "move", "from": "/foo/waldo", "path": "/qux/thud" }]),
            Ok(json!({ "foo": { "bar": "baz" }, "qux": { "corge": "grault", "thud": "fred" } })),
        ),
        (
            json!({ "foo": ["all", "grass", "cows", "eat"] }),
            json!([{ "op": "move", "from": "/foo/1", "path": "/foo/3" }]),
            Ok(json!({ "foo": ["all", "cows", "eat", "grass"] })),
        ),
        // A.8 and A.9: a test that holds, and one that does not.
        (
            json!({ "baz": "qux", "foo": ["a", 2, "c"] }),
            json!([{ "op": "test", "path": "/baz", "value": "qux" }, { "op": "test", "path": "/foo/1", "value": 2 }]),
            Ok(json!({ "baz": "qux", "foo": ["a", 2, "c"] })),
        ),
        (json!({ "baz": "qux" }), json!([{ "op": "test", "path": "/baz", "value": "bar" }]), Err("/0 Different")),
        // A.10 to A.12: nested objects, members that are not known, a target that is missing.
        (
            json!({ "foo": "bar" }),
            json!([{ "op": "add", "path": "/child", "value": { "grandchild": {} } }]),
            Ok(json!({ "foo": "bar", "child": { "grandchild": {} } })),
        ),
        (
            json!({ "foo": "bar" }),
            json!([{ "op": "add", "path": "/baz", "value": "qux", "xyz": 123 }]),
            Ok(json!({ "foo": "bar", "baz": "qux" })),
        ),
        (json!({ "foo": "bar" }), json!([{ "op": "add", "path": "/baz/bat", "value": "qux" }]), Err("/0/path Missing")),
        // A.14 to A.16: escapes, numbers that are no strings, an element after the last.
        (
            json!({ "/": 9, "~1": 10 }),
            json!([{ "op": "test", "path": "/~01", "value": 10 }]),
            Ok(json!({ "/": 9, "~1": 10 })),
        ),
        (json!({ "/": 9, "~1": 10 }), json!([{ "op": "test", "path": "/~01", "value": "10" }]), Err("/0 Different")),
        (
            json!({ "foo": ["bar"] }),
            json!([{ "op": "add", "path": "/foo/-", "value": ["abc", "def"] }]),
            Ok(json!({ "foo": ["bar", ["abc", "def"]] })),
        ),
    ]);
}

#[test]
fn whole_documents_and_odd_names() {
    let odd = json!({ "": 0, "a/b": 1, "c%d": 2, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8 });
    let tests = json!([
        { "op": "test", "path": "/", "value": 0 }, { "op": "test", "path": "/a~1b", "value": 1 },
        { "op": "test", "path": "/c%d", "value": 2 }, { "op": "test", "path": "/i\\j", "value": 5 },
        { "op": "test", "path": "/k\"l", "value": 6 }, { "op": "test", "path": "/ ", "value": 7 },
        { "op": "test", "path": "/m~0n", "value": 8 },
    ]);
    all([
        (json!({}), json!([]), Ok(json!({}))),
        (odd.clone(), tests, Ok(odd)),
        (json!({ "a": 1 }), json!([{ "op": "add", "path": "", "value": [] }]), Ok(json!([]))),
        (json!({ "a": 1 }), json!([{ "op": "replace", "path": "", "value": { "b": 2 } }]), Ok(json!({ "b": 2 }))),
        (json!({ "a": 1 }), json!([{ "op": "test", "path": "", "value": { "a": 1 } }]), Ok(json!({ "a": 1 }))),
        (
            json!({ "a": 1 }),
            json!([{ "op": "copy", "from": "", "path": "/b" }]),
            Ok(json!({ "a": 1, "b": { "a": 1 } })),
        ),
        (json!({ "a": 1 }), json!([{ "op": "move", "from": "/a", "path": "" }]), Ok(json!(1))),
        (json!({ "a": {} }), json!([{ "op": "add", "path": "/a/", "value": 1 }]), Ok(json!({ "a": { "": 1 } }))),
        (json!({ "a": 1 }), json!([{ "op": "move", "from": "/a", "path": "/a" }]), Ok(json!({ "a": 1 }))),
        (json!({ "1e0": "x" }), json!([{ "op": "test", "path": "/1e0", "value": "x" }]), Ok(json!({ "1e0": "x" }))),
        (json!({ "01": 1 }), json!([{ "op": "remove", "path": "/01" }]), Ok(json!({}))),
        (json!({ "-": 1 }), json!([{ "op": "remove", "path": "/-" }]), Ok(json!({}))),
    ]);
}

#[test]
fn null_is_a_value() {
    let null = || json!({ "a": null });
    all([
        (null(), json!([{ "op": "test", "path": "/a", "value": null }]), Ok(null())),
        (null(), json!([{ "op": "replace", "path": "/a", "value": 1 }]), Ok(json!({ "a": 1 }))),
        (null(), json!([{ "op": "move", "from": "/a", "path": "/b" }]), Ok(json!({ "b": null }))),
        (null(), json!([{ "op": "copy", "from": "/a", "path": "/b" }]), Ok(json!({ "a": null, "b": null }))),
        (null(), json!([{ "op": "remove", "path": "/a" }]), Ok(json!({}))),
        (json!({ "a": 1 }), json!([{ "op": "replace", "path": "/a", "value": null }]), Ok(null())),
        (null(), json!([{ "op": "test", "path": "/b", "value": null }]), Err("/0/path Missing")),
        (null(), json!([{ "op": "add", "path": "/a/b", "value": 1 }]), Err("/0/path Missing")),
    ]);
}

#[test]
fn elements_of_arrays() {
    let array = || json!([1, 2, 3]);
    all([
        (array(), json!([{ "op": "add", "path": "/0", "value": 0 }]), Ok(json!([0, 1, 2, 3]))),
        (array(), json!([{ "op": "add", "path": "/3", "value": 4 }]), Ok(json!([1, 2, 3, 4]))),
        (array(), json!([{ "op": "add", "path": "/4", "value": 4 }]), Err("/0/path Missing")),
        (array(), json!([{ "op": "add", "path": "/99999999999999999999999", "value": 4 }]), Err("/0/path Missing")),
        (array(), json!([{ "op": "remove", "path": "/1" }, { "op": "remove", "path": "/1" }]), Ok(json!([1]))),
        (array(), json!([{ "op": "remove", "path": "/3" }]), Err("/0/path Missing")),
        (array(), json!([{ "op": "remove", "path": "/-" }]), Err("/0/path Missing")),
        (array(), json!([{ "op": "replace", "path": "/-", "value": 1 }]), Err("/0/path Missing")),
        (array(), json!([{ "op": "test", "path": "/-", "value": 3 }]), Err("/0/path Missing")),
        (array(), json!([{ "op": "replace", "path": "/1", "value": [7] }]), Ok(json!([1, [7], 3]))),
        (array(), json!([{ "op": "move", "from": "/2", "path": "/-" }]), Ok(json!([1, 2, 3]))),
        // The target is counted after the value has gone.
        (array(), json!([{ "op": "move", "from": "/0", "path": "/3" }]), Err("/0/path Missing")),
        (array(), json!([{ "op": "move", "from": "/0", "path": "/2" }]), Ok(json!([2, 3, 1]))),
    ]);
    for bad in ["01", "00", "-1", "+1", "1e0", "1.0", " 1", "", "one", "٣"] {
        for op in ["add", "remove", "replace", "test"] {
            let patch = json!([{ "op": op, "path": format!("/{bad}"), "value": 1 }]);
            assert_eq!(patched(&array(), &patch), Err("/0/path NoIndex".to_owned()), "{op} {bad:?}");
        }
        for op in ["move", "copy"] {
            let patch = json!([{ "op": op, "from": format!("/{bad}"), "path": "/0" }]);
            assert_eq!(patched(&array(), &patch), Err("/0/from NoIndex".to_owned()), "{op} {bad:?}");
        }
    }
}

#[test]
fn values_are_equal_by_what_they_mean() {
    for (stored, asked, equal) in [
        (json!(1), json!(1.0), true),
        (json!(100), json!(1e2), true),
        (json!(0), json!(-0.0), true),
        (json!(0.1), json!(0.1), true),
        (json!(1), json!("1"), false),
        (json!(1), json!(true), false),
        (json!(0), json!(null), false),
        (json!({ "a": 1, "b": [{ "c": 2.0 }] }), json!({ "b": [{ "c": 2 }], "a": 1.0 }), true),
        (json!({ "a": 1 }), json!({ "a": 1, "b": null }), false),
        (json!([1, 2]), json!([2, 1]), false),
        (json!([1, 2]), json!([1]), false),
        (json!("é"), json!("e\u{301}"), false),
    ] {
        let patch = json!([{ "op": "test", "path": "/x", "value": asked }]);
        assert_eq!(patched(&json!({ "x": stored }), &patch).is_ok(), equal, "{stored} and {asked}");
    }
}

#[test]
fn a_malformed_patch_names_its_operation() {
    let good = json!({ "op": "test", "path": "/a", "value": 1 });
    for (operation, expected) in [
        (json!(1), "/1 wrong_type"),
        (json!({ "path": "/a" }), "/1/op required"),
        (json!({ "op": 1, "path": "/a" }), "/1/op wrong_type"),
        (json!({ "op": "spam", "path": "/a" }), "/1/op unknown_value"),
        (json!({ "op": "Add", "path": "/a", "value": 1 }), "/1/op unknown_value"),
        (json!({ "op": "remove" }), "/1/path required"),
        (json!({ "op": "remove", "path": null }), "/1/path wrong_type"),
        (json!({ "op": "remove", "path": "a" }), "/1/path malformed"),
        (json!({ "op": "remove", "path": "#/a" }), "/1/path malformed"),
        (json!({ "op": "remove", "path": "/a~" }), "/1/path malformed"),
        (json!({ "op": "remove", "path": "/a~2b" }), "/1/path malformed"),
        (json!({ "op": "remove", "path": "/a~é" }), "/1/path malformed"),
        (json!({ "op": "add", "path": "/a" }), "/1/value required"),
        (json!({ "op": "replace", "path": "/a" }), "/1/value required"),
        (json!({ "op": "test", "path": "/a" }), "/1/value required"),
        (json!({ "op": "copy", "path": "/a" }), "/1/from required"),
        (json!({ "op": "move", "path": "/a" }), "/1/from required"),
        (json!({ "op": "move", "from": "/a", "path": "/a/b" }), "/1/path invalid"),
        (json!({ "op": "move", "from": "", "path": "/a" }), "/1/path invalid"),
    ] {
        assert_eq!(patched(&json!({ "a": 1 }), &json!([good, operation])), Err(expected.to_owned()));
    }
    assert_eq!(patched(&json!({}), &json!({})), Err(" wrong_type".to_owned()));
    // A neighbour of that name is no child.
    assert!(patched(&json!({ "a": 1 }), &json!([{ "op": "move", "from": "/a", "path": "/ab" }])).is_ok());
    let mut problems = Problems::new();
    parse(&json!([{ "op": "spam" }, 1, { "op": "move", "path": "x" }]), &mut problems);
    assert_eq!(problems.len(), 5, "all at once: {problems:?}");
}

#[test]
fn nothing_grows_beyond_its_bounds() {
    let operation = json!({ "op": "test", "path": "", "value": {} });
    assert!(patched(&json!({}), &json!(vec![operation.clone(); MAX_OPERATIONS])).is_ok());
    let many = json!(vec![operation; MAX_OPERATIONS + 1]);
    assert_eq!(patched(&json!({}), &many), Err(" too_many".to_owned()));
    // Each copy doubles what is there.
    let double = json!({ "op": "copy", "from": "/a", "path": "/a/-" });
    let failed = patched(&json!({ "a": ["x".repeat(100)] }), &json!(vec![double; 25])).unwrap_err();
    assert!(failed.ends_with("/from TooLarge"), "{failed}");
    // Each pair of moves puts the value one level deeper.
    let deeper = [
        json!({ "op": "move", "from": "/a", "path": "/b" }),
        json!({ "op": "add", "path": "/a", "value": [] }),
        json!({ "op": "move", "from": "/b", "path": "/a/0" }),
    ];
    let patch: Vec<Json> = deeper.iter().cloned().cycle().take(3 * 100).collect();
    let failed = patched(&json!({ "a": 1 }), &json!(patch)).unwrap_err();
    assert!(failed.ends_with("/path TooDeep"), "{failed}");
    let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let add = |levels: usize| json!([{ "op": "add", "path": "/a", "value": deep(levels) }]);
    assert!(patched(&json!({}), &add(DEPTH - 1)).is_ok());
    assert_eq!(patched(&json!({}), &add(DEPTH)), Err("/0/path TooDeep".to_owned()));
}
