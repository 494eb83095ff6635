//! From events in the cluster to reconciliations: the watches, the caches and the queue.
//!
//! Called by `run` once for all namespaces, or for each. What a Backend owns is watched by its metadata alone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, SelectAll};
use futures_util::{FutureExt, Stream, StreamExt, TryStreamExt};
use kube::api::DynamicObject;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::controller::{
    Config as QueueConfig, Error as QueueError, ReconcileReason, ReconcileRequest, applier, trigger_self, trigger_with,
};
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher::{self, Config};
use kube::runtime::{WatchStreamExt, reflector, watcher as watch_all};
use kube::{Api, Client, Resource};
use mainstay_crds::api_key::ApiKey;
use mainstay_crds::collection::Collection;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::backend::observed::Apis;
use crate::backend::{self, Known};
use crate::backoff;
use crate::context::{Context, Scope};
use crate::desired::BACKEND_LABEL;
use crate::kind::{self, Kind};
use crate::orphan;

type Triggers = SelectAll<BoxStream<'static, Result<ReconcileRequest<Known>, watcher::Error>>>;

/// What is watched of a Backend's objects. Secrets are not: the operator may not list them.
const WATCHED: [&Kind; 11] = [
    &kind::CONFIG_MAP,
    &kind::DEPLOYMENT,
    &kind::HPA,
    &kind::INGRESS,
    &kind::JOB,
    &kind::MIGRATION_PLAN,
    &kind::NETWORK_POLICY,
    &kind::PDB,
    &kind::SERVICE,
    &kind::SERVICE_ACCOUNT,
    &kind::STATEFUL_SET,
];

/// Pods, which are no object of the operator, and tell why a Deployment makes no progress.
const PODS: Kind = Kind { group: "", version: "v1", kind: "Pod", plural: "pods", optional: false };

/// How often a failed word to an orphan is tried again.
const TRIES: u32 = 5;

/// Caches of one scope, to be waited for once: a store wakes only the last of several that wait for it.
pub struct Caches {
    backends: watch::Receiver<bool>,
    collections: Store<DeserializeGuard<Collection>>,
    api_keys: Store<DeserializeGuard<ApiKey>>,
    all: watch::Sender<bool>,
}

impl Caches {
    /// Waits until all are filled, and lets reconciliations begin; false when they never will be.
    pub async fn filled(mut self) -> bool {
        let filled = self.backends.wait_for(|filled| *filled).await.is_ok()
            && self.collections.wait_until_ready().await.is_ok()
            && self.api_keys.wait_until_ready().await.is_ok();
        self.all.send_replace(filled);
        filled
    }
}

/// Watches one namespace, or all, and reconciles until `stop` is true and what runs is done.
pub fn control(
    context: Arc<Context>,
    namespace: Option<String>,
    stop: watch::Receiver<bool>,
) -> (Caches, impl Future<Output = ()> + Send) {
    let watches = Watches { client: context.client.clone(), namespace: namespace.clone() };
    let mut triggers = Triggers::new();
    let (backends, writer) = store::<Known>();
    let of_class = Config::default().labels(&class_selector(context.settings.class.as_deref()));
    let (told, backends_filled) = watch::channel(false);
    let stream = reflector(writer, watches.events::<Known>(of_class)).inspect_ok(move |event| {
        if matches!(event, watcher::Event::InitDone) {
            told.send_replace(true);
        }
    });
    triggers.push(trigger_self(stream.touched_objects(), ()).boxed());
    let collections = watches.cached::<Collection>(&mut triggers, |collection| {
        collection.spec.backend_ref.as_ref().map(|to| to.name.clone())
    });
    let api_keys = watches.cached::<ApiKey>(&mut triggers, |key| Some(key.spec.backend_ref.name.clone()));
    for kind in WATCHED {
        triggers.push(watches.owned(kind, BACKEND_LABEL).boxed());
    }
    triggers.push(watches.owned(&PODS, &format!("{BACKEND_LABEL},mainstay.dev/component=server")).boxed());
    for (kind, there) in [(&kind::SERVICE_MONITOR, service_monitor as fn(&Apis) -> bool), (&kind::HTTP_ROUTE, route)] {
        let owned = watches.owned(kind, BACKEND_LABEL);
        let wait = until(context.apis.clone(), there);
        triggers
            .push(stream::once(wait).map(move |()| Ok(None)).chain(owned.map_ok(Some)).try_filter_map(some).boxed());
    }
    triggers.push(all_on_change(context.apis.clone(), backends.clone()).boxed());
    let (all, filled) = watch::channel(false);
    let caches =
        Caches { backends: backends_filled, collections: collections.clone(), api_keys: api_keys.clone(), all };
    let scope = Arc::new(Scope { context, collections, api_keys, filled });
    (caches, work(triggers, backends, scope, namespace.unwrap_or_default(), stop))
}

