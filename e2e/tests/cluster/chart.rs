//! The chart against the API server of the cluster: what it renders is valid by the server's own schemas.
//!
//! `kubeconform` reads schemas that are made here from `/openapi/v2`: strict, one file a kind. Installing it for all
//! namespaces is the tutorial's test.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use mainstay_e2e::cluster::{Cluster, Namespace, OPERATOR_IMAGE, PATIENCE};
use mainstay_e2e::lab;
use mainstay_e2e::server::repository;
use serde_json::{Map, Value as Json, json};

use crate::fixture::{backend, is_ready};

mod tutorial;

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
fn one_namespace_is_enough_and_an_uninstall_leaves_what_serves() {
    Cluster::get().with_namespace("namespaced", |here| {
        let crds = repository().join("charts/mainstay/crds");
        here.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &crds.display().to_string()]);
        here.database("database");
        let (registry, tag) = OPERATOR_IMAGE.split_once("/mainstay-operator:").unwrap();
        let values = json!({
            "watchNamespaces": [here.name], "class": here.name, "replicas": 1,
            "image": { "registry": registry, "operator": { "tag": tag }, "server": { "tag": tag } },
        });
        let release = here.name.as_str();
        let chart = repository().join("charts/mainstay").display().to_string();
        let install = ["install", release, &chart, "--skip-crds", "--wait", "--timeout=3m", "--values=-"];
        helm(here, &install, &values.to_string());
        here.apply(&backend("markets", &here.name, "replicas: 1"));
        here.wait_for("backend/markets", PATIENCE, is_ready);
        assert!(helm(here, &["test", release], "").contains("Succeeded"));
        let servers = ["--selector=mainstay.dev/component=server"];
        let uids =
            || here.objects("pods", &servers).iter().map(|pod| pod["metadata"]["uid"].clone()).collect::<Vec<_>>();
        let before = uids();
        helm(here, &["uninstall", release, "--wait"], "");
        assert_eq!((before.len(), before), (1, uids()));
        for kind in ["deployments", "roles", "rolebindings"] {
            let left = here.objects(kind, &["--selector=app.kubernetes.io/part-of=mainstay"]);
            assert!(left.is_empty(), "{left:#?}");
        }
    });
}

/// Runs Helm in the namespace and answers what it prints.
fn helm(here: &Namespace, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(lab::program("helm"));
    command.args(arguments).args(["--namespace", &here.name]).env("KUBECONFIG", here.cluster.kubeconfig());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
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
