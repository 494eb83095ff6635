//! `mainstay serve`: from documents and settings to a running server, and from a signal to a clean end.
//!
//! Builds the [`App`] once, binds the sockets, has the database prepared, and hands over to [`crate::http`]. Signals are
//! handled here: the first begins an orderly stop, the second ends at once.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::rt::System;
use actix_web::web::{Bytes, Data};
use mainstay_crds::schema::Schema;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Environment, Exit, Failure, Paths, Reason, ServerFlags, migrate, settings};
use crate::app::{App, Cors, Debug, Identity, Limits, Readiness};
use crate::config::{Settings, Telemetry};
use crate::http::{self, Listeners, Started};
use crate::limit::Limiter;
use crate::limit::shared::Shared;
use crate::query::page;
use crate::service::Service;
use crate::service::auth::{Auth, Options};
use crate::service::keys::{Keys, hash};
use crate::store::schema::Refusal;
use crate::store::{DatabaseUrl, PoolOptions, Store};
use crate::telemetry::trace::Target;
use crate::telemetry::{self, Metrics, Tracing};
use crate::{openapi, store};

mod admin_key;
mod descriptors;
mod heartbeat;
mod prepare;
mod reload;
mod screen;
mod signing_key;
mod sweep;
mod tls;
mod used_keys;
mod watch;

use prepare::{Database, State};
use reload::Watch;
use screen::Screen;

/// How long an ending server waits for its collector.
const LAST_TRACES: Duration = Duration::from_secs(2);

/// The arguments.
#[derive(clap::Args)]
pub struct Serve {
    #[command(flatten)]
    paths: Paths,
    /// Take changed documents over without a restart, when the plan is safe
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    flags: ServerFlags,
}

impl Serve {
    pub(super) fn run(self, environment: &Environment) -> Result<(), Failure> {
        let mut watch = self.watch.then(|| Watch::new(self.paths.clone())).transpose()?;
        let documents = self.paths.load()?;
        watch.iter_mut().for_each(|watch| watch.started_with(&documents));
        let resolved = settings(&self.flags.0, environment, Some(&documents))?;
        let (shown, settings) = (resolved.to_json(), resolved.settings);
        let declared = documents.schema()?;
        let log = telemetry::init(settings.log_format, &settings.log_level);
        let debug = Debug { settings: shown, log: log.map_err(|error| Failure::new(Exit::Bug, error))? };
        if matches!(settings.database.url, DatabaseUrl::Postgres(_)) && !settings.admin_key.is_given() {
            return Err(Failure::new(
                Exit::Settings,
                "on PostgreSQL the admin key must be given: set MAINSTAY_ADMIN_KEY_FILE, MAINSTAY_ADMIN_KEY or \
                 --admin-key; `openssl rand -hex 20` makes one",
            ));
        }
        let public = bind("listen", settings.listen)?;
        let admin = bind("admin-listen", settings.admin_listen)?;
        let start = Start { settings, declared, paths: self.paths, terminal: environment.terminal };
        let system = System::new();
        let done = system.block_on(start.run(public, admin, watch, debug));
        // To drop it is to wait for statements that nobody waits for any more.
        std::mem::forget(system);
        done
    }
}

/// Everything that a start needs beside its sockets.
struct Start {
    settings: Settings,
    declared: Schema,
    paths: Paths,
    terminal: bool,
}

impl Start {
    async fn run(
        self,
        (public, public_address): (TcpListener, SocketAddr),
        (admin, admin_address): (TcpListener, SocketAddr),
        watch: Option<Watch>,
        debug: Debug,
    ) -> Result<(), Failure> {
        let mut signals = Signals::new()?;
        let store = open(&self.settings.database.url, "database.url", &self.settings)?;
        store.sign(&format!("http://{}", screen::reachable(public_address)));
        let direct = match &self.settings.database.direct_url {
            Some(url) => open(url, "database.directUrl", &self.settings)?,
            None => store.clone(),
        };
        let app = Data::new(self.app(store, debug)?);
        let files = tls::Files::open(&self.settings.tls)?;
        let database = Database { store: direct, start: self.start(&app) };
        let state = tokio::select! {
            state = database.prepare() => state?,
            () = signals.next() => {
                tracing::info!("stopped before it was ready");
                return Ok(());
            }
        };
        let is_ready = matches!(state, State::Ready(..));
        let key = self.take_over(&app, &database, state).await?;
        let listeners = Listeners { public: vec![public], admin: vec![admin] };
        let started = http::start(app.clone(), listeners, files.as_ref().map(|files| &files.certificate))
            .map_err(|error| Failure::new(Exit::Unavailable, format!("cannot listen: {error}")))?;
        let Started { public: main, admin: side, connections } = started;
        let handles = [main.handle(), side.handle()];
        tracing::info!(
            api = %public_address, admin = %admin_address, database = %self.settings.database.url, "listening"
        );
        Screen {
            public: public_address,
            admin: admin_address,
            settings: &self.settings,
            schema: &self.declared,
            key,
            is_ready,
        }
        .print(self.terminal)?;
        let control = async {
            if !is_ready {
                tokio::select! {
                    failed = self.keep_trying(&app, &database) => failed?,
                    () = signals.next() => return self.stop(&app, handles, &mut signals).await,
                }
            }
            signals.next().await;
            self.stop(&app, handles, &mut signals).await
        };
        let beside = async {
            let clients = async { tokio::join!(sweep::connections(&connections), follow(files, &app)) };
            tokio::join!(self.beside(&app), reload::follow(watch, &app, &database), clients)
        };
        until_the_end(&app, async { tokio::join!(main, side) }, control, beside).await
    }

