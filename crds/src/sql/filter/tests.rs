//! Each operator on each kind of column as SQL of both databases.

use serde_json::json;

use super::super::literal::inline;
use super::*;
use crate::collection::{Document, check};
use crate::name::Name;

fn schema() -> Schema {
    let document = json!({
        "apiVersion": "mainstay.dev/v1alpha1",
        "kind": "Collection",
        "metadata": { "name": "markets" },
        "spec": { "fields": [
            { "name": "title", "type": "text" },
            { "name": "rank", "type": "integer" },
            { "name": "volume", "type": "decimal", "precision": 18, "scale": 2 },
            { "name": "creator", "type": "ref", "collection": "users" },
            { "name": "parent", "type": "ref", "collection": "markets" },
            { "name": "tags", "type": "list", "items": "text" },
            { "name": "label", "type": "text" }
        ] },
    });
    check(&[Document(document)]).unwrap()
}

fn test(field: &str, op: Op, operands: Vec<Operand>) -> Filter {
    let schema = schema();
    let field = schema.get("markets").unwrap().position(field).unwrap();
    Filter::Test { field, op, operands }
}

fn text(value: &str) -> Vec<Operand> {
    vec![Operand::Value(Value::from(value.to_owned()))]
}

fn compiled(filter: &Filter, dialect: Dialect, alias: &str) -> String {
    let schema = schema();
    let mut sql = Sql::new();
    compile(filter, schema.get("markets").unwrap(), &schema, dialect, alias, &mut sql);
    inline(&sql, dialect)
}

