//! The chart against the API server of the cluster: what it renders is valid by the server's own schemas.
//!
//! `kubeconform` reads schemas that are made here from `/openapi/v2`: strict, one file a kind. Installing the chart is
//! the tutorial's test.

use std::fs;
use std::path::Path;
use std::process::Command;

use mainstay_e2e::cluster::Cluster;
use mainstay_e2e::lab;
use mainstay_e2e::server::repository;
use serde_json::{Map, Value as Json, json};

/// Kinds of the Prometheus operator, which this cluster does not have.
const FOREIGN: &str = "ServiceMonitor,PrometheusRule";

/// What the file of a kind is called: `deployment-apps-v1.json`.
const LAYOUT: &str = "{{.ResourceKind}}{{.KindSuffix}}.json";

#[test]
fn what_the_chart_renders_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    write_schemas(folder.path());
    let golden = repository().join("e2e/chart/golden");
    let mut checked = 0;
    for entry in fs::read_dir(&golden).unwrap() {
        let rendered = fs::read_to_string(entry.unwrap().path()).unwrap();
        let objects = rendered.matches("\nkind: ").count();
        assert_eq!(conform(folder.path(), &rendered), Ok(objects));
        checked += objects;
    }
    assert!(checked > 30, "{checked} objects");
    let crds = repository().join("charts/mainstay/crds");
    for entry in fs::read_dir(crds).unwrap() {
        let definition = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert_eq!(conform(folder.path(), &definition), Ok(1));
    }
}

#[test]
fn what_is_invalid_is_found() {
    let folder = tempfile::tempdir().unwrap();
    write_schemas(folder.path());
    let golden = fs::read_to_string(repository().join("e2e/chart/golden/cluster.yaml")).unwrap();
    for (good, bad, complaint) in [
        ("revisionHistoryLimit: 3", "revisionHistory: 3", "revisionHistory"),
        ("replicas: 2", "replicas: two", "replicas"),
        ("port: 8080", "port: []", "port"),
        ("kind: PodDisruptionBudget", "kind: PodDisruptionBudge", "could not find schema"),
    ] {
        assert!(golden.contains(good), "{good}");
        let said = conform(folder.path(), &golden.replace(good, bad)).unwrap_err();
        assert!(said.contains(complaint), "{bad}: {said}");
    }
}

/// How many objects are there and none is wrong, or what is wrong.
fn conform(schemas: &Path, yaml: &str) -> Result<usize, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("objects.yaml");
    fs::write(&file, yaml).unwrap();
    let mut command = Command::new(lab::program("kubeconform"));
    command.args(["-strict", "-summary", "-output", "json", "-skip", FOREIGN, "-schema-location"]);
    let output = command.arg(schemas.join(LAYOUT)).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer: Json = serde_json::from_str(&said).unwrap_or_default();
    let count = |what: &str| answer["summary"][what].as_u64().unwrap_or_default() as usize;
    match output.status.success() {
        true => Ok(count("valid") + count("skipped")),
        false => Err(said),
    }
}

/// One file for each kind that the API server knows.
fn write_schemas(folder: &Path) {
    let document = Cluster::get().kubectl(&["get", "--raw", "/openapi/v2"]);
    let document: Json = serde_json::from_str(&document).unwrap();
    let definitions = document["definitions"].as_object().unwrap();
    let strict: Map<String, Json> =
        definitions.iter().map(|(name, schema)| (name.clone(), strict(name, schema))).collect();
    fs::write(folder.join("definitions.json"), json!({ "definitions": strict }).to_string()).unwrap();
    for (name, schema) in definitions {
        for kind in schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
            let text = |key: &str| kind[key].as_str().unwrap_or_default().to_lowercase();
            let (group, version, kind) = (text("group"), text("version"), text("kind"));
            let parts = [kind.as_str(), group.split('.').next().unwrap_or_default(), version.as_str()];
            let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            let schema = json!({ "$ref": format!("definitions.json#/definitions/{name}") });
            fs::write(folder.join(format!("{}.json", parts.join("-"))), schema.to_string()).unwrap();
        }
    }
}

/// The definition as JSON Schema that lets nothing unknown pass.
fn strict(name: &str, schema: &Json) -> Json {
    let mut schema = schema.clone();
    if schema["format"] == "int-or-string" || name.ends_with(".Quantity") {
        return json!({ "type": ["string", "number"] });
    }
    if let Some(properties) = schema["properties"].as_object() {
        let properties: Map<String, Json> =
            properties.iter().map(|(key, property)| (key.clone(), strict(name, property))).collect();
        schema["properties"] = json!(properties);
        if schema.get("additionalProperties").is_none() {
            schema["additionalProperties"] = json!(false);
        }
    }
    schema
}
