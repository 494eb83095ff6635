//! Reads everything that the reconciliation of a Backend may depend on. Only reads; Secrets by name alone.
//!
//! Called by `reconcile`. Collections and ApiKeys come from the caches of watches, all else from the API server.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::future::try_join_all;
use futures_util::{TryFutureExt, try_join};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DynamicObject, ListParams};
use kube::core::DeserializeGuard;
use kube::{Api, Resource, ResourceExt};
use mainstay_crds::backend::{Backend, SecretSource};
use mainstay_crds::collection::Collection;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::memory::Memory;
use super::observed::{DatabaseSecret, Entropy, Observed, SecretState, Unreadable};
use super::secrets;
use crate::cluster::Error;
use crate::context::{Context, Scope};
use crate::desired::BACKEND_LABEL;
use crate::kind::{self, Kind};

mod instances;
mod reports;

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

/// Those that go when they are no longer planned; a Service and a ServiceAccount always are.
const MAY_GO: [&Kind; 8] = [
    &kind::DEPLOYMENT,
    &kind::HPA,
    &kind::HTTP_ROUTE,
    &kind::INGRESS,
    &kind::NETWORK_POLICY,
    &kind::PDB,
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
    api_keys(scope, &reader, &mut seen);
    let (documents, applied) = (reader.named("documents"), reader.named("applied"));
    let server = format!("{},mainstay.dev/component=server", reader.label);
    let of_backend = reader.label.clone();
    let lists = async {
        try_join!(
            reader.list::<ReplicaSet>("ReplicaSets", &of_backend),
            reader.list::<Pod>("Pods", &server),
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
    let (lists, named, mut live, terminating, database, api_keys) = try_join!(
        lists,
        named,
        reader.namesakes(seen.apis),
        reader.namespace_terminating(),
        reader.database(&backend),
        reader.api_key_secrets(&seen),
    )?;
    (seen.replica_sets, seen.pods, seen.jobs, seen.plans, seen.config_maps) = lists;
    (seen.accepted, seen.applied, seen.admin_key, seen.jwt_keys, seen.api_key_hashes) = named;
    (seen.namespace_terminating, seen.database, seen.api_key_secrets) = (terminating, database, api_keys);
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

/// What every kind of object is read with.
struct Reader<'a> {
    context: &'a Context,
    namespace: String,
    name: String,
    label: String,
}

impl<'a> Reader<'a> {
    fn new(context: &'a Context, backend: &Backend) -> Reader<'a> {
        let name = backend.name_any();
        let label = format!("{BACKEND_LABEL}={name}");
        Reader { context, namespace: backend.namespace().unwrap_or_default(), name, label }
    }

    fn named(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.name)
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        self.context.api(&self.namespace)
    }

    async fn get<K>(&self, name: &str) -> Result<Option<K>, Error>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        self.context.ask(|| format!("reading {} {name}", K::kind(&())), self.api::<K>().get_opt(name)).await
    }

    async fn list<K>(&self, what: &str, label: &str) -> Result<Vec<K>, Error>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let params = ListParams::default().labels(label);
        let list = self.context.ask(|| format!("listing {what}"), async { self.api::<K>().list(&params).await });
        Ok(list.await?.items)
    }

    /// Metadata of the Backend's ConfigMaps: their content may be large.
    async fn metadata(&self, label: &str) -> Result<Vec<ObjectMeta>, Error> {
        let params = ListParams::default().labels(label);
        let api = self.api::<ConfigMap>();
        let list = self.context.ask(|| "listing ConfigMaps".to_owned(), async { api.list_metadata(&params).await });
        Ok(list.await?.items.into_iter().map(|map| map.metadata).collect())
    }

    async fn namesakes(&self, apis: super::observed::Apis) -> Result<Live, Error> {
        let there = |kind: &Kind| match kind.kind {
            "HTTPRoute" => apis.http_route,
            "ServiceMonitor" => apis.service_monitor,
            _ => true,
        };
        let found = NAMESAKES.iter().filter(|kind| there(kind)).map(|kind| async move {
            let object = live(self.context, &self.namespace, kind, &self.name).await?;
            Ok::<_, Error>(((kind.kind, self.name.clone()), object))
        });
        Ok(try_join_all(found).await?.into_iter().collect())
    }

    /// Who may read a namespace but not the Namespace sees the refusals of its writes.
    async fn namespace_terminating(&self) -> Result<bool, Error> {
        let api: Api<Namespace> = Api::all(self.context.client.clone());
        let found = self.context.ask(|| "reading the Namespace".to_owned(), api.get_opt(&self.namespace)).await;
        match found {
            Ok(found) => Ok(found.is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_some())),
            Err(error) if error.code() == Some(403) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn database(&self, backend: &Backend) -> Result<Vec<DatabaseSecret>, Error> {
        let Some(database) = &backend.spec.database else { return Ok(Vec::new()) };
        let sources = [&database.url_from, &database.direct_url_from];
        let judged = sources.into_iter().flatten().map(|SecretSource { secret_key_ref: source }| {
            self.get::<Secret>(&source.name).map_ok(|secret| DatabaseSecret {
                name: source.name.clone(),
                key: source.key.clone(),
                state: judge(secret.as_ref(), &source.key),
            })
        });
        try_join_all(judged).await
    }

    async fn api_key_secrets(&self, seen: &Observed) -> Result<BTreeMap<String, Secret>, Error> {
        let found = seen.api_keys.iter().map(|key| async move {
            let name = key.name_any();
            let secret = self.get::<Secret>(key.spec.secret_name.as_ref().unwrap_or(&name)).await?;
            Ok::<_, Error>(secret.map(|secret| (name, secret)))
        });
        Ok(try_join_all(found).await?.into_iter().flatten().collect())
    }

    /// The documents that the ConfigMaps named in `<backend>-documents` hold.
    async fn documents(&self, accepted: Option<&ConfigMap>) -> Result<BTreeMap<String, Json>, Error> {
        let data = accepted.and_then(|map| map.data.as_ref());
        let Some((hash, parts)) = data.and_then(|data| data.get("hash").zip(data.get("parts"))) else {
            return Ok(BTreeMap::new());
        };
        let parts = (0..parts.parse::<usize>().unwrap_or(0))
            .map(|part| async move { self.get::<ConfigMap>(&format!("{}-r{hash}-{part}", self.name)).await });
        let mut documents = BTreeMap::new();
        for (file, text) in try_join_all(parts).await?.into_iter().flatten().filter_map(|map| map.data).flatten() {
            let Some(collection) = file.strip_suffix(".json") else { continue };
            let document = serde_json::from_str(&text).map_err(unreadable(&format!("the accepted document {file}")))?;
            documents.insert(collection.to_owned(), document);
        }
        Ok(documents)
    }
}

/// One object as it is.
pub async fn live(context: &Context, namespace: &str, kind: &Kind, name: &str) -> Result<Option<Json>, Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), namespace, &kind.resource());
    let found = context.ask(|| format!("reading {} {name}", kind.kind), api.get_opt(name)).await?;
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
    let name = collection.name_any();
    let version = collection.resource_version().and_then(|version| version.parse().ok()).unwrap_or(0);
    match memory.told.get(&name) {
        Some((told, status)) if *told > version => collection.status = Some(status.clone()),
        Some(_) => {
            memory.told.remove(&name);
        }
        None => {}
    }
    collection
}

