//! Whom a live object belongs to: only our own are ever written. Pure.
//!
//! Called by `apply`.

use serde_json::Value as Json;

use crate::desired::BACKEND_LABEL;

/// Who an object of our name belongs to.
#[derive(Debug, PartialEq, Eq)]
pub enum Owner {
    /// The owner of the desired object.
    Us,
    /// A Backend of our name that is gone: its objects are about to go.
    Ghost,
    /// Someone else, in words.
    Other(String),
}

/// The UID of the object that the desired one belongs to.
pub fn desired_owner(object: &Json) -> Option<&str> {
    controller(object)?["uid"].as_str()
}

fn controller(object: &Json) -> Option<&Json> {
    object["metadata"]["ownerReferences"].as_array()?.iter().find(|owner| owner["controller"] == true)
}

/// Whom a live object belongs to. One without a controller is ours by its labels: its owner was deleted without it.
pub fn owner(desired: &Json, live: &Json, backend: &str) -> Owner {
    let labels = &live["metadata"]["labels"];
    match controller(live) {
        Some(owner) if owner["uid"].as_str().is_some_and(|uid| Some(uid) == desired_owner(desired)) => Owner::Us,
        Some(owner) => {
            let wanted = controller(desired).unwrap_or(&Json::Null);
            match owner["kind"] == wanted["kind"] && owner["name"] == wanted["name"] {
                true => Owner::Ghost,
                false => Owner::Other(format!(
                    "{} {}",
                    owner["kind"].as_str().unwrap_or("another"),
                    owner["name"].as_str().unwrap_or_default()
                )),
            }
        }
        None if labels[BACKEND_LABEL] == backend && labels["app.kubernetes.io/managed-by"] == "mainstay-operator" => {
            Owner::Us
        }
        None => Owner::Other("no Backend".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn owned(kind: &str, name: &str, uid: &str) -> Json {
        let owner = json!({"apiVersion": "v1", "kind": kind, "name": name, "uid": uid, "controller": true});
        json!({"metadata": {"name": "shop", "ownerReferences": [owner]}})
    }

    #[test]
    fn only_our_own_are_taken() {
        let desired = owned("Backend", "shop", "u2");
        let labels = |backend: &str| {
            let labels = json!({BACKEND_LABEL: backend, "app.kubernetes.io/managed-by": "mainstay-operator"});
            json!({"metadata": {"name": "shop", "labels": labels}})
        };
        let cases = [
            (owned("Backend", "shop", "u2"), Owner::Us),
            (owned("Backend", "shop", "u1"), Owner::Ghost),
            (owned("Backend", "other", "u1"), Owner::Other("Backend other".to_owned())),
            (owned("Helm", "x", "u3"), Owner::Other("Helm x".to_owned())),
            (labels("shop"), Owner::Us),
            (labels("other"), Owner::Other("no Backend".to_owned())),
            (json!({"metadata": {"name": "shop"}}), Owner::Other("no Backend".to_owned())),
        ];
        for (live, expected) in cases {
            assert_eq!(owner(&desired, &live, "shop"), expected, "{live}");
        }
    }
}
