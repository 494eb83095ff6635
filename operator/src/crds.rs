//! The custom resource definitions as YAML, from the types of `mainstay-crds`.
//!
//! Printed by the binary and committed under `crds/yaml/` and in the chart; a test proves that all are equal. They hold no
//! defaults, so that an API server keeps a document as it was typed and the server alone decides what absence means.

use std::error::Error;
use std::path::Path;

use kube::CustomResourceExt;
use mainstay_crds::api_key::ApiKey;
use mainstay_crds::backend::Backend;
use mainstay_crds::collection::Collection;
use mainstay_crds::migration_plan::MigrationPlan;
use serde_json::Value as Json;

pub mod install;

/// Names of the definitions, and of their files less `.yaml`.
pub const NAMES: [&str; 4] = ["api_key", "backend", "collection", "migration_plan"];

/// Counts the published forms of the definitions. A change of any of them that an older operator or an older document
/// would notice raises it.
pub const VERSION: u32 = 2;

/// Where a definition says it.
pub const VERSION_ANNOTATION: &str = "mainstay.dev/crd-version";

/// The definition of that name as YAML.
pub fn one(name: &str) -> Result<String, Box<dyn Error>> {
    Ok(yaml_serde::to_string(&definition(name)?)?)
}

/// The definition of that name, with its version.
pub fn definition(name: &str) -> Result<Json, Box<dyn Error>> {
    let definition = match name {
        "api_key" => ApiKey::crd(),
        "backend" => Backend::crd(),
        "collection" => Collection::crd(),
        "migration_plan" => MigrationPlan::crd(),
        _ => return Err(format!("there is no `{name}`; there are {}\n", NAMES.join(", ")).into()),
    };
    // Through JSON, whose objects are sorted: the text does not depend on the order of fields in types.
    let mut definition = serde_json::to_value(definition)?;
    plain(&mut definition);
    definition["metadata"]["annotations"][VERSION_ANNOTATION] = VERSION.to_string().into();
    Ok(definition)
}

/// Says only what API servers know and people read: no formats such as `uint32`, of which they warn, whole numbers as
/// such, no titles, and paragraphs of descriptions as one line each, which `kubectl explain` wraps. An enumeration without
/// null is not nullable: an API server then drops a null.
fn plain(schema: &mut Json) {
    match schema {
        Json::Object(members) => {
            if let Some(Json::String(text)) = members.get_mut("description") {
                *text =
                    text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
            }
            if members.get("title").is_some_and(Json::is_string) {
                members.remove("title");
            }
            if members.get("format").is_some_and(|format| format == "uint32") {
                members.remove("format");
                members.entry("maximum").or_insert_with(|| u32::MAX.into());
            }
            if members.get("enum").is_some_and(Json::is_array) {
                members.remove("nullable");
            }
            members.values_mut().for_each(plain);
        }
        Json::Array(elements) => elements.iter_mut().for_each(plain),
        Json::Number(number) => {
            let whole = number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() <= f64::from(u32::MAX));
            if let Some(value) = whole {
                *number = (value as i64).into();
            }
        }
        _ => {}
    }
}

/// All definitions as one stream of documents.
pub fn all() -> Result<String, Box<dyn Error>> {
    NAMES.iter().map(|name| Ok(format!("---\n{}", one(name)?))).collect()
}

