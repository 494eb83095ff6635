//! Reads everything that the reconciliation of a Backend may depend on. Only reads; Secrets by name alone.
//!
//! Called by `reconcile`. Collections and ApiKeys come from the caches of watches, all else from the API server.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::try_join;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::api::DynamicObject;
use kube::core::DeserializeGuard;
use kube::{Api, Resource, ResourceExt};
use mainstay_crds::api_key::ApiKey;
use mainstay_crds::backend::Backend;
use mainstay_crds::collection::Collection;
use serde_json::Value as Json;

use super::memory::Memory;
use super::observed::{Entropy, Observed, Unreadable};
use super::secrets;
use crate::cluster::Error;
use crate::context::{Context, Scope};
use crate::kind::{self, Kind};

mod instances;
mod reader;
mod reports;

use reader::Reader;

/// Objects as they are, by kind and name; `None` for one that is not there.
pub type Live = HashMap<(&'static str, String), Option<Json>>;

/// Objects that are named as the Backend.
const NAMESAKES: [&Kind; 10] = [
    &kind::DEPLOYMENT,
    &kind::HPA,
    &kind::HTTP_ROUTE,
    &kind::INGRESS,
    &kind::NETWORK_POLICY,
    &kind::PDB,
    &kind::SERVICE,
    &kind::SERVICE_ACCOUNT,
    &kind::SERVICE_MONITOR,
    &kind::STATEFUL_SET,
];

/// Reads around `backend`.
pub async fn observe(
    scope: &Scope,
    backend: Arc<Backend>,
    memory: &mut Memory,
    now: Timestamp,
) -> Result<(Observed, Live), Error> {
    let context = &*scope.context;
    let reader = Reader::new(context, &backend);
    let mut seen = Observed { backend: backend.clone(), ..Observed::default() };
    seen.apis = *context.apis.borrow();
    collections(scope, &reader, memory, &mut seen);
    api_keys(scope, &reader, memory, &mut seen);
    let (documents, applied) = (reader.named("documents"), reader.named("applied"));
    let of_backend = reader.label.clone();
    let lists = async {
        try_join!(
            reader.list::<ReplicaSet>("ReplicaSets", &of_backend),
            reader.list::<Pod>("Pods", &of_backend),
            reader.list::<Job>("Jobs", &of_backend),
            reader.list("MigrationPlans", &of_backend),
            reader.metadata(&of_backend),
        )
    };
    let keys = ["admin-key", "jwt-keys", "api-keys"].map(|suffix| reader.named(suffix));
    let named = async {
        try_join!(
            reader.get::<ConfigMap>(&documents),
            reader.get::<ConfigMap>(&applied),
            reader.get::<Secret>(&keys[0]),
            reader.get::<Secret>(&keys[1]),
            reader.get::<Secret>(&keys[2]),
        )
    };
    let (lists, named, mut live, (namespace_uid, terminating), urls, api_keys) = try_join!(
        lists,
        named,
        reader.namesakes(seen.apis),
        reader.namespace(),
        reader.urls(&backend),
        reader.api_key_secrets(&seen),
    )?;
    (seen.replica_sets, seen.pods, seen.jobs, seen.plans, seen.config_maps) = lists;
    (seen.pods, seen.job_pods) = pods(std::mem::take(&mut seen.pods), &seen.jobs);
    (seen.accepted, seen.applied, seen.admin_key, seen.jwt_keys, seen.api_key_hashes) = named;
    (seen.namespace_uid, seen.namespace_terminating) = (namespace_uid, terminating);
    (seen.urls, seen.api_key_secrets) = (urls, api_keys);
    seen.accepted_documents = reader.documents(seen.accepted.as_ref()).await?;
    seen.reports = reports::read(&reader, &seen.jobs, memory, now).await?;
    namesakes(&mut seen, &live)?;
    for (name, map) in [(documents, &seen.accepted), (applied, &seen.applied)] {
        let map = map.as_ref().map(serde_json::to_value).transpose().map_err(unreadable("a ConfigMap"))?;
        live.insert((kind::CONFIG_MAP.kind, name), map);
    }
    if secrets::asks_pods(&seen, now) {
        seen.instances = instances::ask(&seen.pods).await;
    }
    seen.entropy = entropy()?;
    Ok((seen, live))
}

/// One object as it is. A kind that the cluster has lost since it was asked for its kinds has no objects.
pub async fn live(context: &Context, namespace: &str, kind: &Kind, name: &str) -> Result<Option<Json>, Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), namespace, &kind.resource());
    let found = match context.ask(|| format!("reading {} {name}", kind.kind), api.get_opt(name)).await {
        Err(error) if error.code() == Some(404) => None,
        found => found?,
    };
    found.map(|object| serde_json::to_value(object).map_err(unreadable(kind.kind))).transpose()
}