    /// What goes on beside the requests of any server.
    async fn beside(&self, app: &App) {
        let keys = async { tokio::join!(watch::follow(app, &self.settings), used_keys::follow(app)) };
        let limits = async { tokio::join!(sweep::forget(app), keep(app)) };
        tokio::join!(heartbeat::beat(app), sweep::sweep(app), keys, limits);
    }

    /// What this start brings to its database.
    fn start(&self, app: &App) -> prepare::Start {
        prepare::Start {
            declared: self.declared.clone(),
            policy: self.settings.migrate,
            arguments: self.paths.as_arguments(),
            claim: migrate::claim(&self.settings),
            instance: app.identity.instance.clone(),
            figures: app.metrics.server.clone(),
        }
    }

    /// The shared state, not ready yet.
    fn app(&self, store: Store, debug: Debug) -> Result<App, Failure> {
        let Settings { limits, timeouts, shutdown_grace, cors, .. } = &self.settings;
        let Settings { admin_key, api_keys, rate_limits, proxies, redis_url, .. } = &self.settings;
        let page = page::Limits { default: limits.page_default, max: limits.page_max };
        let database = match self.settings.database.url {
            DatabaseUrl::Postgres(_) => "postgres",
            DatabaseUrl::Sqlite(_) | DatabaseUrl::SqliteTemporary => "sqlite",
        };
        let keys = Keys::default();
        keys.set_admin(admin_key.hashes());
        keys.set_machines(api_keys.0.clone());
        // Servers of one owner share their counts, as they share a database.
        let owner = self.settings.owner.as_deref().unwrap_or("mainstay");
        let shared = redis_url.0.clone().map(|url| Shared::new(url, owner, self.settings.redis_timeout));
        let metrics = Metrics::new(database, store.collectors());
        let metrics = metrics.map_err(|error| Failure::new(Exit::Bug, error.to_string()))?;
        let identity = Identity::new(self.settings.instance.clone().unwrap_or_else(heartbeat::name));
        let tracing = tracing(&self.settings.telemetry, &identity, &metrics)?;
        Ok(App {
            service: Service::new(store, self.declared.clone(), page, limits.depth),
            keys,
            auth: self.auth()?,
            metrics,
            tracing,
            readiness: Readiness::default(),
            identity,
            limits: Limits {
                body: limits.body.0,
                url: limits.url.0,
                patience: timeouts.client,
                grace: *shutdown_grace,
                headers: limits.headers.0,
                connections: descriptors::connections(limits.connections, self.settings.database.pool_size),
            },
            cors: Cors {
                origins: cors.allowed_origins.clone(),
                methods: cors.allowed_methods.0.clone(),
                headers: cors.allowed_headers.0.clone(),
                credentials: cors.allow_credentials,
                max_age: cors.max_age,
            },
            limiter: Limiter::new(rate_limits.0.clone(), shared),
            proxies: proxies.clone(),
            debug,
            openapi: published(&self.declared, page)?.into(),
        })
    }

    /// What people sign in with: the keys or the secret that were given, else on SQLite a key of the server's own.
    fn auth(&self) -> Result<Auth, Failure> {
        let Settings { auth, jwt_keys, jwt_secret, database, .. } = &self.settings;
        let made = Auth::new(Options {
            issuer: auth.issuer.clone().unwrap_or_default(),
            access_life: auth.access_life,
            refresh_life: auth.refresh_life,
            registration: auth.registration,
            min_length: auth.min_length,
        });
        let given: Vec<_> = jwt_keys.0.iter().chain(&jwt_secret.0).cloned().collect();
        made.keys.set(match given.is_empty() {
            true => signing_key::own(&database.url)?,
            false => given,
        });
        Ok(made)
    }

