//! The DDL of a collection of every kind, on both databases, as reviewed snapshots.

use serde_json::{Value as Json, json};

use super::super::Schema;
use super::*;
use crate::collection::{Document, check};

const BOTH: [Dialect; 2] = [Dialect::Postgres, Dialect::Sqlite];

fn schema(documents: &[(&str, Json)]) -> Schema {
    let documents: Vec<Document> = documents
        .iter()
        .map(|(name, spec)| {
            Document(json!({
                "apiVersion": "mainstay.dev/v1alpha1",
                "kind": "Collection",
                "metadata": { "name": name },
                "spec": spec,
            }))
        })
        .collect();
    check(&documents).unwrap()
}

/// One collection with every kind, required and not, and with every sort of index and rule.
fn everything() -> Schema {
    let spec = json!({
        "fields": [
            { "name": "title", "type": "text", "required": true, "maxLength": 200, "default": "it's \\ new" },
            { "name": "slug", "type": "text", "unique": true, "maxLength": 80 },
            { "name": "rank", "type": "integer", "default": -3 },
            { "name": "weight", "type": "number" },
            { "name": "volume", "type": "decimal", "precision": 18, "scale": 4 },
            { "name": "open", "type": "boolean" },
            { "name": "opens_at", "type": "timestamp", "default": "$now" },
            { "name": "closes_at", "type": "timestamp" },
            { "name": "day", "type": "date" },
            { "name": "token", "type": "uuid" },
            { "name": "status", "type": "enum", "values": ["open", "closed"], "required": true, "default": "open" },
            { "name": "creator", "type": "ref", "collection": "users", "default": "$auth.id" },
            { "name": "extra", "type": "json" },
            { "name": "tags", "type": "list", "items": "text" },
            { "name": "logo", "type": "bytes" }
        ],
        "unique": [
            { "fields": ["creator", "title"], "caseInsensitive": true, "where": { "status": { "ne": "closed" } } }
        ],
        "indexes": [{ "fields": ["status", "-created_at"] }, { "fields": ["creator"] }],
        "checks": [{ "that": { "closes_at": { "gt": "$field.opens_at" } }, "message": "closes before it opens" }]
    });
    schema(&[("all-kinds", spec)])
}

fn ddl(dialect: Dialect) -> String {
    let schema = everything();
    let collection = schema.get("all-kinds").unwrap();
    let mut text = vec![create_table(collection, &schema, dialect)];
    let unique = collection.unique.iter().map(|key| create_unique(key, collection, &schema, dialect, false));
    text.extend(unique);
    text.extend(collection.indexes.iter().map(|index| create_index(index, collection, dialect, false)));
    text.join(";\n") + ";\n"
}

#[test]
fn a_collection_of_every_kind_on_postgres() {
    insta::assert_snapshot!(ddl(Dialect::Postgres));
}

#[test]
fn a_collection_of_every_kind_on_sqlite() {
    insta::assert_snapshot!(ddl(Dialect::Sqlite));
}

#[test]
fn live_statements_do_not_block_and_may_be_repeated() {
    let schema = everything();
    let collection = schema.get("all-kinds").unwrap();
    let index = create_index(&collection.indexes[0], collection, Dialect::Postgres, true);
    assert!(index.starts_with("CREATE INDEX CONCURRENTLY IF NOT EXISTS \""), "{index}");
    let unique = create_unique(&collection.unique[0], collection, &schema, Dialect::Sqlite, true);
    assert!(unique.starts_with("CREATE UNIQUE INDEX IF NOT EXISTS \""), "{unique}");
    assert_eq!(drop_index("x", Dialect::Postgres, true), "DROP INDEX CONCURRENTLY IF EXISTS \"x\"");
    assert_eq!(drop_index("x", Dialect::Sqlite, true), "DROP INDEX IF EXISTS \"x\"");
}

#[test]
fn the_id_is_ordered_as_its_primary_key_and_others_have_null_first() {
    let schema = everything();
    let collection = schema.get("all-kinds").unwrap();
    let cases = [
        (ID, false, "\"id\" ASC", "\"id\" ASC"),
        (ID, true, "\"id\" DESC", "\"id\" DESC"),
        (SYSTEM_FIELDS, false, "\"title\" ASC NULLS FIRST", "\"title\" ASC"),
        (SYSTEM_FIELDS, true, "\"title\" DESC NULLS LAST", "\"title\" DESC"),
    ];
    for (field, descending, postgres, sqlite) in cases {
        let texts = BOTH.map(|dialect| order_key(collection, field, descending, dialect, ""));
        assert_eq!(texts, [postgres.to_owned(), sqlite.to_owned()]);
    }
    assert_eq!(order_key(collection, ID, false, Dialect::Sqlite, "t"), "\"t\".\"id\" ASC");
}

#[test]
fn long_names_stay_under_the_limit_and_apart() {
    let table = "t".repeat(48);
    let names = ["a".repeat(48), format!("{}b", "a".repeat(47))].map(|column| object_name(&table, &column, "fkey"));
    assert!(names.iter().all(|name| name.len() <= MAX_NAME), "{names:?}");
    assert_ne!(names[0], names[1]);
    assert_eq!(object_name("markets", "creator", "fkey"), "markets_creator_fkey");
}
