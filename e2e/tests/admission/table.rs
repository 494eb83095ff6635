//! Tables of objects: a good one, changes of it that stay good, and changes that break one rule each.
//!
//! Used by the test of each kind. Objects are sent as dry runs, so that cases do not meet.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use mainstay_e2e::api_server::{Answer, ApiServer};
use reqwest::Method;
use serde_json::{Value as Json, json};

/// A change: JSON Pointers into the object with what is put there; null takes it away.
pub type Change = Vec<(&'static str, Json)>;

/// An object that is refused: what makes it so, the field that is named, and a part of what is said of it.
pub struct Bad {
    pub change: Change,
    pub field: &'static str,
    pub says: &'static str,
}

/// A bad case.
pub fn bad(change: impl Into<Change>, field: &'static str, says: &'static str) -> Bad {
    Bad { change: change.into(), field, says }
}

/// One kind of object.
pub struct Table {
    /// `backends`.
    pub plural: &'static str,
    /// An object that is admitted.
    pub good: Json,
}

/// The namespace of all of them, on a server.
pub const NAMESPACE: &str = "admission";

/// Where objects of a kind are made.
pub fn collection(plural: &str) -> String {
    format!("/apis/mainstay.dev/v1alpha1/namespaces/{NAMESPACE}/{plural}")
}

/// Both servers, with the definitions and a namespace.
pub fn servers() -> [&'static ApiServer; 2] {
    static PREPARED: std::sync::Once = std::sync::Once::new();
    let servers = ApiServer::all();
    PREPARED.call_once(|| servers.into_iter().for_each(prepare));
    servers
}

fn prepare(server: &ApiServer) {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
    let answer = server.create("/api/v1/namespaces", &namespace, false);
    assert_eq!(answer.status, 201, "{answer:?}");
    for name in super::definitions::NAMES {
        let definition = super::definitions::definition(name);
        let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let answer = server.create(definitions, &definition, false);
        assert_eq!((answer.status, answer.warnings.as_slice()), (201, &[][..]), "{name}: {answer:?}");
        let path = format!("{definitions}/{}", definition["metadata"]["name"].as_str().unwrap());
        mainstay_e2e::cluster::wait_for("a definition is established", mainstay_e2e::cluster::PATIENCE, || {
            let now = server.call(Method::GET, &path, "", None).body;
            let all = now["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let done = all.iter().any(|one| one["type"] == "Established" && one["status"] == "True");
            done.then_some(()).ok_or_else(|| now["status"].to_string())
        });
        let plural = definition["spec"]["names"]["plural"].as_str().unwrap();
        // An established kind is served a moment later.
        mainstay_e2e::cluster::wait_for("a kind is served", mainstay_e2e::cluster::PATIENCE, || {
            let answer = server.call(Method::GET, &collection(plural), "", None);
            (answer.status == 200).then_some(()).ok_or_else(|| answer.body.to_string())
        });
    }
}

impl Table {
    /// The good object with a change.
    pub fn with(&self, change: &Change) -> Json {
        let mut object = self.good.clone();
        change.iter().for_each(|(at, value)| put(&mut object, at, value));
        object
    }

    /// That the object is admitted with each of the changes.
    pub fn admits(&self, changes: &[Change]) {
        for server in servers() {
            for change in changes {
                let answer = server.create(&collection(self.plural), &self.with(change), true);
                assert_eq!(answer.status, 201, "{} {change:?}: {}", server.version(), answer.body);
                assert_eq!(answer.warnings, [""; 0], "{} {change:?}", server.version());
            }
        }
    }

    /// That each bad object is refused with exactly its rule, and that all of the kind's rules are broken by one; those
    /// of transitions by `updates`.
    pub fn refuses(&self, creations: &[Bad], updates: &[(Change, Bad)]) {
        let rules = super::definitions::rules(self.plural);
        for server in servers() {
            let mut broken = BTreeSet::new();
            for case in creations {
                let answer = server.create(&collection(self.plural), &self.with(&case.change), true);
                broken.extend(judged(server, case, &answer, &rules));
            }
            for (before, case) in updates {
                broken.extend(judged(server, case, &self.update(server, before, &case.change), &rules));
            }
            let never: Vec<_> = rules.iter().filter(|rule| !broken.contains(*rule)).collect();
            assert!(never.is_empty(), "no case breaks these rules of {}: {never:#?}", self.plural);
        }
    }

    /// That each object is admitted after the other.
    pub fn admits_updates(&self, updates: &[(Change, Change)]) {
        for server in servers() {
            for (before, after) in updates {
                let answer = self.update(server, before, after);
                assert_eq!(answer.status, 200, "{} {before:?} {after:?}: {}", server.version(), answer.body);
            }
        }
    }

    /// The answer to a dry update of an object that is there for a moment.
    fn update(&self, server: &ApiServer, before: &Change, after: &Change) -> Answer {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let own = before.iter().find(|(at, _)| *at == "/metadata/name").and_then(|(_, name)| name.as_str());
        let number = || format!("updated-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let name = own.map_or_else(number, str::to_owned);
        let mut before = self.with(before);
        before["metadata"]["name"] = json!(name);
        let made = server.create(&collection(self.plural), &before, false);
        assert_eq!(made.status, 201, "{before}: {}", made.body);
        let path = format!("{}/{name}", collection(self.plural));
        let mut next = self.with(after);
        next["metadata"]["name"] = json!(name);
        next["metadata"]["resourceVersion"] = made.body["metadata"]["resourceVersion"].clone();
        let answer = server.replace(&path, &next, true);
        let gone = server.call(Method::DELETE, &path, "", None);
        assert_eq!(gone.status, 200, "{}", gone.body);
        answer
    }
}

/// The rules that were broken, as (path in the schema, message). Panics unless the answer is what the case says.
fn judged(
    server: &ApiServer,
    case: &Bad,
    answer: &Answer,
    rules: &BTreeSet<(String, String)>,
) -> Option<(String, String)> {
    let Bad { change, field, says } = case;
    let what = format!("{} {change:?}: {}", server.version(), answer.body);
    assert_eq!(answer.status, 422, "{what}");
    let mut causes = answer.body["details"]["causes"].as_array().unwrap().clone();
    // Said beside a broken bound, for rules are not run over what is too large.
    causes.retain(|cause| !cause["message"].as_str().unwrap().contains("some validation rules were not checked"));
    assert_eq!(causes.len(), 1, "one rule alone: {what}");
    assert_eq!(causes[0]["field"], *field, "{what}");
    let message = causes[0]["message"].as_str().unwrap();
    assert!(message.contains(says), "{what}");
    let path = schema_path(field);
    let rule = rules.iter().find(|(at, text)| *at == path && message.ends_with(&format!(": {text}")));
    // A bound is no rule, and says what the API server always says.
    assert!(rule.is_some() || BOUNDS.iter().any(|bound| message.contains(bound)), "whole message of a rule: {what}");
    rule.cloned()
}

/// What API servers say of bounds, by their own words.
const BOUNDS: [&str; 9] = [
    "Too long",
    "Too many",
    "should have at least",
    "should be less than or equal to",
    "should be greater than or equal to",
    "Duplicate value",
    "Unsupported value",
    "must be of type",
    "Required value",
];

/// `spec.env[3].name` as `spec.env[].name`, and the keys of maps, `spec.limits[cpu]`, as `spec.limits.{}`.
fn schema_path(field: &str) -> String {
    let step = |part: &str| match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
        Some((name, index)) if index.parse::<usize>().is_ok() => format!("{name}[]"),
        Some((name, _)) => format!("{name}.{{}}"),
        None => part.to_owned(),
    };
    match field {
        "<nil>" => String::new(),
        _ => field.split('.').map(step).collect::<Vec<_>>().join("."),
    }
}

/// Puts a value at a JSON Pointer, making objects on the way.
fn put(object: &mut Json, at: &str, value: &Json) {
    let (parent, key) = at.rsplit_once('/').unwrap();
    let mut here = object;
    for step in parent.split('/').skip(1) {
        here = match step.parse::<usize>() {
            Ok(index) => &mut here[index],
            Err(_) => &mut here[step],
        };
    }
    match (key.parse::<usize>(), value.is_null()) {
        (Ok(index), _) => here[index] = value.clone(),
        (Err(_), true) => drop(here.as_object_mut().unwrap().remove(key)),
        (Err(_), false) => here[key] = value.clone(),
    }
}