fn unreadable(what: &str) -> impl Fn(serde_json::Error) -> Error {
    move |error| Error::Own(format!("{what} cannot be read: {error}"))
}

/// The Collections that name the Backend. A status that was written and not yet watched is put in its place.
fn collections(scope: &Scope, reader: &Reader<'_>, memory: &mut Memory, seen: &mut Observed) {
    let mut of_backend = Vec::new();
    for guard in scope.collections.state() {
        if guard.meta().namespace.as_deref() != Some(&reader.namespace) || guard.meta().deletion_timestamp.is_some() {
            continue;
        }
        match &guard.0 {
            Ok(one) if one.spec.backend_ref.as_ref().is_some_and(|to| to.name == reader.name) => {
                of_backend.push(one.clone());
            }
            Ok(_) => {}
            Err(invalid) => seen.unreadable.push(Unreadable {
                name: invalid.metadata.name.clone().unwrap_or_default(),
                generation: invalid.metadata.generation,
                problem: invalid.error.clone(),
            }),
        }
    }
    of_backend.sort_by_key(ResourceExt::name_any);
    seen.unreadable.sort_by(|a, b| a.name.cmp(&b.name));
    let known = |name: &String| of_backend.iter().any(|one| one.name_any() == *name);
    memory.told.retain(|name, _| known(name));
    seen.collections = of_backend.into_iter().map(|one| Arc::new(with_status(one, memory))).collect();
}

fn with_status(mut collection: Collection, memory: &mut Memory) -> Collection {
    if let Some(status) = newer(&collection, &mut memory.told) {
        collection.status = Some(status);
    }
    collection
}

/// The status that was written, if the object is older than that.
fn newer<S: Clone>(object: &impl ResourceExt, told: &mut BTreeMap<String, (u64, S)>) -> Option<S> {
    let name = object.name_any();
    let version = object.resource_version().and_then(|version| version.parse().ok()).unwrap_or(0);
    let (written, status) = told.get(&name)?;
    if *written > version {
        return Some(status.clone());
    }
    told.remove(&name);
    None
}

fn api_keys(scope: &Scope, reader: &Reader<'_>, memory: &mut Memory, seen: &mut Observed) {
    let readable = scope.api_keys.state().into_iter().filter_map(|guard| match &guard.0 {
        Ok(key) if key.metadata.namespace.as_deref() == Some(&reader.namespace) => Some(key.clone()),
        _ => None,
    });
    let of_backend =
        readable.filter(|key| key.spec.backend_ref.name == reader.name && key.metadata.deletion_timestamp.is_none());
    let mut of_backend: Vec<ApiKey> = of_backend.collect();
    of_backend.sort_by_key(ResourceExt::name_any);
    memory.told_keys.retain(|name, _| of_backend.iter().any(|key| key.name_any() == *name));
    for mut key in of_backend {
        if let Some(status) = newer(&key, &mut memory.told_keys) {
            key.status = Some(status);
        }
        seen.api_keys.push(Arc::new(key));
    }
}

