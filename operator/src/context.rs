//! What reconciliations share: the client, the settings, the caches of custom resources, and bounded patience.
//!
//! Made once by `run`; nothing in it needs to survive the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::core::DeserializeGuard;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::Store;
use kube::{Api, Client, Resource};
use mainstay_crds::api_key::ApiKey;
use mainstay_crds::collection::Collection;
use tokio::sync::{Semaphore, watch};

use crate::backend::memory::Memory;
use crate::backend::observed::Apis;
use crate::backoff::Failures;
use crate::cluster::{self, Error};
use crate::fleet::Fleet;
use crate::mandate::Mandate;
use crate::metrics::Metrics;
use crate::settings::Settings;

/// Namespace and name.
pub type Key = (String, String);

/// At most so many requests at a time, each on a connection of its own.
const REQUESTS: usize = 24;

/// What all reconciliations of the process share.
pub struct Context {
    /// The way to the API server.
    pub client: Client,
    /// What the operator was started with.
    pub settings: Settings,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Kinds that the cluster has beyond Kubernetes itself.
    pub apis: watch::Receiver<Apis>,
    /// Writes Events.
    pub recorder: Recorder,
    /// One for each Backend that may be reconciled at a time.
    pub turns: Semaphore,
    /// Failures in a row.
    pub failures: Failures<Key>,
    /// Reconciliations in a row that met an obstacle.
    pub obstacles: Failures<Key>,
    /// Backends that follow the operator's image.
    pub fleet: Fleet,
    mandate: Mandate,
    requests: Semaphore,
    memories: Mutex<HashMap<Key, Memory>>,
}

/// Which caches of a scope are filled. The caches' own wait wakes only one of those who wait.
#[derive(Clone)]
pub struct Filled(watch::Sender<[bool; 3]>);

/// The caches of a scope.
#[derive(Clone, Copy, Debug)]
pub enum Cache {
    /// Backends, by their metadata.
    Backends,
    /// Collections.
    Collections,
    /// ApiKeys.
    ApiKeys,
}

impl Default for Filled {
    fn default() -> Self {
        Filled(watch::Sender::new([false; 3]))
    }
}

impl Filled {
    /// This one is filled.
    pub fn set(&self, cache: Cache) {
        self.0.send_modify(|filled| {
            if let Some(filled) = filled.get_mut(cache as usize) {
                *filled = true;
            }
        });
    }

    /// Waits until all are filled.
    pub async fn wait(&self) {
        // The sender lives as long as we do, so that it never fails.
        self.0.subscribe().wait_for(|filled| filled.iter().all(|filled| *filled)).await.map(drop).unwrap_or_default();
    }
}

/// What is watched together: all namespaces, or one.
pub struct Scope {
    /// What all share.
    pub context: Arc<Context>,
    /// Which caches are filled.
    pub filled: Filled,
    /// The Collections, with those that this operator cannot read.
    pub collections: Store<DeserializeGuard<Collection>>,
    /// The ApiKeys, with those that this operator cannot read.
    pub api_keys: Store<DeserializeGuard<ApiKey>>,
}

impl Context {
    /// With nothing remembered yet.
    pub fn new(
        client: Client,
        settings: Settings,
        concurrency: usize,
        metrics: Arc<Metrics>,
        apis: watch::Receiver<Apis>,
        mandate: Mandate,
    ) -> Context {
        let recorder = Recorder::new(client.clone(), "mainstay-operator".into());
        Context {
            client,
            settings,
            metrics,
            apis,
            recorder,
            turns: Semaphore::new(concurrency),
            failures: Failures::default(),
            obstacles: Failures::default(),
            fleet: Fleet::default(),
            mandate,
            requests: Semaphore::new(REQUESTS),
            memories: Mutex::default(),
        }
    }

    /// The objects of a kind in a namespace.
    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The answer of the API server to one request.
    pub async fn ask<T>(
        &self,
        what: impl Fn() -> String,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        // It is never closed; a request more would do no harm.
        let _permit = self.requests.acquire().await.ok();
        cluster::ask(what, request).await
    }

    /// Whether this operator holds its lease, if there is one.
    pub fn may_work(&self) -> bool {
        self.mandate.holds()
    }

    /// What is remembered of a Backend; empty for one that was deleted and made again.
    pub fn remember(&self, key: &Key, uid: &str) -> Memory {
        let known = self.memories.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        known.filter(|memory| memory.uid == uid).unwrap_or_else(|| Memory::new(uid))
    }

    /// Keeps what is remembered of a Backend.
    pub fn keep(&self, key: Key, memory: Memory) {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).insert(key, memory);
    }

    /// A Backend is gone.
    pub fn forget(&self, key: &Key) {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.failures.forget(key);
        self.obstacles.forget(key);
        self.fleet.forget(key);
        self.metrics.forget(&key.0, &key.1);
    }
}