/// Writes each definition to its file in `folder`.
pub fn write(folder: &Path) -> Result<(), Box<dyn Error>> {
    for name in NAMES {
        let path = folder.join(format!("{name}.yaml"));
        std::fs::write(&path, one(name)?).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::compare;

    /// Each version and the hash of its definitions. A line that was in a release stays as it is.
    const PUBLISHED: [(u32, &str); 2] = [(1, "edaa35e8e6a3d7e7"), (2, "bb6ee4c9dfa031f2")];

    fn read(name: &str) -> Json {
        yaml_serde::from_str(&one(name).unwrap()).unwrap()
    }

    #[test]
    fn committed_files_equal_the_code() {
        for (folder, name) in ["crds/yaml", "charts/mainstay/crds"].iter().flat_map(|f| NAMES.map(|name| (f, name))) {
            let path = format!("{}/../{folder}/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(committed == one(name).unwrap(), "{folder}/{name}.yaml is stale: run `make generate`");
        }
    }

    /// An operator writes definitions only over those of an older version.
    #[test]
    fn a_changed_definition_has_a_version_of_its_own() {
        let hash = compare::hash(&Json::Array(NAMES.iter().map(|name| definition(name).unwrap()).collect()));
        let pinned = PUBLISHED.iter().find(|(version, _)| *version == VERSION).map(|(_, hash)| *hash);
        assert_eq!(
            pinned,
            Some(hash.as_str()),
            "the definitions changed: if version {VERSION} was in a release, raise VERSION; then pin the hash"
        );
    }

    /// The rules of structural schemas, as an API server asks of a definition.
    fn structural(schema: &Json, path: &str, broken: &mut Vec<String>) {
        let any = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Json::Bool(true));
        if !any && !schema.get("type").is_some_and(Json::is_string) {
            broken.push(format!("{path}: no type"));
        }
        for keyword in ["default", "$ref", "$defs", "definitions", "oneOf", "anyOf", "const"] {
            if schema.get(keyword).is_some() {
                broken.push(format!("{path}: {keyword}"));
            }
        }
        let properties = schema.get("properties").and_then(Json::as_object);
        if properties.is_some() && schema.get("additionalProperties").is_some() {
            broken.push(format!("{path}: additionalProperties beside properties"));
        }
        for key in schema.get("required").and_then(Json::as_array).into_iter().flatten() {
            let key = key.as_str().unwrap();
            let property = properties.and_then(|properties| properties.get(key));
            if property.is_none() {
                broken.push(format!("{path}: requires {key}, which it does not have"));
            }
        }
        for (key, property) in properties.into_iter().flatten() {
            structural(property, &format!("{path}.{key}"), broken);
        }
        if let Some(items) = schema.get("items") {
            structural(items, &format!("{path}[]"), broken);
        }
    }

    #[test]
    fn schemas_are_structural_and_hold_no_default() {
        for name in NAMES {
            let definition = read(name);
            let schema = definition.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap();
            let mut broken = Vec::new();
            structural(schema, name, &mut broken);
            assert!(broken.is_empty(), "{broken:#?}");
        }
    }

    #[test]
    fn only_values_and_trees_are_free() {
        fn free(schema: &Json, path: &str, found: &mut Vec<String>) {
            if schema.get("x-kubernetes-preserve-unknown-fields").is_some() {
                found.push(path.to_owned());
            }
            for (key, property) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
                free(property, &format!("{path}.{key}"), found);
            }
            if let Some(items) = schema.get("items") {
                free(items, path, found);
            }
        }
        let definition = read("collection");
        let schema = definition.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap();
        let mut found = Vec::new();
        free(schema, "", &mut found);
        found.sort();
        assert_eq!(
            found,
            [
                ".access.create.where",
                ".access.delete.where",
                ".access.read.where",
                ".access.update.where",
                ".checks.that",
                ".fields.default",
                ".fields.example",
                ".fields.maximum",
                ".fields.minimum",
                ".fields.schema",
                ".unique.where",
            ]
        );
    }

    /// What an API server has to store and to judge has an end, or its rules could cost too much. A status has one
    /// writer, the operator, and no rules.
    #[test]
    fn everything_that_people_write_is_bounded() {
        fn unbounded(schema: &Json, path: &str, found: &mut Vec<String>) {
            let free = schema.get("x-kubernetes-preserve-unknown-fields").is_some();
            let bound = match schema.get("type").and_then(Json::as_str) {
                Some("string") if schema.get("enum").is_some() => None,
                Some("string") => Some("maxLength"),
                Some("array") => Some("maxItems"),
                Some("object") if schema.get("additionalProperties").is_some() => Some("maxProperties"),
                _ => None,
            };
            if bound.is_some_and(|bound| schema.get(bound).is_none()) && !free {
                found.push(path.to_owned());
            }
            if schema.get("type").is_some_and(|kind| kind == "array") && schema.get("x-kubernetes-list-type").is_none()
            {
                found.push(format!("{path}: no list type"));
            }
            for (key, property) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
                unbounded(property, &format!("{path}.{key}"), found);
            }
            for key in ["items", "additionalProperties"] {
                schema.get(key).into_iter().for_each(|inner| unbounded(inner, &format!("{path}[]"), found));
            }
        }
        let mut found = Vec::new();
        for name in NAMES {
            let definition = read(name);
            let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
            unbounded(definition.pointer(spec).unwrap(), name, &mut found);
        }
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn every_definition_is_in_the_stream() {
        let stream = all().unwrap();
        assert_eq!(stream.matches("kind: CustomResourceDefinition").count(), NAMES.len());
        assert!(one("nothing").is_err());
    }
}
