//! Whether a live object already is what is desired: every member that is desired, and no other, counts. Pure.
//!
//! Called by `apply`, so that nothing is written in a steady state.

use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

/// The first 16 hex digits of the SHA-256 of a value; its members are sorted.
pub fn hash(value: &Json) -> String {
    Sha256::digest(value.to_string().as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether `live` has everything that is desired.
pub fn is_as_desired(desired: &Json, live: &Json) -> bool {
    equal(desired, &projection(desired, live))
}

/// What `live` has where `desired` has something, in the shape of `desired`; null where it has nothing.
pub fn projection(desired: &Json, live: &Json) -> Json {
    project("", desired, live)
}

/// Lists whose items are known by these members, so that others may add items of their own. Any other list is one
/// value. Of an item's keys, those that are desired count.
const KEYED: [(&str, &[&str]); 12] = [
    ("containers", &["name"]),
    ("env", &["name"]),
    ("imagePullSecrets", &["name"]),
    ("initContainers", &["name"]),
    ("ownerReferences", &["uid"]),
    ("ports", &["containerPort", "protocol"]),
    ("ports", &["targetPort", "port", "protocol"]),
    ("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("volumeMounts", &["mountPath"]),
    ("volumes", &["name"]),
    ("conditions", &["type"]),
    ("versions", &["name"]),
];

fn project(member: &str, desired: &Json, live: &Json) -> Json {
    match (desired, live) {
        (Json::Object(desired), Json::Object(live)) => {
            let members = desired.iter().map(|(key, value)| {
                let found = live.get(key).map_or(Json::Null, |live| project(key, value, live));
                (key.clone(), found)
            });
            Json::Object(members.collect::<Map<_, _>>())
        }
        (Json::Array(desired), Json::Array(live)) => match keys(member, desired) {
            Some(keys) => desired
                .iter()
                .map(|item| {
                    let found = live.iter().find(|live| same_key(keys, item, live));
                    found.map_or(Json::Null, |live| project("", item, live))
                })
                .collect(),
            None if desired.len() == live.len() => {
                desired.iter().zip(live).map(|(desired, live)| project("", desired, live)).collect()
            }
            None => Json::Array(live.clone()),
        },
        _ => live.clone(),
    }
}

/// The members that items of such a list are known by.
fn keys(member: &str, items: &[Json]) -> Option<&'static [&'static str]> {
    let mut of_member = KEYED.iter().filter(|(name, _)| *name == member).map(|(_, keys)| *keys);
    of_member.find(|keys| keys.first().is_some_and(|key| items.iter().all(|item| item.get(key).is_some())))
}

fn same_key(keys: &[&str], desired: &Json, live: &Json) -> bool {
    keys.iter().all(|key| desired.get(key).is_none() || desired.get(key) == live.get(key))
}

/// Equal, and 1 equals 1.0.
fn equal(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_desired_leaf_counts_and_no_other() {
        let cases = [
            (json!({"a": 1}), json!({"a": 1, "b": 2}), true),
            (json!({"a": 1}), json!({"a": 1.0}), true),
            (json!({"a": 1}), json!({"a": 2}), false),
            (json!({"a": 1}), json!({}), false),
            (json!({"a": {"b": "x"}}), json!({"a": {"b": "x", "c": 1}}), true),
            (json!({"a": {"b": "x"}}), json!({"a": "x"}), false),
            (json!({"emptyDir": {}}), json!({"emptyDir": {}}), true),
            (json!({"emptyDir": {}}), json!({}), false),
            // A list of plain values is one value.
            (json!({"args": ["a", "b"]}), json!({"args": ["a", "b"]}), true),
            (json!({"args": ["a", "b"]}), json!({"args": ["b", "a"]}), false),
            (json!({"args": ["a"]}), json!({"args": ["a", "b"]}), false),
            // So is one whose items have no key; defaults in its items are no difference.
            (json!({"tolerations": [{"key": "x"}]}), json!({"tolerations": [{"key": "x", "operator": "Equal"}]}), true),
            (json!({"tolerations": [{"key": "x"}]}), json!({"tolerations": [{"key": "x"}, {"key": "y"}]}), false),
            (json!({"ingress": []}), json!({"ingress": [{"from": []}]}), false),
        ];
        for (desired, live, same) in cases {
            assert_eq!(is_as_desired(&desired, &live), same, "{desired} {live}");
        }
    }

    #[test]
    fn items_with_a_key_stand_beside_those_of_others() {
        let desired = json!({"containers": [{"name": "server", "env": [{"name": "A", "value": "1"}]}]});
        let live = |value: &str| {
            json!({"containers": [
                {"name": "injected"},
                {"name": "server", "env": [{"name": "B"}, {"name": "A", "value": value}], "stdin": false},
            ]})
        };
        assert!(is_as_desired(&desired, &live("1")));
        assert!(!is_as_desired(&desired, &live("2")));
        assert!(!is_as_desired(&desired, &json!({"containers": [{"name": "injected"}]})));
    }

    #[test]
    fn ports_are_known_by_what_they_have() {
        let service = json!({"ports": [{"name": "http", "port": 80, "targetPort": "http"}]});
        let live = json!({"ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}]});
        assert!(is_as_desired(&service, &live));
        let pod = json!({"ports": [{"containerPort": 8080, "name": "http"}]});
        let two = json!({"ports": [{"containerPort": 1}, {"containerPort": 8080, "name": "http", "protocol": "TCP"}]});
        assert!(is_as_desired(&pod, &two));
        // Those of a NetworkPolicy are one value.
        let policy = json!({"ports": [{"port": "http"}]});
        assert!(!is_as_desired(&policy, &json!({"ports": [{"port": "http"}, {"port": "ssh"}]})));
    }

    #[test]
    fn a_projection_has_the_shape_of_what_is_desired() {
        let desired = json!({"cpu": "1000m", "gone": 1, "list": [{"size": "1024Mi"}]});
        let live = json!({"cpu": "1", "list": [{"size": "1Gi", "default": true}], "more": 1});
        let projected = projection(&desired, &live);
        assert_eq!(projected, json!({"cpu": "1", "gone": null, "list": [{"size": "1Gi"}]}));
        assert_eq!(hash(&projected), hash(&projection(&desired, &live)));
        assert_ne!(hash(&projected), hash(&desired));
    }
}
