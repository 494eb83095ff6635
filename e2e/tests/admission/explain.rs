//! What `kubectl explain` prints, which is the documentation of the custom resources.

use super::table::servers;

/// Paths that people ask for first.
const PATHS: [&str; 6] = [
    "backend",
    "backend.spec",
    "backend.spec.database",
    "backend.spec.migrations.window",
    "collection.spec",
    "apikey.spec",
];

#[test]
fn explanations_read_as_documentation() {
    let [lab, next] = servers();
    for path in PATHS {
        let (done, text) = lab.kubectl(&["explain", path]);
        assert!(done, "{text}");
        assert_eq!(next.kubectl(&["explain", path]).1, text, "{path} on {}", next.version());
        insta::assert_snapshot!(path, text);
    }
}

/// Every field has a sentence of its own.
#[test]
fn nothing_is_left_unexplained() {
    for name in super::definitions::NAMES {
        let definition = super::definitions::definition(name);
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut bare = Vec::new();
        unexplained(schema, name, &mut bare);
        assert!(bare.is_empty(), "without a description: {bare:#?}");
    }
}

fn unexplained(schema: &serde_json::Value, path: &str, bare: &mut Vec<String>) {
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        if property["description"].as_str().is_none_or(|text| text.len() < 8) {
            bare.push(path.clone());
        }
        unexplained(property, &path, bare);
        unexplained(&property["items"], &path, bare);
    }
}
