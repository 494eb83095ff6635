//! Who of several operators works: an election over a Lease.
//!
//! A holder is taken for dead only when its Lease did not change for the whole duration on our own monotonic clock, so
//! that clocks that disagree do no harm. A holder that cannot renew in time ends its process. Called by `run`.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout};

use crate::cluster::said;
use crate::mandate::Mandate;

/// For how long a Lease holds without being renewed.
const LEASE: Duration = Duration::from_secs(15);
/// A holder that has not renewed for so long stops: before others may take over.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks at the Lease.
const RETRY: Duration = Duration::from_secs(2);
/// For one request.
const REQUEST: Duration = Duration::from_secs(4);

/// What one look at the Lease comes to.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Write our name into it.
    Take,
    /// It is ours: write the time into it.
    Renew,
    /// Another holds it.
    Wait,
}

/// What a candidate has seen of the Lease, and when it last changed by its own clock.
#[derive(Debug, Default)]
struct Watched(Option<(String, Instant)>);

impl Watched {
    /// Looks at the Lease.
    fn look(&mut self, lease: Option<&Lease>, me: &str, now: Instant) -> Step {
        let Some(lease) = lease else { return Step::Take };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let since = match &self.0 {
            Some((seen, since)) if *seen == version => *since,
            _ => {
                self.0 = Some((version, now));
                now
            }
        };
        let spec = lease.spec.as_ref();
        let lasts = spec.and_then(|spec| spec.lease_duration_seconds).and_then(|seconds| u64::try_from(seconds).ok());
        match spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default() {
            "" => Step::Take,
            holder if holder == me => Step::Renew,
            _ if now.duration_since(since) >= lasts.map_or(LEASE, Duration::from_secs) => Step::Take,
            _ => Step::Wait,
        }
    }
}

/// The Lease as `me` writes it over what was there.
fn written(name: &str, me: &str, before: Option<Lease>, step: &Step, now: Timestamp) -> Lease {
    let metadata = match &before {
        Some(lease) => lease.metadata.clone(),
        None => ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
    };
    let old = before.and_then(|lease| lease.spec).unwrap_or_default();
    let taken = *step == Step::Take;
    let spec = LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: Some(if me.is_empty() { 1 } else { LEASE.as_secs() as i32 }),
        acquire_time: if taken { Some(MicroTime(now)) } else { old.acquire_time },
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(old.lease_transitions.unwrap_or(0) + i32::from(taken)),
        ..LeaseSpec::default()
    };
    Lease { metadata, spec: Some(spec) }
}

/// One candidate.
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    watched: Watched,
    mandate: Mandate,
}

impl Candidate {
    /// A candidate for the Lease `namespace/name` that calls itself `identity`.
    pub fn new(client: Client, namespace: &str, name: String, identity: String) -> Candidate {
        let (api, mandate) = (Api::namespaced(client, namespace), Mandate::none_yet());
        Candidate { api, name, identity, watched: Watched::default(), mandate }
    }

    /// What tells others whether the Lease is held.
    pub fn mandate(&self) -> Mandate {
        self.mandate.clone()
    }

    /// Waits until the Lease is ours.
    pub async fn acquire(&mut self) {
        loop {
            let began = Instant::now();
            match timeout(REQUEST, self.attempt()).await {
                Ok(Ok(true)) => return self.mandate.extend(began + RENEW_DEADLINE),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(error = said(&error), "the Lease cannot be had"),
                Err(_) => tracing::warn!("the Lease cannot be had: no answer in time"),
            }
            sleep(RETRY).await;
        }
    }

    /// Renews the Lease until that fails for too long, or another holds it; answers why.
    pub async fn keep(&mut self) -> String {
        let mut renewed = Instant::now();
        loop {
            sleep(RETRY).await;
            let began = Instant::now();
            let left = RENEW_DEADLINE.saturating_sub(renewed.elapsed());
            match timeout(REQUEST.min(left), self.attempt()).await {
                Ok(Ok(true)) => {
                    renewed = began;
                    self.mandate.extend(began + RENEW_DEADLINE);
                }
                Ok(Ok(false)) => return "another operator holds the Lease".to_owned(),
                Ok(Err(error)) => tracing::warn!(error = said(&error), "the Lease cannot be renewed"),
                Err(_) => tracing::warn!("the Lease cannot be renewed: no answer in time"),
            }
            if renewed.elapsed() >= RENEW_DEADLINE {
                return format!("the Lease could not be renewed for {} s", RENEW_DEADLINE.as_secs());
            }
        }
    }