async fn some<T, E>(item: Option<T>) -> Result<Option<T>, E> {
    Ok(item)
}

fn service_monitor(apis: &Apis) -> bool {
    apis.service_monitor
}

fn route(apis: &Apis) -> bool {
    apis.http_route
}

/// Only Backends of the class; only those without one when there is none.
pub fn class_selector(class: Option<&str>) -> String {
    match class {
        Some(class) => format!("mainstay.dev/class={class}"),
        None => "!mainstay.dev/class".to_owned(),
    }
}

async fn work(
    triggers: Triggers,
    backends: Store<Known>,
    scope: Arc<Scope>,
    namespace: String,
    mut stop: watch::Receiver<bool>,
) {
    let stopped = async move { stop.wait_for(|stop| *stop).await.map(drop).unwrap_or_default() };
    let queue = triggers.take_until(stopped.boxed());
    let reconcile = |known, scope| backend::reconcile(known, scope).boxed();
    let failed = |known, error: &_, scope| backend::failed(known, error, scope);
    let done = applier(reconcile, failed, scope.clone(), backends, queue, QueueConfig::default());
    done.for_each_concurrent(8, |done| async {
        match done {
            Ok(_) | Err(QueueError::ReconcilerFailed(..)) => {}
            Err(QueueError::ObjectNotFound(backend)) => {
                orphans(&scope, backend.namespace.as_deref().unwrap_or_default(), &backend.name).await;
            }
            Err(QueueError::QueueError(error)) => {
                scope.context.metrics.watch_failures.with_label_values(&[&namespace]).inc();
                tracing::warn!(%error, "a watch broke; it is begun anew");
            }
            Err(QueueError::RunnerError(error)) => tracing::error!(%error, "the queue broke"),
        }
    })
    .await;
}

async fn orphans(scope: &Scope, namespace: &str, backend: &str) {
    for failures in 1..=TRIES {
        match orphan::tell(scope, namespace, backend).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(namespace, backend, %error, "what names a Backend that is not there is not told so")
            }
        }
        tokio::time::sleep(backoff::wait(failures + 2, backoff::random())).await;
    }
}

/// Watches of one scope.
struct Watches {
    client: Client,
    namespace: Option<String>,
}

impl Watches {
    /// The events of a kind of custom resource, without what nobody reads.
    fn events<K>(&self, config: Config) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + use<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug
            + Send
            + 'static,
    {
        let api = match &self.namespace {
            Some(namespace) => Api::<K>::namespaced(self.client.clone(), namespace),
            None => Api::<K>::all(self.client.clone()),
        };
        watch_all(api, config).default_backoff().modify(|object| {
            let metadata = object.meta_mut();
            metadata.managed_fields = None;
            if let Some(annotations) = &mut metadata.annotations {
                annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
            }
        })
    }

