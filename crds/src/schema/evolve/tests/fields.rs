//! What becomes of each changed option of a field: phase, class, effect.

use super::*;

/// The markets of this one field, before and after.
fn way(before: Json, after: Json) -> Evolution {
    let schema = |mut field: Json| {
        field["name"] = json!("x");
        declared(&[("markets", json!({ "fields": [field] }))])
    };
    evolve(&applied(&schema(before)), &schema(after)).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn with(base: &Json, more: Json) -> Json {
    let mut field = base.clone();
    field.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    field
}

/// Each option of a kind with a wider and a narrower value, and what the narrower one is told as.
#[test]
fn a_wider_option_is_no_step_and_a_narrower_one_is_judged_in_the_contract() {
    let text = json!({ "type": "text" });
    let list = json!({ "type": "list", "items": "text" });
    let decimal = json!({ "type": "decimal", "precision": 9, "scale": 2 });
    let cases: Vec<(&Json, Json, Json, &str)> = vec![
        (&text, json!({ "minLength": 2 }), json!({ "minLength": 3 }), "minLength 3"),
        (&text, json!({}), json!({ "maxLength": 9 }), "maxLength 9"),
        (&text, json!({ "maxLength": 9 }), json!({ "maxLength": 8 }), "maxLength 8"),
        (&text, json!({}), json!({ "pattern": "a+" }), "pattern \"a+\""),
        (&text, json!({}), json!({ "format": "slug" }), "format \"slug\""),
        (&list, json!({ "minItems": 0 }), json!({ "minItems": 1 }), "minItems 1"),
        (&list, json!({ "maxItems": 5 }), json!({ "maxItems": 4 }), "maxItems 4"),
        (&list, json!({}), json!({ "uniqueItems": true }), "uniqueItems true"),
        (&decimal, json!({ "minimum": "-1" }), json!({ "minimum": "0" }), "minimum \"0\""),
        (&decimal, json!({}), json!({ "maximum": "10.5" }), "maximum \"10.5\""),
    ];
    let others = [
        (json!({ "type": "integer" }), json!({ "minimum": 1 }), json!({ "minimum": 2 }), "minimum 2"),
        (json!({ "type": "number" }), json!({ "maximum": 1.5 }), json!({ "maximum": 1.0 }), "maximum 1"),
        (
            json!({ "type": "date" }),
            json!({ "minimum": "2024-01-01" }),
            json!({ "minimum": "2024-01-02" }),
            "minimum \"2024-01-02\"",
        ),
        (json!({ "type": "bytes" }), json!({}), json!({ "maxLength": 9 }), "maxLength 9"),
        (
            json!({ "type": "json" }),
            json!({}),
            json!({ "schema": { "type": "object" } }),
            "schema {\"type\":\"object\"}",
        ),
        (
            json!({ "type": "list", "items": "enum" }),
            json!({ "values": ["a", "b"] }),
            json!({ "values": ["a"] }),
            "values [\"a\"]",
        ),
    ];
    let others = others.iter().map(|(base, wide, narrow, told)| (base, wide.clone(), narrow.clone(), *told));
    for (base, wide, narrow, told) in cases.into_iter().chain(others) {
        let wider = way(with(base, narrow.clone()), with(base, wide.clone())).plan;
        assert_eq!((effects(&wider), wider.approval_hash), (vec![], None), "{told}");
        let narrower = way(with(base, wide), with(base, narrow)).plan;
        assert_eq!(effects(&narrower), [format!("Contract DataDependent: hold markets.x to {told}")]);
        assert_eq!(narrower.steps[0].judges.as_deref(), Some("x"));
        assert!(narrower.approval_hash.is_some());
    }
}

#[test]
fn what_the_database_knows_of_a_field_changes_with_it() {
    let text = json!({ "type": "text" });
    let required = with(&text, json!({ "required": true }));
    let enumeration = |values: Json| json!({ "type": "enum", "values": values });
    let precision = |digits: u32| json!({ "type": "decimal", "precision": digits, "scale": 2 });
    let reference = |target: &str| json!({ "type": "ref", "collection": target });
    let cases: Vec<(Json, Json, Vec<&str>)> = vec![
        (required.clone(), text.clone(), vec!["Expand Safe: no longer require markets.x"]),
        (text.clone(), required.clone(), vec!["Contract DataDependent: require markets.x"]),
        (
            text.clone(),
            with(&required, json!({ "default": "-" })),
            vec![
                "Expand Safe: set default of markets.x to \"-\"",
                "Backfill Safe: fill markets.x with its default",
                "Contract Safe: require markets.x",
            ],
        ),
        // Records must not become the same.
        (
            with(&text, json!({ "unique": true, "maxLength": 9 })),
            with(&required, json!({ "unique": true, "maxLength": 9, "default": "-" })),
            vec!["Expand Safe: set default of markets.x to \"-\"", "Contract DataDependent: require markets.x"],
        ),
        (with(&text, json!({ "default": "a" })), text.clone(), vec!["Expand Safe: drop default of markets.x"]),
        (
            enumeration(json!(["a", "b"])),
            enumeration(json!(["c", "a"])),
            vec!["Expand Safe: allow markets.x: c", "Contract DataDependent: no longer allow markets.x: b"],
        ),
        (enumeration(json!(["a", "b"])), text.clone(), vec!["Expand Safe: no longer check values of markets.x"]),
        (
            enumeration(json!(["a", "bb"])),
            with(&text, json!({ "maxLength": 1 })),
            vec![
                "Expand Safe: no longer check values of markets.x",
                "Contract DataDependent: hold markets.x to maxLength 1",
            ],
        ),
        (text.clone(), enumeration(json!(["a"])), vec!["Contract DataDependent: check values of markets.x"]),
        (precision(9), precision(10), vec!["Expand Safe: widen markets.x to precision 10"]),
        (
            json!({ "type": "uuid" }),
            reference("users"),
            vec!["Expand Safe: add index markets (x)", "Contract DataDependent: add reference markets.x to users"],
        ),
        (
            reference("users"),
            json!({ "type": "uuid" }),
            vec!["Expand Safe: drop reference markets.x to users", "Contract Safe: drop index markets (x)"],
        ),
        (
            reference("users"),
            reference("markets"),
            vec![
                "Expand Safe: drop reference markets.x to users",
                "Contract DataDependent: add reference markets.x to markets",
            ],
        ),
        (reference("users"), with(&reference("users"), json!({ "onDelete": "cascade" })), vec![]),
        (
            with(&text, json!({ "unique": true, "maxLength": 9 })),
            with(&text, json!({ "maxLength": 9 })),
            vec!["Contract Safe: drop unique key markets (x)"],
        ),
    ];
    for (before, after, expected) in cases {
        let evolution = way(before.clone(), after.clone());
        assert_eq!(effects(&evolution.plan), expected, "{before} to {after}");
        // Once applied it is no change.
        let schema = &evolution.stored.schema().unwrap();
        assert_eq!(evolve(&evolution.stored, schema).unwrap().plan.to_revision, 2);
    }
}

#[test]
fn a_new_required_field_is_filled_or_needs_an_empty_table() {
    let field = |more: Json| json!({ "fields": [with(&json!({ "name": "at", "required": true }), more)] });
    let cases: Vec<(Json, Vec<&str>)> = vec![
        (json!({ "type": "text", "default": "-" }), vec!["Expand Safe: add field markets.at"]),
        (
            json!({ "type": "timestamp", "default": "$now" }),
            vec![
                "Expand Safe: add field markets.at",
                "Backfill Safe: fill markets.at with its default",
                "Contract Safe: require markets.at",
            ],
        ),
        (
            json!({ "type": "uuid", "default": "$uuid", "unique": true }),
            vec![
                "Expand Safe: add field markets.at",
                "Expand Safe: add unique key markets (at)",
                "Backfill Safe: fill markets.at with its default",
                "Contract Safe: require markets.at",
            ],
        ),
        (
            json!({ "type": "text" }),
            vec!["Expand DataDependent: add field markets.at", "Contract DataDependent: require markets.at"],
        ),
    ];
    let stored = applied(&markets(json!({})));
    for (more, expected) in cases {
        let plan = evolve(&stored, &markets(field(more))).unwrap().plan;
        assert_eq!(effects(&plan), expected);
        let asks = |step: &&Step| step.class == Class::DataDependent;
        assert!(plan.steps.iter().filter(asks).all(|step| step.postgres.violations.is_some()));
    }
}

#[test]
fn a_type_changes_through_a_second_column_that_is_kept_equal() {
    let cases: Vec<(Json, Json, &str, &str)> = vec![
        (json!({ "type": "integer" }), json!({ "type": "text" }), "Safe", "from integer to text"),
        (json!({ "type": "text" }), json!({ "type": "integer" }), "DataDependent", "from text to integer"),
        (json!({ "type": "date" }), json!({ "type": "timestamp" }), "Safe", "from date to timestamp"),
        (json!({ "type": "timestamp" }), json!({ "type": "text" }), "Safe", "from timestamp to text"),
        (json!({ "type": "number" }), json!({ "type": "text" }), "DataDependent", "from number to text"),
        // Fewer digits would rewrite the table.
        (
            json!({ "type": "decimal", "precision": 10, "scale": 2 }),
            json!({ "type": "decimal", "precision": 9, "scale": 2 }),
            "DataDependent",
            "from numeric(10,2) to numeric(9,2)",
        ),
        (
            json!({ "type": "decimal", "precision": 15, "scale": 2 }),
            json!({ "type": "number" }),
            "Safe",
            "from numeric(15,2) to number",
        ),
        (
            json!({ "type": "decimal", "precision": 9, "scale": 2 }),
            json!({ "type": "decimal", "precision": 9, "scale": 1 }),
            "DataDependent",
            "from numeric(9,2) to numeric(9,1)",
        ),
    ];
    for (before, after, class, told) in cases {
        let evolution = way(before, after);
        let expected = [
            format!("Expand {class}: change markets.x {told}"),
            "Expand Safe: keep both columns of markets.x equal".to_owned(),
            "Backfill Safe: fill markets.x from its former column".to_owned(),
            format!("Contract {class}: read markets.x from its new column alone"),
        ];
        assert_eq!(effects(&evolution.plan), expected);
        let stored = evolution.stored.get("markets").unwrap();
        assert_eq!((stored.columns["x"].as_str(), stored.retained[0].column.as_str()), ("x__2", "x"));
        assert_eq!(evolution.notes.len(), 1, "{:?}", evolution.notes);
    }
    let evolution = way(json!({ "type": "boolean", "required": true }), json!({ "type": "integer", "required": true }));
    assert!(
        effects(&evolution.plan).contains(&"Contract Safe: require markets.x".to_owned()),
        "{:?}",
        evolution.plan.steps
    );
}