#[test]
fn each_operator_on_both_databases() {
    let number = |n| Operand::Value(Value::Integer(n));
    let is = |b| vec![Operand::Value(Value::Boolean(b))];
    let label = || vec![Operand::Field(schema().get("markets").unwrap().position("label").unwrap())];
    let decimal = vec![Operand::Value(Value::Decimal(-150))];
    let cases = [
        (test("title", Op::Eq, text("a'b")), r#""title" = 'a''b'"#, r#""title" = 'a''b'"#),
        (test("title", Op::Ne, text("a")), r#""title" <> 'a'"#, r#""title" <> 'a'"#),
        (test("rank", Op::Gt, vec![number(1)]), r#""rank" > 1"#, r#""rank" > 1"#),
        (test("volume", Op::Lte, decimal), r#""volume" <= -1.50"#, r#""volume" <= -150"#),
        (test("rank", Op::In, vec![number(1), number(2)]), r#""rank" IN (1, 2)"#, r#""rank" IN (1, 2)"#),
        (test("rank", Op::Nin, vec![number(1)]), r#""rank" NOT IN (1)"#, r#""rank" NOT IN (1)"#),
        (test("rank", Op::In, vec![]), "FALSE", "FALSE"),
        (test("rank", Op::Nin, vec![]), "TRUE", "TRUE"),
        (test("title", Op::Contains, text("X")), r#"strpos("title", 'X') > 0"#, r#"instr("title", 'X') > 0"#),
        (
            test("title", Op::Icontains, text("XÉ")),
            r#"strpos(lower("title" COLLATE "C"), 'xÉ') > 0"#,
            r#"instr(lower("title"), 'xÉ') > 0"#,
        ),
        (
            test("title", Op::Startswith, text("ab")),
            r#"("title" >= 'ab' AND "title" < 'ac')"#,
            r#"("title" >= 'ab' AND "title" < 'ac')"#,
        ),
        (
            test("title", Op::Startswith, label()),
            r#"substr("title", 1, length("label")) = "label""#,
            r#"substr("title", 1, length("label")) = "label""#,
        ),
        (test("title", Op::Isnull, is(true)), r#""title" IS NULL"#, r#""title" IS NULL"#),
        (test("title", Op::Isnull, is(false)), r#""title" IS NOT NULL"#, r#""title" IS NOT NULL"#),
        (
            test("tags", Op::Has, text("x")),
            r#"'x' = ANY("tags")"#,
            r#"CASE WHEN "tags" IS NULL THEN NULL ELSE EXISTS (SELECT 1 FROM json_each("tags") AS "item" WHERE "item"."value" = 'x') END"#,
        ),
        (
            test("tags", Op::Has, label()),
            r#"CASE WHEN "tags" IS NULL OR "label" IS NULL THEN NULL ELSE "label" = ANY("tags") END"#,
            r#"CASE WHEN "tags" IS NULL OR "label" IS NULL THEN NULL ELSE EXISTS (SELECT 1 FROM json_each("tags") AS "item" WHERE "item"."value" = "label") END"#,
        ),
        (test("title", Op::Eq, label()), r#""title" = "label""#, r#""title" = "label""#),
        (test("title", Op::Eq, vec![Operand::AuthId]), r#""title" = NULL"#, r#""title" = NULL"#),
        (Filter::And(vec![]), "TRUE", "TRUE"),
        (Filter::Or(vec![]), "FALSE", "FALSE"),
        (
            Filter::Not(Box::new(Filter::Or(vec![
                test("rank", Op::Eq, vec![number(1)]),
                test("title", Op::Eq, text("a")),
            ]))),
            r#"NOT (("rank" = 1 OR "title" = 'a'))"#,
            r#"NOT (("rank" = 1 OR "title" = 'a'))"#,
        ),
    ];
    for (filter, postgres, sqlite) in cases {
        assert_eq!(compiled(&filter, Dialect::Postgres, ""), postgres);
        assert_eq!(compiled(&filter, Dialect::Sqlite, ""), sqlite);
    }
}

#[test]
fn references_are_scalar_subqueries_with_aliases_of_their_own() {
    let schema = schema();
    let markets = schema.get("markets").unwrap();
    let name = |name: &str| Name::collection(name).unwrap();
    let inner = Filter::Through {
        field: markets.position("creator").unwrap(),
        target: name("users"),
        readable: None,
        filter: Box::new(Filter::Test { field: ID, op: Op::Eq, operands: vec![Operand::Field(ID)] }),
    };
    let parent = markets.position("parent").unwrap();
    let filter = Filter::Through { field: parent, target: name("markets"), readable: None, filter: Box::new(inner) };
    assert_eq!(
        compiled(&filter, Dialect::Postgres, "r"),
        r#"(SELECT (SELECT "r__"."id" = "r__"."id" FROM "users" AS "r__" WHERE "r__"."id" = "r_"."creator") FROM "markets" AS "r_" WHERE "r_"."id" = "r"."parent")"#
    );
    // Without an alias the outer column needs its table, as the inner one has a column of that name too.
    assert!(compiled(&filter, Dialect::Sqlite, "").ends_with(r#"WHERE "markets_"."id" = "markets"."parent")"#));
}

#[test]
fn related_records_are_held_to_their_rule() {
    let schema = schema();
    let markets = schema.get("markets").unwrap();
    let users = schema.get("users").unwrap();
    let name = |name: &str| Name::collection(name).unwrap();
    let is = |field: usize, operand: Operand| Filter::Test { field, op: Op::Eq, operands: vec![operand] };
    let creator = markets.position("creator").unwrap();
    let through = Filter::Through {
        field: creator,
        target: name("users"),
        readable: None,
        filter: Box::new(is(users.position("name").unwrap(), Operand::Value(Value::from("ann".to_owned())))),
    };
    let exists = Filter::Exists {
        collection: name("markets"),
        filter: Box::new(Filter::And(vec![is(creator, Operand::Outer(creator)), through.clone()])),
    };
    let rule = |collection: &Name| (collection.as_str() == "users").then(|| is(1, Operand::Value(Value::Integer(1))));
    // A reference to a record that does not count is unknown, which `not` leaves so.
    assert_eq!(
        compiled(&through.clone().guard(&rule), Dialect::Sqlite, "t"),
        r#"(SELECT "t_"."name" = 'ann' FROM "users" AS "t_" WHERE "t_"."id" = "t"."creator" AND "t_"."version" = 1)"#
    );
    assert_eq!(
        compiled(&exists.guard(&rule), Dialect::Postgres, "t"),
        r#"EXISTS (SELECT 1 FROM "markets" AS "t_" WHERE (("t_"."creator" = "t"."creator" AND (SELECT "t__"."name" = 'ann' FROM "users" AS "t__" WHERE "t__"."id" = "t_"."creator" AND "t__"."version" = 1))))"#
    );
    let all = Filter::Exists { collection: name("users"), filter: Box::new(Filter::And(vec![])) };
    assert!(compiled(&all.guard(&rule), Dialect::Postgres, "t").ends_with(r#"WHERE ("t_"."version" = 1 AND TRUE))"#));
}

#[test]
fn values_are_binds_at_their_places() {
    let schema = schema();
    let filter = Filter::And(vec![test("title", Op::Startswith, text("é")), test("tags", Op::Has, text("x"))]);
    let mut sql = Sql::new();
    compile(&filter, schema.get("markets").unwrap(), &schema, Dialect::Postgres, "t", &mut sql);
    assert_eq!(sql.text, r#"(("t"."title" >=  AND "t"."title" < ) AND  = ANY("t"."tags"))"#);
    let binds: Vec<_> = sql.binds.iter().map(|bind| (bind.at, bind.value.clone())).collect();
    let value = |text: &str| Value::from(text.to_owned());
    assert_eq!(binds, [(17, value("é")), (36, value("ê")), (42, value("x"))]);
}

#[test]
fn a_prefix_ends_before_the_next_code_point() {
    let cases = [
        ("a", Some("b")),
        ("az", Some("a{")),
        ("", None),
        ("a\u{10FFFF}", Some("b")),
        ("\u{10FFFF}\u{10FFFF}", None),
        ("\u{D7FF}", Some("\u{E000}")),
        ("\u{7F}", Some("\u{80}")),
        ("\u{FFFF}", Some("\u{10000}")),
    ];
    for (prefix, end) in cases {
        assert_eq!(successor(prefix).as_deref(), end, "{prefix:?}");
    }
}