    /// Acts on what the preparation found. Answers what to tell of the admin key.
    async fn take_over(&self, app: &App, database: &Database, state: State) -> Result<Option<screen::Key>, Failure> {
        match state {
            State::Ready(schema, revision) => {
                app.identity.serve(revision);
                let key = match self.settings.admin_key.is_given() {
                    true => None,
                    false => self.stored_key(app, database).await?,
                };
                app.service.schema.store(Arc::new(schema));
                app.readiness.serve();
                Ok(key)
            }
            State::NotYet(reason) => {
                tracing::warn!(reason, "not ready; trying again in the background");
                app.readiness.wait(reason);
                Ok(None)
            }
        }
    }

    /// The key whose hash the database holds, or a new one.
    async fn stored_key(&self, app: &App, database: &Database) -> Result<Option<screen::Key>, Failure> {
        if let Some(known) = database.admin_key().await? {
            app.keys.set_admin(vec![known]);
            return Ok(None);
        }
        let key = admin_key::make().map_err(|error| Failure::new(Exit::Bug, format!("no random numbers: {error}")))?;
        let told = match &self.settings.database.url {
            _ if self.terminal => screen::Key::Shown(key.clone()),
            DatabaseUrl::Sqlite(path) => {
                let file = admin_key::file_beside(path);
                admin_key::write(&file, &key).map_err(|error| {
                    Failure::new(
                        Exit::Unavailable,
                        format!("cannot write the admin key to {}: {error}", file.display()),
                    )
                })?;
                screen::Key::File(file)
            }
            DatabaseUrl::SqliteTemporary | DatabaseUrl::Postgres(_) => {
                tracing::warn!("there is no admin key, and nowhere to write one: give --admin-key to have one");
                return Ok(None);
            }
        };
        database.set_admin_key(hash(&key)).await?;
        app.keys.set_admin(vec![hash(&key)]);
        Ok(Some(told))
    }

    /// Prepares again and again, with growing and jittered pauses, until the server is ready.
    async fn keep_trying(&self, app: &App, database: &Database) -> Result<(), Failure> {
        let mut pause = Duration::from_millis(200);
        loop {
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(Duration::from_secs(5));
            match database.prepare().await? {
                State::NotYet(reason) => app.readiness.wait(reason),
                ready @ State::Ready(..) => {
                    self.take_over(app, database, ready).await?;
                    tracing::info!("ready");
                    return Ok(());
                }
            }
        }
    }

    /// Not ready at once; serve what arrives until load balancers have noticed; finish what is in flight.
    async fn stop(&self, app: &App, handles: [ServerHandle; 2], signals: &mut Signals) -> Result<(), Failure> {
        tracing::info!(drain = ?self.settings.drain_delay, grace = ?self.settings.shutdown_grace, "stopping");
        app.readiness.drain();
        let orderly = async {
            tokio::time::sleep(self.settings.drain_delay).await;
            let [main, side] = handles;
            // The library's own limit counts whole seconds.
            if tokio::time::timeout(self.settings.shutdown_grace, main.stop(true)).await.is_err() {
                tracing::warn!("the grace is over: what is still in flight is cut off");
            }
            side.stop(true).await;
        };
        tokio::select! {
            () = orderly => tracing::info!("stopped"),
            () = signals.next() => {
                tracing::warn!("a second signal: ending at once");
                return Err(Failure::new(Exit::Later, "ended by a second signal with requests in flight"));
            }
        }
        Ok(())
    }
}

/// Runs the server and what goes on beside it, until one of them ends.
async fn until_the_end(
    app: &App,
    serving: impl Future<Output = (io::Result<()>, io::Result<()>)>,
    control: impl Future<Output = Result<(), Failure>>,
    beside: impl Future,
) -> Result<(), Failure> {
    tokio::pin!(serving, control);
    let done = tokio::select! {
        biased;
        done = &mut control => done,
        (main, side) = &mut serving => match main.and(side) {
            // Both have stopped because they were told to; what is left of the control is its return.
            Ok(()) => control.await,
            Err(error) => Err(Failure::new(Exit::Bug, format!("the server ended: {error}"))),
        },
        _ = beside => Ok(()),
    };
    if done.is_ok() {
        tokio::join!(heartbeat::leave(app), used_keys::leave(app));
        if let Some(tracing) = &app.tracing {
            tracing.flush(LAST_TRACES.min(app.limits.grace)).await;
        }
    }
    done
}