/// Takes the objects of the Backend's name apart. Those of others are not `present`: they never have to go.
fn namesakes(seen: &mut Observed, live: &Live) -> Result<(), Error> {
    let (name, uid) = (seen.backend.name_any(), seen.backend.uid().unwrap_or_default());
    for kind in NAMESAKES {
        let Some(Some(object)) = live.get(&(kind.kind, name.clone())) else { continue };
        match kind.kind {
            "Deployment" => {
                seen.deployment = Some(serde_json::from_value(object.clone()).map_err(unreadable("a Deployment"))?);
            }
            "StatefulSet" => {
                seen.stateful_set = Some(serde_json::from_value(object.clone()).map_err(unreadable("a StatefulSet"))?);
            }
            _ => {}
        }
        let metadata: ObjectMeta = serde_json::from_value(object["metadata"].clone()).map_err(unreadable(kind.kind))?;
        let owners = metadata.owner_references.iter().flatten();
        if owners.into_iter().any(|owner| owner.controller == Some(true) && owner.uid == uid) {
            seen.present.push((kind, metadata));
        }
    }
    Ok(())
}

/// Takes the servers' pods, and those of Jobs that are not finished, apart.
fn pods(all: Vec<Pod>, jobs: &[Job]) -> (Vec<Pod>, Vec<Pod>) {
    let component = |pod: &Pod| pod.labels().get("mainstay.dev/component").cloned();
    let (servers, others): (Vec<Pod>, Vec<Pod>) =
        all.into_iter().partition(|pod| component(pod).as_deref() == Some("server"));
    let runs = |pod: &Pod| {
        let name = pod.labels().get("batch.kubernetes.io/job-name");
        jobs.iter().any(|job| job.metadata.name.as_ref() == name && !reports::is_finished(job))
    };
    (servers, others.into_iter().filter(runs).collect())
}

/// Bytes that nobody else has seen.
pub fn entropy() -> Result<Entropy, Error> {
    let mut bytes = vec![0; 64];
    getrandom::fill(&mut bytes).map_err(|error| Error::Own(format!("the system has no random bytes: {error}")))?;
    Ok(Entropy(bytes))
}

/// The Backend as it is now; `Err` in it when this operator cannot read it.
pub async fn backend(
    context: &Context,
    namespace: &str,
    name: &str,
) -> Result<Option<DeserializeGuard<Backend>>, Error> {
    let api = context.api::<DeserializeGuard<Backend>>(namespace);
    context.ask(|| format!("reading Backend {name}"), api.get_opt(name)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_others_own_never_has_to_go() {
        let backend = Backend {
            metadata: ObjectMeta { name: Some("shop".to_owned()), uid: Some("u1".to_owned()), ..ObjectMeta::default() },
            ..Backend::default()
        };
        let owned = |uid: &str| {
            let owner = json!({"apiVersion": "v1", "kind": "Backend", "name": "shop", "uid": uid, "controller": true});
            json!({"metadata": {"name": "shop", "ownerReferences": [owner]}})
        };
        let live = Live::from([
            (("Ingress", "shop".to_owned()), Some(owned("u1"))),
            (("HorizontalPodAutoscaler", "shop".to_owned()), Some(owned("u2"))),
            (("NetworkPolicy", "shop".to_owned()), Some(json!({"metadata": {"name": "shop"}}))),
            (("PodDisruptionBudget", "shop".to_owned()), None),
        ]);
        let mut seen = Observed { backend: Arc::new(backend), ..Observed::default() };
        namesakes(&mut seen, &live).unwrap();
        assert_eq!(seen.present.iter().map(|(kind, _)| kind.kind).collect::<Vec<_>>(), ["Ingress"]);
    }

    #[test]
    fn a_status_that_was_written_wins_until_the_watch_brings_it() {
        let collection = |version: &str| Collection {
            metadata: ObjectMeta {
                name: Some("markets".to_owned()),
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            },
            ..Collection::default()
        };
        let mut memory = Memory::new("u1");
        memory.told.insert("markets".to_owned(), (7, Default::default()));
        assert!(with_status(collection("6"), &mut memory).status.is_some());
        assert!(with_status(collection("7"), &mut memory).status.is_none());
        assert!(memory.told.is_empty());
    }
}