    /// Lets another take over at once. To be called when nothing is reconciled any more.
    pub async fn release(self) -> Result<(), String> {
        let released = async {
            let lease = self.api.get(&self.name).await?;
            if lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) != Some(&self.identity) {
                return Ok(());
            }
            let empty = written(&self.name, "", Some(lease), &Step::Renew, Timestamp::now());
            self.api.replace(&self.name, &PostParams::default(), &empty).await.map(drop)
        };
        match timeout(REQUEST, released).await {
            Ok(done) => done.map_err(|error| said(&error)),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }

    /// One look, and one write if it is our turn; whether the Lease is ours now. A lost race is no error: the write
    /// names the resourceVersion that was read.
    async fn attempt(&mut self) -> kube::Result<bool> {
        let lease = self.api.get_opt(&self.name).await?;
        let step = self.watched.look(lease.as_ref(), &self.identity, Instant::now());
        if step == Step::Wait {
            return Ok(false);
        }
        let create = lease.is_none();
        let written = written(&self.name, &self.identity, lease, &step, Timestamp::now());
        let done = match create {
            true => self.api.create(&PostParams::default(), &written).await,
            false => self.api.replace(&self.name, &PostParams::default(), &written).await,
        };
        match done {
            Ok(_) => Ok(true),
            // The next look tells who was quicker.
            Err(kube::Error::Api(status)) if status.code == 409 && step == Step::Take => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, version: &str) -> Lease {
        let spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(15),
            ..LeaseSpec::default()
        };
        let metadata = ObjectMeta { resource_version: Some(version.to_owned()), ..ObjectMeta::default() };
        Lease { metadata, spec: Some(spec) }
    }

    #[test]
    fn a_lease_is_taken_only_when_it_stood_still_for_its_whole_duration() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut watched = Watched::default();
        let looks = [
            (0, "1", Step::Wait),
            (14, "1", Step::Wait),
            (14, "2", Step::Wait), // renewed: the wait begins anew
            (28, "2", Step::Wait),
            (29, "2", Step::Take),
        ];
        for (seconds, version, step) in looks {
            assert_eq!(watched.look(Some(&lease("other", version)), "me", at(seconds)), step, "{seconds}");
        }
    }

    #[test]
    fn none_an_empty_one_and_our_own() {
        let now = Instant::now();
        let mut watched = Watched::default();
        assert_eq!(watched.look(None, "me", now), Step::Take);
        assert_eq!(watched.look(Some(&lease("", "1")), "me", now), Step::Take);
        assert_eq!(watched.look(Some(&lease("me", "2")), "me", now), Step::Renew);
        assert_eq!(watched.look(Some(&lease("me-too", "3")), "me", now), Step::Wait);
    }

    #[test]
    fn what_is_written_keeps_the_version_and_counts_holders() {
        let now = Timestamp::UNIX_EPOCH;
        let first = written("l", "a", None, &Step::Take, now);
        assert_eq!(first.metadata.resource_version, None);
        let mut stored = first.clone();
        stored.metadata.resource_version = Some("7".to_owned());
        let later = Timestamp::from_second(60).unwrap();
        let renewed = written("l", "a", Some(stored.clone()), &Step::Renew, later);
        assert_eq!(renewed.metadata.resource_version.as_deref(), Some("7"));
        let spec = renewed.spec.unwrap();
        assert_eq!((spec.acquire_time, spec.lease_transitions), (Some(MicroTime(now)), Some(1)));
        assert_eq!(spec.renew_time, Some(MicroTime(later)));
        let taken = written("l", "b", Some(stored.clone()), &Step::Take, later).spec.unwrap();
        assert_eq!((taken.acquire_time, taken.lease_transitions), (Some(MicroTime(later)), Some(2)));
        let released = written("l", "", Some(stored), &Step::Renew, later).spec.unwrap();
        assert_eq!((released.holder_identity.as_deref(), released.lease_duration_seconds), (Some(""), Some(1)));
    }
}
