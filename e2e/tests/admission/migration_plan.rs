//! MigrationPlans: written once.

use serde_json::{Value as Json, json};

use super::table::{Table, bad};

/// A plan as the operator writes it.
pub fn good() -> Json {
    json!({
        "apiVersion": "mainstay.dev/v1alpha1", "kind": "MigrationPlan", "metadata": { "name": "demo-7-1a2b3c4d" },
        "spec": {
            "backendRef": { "name": "demo" },
            "image": "ghcr.io/example/mainstay@sha256:00",
            "documents": "1a2b3c4d",
            "fromRevision": 7, "toRevision": 8,
            "planHash": "8".repeat(64),
            "approvalHash": "9".repeat(64),
            "steps": [{
                "effect": "drop field markets.legacy", "collection": "markets", "phase": "contract",
                "class": "destructive", "reversible": false, "sql": ["ALTER TABLE markets DROP COLUMN legacy"],
            }],
            "notes": ["markets.old is retained"],
            "sqlConfigMap": "demo-7-1a2b3c4d-sql",
        },
    })
}

fn plans() -> Table {
    Table { plural: "migrationplans", good: good() }
}

#[test]
fn good_plans_are_admitted() {
    let one_mebibyte = "x".repeat(1 << 20);
    plans().admits(&[
        vec![],
        vec![("/spec/steps", json!([])), ("/spec/approvalHash", json!(null)), ("/spec/sqlConfigMap", json!(null))],
        vec![("/spec/steps/0/sql", json!([one_mebibyte]))],
        vec![("/spec/fromRevision", json!(0)), ("/spec/toRevision", json!(1))],
    ]);
    plans().admits_updates(&[(vec![], vec![("/metadata/labels", json!({ "a": "b" }))])]);
}

#[test]
fn bad_plans_are_refused_by_their_rule() {
    let changed = |at: &'static str, value: Json| (vec![], bad([(at, value)], "spec", "a MigrationPlan never changes"));
    plans().refuses(
        &[
            bad([("/spec/backendRef/name", json!("De mo"))], "spec.backendRef.name", "this is no Backend's name"),
            bad([("/spec/sqlConfigMap", json!("-"))], "spec.sqlConfigMap", "this is no object's name"),
            bad([("/spec/toRevision", json!(-1))], "spec.toRevision", "should be greater than or equal to 0"),
        ],
        &[
            changed("/spec/planHash", json!("7".repeat(64))),
            changed("/spec/approvalHash", json!(null)),
            changed("/spec/steps/0/sql/0", json!("DROP TABLE markets")),
            changed("/spec/image", json!("other")),
        ],
    );
}
