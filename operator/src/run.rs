//! The running operator: its turn, the definitions, the controllers, and an orderly end.
//!
//! Called by the command line. Ends by itself only when it is told to, or when its lease is lost.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, Config, ResourceExt};
use mainstay_crds::backend::Backend;
use mainstay_crds::conditions::Reason;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::backend::observed::Apis;
use crate::backend::tell;
use crate::backoff;
use crate::cluster::{Error, ask, client};
use crate::context::Context;
use crate::controllers;
use crate::crds::install::{Standing, install};
use crate::discovery;
use crate::http::{self, Health};
use crate::leader::Candidate;
use crate::mandate::Mandate;
use crate::metrics::Metrics;
use crate::settings::Process;

/// What runs when the operator is told to stop may take so long.
const GRACE: Duration = Duration::from_secs(20);

/// Works until it is told to stop. Errors: the lease was lost, or something that is needed cannot be had.
pub async fn run(config: Config, process: Process) -> Result<(), String> {
    let metrics = Arc::new(Metrics::new().map_err(|error| error.to_string())?);
    let health = Arc::new(Health::default());
    let mut stop = Stop::new()?;
    let (listener, listen) = http::bind(process.listen).await?;
    let mut serving = JoinSet::new();
    serving.spawn(http::serve(listener, metrics.clone(), health.clone()));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), identity = process.identity, %listen, "started");
    // One that waits for its turn is as ready as it can be.
    health.set(true);
    if !process.leader_election {
        return lead(config, &process, Mandate::forever(), metrics, health, &mut stop).await;
    }
    let (namespace, name) = (&process.settings.own_namespace, process.lease_name.clone());
    let mut candidate =
        Candidate::new(client(config.clone(), Mandate::forever())?, namespace, name, process.identity.clone());
    tokio::select! {
        () = candidate.acquire() => {}
        () = stop.wait() => return Ok(()),
    }
    tracing::info!(lease = process.lease_name, "it is this operator's turn");
    let mandate = candidate.mandate();
    let done = tokio::select! {
        lost = candidate.keep() => Err(lost),
        done = lead(config, &process, mandate, metrics, health, &mut stop) => done,
    };
    if done.is_ok() {
        match candidate.release().await {
            Ok(()) => tracing::info!("the lease is released"),
            Err(error) => tracing::warn!(error, "the lease could not be released; it ends by itself"),
        }
    }
    done
}

/// The work of the one whose turn it is.
async fn lead(
    config: Config,
    process: &Process,
    mandate: Mandate,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    stop: &mut Stop,
) -> Result<(), String> {
    health.set(false);
    metrics.leader.set(1);
    let client = client(config, mandate.clone())?;
    let found = discovery::apis_of(&client).await.unwrap_or_default();
    let (sender, apis) = watch::channel::<Apis>(found);
    let context = Context::new(client.clone(), process.settings.clone(), process.concurrency, metrics, apis, mandate);
    let context = Arc::new(context);
    tokio::select! {
        () = definitions(&context, process) => {}
        () = stop.wait() => return Ok(()),
    }
    let mut side = JoinSet::new();
    side.spawn(discovery::discover(client, sender));
    let (stopping, stopped) = watch::channel(false);
    let mut working = JoinSet::new();
    let mut filling = Vec::new();
    let namespaces = &process.settings.namespaces;
    let scopes = if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() };
    for namespace in scopes {
        let (filled, work) = controllers::control(context.clone(), namespace, stopped.clone());
        filling.push(filled);
        working.spawn(work);
    }
    side.spawn(async move {
        for filled in filling {
            filled.wait().await;
        }
        tracing::info!("the caches are filled");
        health.set(true);
    });
    tokio::select! {
        ended = working.join_next() => {
            let why = ended.and_then(Result::err).map_or_else(String::new, |error| format!(": {error}"));
            return Err(format!("a controller ended by itself{why}"));
        }
        () = stop.wait() => {}
    }
    tracing::info!("stopping: what runs is finished first");
    stopping.send_replace(true);
    context.turns.close();
    let all = async { while working.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all).await.is_err() {
        tracing::warn!("what runs took too long and is cut off; the next operator goes on with it");
        working.shutdown().await;
    }
    Ok(())
}

/// Waits until the cluster's definitions are those that this operator works with.
async fn definitions(context: &Context, process: &Process) {
    let mut failures = 0;
    loop {
        match install(&context.client, process.apply_crds).await {
            Ok(Standing::Fit) => {
                context.metrics.crd_too_old.set(0);
                return;
            }
            Ok(Standing::TooOld(message)) => {
                failures = 0;
                context.metrics.crd_too_old.set(1);
                tracing::error!(reason = %Reason::CRDTooOld, "{message}");
                let told = refuse_all(context, &message).await;
                if let Err(error) = &told {
                    tracing::warn!(%error, "the Backends could not be told");
                }
                let wait = Duration::from_secs(if told.is_ok() { 30 } else { 3 });
                sleep(backoff::spread(wait, backoff::random())).await;
            }
            Err(error) => {
                failures += 1;
                tracing::warn!(%error, "the custom resource definitions cannot be brought up to date");
                sleep(backoff::wait(failures + 2, backoff::random())).await;
            }
        }
    }
}

/// Tells every Backend of ours why nothing happens.
async fn refuse_all(context: &Context, message: &str) -> Result<(), Error> {
    let namespaces = &context.settings.namespaces;
    let apis: Vec<Api<Backend>> = match namespaces.is_empty() {
        true => vec![Api::all(context.client.clone())],
        false => namespaces.iter().map(|namespace| context.api(namespace)).collect(),
    };
    let params = ListParams::default().labels(&controllers::class_selector(context.settings.class.as_deref()));
    for api in apis {
        let found = match ask(|| "listing Backends".to_owned(), api.list_metadata(&params)).await {
            Ok(found) => found,
            // There is no such kind yet.
            Err(error) if error.code() == Some(404) => return Ok(()),
            Err(error) => return Err(error),
        };
        for backend in found {
            let (namespace, name) = (backend.namespace().unwrap_or_default(), backend.name_any());
            tell::refuse(context, &namespace, &name, Reason::CRDTooOld, message, Timestamp::now()).await?;
        }
    }
    Ok(())
}

/// The signals that ask the operator to stop.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> Result<Stop, String> {
        let listen = |kind| signal(kind).map_err(|error| format!("signals cannot be heard: {error}"));
        Ok(Stop { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
