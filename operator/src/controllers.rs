//! From events in the cluster to reconciliations: the watches, the caches and the queue.
//!
//! Called by `run` once for all namespaces, or for each. What a Backend owns is watched by its metadata alone.

use std::sync::Arc;

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
use crate::context::{Cache, Context, Filled, Scope};
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
const PODS: Kind = Kind { group: "", version: "v1", kind: "Pod", plural: "pods" };

/// How often a failed word to an orphan is tried again.
const TRIES: u32 = 5;

/// Watches one namespace, or all, and reconciles until `stop` is true and what runs is done.
pub fn control(
    context: Arc<Context>,
    namespace: Option<String>,
    stop: watch::Receiver<bool>,
) -> (Filled, impl Future<Output = ()> + Send) {
    let watches = Watches { client: context.client.clone(), namespace: namespace.clone() };
    let mut triggers = Triggers::new();
    let (backends, writer) = store::<Known>();
    let of_class = Config::default().labels(&class_selector(context.settings.class.as_deref()));
    let filled = Filled::default();
    let done = filled.clone();
    let events = reflector(writer, watches.events::<Known>(of_class)).inspect_ok(move |event| {
        if matches!(event, watcher::Event::InitDone) {
            done.set(Cache::Backends);
        }
    });
    triggers.push(trigger_self(events.touched_objects(), ()).boxed());
    let collections =
        watches.cached::<Collection>(&mut triggers, &backends, (&filled, Cache::Collections), |collection| {
            collection.spec.backend_ref.as_ref().map(|to| to.name.clone())
        });
    let api_keys = watches.cached::<ApiKey>(&mut triggers, &backends, (&filled, Cache::ApiKeys), |key| {
        Some(key.spec.backend_ref.name.clone())
    });
    for kind in WATCHED {
        triggers.push(watches.owned(kind, BACKEND_LABEL).boxed());
    }
    triggers.push(watches.owned(&PODS, BACKEND_LABEL).boxed());
    for (kind, there) in [(&kind::SERVICE_MONITOR, service_monitor as fn(&Apis) -> bool), (&kind::HTTP_ROUTE, route)] {
        let owned = watches.owned(kind, BACKEND_LABEL);
        let wait = until(context.apis.clone(), there);
        triggers
            .push(stream::once(wait).map(move |()| Ok(None)).chain(owned.map_ok(Some)).try_filter_map(some).boxed());
    }
    triggers.push(all_on_change(context.apis.clone(), backends.clone()).boxed());
    let scope = Arc::new(Scope { context, filled: filled.clone(), collections, api_keys });
    (filled, work(triggers, backends, scope, namespace.unwrap_or_default(), stop))
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
    // Without a limit: the reconciliations run only while this asks for the next, and they may hold the requests that a
    // word to an orphan waits for.
    done.for_each_concurrent(None, |done| async {
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
    /// an edit of `backendRef` takes it away there. One that cannot be read wakes all Backends of its namespace, and a
    /// list after a break wakes all: something may have gone meanwhile.
    fn cached<K>(
        &self,
        triggers: &mut Triggers,
        backends: &Store<Known>,
        (filled, cache): (&Filled, Cache),
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
        let (reader, mut writer) = store::<DeserializeGuard<K>>();
        let (before, backends, filled) = (reader.clone(), backends.clone(), filled.clone());
        let touched = self.events::<DeserializeGuard<K>>(Config::default()).map_ok(move |event| {
            let of = |object: &DeserializeGuard<K>| named(object, &backend, &backends);
            let old = match &event {
                watcher::Event::Apply(object) | watcher::Event::Delete(object) => cached(&before, object),
                _ => None,
            };
            writer.apply_watcher_event(&event);
            let mut woken: Vec<ObjectRef<Known>> = old.as_deref().map(of).unwrap_or_default();
            match &event {
                watcher::Event::Apply(object) | watcher::Event::Delete(object) => woken.extend(of(object)),
                watcher::Event::InitDone => {
                    filled.set(cache);
                    woken.extend(before.state().iter().flat_map(|object| of(object)));
                    woken.extend(all(&backends, |_| true));
                }
                watcher::Event::Init | watcher::Event::InitApply(_) => {}
            }
            woken.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
            woken.dedup();
            woken
        });
        triggers.push(trigger_with(touched, |woken: Vec<ObjectRef<Known>>| woken).boxed());
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

/// What a cache holds of an object.
fn cached<K>(cache: &Store<K>, object: &K) -> Option<Arc<K>>
where
    K: Resource<DynamicType = ()> + Clone,
{
    cache.get(&ObjectRef::from_obj(object))
}

/// The Backend that an object names; those of its namespace when it cannot be read.
fn named<K: Resource>(
    object: &DeserializeGuard<K>,
    backend: impl Fn(&K) -> Option<String>,
    backends: &Store<Known>,
) -> Vec<ObjectRef<Known>> {
    let namespace = object.meta().namespace.clone().unwrap_or_default();
    match &object.0 {
        Ok(object) => backend(object).map(|name| ObjectRef::new(&name).within(&namespace)).into_iter().collect(),
        Err(_) => all(backends, |one| one.namespace.as_ref() == Some(&namespace)),
    }
}

/// The Backends of a cache.
fn all(backends: &Store<Known>, which: impl Fn(&ObjectRef<Known>) -> bool) -> Vec<ObjectRef<Known>> {
    backends.state().iter().map(|backend| ObjectRef::from_obj(&**backend)).filter(which).collect()
}

/// Waits until the cluster has a kind.
async fn until(mut apis: watch::Receiver<Apis>, there: fn(&Apis) -> bool) {
    if apis.wait_for(there).await.is_err() {
        std::future::pending().await
    }
}

/// Wakes every Backend when the cluster learns a kind or forgets one.
fn all_on_change(
    apis: watch::Receiver<Apis>,
    backends: Store<Known>,
) -> impl Stream<Item = Result<ReconcileRequest<Known>, watcher::Error>> + Send {
    stream::unfold(apis, |mut apis| async { apis.changed().await.is_ok().then_some(((), apis)) })
        .flat_map(move |()| stream::iter(all(&backends, |_| true).into_iter().map(|backend| Ok(backend.into()))))
}
