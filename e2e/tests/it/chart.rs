//! The chart against itself and the rest of the repository: its version, its README, the rights that it asks for.
//!
//! Reads what `make generate` rendered into `e2e/chart/golden`; `e2e/chart/lint.sh` proves that it is what Helm renders.

use std::fs;

use mainstay_e2e::server::repository;
use serde::Deserialize;
use serde_json::{Value as Json, json};

fn text(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(text: &str) -> Json {
    yaml_serde::from_str(text).unwrap()
}

/// What the chart renders with `ci/<name>.yaml`.
fn rendered(name: &str) -> Vec<Json> {
    let golden = text(&format!("e2e/chart/golden/{name}.yaml"));
    let documents = yaml_serde::Deserializer::from_str(&golden);
    documents.map(|document| Json::deserialize(document).unwrap()).filter(|object| !object.is_null()).collect()
}

/// Each rule of each role, after the role.
fn rules(objects: &[Json]) -> impl Iterator<Item = (&Json, &Json)> {
    objects.iter().flat_map(|object| object["rules"].as_array().into_iter().flatten().map(move |rule| (object, rule)))
}

fn names(list: &Json) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Json::as_str).collect()
}

#[test]
fn the_versions_are_those_of_the_workspace() {
    let chart = yaml(&text("charts/mainstay/Chart.yaml"));
    for key in ["version", "appVersion"] {
        assert_eq!(chart[key], env!("CARGO_PKG_VERSION"), "{key} of Chart.yaml");
    }
}

#[test]
fn the_readme_lists_every_value_with_its_default() {
    fn rows(path: &str, value: &Json, table: &str, found: &mut Vec<String>) {
        let row = format!("\n| `{path}` | `{value}` | ");
        match value.as_object() {
            _ if table.contains(&row) => found.push(path.to_owned()),
            Some(members) if !members.is_empty() => {
                let path = |key: &String| if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                members.iter().for_each(|(key, value)| rows(&path(key), value, table, found));
            }
            _ => panic!("README.md of the chart lacks{row}"),
        }
    }
    let readme = text("charts/mainstay/README.md");
    let table = readme.split("## Values").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut found = Vec::new();
    rows("", &yaml(&text("charts/mainstay/values.yaml")), table, &mut found);
    let listed = table.matches("\n| `").count();
    assert_eq!(found.len(), listed, "README.md lists {listed} values, and values.yaml has {found:?}");
}

