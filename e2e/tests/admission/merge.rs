//! Server-side apply by two: each owns its own elements of the lists that have keys, and whole lists that have none.

use reqwest::Method;
use serde_json::{Value as Json, json};

use super::table::{collection, servers};

fn backend(spec: &Json) -> Json {
    json!({ "apiVersion": "mainstay.dev/v1alpha1", "kind": "Backend", "metadata": { "name": "merged" }, "spec": spec })
}

#[test]
fn two_appliers_merge_what_has_keys() {
    let platform = json!({
        "database": { "urlFrom": { "secretKeyRef": { "name": "pg", "key": "url" } } },
        "podTemplate": {
            "env": [{ "name": "HTTPS_PROXY", "value": "http://proxy" }],
            "imagePullSecrets": [{ "name": "registry" }],
            "annotations": { "platform": "yes" },
        },
        "migrations": { "policy": { "destructive": "Approve" }, "approve": ["0".repeat(64)] },
        "config": { "cors": { "allowedOrigins": ["https://a.example"] } },
    });
    let team = json!({
        "podTemplate": {
            "env": [{ "name": "TZ", "value": "UTC" }],
            "imagePullSecrets": [{ "name": "mirror" }],
            "annotations": { "team": "yes" },
        },
        "migrations": { "approve": ["1".repeat(64)] },
        "config": { "cors": { "allowedOrigins": ["https://b.example"] } },
    });
    for server in servers() {
        let path = format!("{}/merged", collection("backends"));
        assert_eq!(server.apply(&path, "platform", &backend(&platform)).status, 201);
        let answer = server.apply(&path, "team", &backend(&team));
        assert_eq!(answer.status, 200, "no conflict: {}", answer.body);
        let spec = &answer.body["spec"];
        assert_eq!(texts(&spec["podTemplate"]["env"], "/name"), ["HTTPS_PROXY", "TZ"]);
        assert_eq!(texts(&spec["podTemplate"]["imagePullSecrets"], "/name"), ["mirror", "registry"]);
        assert_eq!(spec["podTemplate"]["annotations"], json!({ "platform": "yes", "team": "yes" }));
        assert_eq!(texts(&spec["migrations"]["approve"], ""), ["0".repeat(64), "1".repeat(64)]);
        assert_eq!(texts(&spec["config"]["cors"]["allowedOrigins"], ""), ["https://a.example", "https://b.example"]);

        // What one no longer gives goes; what the other gave stays.
        let answer = server.apply(&path, "team", &backend(&json!({})));
        assert_eq!(answer.body["spec"], platform, "{}", server.version());
        assert_eq!(server.call(Method::DELETE, &path, "", None).status, 200);
    }
}

#[test]
fn what_means_nothing_in_parts_has_one_owner() {
    let source = |key: &str| json!({ "database": { "urlFrom": { "secretKeyRef": { "name": "pg", "key": key } } } });
    let affinity = |name: &str| json!({ "podTemplate": { "affinity": { name: {} } } });
    let tolerations = |key: &str| json!({ "podTemplate": { "tolerations": [{ "key": key }] } });
    for server in servers() {
        let path = format!("{}/merged-whole", collection("backends"));
        let applied = |manager: &str, spec: &Json| {
            let mut object = backend(spec);
            object["metadata"]["name"] = json!("merged-whole");
            server.apply(&path, manager, &object)
        };
        let mut first = source("url");
        first["podTemplate"] = json!({ "affinity": { "podAffinity": {} }, "tolerations": [{ "key": "a" }] });
        assert_eq!(applied("platform", &first).status, 201);
        for (spec, field) in [
            (source("other"), ".spec.database.urlFrom.secretKeyRef"),
            (affinity("nodeAffinity"), ".spec.podTemplate.affinity"),
            (tolerations("b"), ".spec.podTemplate.tolerations"),
        ] {
            let answer = applied("team", &spec);
            assert_eq!(answer.status, 409, "{}: {}", server.version(), answer.body);
            assert_eq!(answer.body["details"]["causes"][0]["field"], field, "{}", answer.body);
        }
        assert_eq!(server.call(Method::DELETE, &path, "", None).status, 200);
    }
}

#[test]
fn fields_of_a_collection_merge_by_name_and_conditions_by_type() {
    for server in servers() {
        let path = format!("{}/merged", collection("collections"));
        let object = |spec: Json| json!({ "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection", "metadata": { "name": "merged" }, "spec": spec });
        let one = json!({ "backendRef": { "name": "demo" }, "fields": [{ "name": "title", "type": "text" }] });
        let two = json!({ "fields": [{ "name": "title", "type": "text", "maxLength": 9 }, { "name": "on", "type": "date" }] });
        assert_eq!(server.apply(&path, "one", &object(one)).status, 201);
        let merged = server.apply(&path, "two", &object(two)).body;
        let fields = json!([{ "name": "title", "type": "text", "maxLength": 9 }, { "name": "on", "type": "date" }]);
        assert_eq!(merged["spec"]["fields"], fields, "{merged}");

        let condition = |kind: &str| {
            let mut object = object(json!({}));
            object.as_object_mut().unwrap().remove("spec");
            object["status"] = json!({ "conditions": [{ "type": kind, "status": "True", "reason": "Accepted",
                "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" }] });
            server.apply(&format!("{path}/status"), &kind.to_lowercase(), &object)
        };
        assert_eq!(condition("Accepted").status, 200);
        let both = condition("Other").body;
        assert_eq!(texts(&both["status"]["conditions"], "/type"), ["Accepted", "Other"], "{both}");
        assert_eq!(server.call(Method::DELETE, &path, "", None).status, 200);
    }
}

/// The texts at a pointer of each element, sorted.
fn texts(list: &Json, at: &str) -> Vec<String> {
    let elements = list.as_array().unwrap_or_else(|| panic!("no list: {list}")).iter();
    let mut texts: Vec<String> = elements.map(|one| one.pointer(at).unwrap().as_str().unwrap().to_owned()).collect();
    texts.sort();
    texts
}
