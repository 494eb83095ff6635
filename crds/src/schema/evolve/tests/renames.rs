//! Renames: which are followed, which columns and names result, and what is never guessed.

use super::*;

fn names(schema: &Schema) -> Vec<(String, String)> {
    let markets = schema.get("markets").unwrap();
    markets.declared().map(|(_, field)| (field.name.to_string(), field.column.clone())).collect()
}

/// Notes of these fields: a name, or `name<old`.
fn fields(fields: &[&str]) -> Schema {
    let fields: Vec<Json> = fields
        .iter()
        .map(|field| match field.split_once('<') {
            Some((name, from)) => json!({ "name": name, "type": "text", "renamedFrom": from }),
            None => json!({ "name": field, "type": "text" }),
        })
        .collect();
    declared(&[("markets", json!({ "fields": fields }))])
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, column)| (String::from(*name), String::from(*column))).collect()
}

#[test]
fn a_rename_keeps_column_and_index_names() {
    let unique = |field: &str| json!([{ "fields": [field, "status"] }]);
    let first = applied(&markets(json!({ "unique": unique("title") })));
    let mut spec = serde_json::to_value(&first.get("markets").unwrap().spec).unwrap();
    spec["fields"][0]["name"] = json!("question");
    spec["fields"][0]["renamedFrom"] = json!("title");
    spec["unique"] = unique("question");
    let renamed = evolve(&first, &declared(&[("markets", spec.clone())])).unwrap();
    assert_eq!(effects(&renamed.plan), Vec::<String>::new());
    let names = |schema: &Schema| {
        let markets = schema.get("markets").unwrap();
        (markets.fields[4].name.to_string(), markets.fields[4].column.clone(), markets.unique[0].name.clone())
    };
    let before = names(&first.schema().unwrap());
    let after = names(&renamed.schema);
    assert_eq!(after, ("question".to_owned(), before.1, before.2));
    assert_eq!(names(&renamed.stored.schema().unwrap()), after);

    // The old name is free again for another field, which gets a column and an index of its own.
    spec["fields"][0].as_object_mut().unwrap().remove("renamedFrom");
    spec["fields"].as_array_mut().unwrap().push(json!({ "name": "title", "type": "text", "maxLength": 9 }));
    spec["unique"].as_array_mut().unwrap().push(json!({ "fields": ["title", "status"] }));
    let third = evolve(&renamed.stored, &declared(&[("markets", spec)])).unwrap();
    let markets = third.stored.schema().unwrap();
    let markets = markets.get("markets").unwrap();
    assert_eq!(markets.fields[markets.position("title").unwrap()].column, "title__3");
    assert_eq!(markets.fields[markets.position("question").unwrap()].column, "title");
    assert_ne!(markets.unique[0].name, markets.unique[1].name);
    assert_eq!(effects(&third.plan).len(), 2);
}

/// Fields before, fields after, names with their columns.
type Case<'a> = (&'a [&'a str], &'a [&'a str], &'a [(&'a str, &'a str)]);

#[test]
fn names_are_passed_on_and_swapped_once() {
    let cases: [Case<'_>; 5] = [
        (&["a", "b"], &["b<a", "c<b"], &[("b", "a"), ("c", "b")]),
        (&["a", "b"], &["a<b", "b<a"], &[("a", "b"), ("b", "a")]),
        (&["a", "b", "c"], &["a<c", "b<a", "c<b"], &[("a", "c"), ("b", "a"), ("c", "b")]),
        // The old name is free for a field of its own, whose column has another.
        (&["a"], &["b<a"], &[("b", "a")]),
        // Another database has it behind it already, or never had the old name.
        (&["b"], &["b<a"], &[("b", "b")]),
    ];
    for (before, after, expected) in cases {
        let first = applied(&fields(before));
        let renamed = evolve(&first, &fields(after)).unwrap();
        assert_eq!((names(&renamed.schema), effects(&renamed.plan)), (pairs(expected), vec![]), "{after:?}");
        // The documents may say so for ever, and stop saying so.
        let again = evolve(&renamed.stored, &fields(after)).unwrap();
        assert_eq!((again.plan.to_revision, names(&again.schema)), (2, pairs(expected)));
        let plain: Vec<&str> = after.iter().map(|field| field.split('<').next().unwrap()).collect();
        let plain = evolve(&renamed.stored, &fields(&plain)).unwrap();
        assert_eq!((plain.plan.steps.len(), names(&plain.schema)), (0, pairs(expected)));
    }
}

#[test]
fn a_name_that_came_back_gets_a_column_of_its_own() {
    let first = applied(&fields(&["a"]));
    let second = evolve(&first, &fields(&["b<a"])).unwrap().stored;
    let third = evolve(&second, &fields(&["b", "a"])).unwrap();
    assert_eq!(names(&third.schema), pairs(&[("b", "a"), ("a", "a__3")]));
    assert_eq!(effects(&third.plan), ["Expand Safe: add field markets.a"]);
    // A swap of the two is one of columns alone.
    let fourth = evolve(&third.stored, &fields(&["b<a", "a<b"])).unwrap();
    assert_eq!(names(&fourth.schema), pairs(&[("b", "a__3"), ("a", "a")]));
    assert_eq!(effects(&fourth.plan), Vec::<String>::new());
}

#[test]
fn a_field_that_was_removed_returns_under_another_name() {
    let first = applied(&fields(&["a", "legacy"]));
    let without = evolve(&first, &fields(&["a"])).unwrap().stored;
    let back = evolve(&without, &fields(&["a", "code<legacy"])).unwrap();
    assert_eq!(names(&back.schema), pairs(&[("a", "a"), ("code", "legacy")]));
    assert_eq!((effects(&back.plan), back.stored.get("markets").unwrap().retained.len()), (vec![], 0));
}

#[test]
fn two_fields_with_data_never_become_one() {
    let stored = applied(&fields(&["a", "b"]));
    let problems = evolve(&stored, &fields(&["b<a"])).unwrap_err();
    let found: Vec<(&str, &str)> = problems.iter().map(|problem| (problem.path.as_str(), problem.code)).collect();
    assert_eq!(found, [("/markets/spec/fields/0/renamedFrom", "renamed_onto")]);
    assert!(problems[0].message.contains("`markets.b` is applied beside `a`"), "{}", problems[0].message);
}

#[test]
fn checks_and_rules_that_name_a_renamed_field_stay() {
    let spec = |field: &str, from: Option<&str>| {
        let mut spec = json!({
            "fields": [{ "name": field, "type": "integer" }, { "name": "high", "type": "integer" }],
            "checks": [{ "that": { "high": { "gt": format!("$field.{field}") } }, "message": "high" }],
            "unique": [{ "fields": [field], "where": { field: { "gt": 0 } } }],
            "indexes": [{ "fields": [format!("-{field}")] }],
            "access": { "read": [{ "roles": ["anyone"], "where": { field: 1 } }] },
        });
        if let Some(from) = from {
            spec["fields"][0]["renamedFrom"] = json!(from);
        }
        declared(&[("markets", spec)])
    };
    let renamed = evolve(&applied(&spec("low", None)), &spec("least", Some("low"))).unwrap();
    assert_eq!((effects(&renamed.plan), renamed.plan.to_revision), (vec![], 2));
    let schema = renamed.stored.schema().unwrap();
    let markets = schema.get("markets").unwrap();
    assert!(markets.unique[0].name.starts_with("markets_low_") && markets.indexes[0].name.starts_with("markets_low_"));
}
