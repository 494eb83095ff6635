//! The shared state of a running server, built once by the command line and passed inwards; no globals.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use arc_swap::{ArcSwap, ArcSwapOption};
use serde_json::Value as Json;

use crate::client_address::Proxies;
use crate::limit::Limiter;
use crate::service::Service;
use crate::service::auth::Auth;
#[cfg(test)]
use crate::service::auth::Options;
use crate::service::keys::Keys;
use crate::store::{Error, Store};
use crate::telemetry::{LogLevel, Metrics, Tracing};

/// How long readiness waits for the database.
const PATIENCE: Duration = Duration::from_millis(500);

/// Everything that a request handler may use.
pub struct App {
    /// The rules, the store and the schema.
    pub service: Service,
    /// Known credentials.
    pub keys: Keys,
    /// What people sign in with.
    pub auth: Auth,
    /// Counters and histograms.
    pub metrics: Metrics,
    /// Where traces of requests are made; none where they go nowhere.
    pub tracing: Option<Tracing>,
    /// Whether to send traffic here.
    pub readiness: Readiness,
    /// Which server this is, and what it serves.
    pub identity: Identity,
    /// What a request may cost.
    pub limits: Limits,
    /// How many requests clients may make.
    pub limiter: Limiter,
    /// Who is believed about clients' addresses.
    pub proxies: Proxies,
    /// For people who look into the process.
    pub debug: Debug,
    /// Which web pages may call.
    pub cors: Cors,
    /// The OpenAPI document, as served; replaced with the schema.
    pub openapi: ArcSwap<Bytes>,
}

#[cfg(test)]
impl App {
    /// A server of nothing but a service, for tests of what is behind the routes.
    pub(crate) fn for_tests(service: Service) -> App {
        let second = Duration::from_secs(1);
        App {
            service,
            keys: Keys::default(),
            auth: Auth::new(Options {
                issuer: "tests".to_owned(),
                access_life: second,
                refresh_life: second,
                registration: false,
                min_length: 8,
            }),
            metrics: Metrics::new("tests", Vec::new()).expect("metrics"),
            tracing: None,
            debug: Debug { settings: Json::Null, log: LogLevel::for_tests() },
            readiness: Readiness::default(),
            identity: Identity::new("tests".to_owned()),
            limits: Limits {
                body: 1 << 20,
                url: 1 << 13,
                patience: second,
                grace: second,
                headers: 1 << 14,
                connections: 100,
            },
            cors: Cors::default(),
            limiter: Limiter::new(Vec::new(), None),
            proxies: Proxies::default(),
            openapi: ArcSwap::default(),
        }
    }
}

/// What the process runs with, for people who look into it.
pub struct Debug {
    /// Every setting by its path, with its value and its origin; secrets are masked.
    pub settings: Json,
    /// What is logged.
    pub log: LogLevel,
}

/// What a request may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most bytes of a body.
    pub body: usize,
    /// Most bytes of a URL.
    pub url: usize,
    /// How long a head or a body may take to arrive.
    pub patience: Duration,
    /// How long requests in flight may take at a stop.
    pub grace: Duration,
    /// Most bytes of the headers.
    pub headers: usize,
    /// Most connections of clients at once.
    pub connections: usize,
}

/// Which web pages may call, and how.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    /// Their origins; `*` is all, none is none.
    pub origins: Vec<String>,
    /// With which methods.
    pub methods: Vec<String>,
    /// With which headers; none named is any.
    pub headers: Vec<String>,
    /// Whether with cookies, and whatever else the browser adds by itself.
    pub credentials: bool,
    /// How long a browser may remember this.
    pub max_age: Duration,
}

/// Which server this is among those of its database.
pub struct Identity {
    /// Its name: a pod's, or host and process.
    pub instance: String,
    revision: AtomicI64,
}

impl Identity {
    /// A server that serves nothing yet.
    pub fn new(instance: String) -> Self {
        Identity { instance, revision: AtomicI64::new(0) }
    }

    /// From now on it serves the schema of this revision.
    pub fn serve(&self, revision: i64) {
        self.revision.store(revision, Ordering::Release);
    }

    /// The revision of the schema that it serves; 0 before it serves one.
    pub fn revision(&self) -> i64 {
        self.revision.load(Ordering::Acquire)
    }
}

/// Whether to send traffic here. The database gates it only until it was first reached: later an away database is a
/// 503 of a ready server, so that clients are told to come back.
#[derive(Default)]
pub struct Readiness {
    /// Why the schema cannot be served yet; none when it can.
    waiting: ArcSwapOption<String>,
    started: AtomicBool,
    draining: AtomicBool,
}

/// One named and timed reason to be ready or not.
#[derive(Debug)]
pub struct Check {
    /// Of what.
    pub name: &'static str,
    /// Whether it passed.
    pub ok: bool,
    /// What a person should know.
    pub message: String,
    /// How long it took.
    pub micros: u128,
}

impl Readiness {
    /// The schema is applied and may be served.
    pub fn serve(&self) {
        self.waiting.store(None);
        self.started.store(true, Ordering::Release);
    }

    /// The schema cannot be served, and why.
    pub fn wait(&self, reason: String) {
        self.waiting.store(Some(reason.into()));
        self.started.store(false, Ordering::Release);
    }

    /// A stop has begun.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether a stop has begun.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Whether the schema has been applied.
    pub fn is_started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    /// Every check.
    pub async fn report(&self, store: &Store) -> Vec<Check> {
        let began = Instant::now();
        let started = self.is_started();
        // Probes are answered in time whatever the database does.
        let reached = tokio::time::timeout(PATIENCE, store.ping()).await;
        let reached = reached.unwrap_or_else(|_| Err(Error::Away(format!("no answer within {PATIENCE:?}"))));
        let database = Check {
            name: "database",
            ok: started || reached.is_ok(),
            message: reached.map_or_else(|error| error.to_string(), |()| "reached".to_owned()),
            micros: began.elapsed().as_micros(),
        };
        let waiting = self.waiting.load_full();
        let reason = waiting.map_or_else(|| "waiting for the database".to_owned(), |reason| (*reason).clone());
        let message = if started { "applied".to_owned() } else { reason };
        let schema = Check { name: "schema", ok: started, message, micros: 0 };
        let draining = self.is_draining();
        let message = if draining { "stopping" } else { "running" }.to_owned();
        vec![database, schema, Check { name: "process", ok: !draining, message, micros: 0 }]
    }
}
