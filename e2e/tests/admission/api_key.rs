//! ApiKeys.

use serde_json::{Value as Json, json};

use super::table::{Table, bad};

fn keys() -> Table {
    let good = json!({
        "apiVersion": "mainstay.dev/v1alpha1", "kind": "ApiKey", "metadata": { "name": "importer" },
        "spec": { "backendRef": { "name": "demo" } },
    });
    Table { plural: "apikeys", good }
}

#[test]
fn good_keys_are_admitted() {
    keys().admits(&[
        vec![],
        vec![
            ("/spec/roles", json!(["importer", "team:ops/eu-1"])),
            ("/spec/expiresAfter", json!("90d")),
            ("/spec/rotateEvery", json!("720h")),
            ("/spec/overlap", json!("0s")),
            ("/spec/secretName", json!("importer.key")),
            ("/spec/rateLimit", json!({ "limit": 100, "window": "60s", "burst": 20 })),
        ],
    ]);
    keys().admits_updates(&[
        (vec![], vec![("/spec/roles", json!(["reader"]))]),
        (
            vec![("/spec/secretName", json!("a"))],
            vec![("/spec/secretName", json!("a")), ("/spec/overlap", json!("1h"))],
        ),
    ]);
}

#[test]
fn bad_keys_are_refused_by_their_rule() {
    let roles: Vec<String> = (0..33).map(|n| format!("r{n}")).collect();
    let elsewhere = [("/spec/backendRef", json!({ "name": "other" }))];
    let renamed = |from: Json, to: Json| {
        (vec![("/spec/secretName", from)], bad([("/spec/secretName", to)], "spec", "`secretName` cannot be changed"))
    };
    keys().refuses(
        &[
            bad([("/spec/backendRef", json!({ "name": "1" }))], "spec.backendRef.name", "beginning with a letter"),
            bad([("/spec/roles", json!(["a b"]))], "spec.roles[0]", "this is no role"),
            bad([("/spec/roles", json!(["a", "a"]))], "spec.roles[1]", "Duplicate value"),
            bad([("/spec/roles", json!(roles))], "spec.roles", "Too many"),
            bad([("/spec/expiresAfter", json!("99999d"))], "spec.expiresAfter", "above zero"),
            bad([("/spec/expiresAfter", json!("0d"))], "spec.expiresAfter", "above zero"),
            bad([("/spec/rotateEvery", json!("monthly"))], "spec.rotateEvery", "such as 90s, 10m, 24h or 30d"),
            bad([("/spec/overlap", json!("5w"))], "spec.overlap", "this is no duration"),
            bad([("/spec/secretName", json!("A"))], "spec.secretName", "this is no object's name"),
            bad(
                [("/spec/rateLimit", json!({ "limit": 1, "window": "25h" }))],
                "spec.rateLimit.window",
                "this is no window",
            ),
            bad(
                [("/spec/rateLimit", json!({ "limit": 1, "window": "1h", "algorithm": "fixedWindow", "burst": 1 }))],
                "spec.rateLimit",
                "`burst` is the size of a token bucket",
            ),
        ],
        &[
            (vec![], bad(elsewhere, "spec", "`backendRef` cannot be changed")),
            renamed(json!("a"), json!("b")),
            renamed(json!("a"), json!(null)),
            renamed(json!(null), json!("b")),
        ],
    );
}