    /// Caches a kind of custom resource, and wakes the Backend that each names: also the one that it named before, for
    /// an edit of `backendRef` takes it away there.
    fn cached<K>(
        &self,
        triggers: &mut Triggers,
        backend: impl Fn(&K) -> Option<String> + Send + 'static,
    ) -> Store<DeserializeGuard<K>>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug
            + Send
            + Sync
            + 'static,
    {
        let (reader, writer) = store::<DeserializeGuard<K>>();
        let before = reader.clone();
        let events = self.events::<DeserializeGuard<K>>(Config::default());
        let named = move |guard: &DeserializeGuard<K>| guard.0.as_ref().ok().and_then(&backend);
        // Looked up before the cache takes the event in.
        let events = events.map_ok(move |event| {
            let object = match &event {
                watcher::Event::Apply(object) | watcher::Event::Delete(object) => Some(object),
                _ => None,
            };
            let old = object.and_then(|object| before.get(&ObjectRef::from_obj(object)));
            (event, old)
        });
        let mut writer = writer;
        let touched = events.map_ok(move |(event, old)| {
            writer.apply_watcher_event(&event);
            let new = match event {
                watcher::Event::Apply(object) | watcher::Event::InitApply(object) | watcher::Event::Delete(object) => {
                    Some(object)
                }
                watcher::Event::Init | watcher::Event::InitDone => None,
            };
            let namespace = new.as_ref().and_then(|new| new.meta().namespace.clone()).unwrap_or_default();
            let name = new.as_ref().map(|new| new.meta().name.clone().unwrap_or_default()).unwrap_or_default();
            let mut names: Vec<String> =
                [old.as_deref(), new.as_ref()].into_iter().flatten().filter_map(&named).collect();
            names.dedup();
            (namespace, name, names)
        });
        let kind = K::kind(&()).into_owned();
        triggers.push(
            trigger_with(touched, move |(namespace, name, names): (String, String, Vec<String>)| {
                let reason = format!("{kind} {name}");
                names.into_iter().map(move |backend| ReconcileRequest {
                    obj_ref: ObjectRef::new(&backend).within(&namespace),
                    reason: ReconcileReason::Custom { reason: reason.clone() },
                })
            })
            .boxed(),
        );
        reader
    }

    /// Wakes the Backend that an object's label names.
    fn owned(
        &self,
        kind: &'static Kind,
        labels: &str,
    ) -> impl Stream<Item = Result<ReconcileRequest<Known>, watcher::Error>> + Send + use<> {
        let resource = kind.resource();
        let api: Api<PartialObjectMeta<DynamicObject>> = match &self.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let touched = watch_all(api, Config::default().labels(labels)).default_backoff().touched_objects();
        trigger_with(touched, move |object: PartialObjectMeta<DynamicObject>| {
            let metadata = object.metadata;
            let backend = metadata.labels.and_then(|mut labels| labels.remove(BACKEND_LABEL));
            let name = metadata.name.unwrap_or_default();
            backend.map(|backend| ReconcileRequest::<Known> {
                obj_ref: ObjectRef::<Known>::new(&backend).within(&metadata.namespace.unwrap_or_default()),
                reason: ReconcileReason::Custom { reason: format!("{} {name}", kind.kind) },
            })
        })
    }
}

/// Waits until the cluster has a kind.
async fn until(mut apis: watch::Receiver<Apis>, there: fn(&Apis) -> bool) {
    if apis.wait_for(|apis| there(apis)).await.is_err() {
        std::future::pending().await
    }
}

/// Wakes every Backend when the cluster learns a kind or forgets one.
fn all_on_change(
    apis: watch::Receiver<Apis>,
    backends: Store<Known>,
) -> impl Stream<Item = Result<ReconcileRequest<Known>, watcher::Error>> + Send {
    stream::unfold(apis, |mut apis| async { apis.changed().await.is_ok().then_some(((), apis)) }).flat_map(move |()| {
        let requests = backends.state().into_iter().map(|backend| {
            Ok(ReconcileRequest { obj_ref: ObjectRef::from_obj(&*backend), reason: ReconcileReason::BulkReconcile })
        });
        stream::iter(requests.collect::<Vec<_>>())
    })
}

/// Which kinds the cluster has, asked every minute. Ends when nobody listens.
pub async fn discover(client: Client, apis: watch::Sender<Apis>) {
    while !apis.is_closed() {
        if let Some(found) = apis_of(&client).await {
            apis.send_if_modified(|known| std::mem::replace(known, found) != found);
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

/// The kinds that the cluster has; `None` when it does not say.
pub async fn apis_of(client: &Client) -> Option<Apis> {
    let service_monitor = has(client, &kind::SERVICE_MONITOR).await?;
    let http_route = has(client, &kind::HTTP_ROUTE).await?;
    Some(Apis { service_monitor, http_route })
}

async fn has(client: &Client, kind: &Kind) -> Option<bool> {
    let version = kind.api_version();
    let list =
        crate::cluster::ask(|| format!("discovering {version}"), client.list_api_group_resources(&version)).await;
    match list {
        Ok(list) => Some(list.resources.iter().any(|resource| resource.kind == kind.kind)),
        Err(error) if error.code() == Some(404) => Some(false),
        Err(error) => {
            tracing::warn!(%error, "the cluster does not say which kinds it has");
            None
        }
    }
}