/// The names of all alerts.
fn alerts() -> Vec<String> {
    let file = yaml(&text("charts/mainstay/files/alerts.yaml"));
    let groups = file["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    rules.map(|rule| rule["alert"].as_str().unwrap().to_owned()).collect()
}

/// What people do who are woken by one.
#[test]
fn every_alert_has_its_runbook() {
    let docs = text("docs/operations.md");
    let books = docs.split("\n### Alerts\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let alerts = alerts();
    for name in &alerts {
        let book = books.split(&format!("\n#### {name}\n\n")).nth(1).unwrap_or_default();
        let words = book.split("\n#### ").next().unwrap_or_default().split_whitespace().count();
        assert!(words > 8, "docs/operations.md does not say what to do about {name}");
    }
    assert_eq!(books.matches("\n#### ").count(), alerts.len(), "a runbook without an alert");
    // And each of them is tried by promtool, or was there before it was.
    let tried = text("e2e/chart/alerts.test.yaml");
    for name in alerts
        .iter()
        .filter(|name| !["CRD", "Reconciles", "Backend", "Plan", "Key"].iter().any(|old| name.contains(old)))
    {
        assert!(tried.contains(&format!("alertname: {name}\n")), "e2e/chart/alerts.test.yaml does not try {name}");
    }
}

#[test]
fn the_readme_lists_every_alert() {
    let readme = text("charts/mainstay/README.md");
    let alerts = alerts();
    for name in &alerts {
        assert!(readme.contains(&format!("\n| `{name}` | ")), "README.md of the chart lacks {name}");
    }
    assert_eq!(readme.matches("\n| `Mainstay").count(), alerts.len());
}

#[test]
fn no_right_is_a_wildcard() {
    for name in ["cluster", "namespaced", "everything"] {
        let objects = rendered(name);
        assert!(rules(&objects).count() > 20, "{name}");
        for (object, rule) in rules(&objects) {
            for key in ["apiGroups", "resources", "verbs"] {
                let all = names(&rule[key]);
                assert!(!all.is_empty() && all.iter().all(|one| !one.contains('*')), "{name}: {object}");
            }
        }
    }
}

/// Rights that would be worth more than the rest together.
const NEVER: [(&str, &[&str]); 4] = [
    ("secrets", &["list", "watch", "patch", "deletecollection"]),
    ("pods", &["create", "patch", "update", "delete"]),
    ("customresourcedefinitions", &["create", "update", "delete"]),
    ("persistentvolumeclaims", &["delete", "deletecollection"]),
];
const NOT_AT_ALL: [&str; 6] = ["pods/exec", "nodes", "roles", "clusterroles", "rolebindings", "clusterrolebindings"];

#[test]
fn the_operator_cannot_look_for_secrets_nor_hand_out_rights() {
    for name in ["cluster", "namespaced"] {
        for (object, rule) in rules(&rendered(name)) {
            let (resources, verbs) = (names(&rule["resources"]), names(&rule["verbs"]));
            let denied =
                NEVER.iter().filter(|(resource, _)| resources.contains(resource)).flat_map(|(_, verbs)| *verbs);
            for verb in denied {
                assert!(!verbs.contains(verb), "{name}: {verb} in {object}");
            }
            for resource in NOT_AT_ALL {
                assert!(!resources.contains(&resource), "{name}: {resource} in {object}");
            }
        }
    }
}

#[test]
fn namespaced_mode_asks_for_nothing_of_the_cluster() {
    let objects = rendered("namespaced");
    for object in &objects {
        assert!(object["metadata"]["namespace"].is_string(), "{object}");
        assert!(!object["kind"].as_str().unwrap().starts_with("Cluster"), "{object}");
    }
    let roles = |namespace: &str| objects.iter().filter(|one| one["metadata"]["namespace"] == namespace).count();
    assert_eq!((roles("shop"), roles("shop")), (5, roles("blog")), "two of the operator, three of people");
}

/// Collections are the developers'; Backends, and with them approvals, are the platform's.
#[test]
fn who_may_write_what() {
    for (role, writes) in [
        ("view", json!([])),
        ("edit", json!(["collections", "apikeys"])),
        ("admin", json!(["collections", "apikeys", "backends", "backends/scale"])),
    ] {
        let objects = rendered("cluster");
        let name = format!("mainstay-operator-{role}");
        let role_object = objects.iter().find(|object| object["metadata"]["name"] == name.as_str()).unwrap();
        let aggregate = format!("rbac.authorization.k8s.io/aggregate-to-{role}");
        assert_eq!(role_object["metadata"]["labels"][aggregate], "true");
        let own = std::slice::from_ref(role_object);
        let may = rules(own).filter(|(_, rule)| names(&rule["verbs"]).contains(&"update"));
        let may: Vec<&str> = may.flat_map(|(_, rule)| names(&rule["resources"])).collect();
        assert_eq!(json!(may), writes, "{role}");
    }
}

/// What people look up when a condition tells them one word.
#[test]
fn the_docs_explain_every_condition_and_reason() {
    let source = text("crds/src/conditions.rs");
    let docs = text("docs/backend.md");
    let (types, reasons) = docs.split("## Conditions").nth(1).unwrap().split_once("\nEvery message").unwrap();
    for (name, table) in [("Type", types), ("Reason", reasons)] {
        let body = source.split(&format!("pub enum {name} {{")).nth(1).unwrap().split("\n}").next().unwrap();
        let words = body
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("//"))
            .filter_map(|line| line.strip_suffix(','));
        let words: Vec<&str> = words.collect();
        assert!(words.len() > 5, "{name}: {words:?}");
        for word in words {
            assert!(table.contains(&format!("\n| `{word}` | ")), "docs/backend.md lacks {name} {word}");
        }
    }
}

/// An alert on a metric that nobody has never fires.
#[test]
fn alerts_and_dashboard_name_metrics_that_there_are() {
    let server = ["requests", "server", "process"].map(|group| format!("api-server/src/telemetry/metrics/{group}.rs"));
    let files =
        ["operator/src/metrics.rs", "api-server/src/store/figures.rs"].map(str::to_owned).into_iter().chain(server);
    let there: String = files.map(|file| text(&file)).collect();
    let mut found = 0;
    for file in ["files/alerts.yaml", "files/dashboard.json"] {
        let asked = text(&format!("charts/mainstay/{file}"));
        let words = asked.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let ours = |word: &&str| ["mainstay_", "http_re", "process_"].iter().any(|start| word.starts_with(start));
        for metric in words.filter(ours) {
            let parts = ["_bucket", "_sum", "_count"].iter();
            let metric = parts.fold(metric, |name, part| name.strip_suffix(part).unwrap_or(name));
            assert!(there.contains(&format!("\"{metric}\"")), "{file} asks for {metric}, which nobody tells");
            found += 1;
        }
    }
    assert!(found > 60, "{found} metrics");
}