fn api_keys(scope: &Scope, reader: &Reader<'_>, seen: &mut Observed) {
    let readable = scope.api_keys.state().into_iter().filter_map(|guard| match &guard.0 {
        Ok(key) if key.metadata.namespace.as_deref() == Some(&reader.namespace) => Some(Arc::new(key.clone())),
        _ => None,
    });
    let of_backend =
        readable.filter(|key| key.spec.backend_ref.name == reader.name && key.metadata.deletion_timestamp.is_none());
    seen.api_keys = of_backend.collect();
    seen.api_keys.sort_by_key(|key| key.name_any());
}

/// Takes the objects of the Backend's name apart. Those of others are not `present`: they never have to go.
fn namesakes(seen: &mut Observed, live: &Live) -> Result<(), Error> {
    let (name, uid) = (seen.backend.name_any(), seen.backend.uid().unwrap_or_default());
    for kind in MAY_GO {
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

/// What can be said of a database Secret; its content goes no further.
fn judge(secret: Option<&Secret>, key: &str) -> SecretState {
    let Some(secret) = secret else { return SecretState::Missing };
    match secret.data.as_ref().and_then(|data| data.get(key)) {
        None => SecretState::KeyMissing,
        Some(url) if url.0.starts_with(b"postgres://") || url.0.starts_with(b"postgresql://") => SecretState::Usable,
        Some(_) => SecretState::Invalid,
    }
}

fn entropy() -> Result<Entropy, Error> {
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
    fn database_secrets_are_judged() {
        let secret = |url: &str| -> Secret {
            let mut secret = Secret::default();
            let url = k8s_openapi::ByteString(url.as_bytes().to_vec());
            secret.data.get_or_insert_default().insert("url".to_owned(), url);
            secret
        };
        let cases = [
            (None, "url", SecretState::Missing),
            (Some(secret("postgres://a")), "uri", SecretState::KeyMissing),
            (Some(Secret::default()), "url", SecretState::KeyMissing),
            (Some(secret("mysql://a")), "url", SecretState::Invalid),
            (Some(secret("")), "url", SecretState::Invalid),
            (Some(secret("postgres://a")), "url", SecretState::Usable),
            (Some(secret("postgresql://a")), "url", SecretState::Usable),
        ];
        for (secret, key, state) in cases {
            assert_eq!(judge(secret.as_ref(), key), state, "{key}");
        }
    }

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