/// Begins to export traces, where an endpoint is set.
fn tracing(settings: &Telemetry, identity: &Identity, metrics: &Metrics) -> Result<Option<Tracing>, Failure> {
    let Telemetry { otlp_endpoint, sample_ratio } = settings;
    let Some(endpoint) = &otlp_endpoint.0 else { return Ok(None) };
    let figures = metrics.server.spans();
    let target = Target { endpoint, ratio: sample_ratio.0, instance: &identity.instance, figures };
    let started = Tracing::start(target);
    started.map(Some).map_err(|error| Failure::new(Exit::Settings, format!("--telemetry-otlp-endpoint: {error}")))
}

/// Keeps a way to Redis, where there is one.
async fn keep(app: &App) {
    if let Some(shared) = &app.limiter.shared {
        shared.keep().await;
    }
}

/// Follows the files of the certificate, where there is one.
async fn follow(files: Option<tls::Files<'_>>, app: &App) {
    if let Some(files) = files {
        files.follow(app).await;
    }
}

/// The OpenAPI document of a schema, as served.
fn published(schema: &Schema, page: page::Limits) -> Result<Arc<Bytes>, Failure> {
    let document = openapi::to_json(&openapi::published(schema, page));
    let document = document.map_err(|error| Failure::new(Exit::Bug, format!("cannot write the document: {error}")))?;
    Ok(Arc::new(Bytes::from(document)))
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Signals, Failure> {
        let listen = |kind| signal(kind).map_err(|e| Failure::new(Exit::Bug, format!("cannot listen to signals: {e}")));
        Ok(Signals { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn bind(flag: &str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let bound = TcpListener::bind(address).and_then(|socket| {
        let real = socket.local_addr()?;
        Ok((socket, real))
    });
    bound.map_err(|error| {
        Failure::new(
            Exit::Unavailable,
            format!("cannot listen on {address}: {error}; give another --{flag}, port 0 takes a free one"),
        )
    })
}

/// Opens a database with the settings' pool. `setting` is where the URL comes from.
pub(super) fn open(url: &DatabaseUrl, setting: &str, settings: &Settings) -> Result<Store, Failure> {
    let options = PoolOptions {
        url_file: settings.files.get(setting).cloned(),
        size: settings.database.pool_size,
        wait: settings.database.pool_wait,
        lifetime: settings.database.pool_lifetime,
        request_timeout: settings.timeouts.request,
        lock_timeout: settings.timeouts.lock,
        schema: settings.database.schema.as_str().to_owned(),
    };
    Store::open(url, options).map_err(Failure::from)
}

/// The exit status of a failed use of the database outside of a request.
impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        use store::Error;
        let (exit, hint) = match &error {
            Error::Away(_) => (Exit::Unavailable, "; check --database-url and that the database runs"),
            // Says itself what to do.
            Error::Refused(_) => (Exit::Unavailable, ""),
            Error::ReadOnly | Error::DiskFull => (Exit::Unavailable, "; make it writable again"),
            Error::Busy(_) | Error::Overloaded(_) | Error::Timeout | Error::Retry | Error::OutcomeUnknown => {
                (Exit::Later, "; try again later")
            }
            Error::Unique { .. } | Error::ForeignKey { .. } | Error::Check { .. } | Error::Other(_) => {
                (Exit::Bug, "; this is a bug: please report it")
            }
        };
        Failure::new(exit, format!("{error}{hint}"))
    }
}

/// The exit status of a plan that was not carried out.
impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Store(error) => Failure::from(error),
            Refusal::InUse { .. } => Failure::new(Exit::Data, message).because(Reason::DatabaseInUse),
            Refusal::Moved { .. } => Failure::new(Exit::Stale, message),
            Refusal::UnknownTable(_) => Failure::new(Exit::Data, message).because(Reason::UnknownTable),
            Refusal::Data { .. } | Refusal::Order(_) | Refusal::Lasting { .. } | Refusal::Holds(_) => {
                Failure::new(Exit::Data, message).because(Reason::PlanRefused)
            }
            Refusal::OldInstances { .. } | Refusal::Serving { .. } => {
                Failure::new(Exit::Later, message).because(Reason::OldInstances)
            }
            Refusal::Step { effect, error } => {
                let failure = Failure::from(error);
                let reason = match failure.exit {
                    Exit::Unavailable | Exit::Later => failure.reason,
                    _ => Reason::StepFailed,
                };
                Failure { message: format!("{effect}: {}", failure.message), reason, ..failure }
            }
        }
    }
}

/// Between half of `pause` and all of it, so that many servers do not return at one moment.
fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause / 2 + (pause / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}
