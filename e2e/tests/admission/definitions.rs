//! The definitions themselves: how an API server takes them, how large they are, and what `kubectl` prints by them.

use std::collections::BTreeSet;

use mainstay_e2e::api_server::{ApiServer, Kubernetes};
use mainstay_e2e::server::repository;
use reqwest::Method;
use serde_json::{Value as Json, json};

use super::table::{NAMESPACE, collection, servers};

/// The files in `crds/yaml`.
pub const NAMES: [&str; 4] = ["api_key", "backend", "collection", "migration_plan"];

/// A definition as committed.
pub fn definition(name: &str) -> Json {
    let text = std::fs::read_to_string(repository().join(format!("crds/yaml/{name}.yaml"))).unwrap();
    yaml_serde::from_str(&text).unwrap()
}

/// Every CEL rule of a kind, as (path in the schema, message).
pub fn rules(plural: &str) -> BTreeSet<(String, String)> {
    let definitions = NAMES.map(definition);
    let definition = definitions.iter().find(|definition| definition["spec"]["names"]["plural"] == plural).unwrap();
    let mut found = BTreeSet::new();
    collect(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "", &mut found);
    assert!(!found.is_empty());
    found
}

fn collect(schema: &Json, path: &str, found: &mut BTreeSet<(String, String)>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let new = found.insert((path.to_owned(), rule["message"].as_str().unwrap().to_owned()));
        assert!(new, "{path} has two rules of one message");
    }
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        collect(property, format!("{path}.{key}").trim_start_matches('.'), found);
    }
    collect_if(&schema["items"], &format!("{path}[]"), found);
    collect_if(&schema["additionalProperties"], &format!("{path}.{{}}"), found);
}

fn collect_if(schema: &Json, path: &str, found: &mut BTreeSet<(String, String)>) {
    if schema.is_object() {
        collect(schema, path, found);
    }
}

#[test]
fn definitions_are_applied_without_a_warning_and_stay_small() {
    for server in servers() {
        for name in NAMES {
            let mut definition = definition(name);
            let path = format!(
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{}",
                definition["metadata"]["name"].as_str().unwrap()
            );
            definition["metadata"]["labels"] = json!({ "applied": "again" });
            let answer = server.apply(&path, "a-test", &definition);
            assert_eq!(answer.status, 200, "{name}: {}", answer.body);
            assert_eq!(answer.warnings, [""; 0], "{name} on {}", server.version());
            let size = server.call(Method::GET, &path, "", None).body.to_string().len();
            assert!(size < 256 * 1024, "{name} is {size} bytes in {}", server.version());
            let conditions = &answer.body["status"]["conditions"];
            let structural = conditions.as_array().unwrap().iter().all(|one| one["type"] != "NonStructuralSchema");
            assert!(structural, "{conditions}");
        }
    }
}

#[test]
fn short_names_do_not_clash() {
    for server in servers() {
        let (_, resources) = server.kubectl(&["api-resources", "--no-headers"]);
        let words: Vec<&str> = resources.lines().flat_map(str::split_whitespace).flat_map(|w| w.split(',')).collect();
        for short in ["msb", "msc", "msk", "msp"] {
            assert_eq!(words.iter().filter(|word| **word == short).count(), 1, "{short}\n{resources}");
        }
        let (_, ours) = server.kubectl(&["api-resources", "--no-headers", "--categories=mainstay", "--output=name"]);
        assert_eq!(ours.lines().count(), NAMES.len(), "{ours}");
    }
}

/// The columns of `kubectl get`, by an object of each kind with a status.
#[test]
fn columns_tell_how_objects_are() {
    let condition = |kind: &str, status: &str, reason: &str| {
        json!([{ "type": kind, "status": status, "reason": reason, "message": "As it is.",
            "lastTransitionTime": "2026-01-01T00:00:00Z" }])
    };
    let cases = [
        (
            "backends",
            json!({ "kind": "Backend", "spec": { "replicas": 1, "database": { "embedded": { "size": "1Gi" } } } }),
            json!({ "conditions": condition("Ready", "False", "Migrating"), "replicas": 3,
                "selector": "app=columns", "schema": { "revision": 12, "hash": "0123456789ab" } }),
            "NAME READY REASON REPLICAS SCHEMA AGE\ncolumns False Migrating 3 12",
        ),
        (
            "collections",
            json!({ "kind": "Collection", "spec": { "backendRef": { "name": "demo" } } }),
            json!({ "conditions": condition("Accepted", "True", "Accepted") }),
            "NAME ACCEPTED BACKEND REASON AGE\ncolumns True demo Accepted",
        ),
        (
            "apikeys",
            json!({ "kind": "ApiKey", "spec": { "backendRef": { "name": "demo" } } }),
            json!({ "conditions": condition("Ready", "True", "Ready"), "keyId": "msk_1a2b", "expiresAt": "2027-01-01T00:00:00Z" }),
            "NAME READY KEY ID EXPIRES AGE\ncolumns True msk_1a2b 2027-01-01T00:00:00Z",
        ),
        (
            "migrationplans",
            super::migration_plan::good(),
            json!({ "phase": "Soaking" }),
            "NAME BACKEND PHASE REVISION APPROVAL HASH AGE\ncolumns demo Soaking 8 9999",
        ),
    ];
    for server in servers() {
        for (plural, mut object, status, expected) in cases.clone() {
            object["apiVersion"] = json!("mainstay.dev/v1alpha1");
            object["metadata"] = json!({ "name": "columns" });
            let answer = server.create(&collection(plural), &object, false);
            assert_eq!(answer.status, 201, "{}", answer.body);
            object["metadata"] = answer.body["metadata"].clone();
            object["status"] = status;
            let path = format!("{}/columns", collection(plural));
            let answer = server.replace(&format!("{path}/status"), &object, false);
            assert_eq!(answer.status, 200, "{}", answer.body);
            let (_, printed) = server.kubectl(&["get", plural, "columns", "--namespace", NAMESPACE, "--output=wide"]);
            let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
            let lines: Vec<String> = printed.lines().map(words).collect();
            assert!(lines.join("\n").starts_with(expected), "{}: {printed}", server.version());
            if plural == "backends" {
                scale(server, &path);
            }
            assert_eq!(server.call(Method::DELETE, &path, "", None).status, 200);
        }
    }
}

/// `kubectl scale` sets `replicas`, and a rule refuses what it breaks.
fn scale(server: &ApiServer, path: &str) {
    let scale = server.call(Method::GET, &format!("{path}/scale"), "", None).body;
    let told = (&scale["status"]["replicas"], &scale["status"]["selector"]);
    assert_eq!(told, (&json!(3), &json!("app=columns")), "{scale}");
    let scaled =
        |count: &str| server.kubectl(&["scale", "backend", "columns", "--namespace", NAMESPACE, "--replicas", count]);
    assert!(scaled("0").0);
    let (done, complaint) = scaled("2");
    assert!(!done && complaint.contains("is a file for one server"), "{complaint}");
    assert_eq!(server.call(Method::GET, path, "", None).body["spec"]["replicas"], 0);
}

/// Nor does the harness leave a process behind: its shell waits for all of them before it removes their folder.
#[test]
fn an_ended_server_leaves_nothing() {
    for version in [Kubernetes::Lab, Kubernetes::Next] {
        let server = ApiServer::start(version);
        let folder = server.folder().to_owned();
        assert!(folder.join("etcd").is_dir());
        drop(server);
        assert!(!folder.exists(), "{version:?}");
    }
}
