//! The reconciliation of a Backend: observe, plan, apply, tell.
//!
//! Called by `controllers` for each Backend that something happened to. Only `observe`, `apply` and `tell` talk to the
//! cluster; the rest is pure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use mainstay_crds::backend::Backend;
use mainstay_crds::conditions::{Reason, Type};

use self::apply::Writer;
use self::memory::Memory;
use self::observed::{Observed, SecretState};
use self::planned::Planned;
use self::status::workload::Workload;
use crate::backoff;
use crate::cluster::Error;
use crate::context::{Context, Key, Scope};
use crate::settings::Settings;

pub mod apply;
pub mod compare;
pub mod documents;
pub mod memory;
pub mod migration;
pub mod observe;
pub mod observed;
pub mod owner;
pub mod plan;
pub mod planned;
pub mod release;
pub mod report;
pub mod secrets;
pub mod status;
pub mod tell;

/// However quiet it is: Secrets are not watched, and a watch may lose something.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// While something stands in the way that is not watched: a Secret of the database, an object of someone else.
const LEAST: Duration = Duration::from_secs(3);
/// The same, when it stands there for long.
const MOST: Duration = Duration::from_secs(60);
/// One reconciliation takes no longer; it is begun anew then.
const LONGEST: Duration = Duration::from_secs(120);

/// What the caches hold of a Backend: that there is one.
pub type Known = PartialObjectMeta<Backend>;

/// Brings one Backend a step further, and says when to look again.
pub async fn reconcile(known: Arc<Known>, scope: Arc<Scope>) -> Result<Action, Error> {
    let context = &*scope.context;
    let key: Key = (known.namespace().unwrap_or_default(), known.name_any());
    // Without all Collections, those that are missing would look removed.
    scope.filled.wait().await;
    context.metrics.queue.inc();
    let turn = context.turns.acquire().await;
    context.metrics.queue.dec();
    // None is given any more when the operator stops.
    let Ok(_turn) = turn else { return Ok(Action::await_change()) };
    context.metrics.in_flight.inc();
    let began = Instant::now();
    // Boxed here: those that wait for their turn hold nothing of it.
    let done = tokio::time::timeout(LONGEST, Box::pin(step(&scope, &key))).await;
    let done = done.unwrap_or_else(|_| Err(Error::Late("the reconciliation".to_owned())));
    context.metrics.in_flight.dec();
    context.metrics.seconds.observe(began.elapsed().as_secs_f64());
    context.metrics.reconciles.with_label_values(&[if done.is_ok() { "ok" } else { "error" }]).inc();
    if done.is_ok() {
        context.failures.forget(&key);
    }
    done
}

/// How long to wait after a failure.
pub fn failed(known: Arc<Known>, error: &Error, scope: Arc<Scope>) -> Action {
    let key: Key = (known.namespace().unwrap_or_default(), known.name_any());
    let wait = scope.context.failures.failed(key.clone());
    let again = wait.as_secs_f64();
    match error {
        Error::Changed(_) => tracing::info!(namespace = key.0, name = key.1, %error, again, "looking again"),
        _ => tracing::warn!(namespace = key.0, name = key.1, %error, again, "a reconciliation failed"),
    }
    Action::requeue(wait)
}

async fn step(scope: &Scope, key: &Key) -> Result<Action, Error> {
    let context = &*scope.context;
    let now = Timestamp::now();
    let Some(backend) = observe::backend(context, &key.0, &key.1).await? else {
        context.forget(key);
        return Ok(Action::await_change());
    };
    let backend = match backend.0 {
        Ok(backend) => Arc::new(backend),
        Err(invalid) => {
            let message = format!("this operator cannot read it: {}", invalid.error);
            tell::refuse(context, &key.0, &key.1, Reason::InvalidSpec, &message, now).await?;
            return Ok(Action::requeue(backoff::spread(LOOK_AGAIN, backoff::random())));
        }
    };
    let mut memory = context.remember(key, backend.uid().as_deref().unwrap_or_default());
    let done = carry_out(scope, key, backend, &mut memory, now).await;
    context.keep(key.clone(), memory);
    done
}

