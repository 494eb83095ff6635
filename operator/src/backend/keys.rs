//! The ApiKeys of a Backend: each planned, carried out and told in the Backend's own reconciliation, which then
//! publishes the hashes.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::{Resource, ResourceExt};
use mainstay_crds::api_key::ApiKey;

use super::apply::{Obstacle, Writer};
use super::observe;
use super::tell;
use crate::api_key::{self, Planned};
use crate::cluster::Error;
use crate::context::Context;

/// A written Secret is looked at again at once, for its hash has to reach the servers.
const AT_ONCE: Duration = Duration::from_millis(50);

/// Makes, rotates and tells the keys; answers when the next step is due.
pub async fn keep(writer: &mut Writer<'_>, now: Timestamp) -> Result<Option<Duration>, Error> {
    let (context, seen) = (writer.context, writer.seen);
    let mut again: Option<Duration> = None;
    let gone: Vec<String> = writer.memory.keys.iter().filter(|name| !has(seen, name)).cloned().collect();
    for name in gone {
        context.metrics.key(writer.namespace, &name, None);
        writer.memory.keys.remove(&name);
    }
    for key in &seen.api_keys {
        let name = key.name_any();
        let secret = seen.api_key_secrets.get(&name);
        let planned = api_key::plan(key, Some(&seen.backend), secret, now, &observe::entropy()?);
        let mut due = planned.again;
        if let Some(desired) = &planned.desired {
            match writer.apply(std::slice::from_ref(desired), &[]).await?.first() {
                None => due = Some(AT_ONCE),
                Some(Obstacle::Conflict(message) | Obstacle::Refused(message)) => {
                    tracing::warn!(api_key = name, message, "the Secret of an ApiKey cannot be written");
                    continue;
                }
            }
        }
        if let Some(version) = told(context, key, &planned).await? {
            writer.memory.told_keys.insert(name.clone(), (version, planned.status.clone()));
        }
        let expires = planned.status.expires_at.as_deref().and_then(|time| time.parse().ok());
        context.metrics.key(writer.namespace, &name, expires);
        writer.memory.keys.insert(name);
        again = again.into_iter().chain(due).min();
    }
    Ok(again)
}

fn has(seen: &super::observed::Observed, name: &str) -> bool {
    seen.api_keys.iter().any(|key| key.name_any() == name)
}

/// Tells an ApiKey what is, and then what happened; answers the resourceVersion of a status that was written.
async fn told(context: &Context, key: &ApiKey, planned: &Planned) -> Result<Option<u64>, Error> {
    let version = tell::tell(context, key, key.status.as_ref(), &planned.status).await?;
    // A note comes with a new key, and so once.
    tell::say(context, &key.object_ref(&()), &planned.notes, &[]).await;
    Ok(version.and_then(|version| version.parse().ok()))
}

/// What an ApiKey without a Backend is told.
pub async fn orphan(context: &Context, key: &ApiKey, now: Timestamp) -> Result<(), Error> {
    let namespace = key.namespace().unwrap_or_default();
    let name = api_key::secret_name(key);
    let api = context.api::<Secret>(&namespace);
    let secret = context.ask(|| format!("reading Secret {name}"), api.get_opt(&name)).await?;
    let planned = api_key::plan(key, None, secret.as_ref(), now, &observe::entropy()?);
    tell::tell(context, key, key.status.as_ref(), &planned.status).await.map(drop)
}
