//! The objects of Backends: reviewed as a whole for typical specs, field by field, and by Kubernetes' own types.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value as Json, json};

use super::*;
use crate::backend::observed::Apis;
use crate::desired::How;

mod fields;
mod form;
mod golden;
mod replicas;

/// `demo` in `team` over PostgreSQL, with what `patch` adds to its spec. A null takes a member away.
fn backend(patch: &Json) -> Backend {
    let mut spec = json!({
        "image": "registry.example/mainstay/server:0.1.0",
        "database": { "urlFrom": { "secretKeyRef": { "name": "demo-database", "key": "uri" } } },
    });
    merge(&mut spec, patch);
    let document = json!({
        "apiVersion": "mainstay.dev/v1alpha1", "kind": "Backend", "spec": spec,
        "metadata": { "name": "demo", "namespace": "team", "uid": "0f0e0d0c-0b0a-4908-8706-050403020100" },
    });
    serde_json::from_value(document).unwrap()
}

fn merge(value: &mut Json, patch: &Json) {
    match (value, patch) {
        (Json::Object(members), Json::Object(patch)) => {
            for (key, patch) in patch {
                merge(members.entry(key).or_insert(Json::Null), patch);
            }
            members.retain(|_, value| !value.is_null());
        }
        (value, patch) => *value = patch.clone(),
    }
}

/// In a cluster that knows every kind, with nothing of the Backend in it yet.
fn seen(backend: Backend) -> Observed {
    let apis = Apis { service_monitor: true, http_route: true };
    let namespace_uid = "5a5b5c5d-0102-4304-8506-0708090a0b0c".to_owned();
    Observed { backend: Arc::new(backend), namespace_uid, apis, ..Observed::default() }
}

/// All objects of what was seen, over two ConfigMaps of documents.
fn objects(seen: &Observed, settings: &Settings) -> Vec<Desired> {
    let release =
        seen.backend.spec.image.clone().map(|image| Release { image, documents: "0123456789ab".to_owned(), parts: 2 });
    let inputs = Inputs { backend: &seen.backend, seen, settings, release: release.as_ref() };
    let planned = NEEDED.iter().chain(&OBJECTS).filter_map(|plan| plan(&inputs));
    let migration = release.as_ref().filter(|_| !inputs.embedded()).map(|release| job(&inputs, release));
    planned.chain(migration).collect()
}

/// The pod of a Job, in the least Job that holds one.
fn job(inputs: &Inputs<'_>, release: &Release) -> Desired {
    let arguments = ["migrate", "plan", "-f", "/etc/mainstay/documents", "--report"].map(str::to_owned);
    let pod = pod::spec(inputs, release, &pod::Role::Migration(arguments.to_vec()));
    let content = json!({ "spec": { "template": { "spec": pod } } });
    Desired::new(inputs.backend, &kind::JOB, "demo-plan".to_owned(), "demo", content, How::Create)
}

/// What goes when these objects are there and those are planned.
fn doomed(before: &[Desired], after: &[Desired], release: Option<&Release>) -> Vec<(&'static str, String)> {
    let metadata =
        |name: &String| ObjectMeta { name: Some(name.clone()), uid: Some("1".to_owned()), ..ObjectMeta::default() };
    let present = before.iter().map(|object| (object.kind, metadata(&object.name))).collect();
    let seen = Observed { present, ..Observed::default() };
    let inputs = Inputs { backend: &seen.backend, seen: &seen, settings: &Settings::for_tests(), release };
    gone(&inputs, after).map(|doomed| (doomed.kind.kind, doomed.name)).collect()
}

/// The release of every spec with an image.
fn release(backend: &Backend) -> Option<Release> {
    let image = backend.spec.image.clone()?;
    Some(Release { image, documents: "0123456789ab".to_owned(), parts: 2 })
}

/// The objects of a spec.
fn of(patch: &Json) -> Vec<Desired> {
    objects(&seen(backend(patch)), &Settings::for_tests())
}

/// The one object of a kind, null when there is none.
fn one(objects: &[Desired], kind: &str) -> Json {
    objects.iter().find(|object| object.kind.kind == kind).map_or(Json::Null, |object| object.object.clone())
}