async fn carry_out(
    scope: &Scope,
    key: &Key,
    backend: Arc<Backend>,
    memory: &mut Memory,
    now: Timestamp,
) -> Result<Action, Error> {
    let context = &*scope.context;
    let (seen, live) = observe::observe(scope, backend, memory, now).await?;
    let settings = settings(context, key, &seen);
    let planned = plan::plan(&seen, &settings, now);
    let (namespace, backend) = (key.0.as_str(), key.1.as_str());
    let mut writer =
        Writer { context, namespace, backend, seen: &seen, live: &live, memory: &mut *memory, rolls: false };
    let applied = writer.apply(&planned.desired, &planned.doomed).await;
    let rolls = writer.rolls.then(|| "servers of this generation are being made".to_owned());
    let (obstacles, failed) = match applied {
        Ok(obstacles) => (obstacles, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    // What changed meanwhile is looked at again at once.
    let stopped = failed.as_ref().filter(|error| !matches!(error, Error::Changed(_))).map(Error::to_string);
    let status = tell::rolling(planned.status.clone(), &seen.backend, stopped.or(rolls), now);
    let status = tell::with_obstacles(status, &seen.backend, &obstacles, now);
    tell::tell(context, &*seen.backend, seen.backend.status.as_ref(), &status).await?;
    let plan = status.plan.as_ref();
    let plan = seen.plans.iter().find(|one| plan.is_some_and(|plan| one.name_any() == plan.name));
    let created = plan.and_then(|plan| plan.metadata.creation_timestamp.as_ref()).map(|time| time.0);
    context.metrics.backend(&key.0, &key.1, &status, created);
    if let Some(error) = failed {
        // All else that would be told speaks of what was written.
        return Err(error);
    }
    tell_others(context, &seen, &planned, memory, now).await?;
    tell::say(context, &seen.backend.object_ref(&()), &planned.notes, &memory.notes).await;
    memory.notes.clone_from(&planned.notes);
    let secrets = seen.urls.iter().any(|secret| secret.state != SecretState::Usable);
    let due = match !obstacles.is_empty() || secrets {
        // What is in the way is not watched.
        true => {
            let look = context.obstacles.failed(key.clone()).clamp(LEAST, MOST);
            planned.again.into_iter().chain([look]).min()
        }
        false => {
            context.obstacles.forget(key);
            planned.again
        }
    };
    let waits = settings.server_image != context.settings.server_image;
    Ok(Action::requeue(again(due, waits.then(|| context.fleet.pause()))))
}

/// The operator's settings, with the image that a Backend without one may follow now.
fn settings(context: &Context, key: &Key, seen: &Observed) -> Settings {
    let mut settings = context.settings.clone();
    if seen.backend.spec.image.is_some() {
        context.fleet.forget(key);
        return settings;
    }
    // A status that was wiped moves nothing: what runs is told by what runs.
    let servers = Workload::of(seen, None);
    let conditions = seen.backend.status.iter().flat_map(|status| &status.conditions);
    let mut told = conditions.filter(|condition| condition.kind == Type::Ready.as_str());
    let ready = told.next().map_or(servers.available, |condition| condition.status == "True");
    let (running, newest) = (servers.image.as_deref(), &context.settings.server_image);
    let moves = servers.updated < servers.wanted || servers.replicas > servers.updated;
    settings.server_image = context.fleet.image(key, newest, running, ready, moves).to_owned();
    settings
}

async fn tell_others(
    context: &Context,
    seen: &Observed,
    planned: &Planned,
    memory: &mut Memory,
    now: Timestamp,
) -> Result<(), Error> {
    for (name, status) in &planned.collections {
        let Some(collection) = seen.collections.iter().find(|one| one.name_any() == *name) else { continue };
        if let Some(version) = tell::tell(context, &**collection, collection.status.as_ref(), status).await?
            && let Ok(version) = version.parse()
        {
            memory.told.insert(name.clone(), (version, status.clone()));
        }
    }
    tell_api_keys(context, seen, planned, memory).await?;
    for (name, status) in &planned.plans {
        let Some(plan) = seen.plans.iter().find(|one| one.name_any() == *name) else { continue };
        tell::tell(context, plan, plan.status.as_ref(), status).await?;
    }
    for one in &seen.unreadable {
        tell::unreadable(context, &seen.backend.namespace().unwrap_or_default(), one, now).await?;
    }
    Ok(())
}

/// Tells ApiKeys how they are, and counts when their keys end.
async fn tell_api_keys(
    context: &Context,
    seen: &Observed,
    planned: &Planned,
    memory: &mut Memory,
) -> Result<(), Error> {
    let namespace = seen.backend.namespace().unwrap_or_default();
    let named = |name: &String| planned.api_keys.iter().any(|(known, _)| known == name);
    for gone in memory.keys.iter().filter(|name| !named(name)) {
        context.metrics.key(&namespace, gone, None);
    }
    memory.keys = planned.api_keys.iter().map(|(name, _)| name.clone()).collect();
    for (name, status) in &planned.api_keys {
        let ends = status.expires_at.as_ref().and_then(|end| end.parse().ok());
        context.metrics.key(&namespace, name, ends);
        let Some(key) = seen.api_keys.iter().find(|one| one.name_any() == *name) else { continue };
        if let Some(version) = tell::tell(context, &**key, key.status.as_ref(), status).await?
            && let Ok(version) = version.parse()
        {
            memory.told_keys.insert(name.clone(), (version, status.clone()));
        }
    }
    Ok(())
}

fn again(planned: Option<Duration>, place: Option<Duration>) -> Duration {
    let usual = backoff::spread(place.map_or(LOOK_AGAIN, |place| place.min(LOOK_AGAIN)), backoff::random());
    // What is due now is due after this round.
    planned.map_or(usual, |due| due.clamp(Duration::from_millis(50), usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_first() {
        let at = |planned: Option<u64>, place: Option<u64>| {
            again(planned.map(Duration::from_secs), place.map(Duration::from_secs))
        };
        assert_eq!(at(Some(3), None), Duration::from_secs(3));
        assert_eq!(at(Some(0), None), Duration::from_millis(50));
        assert!(at(Some(86_400), None) <= LOOK_AGAIN);
        assert!(at(None, None) >= LOOK_AGAIN.mul_f64(0.75) && at(None, Some(15)) <= Duration::from_secs(15));
    }
}
