//! Carries out what was planned: writes objects that are missing or differ, and deletes those that shall go.
//!
//! Called by `reconcile`. Nothing is written in a steady state. An object of our name that belongs to someone else is
//! never taken. Decides nothing.

use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy};
use serde_json::{Value as Json, json};

use super::compare;
use super::memory::Memory;
use super::observe::{self, Live};
use super::observed::Observed;
use super::owner::{Owner, desired_owner, owner};
use crate::cluster::Error;
use crate::context::Context;
use crate::desired::{Desired, Doomed, FIELD_MANAGER, How};
use crate::kind::{self, Kind};

/// Holds the hash of what was desired when the object was last applied: what is desired no more is then taken away.
const APPLIED: &str = "mainstay.dev/applied";

/// What could not be written, and needs a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// An object of our name belongs to someone else.
    Conflict(String),
    /// The API server does not take the object.
    Refused(String),
}

/// Writes for one Backend.
pub struct Writer<'a> {
    /// The way there.
    pub context: &'a Context,
    /// Where the objects are.
    pub namespace: &'a str,
    /// metadata.name of the Backend.
    pub backend: &'a str,
    /// What was seen.
    pub seen: &'a Observed,
    /// The objects that were seen, as they are.
    pub live: &'a Live,
    /// What is known of earlier writes.
    pub memory: &'a mut Memory,
    /// Whether the servers' Deployment or StatefulSet became another: what was seen of it is not what is.
    pub rolls: bool,
}

impl Writer<'_> {
    /// Writes what differs, in order. An object that cannot be written does not hold up those that do not need it: a Job
    /// does, whose pod would wait for it until its time is over. Nothing is deleted then.
    pub async fn apply(&mut self, desired: &[Desired], doomed: &[Doomed]) -> Result<Vec<Obstacle>, Error> {
        self.memory.normalised.retain(|key, _| desired.iter().any(|one| (one.kind.kind, &one.name) == (key.0, &key.1)));
        let mut obstacles = Vec::new();
        for one in desired {
            if one.kind == &kind::JOB && !obstacles.is_empty() {
                continue;
            }
            let written = match &one.how {
                How::Apply => self.keep_applied(one).await,
                How::Create => self.create_once(one).await,
                How::Guarded(version) => self.guarded(one, version.as_deref()).await,
            };
            match written {
                Ok(obstacle) => obstacles.extend(obstacle),
                Err(error) if error.is_refusal() => obstacles.push(Obstacle::Refused(error.to_string())),
                Err(error) => return Err(error),
            }
        }
        if obstacles.is_empty() {
            for one in doomed {
                self.delete(one).await?;
            }
        }
        Ok(obstacles)
    }

    /// Server-side apply, if the object is missing, or was applied from something else, or was changed.
    async fn keep_applied(&mut self, one: &Desired) -> Result<Option<Obstacle>, Error> {
        let hash = compare::hash(&one.object);
        let live = self.live(one).await?;
        if let Some(live) = &live {
            match owner(&one.object, live, self.backend) {
                Owner::Us => {}
                Owner::Ghost => return Err(leaving(one)),
                Owner::Other(owner) => return Ok(Some(conflict(one, &owner))),
            }
            if live["metadata"]["deletionTimestamp"].is_string() {
                return Err(leaving(one));
            }
            let same_origin = live["metadata"]["annotations"][APPLIED] == hash.as_str();
            if same_origin && (compare::is_as_desired(&one.object, live) || self.is_normal(one, &hash, live)) {
                return Ok(None);
            }
        }
        let mut object = one.object.clone();
        object["metadata"]["annotations"][APPLIED] = json!(hash);
        let api = self.api(one.kind);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let what = || format!("applying {} {}", one.kind.kind, one.name);
        let answer = self.context.ask(what, api.patch(&one.name, &params, &Patch::Apply(&object))).await?;
        self.count("apply", one.kind);
        tracing::info!(kind = one.kind.kind, name = one.name, existed = live.is_some(), "applied");
        let answer = serde_json::to_value(answer).map_err(|error| Error::Own(format!("{}: {error}", what())))?;
        let is_workload = matches!(one.kind.kind, "Deployment" | "StatefulSet");
        let before = live.as_ref().map(|live| &live["metadata"]["generation"]);
        self.rolls |= is_workload && before != Some(&answer["metadata"]["generation"]);
        self.learn(one, hash, &answer);
        Ok(None)
    }

    /// Whether the object is as an earlier apply of the same left it.
    fn is_normal(&self, one: &Desired, hash: &str, live: &Json) -> bool {
        let known = self.memory.normalised.get(&(one.kind.kind, one.name.clone()));
        known
            .is_some_and(|(of, became)| of == hash && *became == compare::hash(&compare::projection(&one.object, live)))
    }

    /// Remembers what the API server made of what was applied, when that is something else.
    fn learn(&mut self, one: &Desired, hash: String, answer: &Json) {
        let key = (one.kind.kind, one.name.clone());
        match compare::is_as_desired(&one.object, answer) {
            true => self.memory.normalised.remove(&key),
            false => {
                tracing::debug!(kind = one.kind.kind, name = one.name, "the API server keeps another form");
                let became = compare::hash(&compare::projection(&one.object, answer));
                self.memory.normalised.insert(key, (hash, became))
            }
        };
    }

    /// Made once; one that is there already is right, if it is ours.
    async fn create_once(&self, one: &Desired) -> Result<Option<Obstacle>, Error> {
        if self.has_seen(one) {
            return Ok(None);
        }
        match self.post(one).await {
            Err(error) if error.code() == Some(409) => {}
            done => return done.map(|()| None),
        }
        let Some(live) = observe::live(self.context, self.namespace, one.kind, &one.name).await? else {
            return Err(Error::Changed(format!("{} {} went and came", one.kind.kind, one.name)));
        };
        match owner(&one.object, &live, self.backend) {
            Owner::Us => Ok(None),
            Owner::Ghost => Err(leaving(one)),
            Owner::Other(owner) => Ok(Some(conflict(one, &owner))),
        }
    }

    /// Whether an object of ours was among those that were listed.
    fn has_seen(&self, one: &Desired) -> bool {
        let ours = desired_owner(&one.object);
        let seen = |metadata: &kube::api::ObjectMeta| {
            let mut owners = metadata.owner_references.iter().flatten();
            metadata.name.as_ref() == Some(&one.name)
                && owners.any(|owner| owner.controller == Some(true) && Some(owner.uid.as_str()) == ours)
        };
        match one.kind.kind {
            "ConfigMap" => self.seen.config_maps.iter().any(seen),
            "Job" => self.seen.jobs.iter().any(|job| seen(&job.metadata)),
            "MigrationPlan" => self.seen.plans.iter().any(|plan| seen(&plan.metadata)),
            _ => false,
        }
    }

    /// Key material: made when it was not there, or replaced as it was seen.
    async fn guarded(&self, one: &Desired, version: Option<&str>) -> Result<Option<Obstacle>, Error> {
        let Some(version) = version else {
            match self.post(one).await {
                Err(error) if error.code() == Some(409) => {}
                done => return done.map(|()| None),
            }
            let live = observe::live(self.context, self.namespace, one.kind, &one.name).await?;
            return match live.map(|live| owner(&one.object, &live, self.backend)) {
                Some(Owner::Other(owner)) => Ok(Some(conflict(one, &owner))),
                // A cache was stale, or another operator was quicker: look again.
                _ => Err(Error::Changed(format!("{} {} appeared meanwhile", one.kind.kind, one.name))),
            };
        };
        let live = observe::live(self.context, self.namespace, one.kind, &one.name).await?;
        match live.map(|live| owner(&one.object, &live, self.backend)) {
            Some(Owner::Us) => {}
            Some(Owner::Other(owner)) => return Ok(Some(conflict(one, &owner))),
            Some(Owner::Ghost) | None => return Err(leaving(one)),
        }
        let mut object = one.object.clone();
        object["metadata"]["resourceVersion"] = json!(version);
        let object = typed(one, object)?;
        let api = self.api(one.kind);
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let what = || format!("replacing {} {}", one.kind.kind, one.name);
        match self.context.ask(what, api.replace(&one.name, &params, &object)).await {
            Ok(_) => {
                self.count("replace", one.kind);
                tracing::info!(kind = one.kind.kind, name = one.name, "replaced");
                Ok(None)
            }
            Err(error) if error.code() == Some(409) => {
                Err(Error::Changed(format!("{} {} changed meanwhile", one.kind.kind, one.name)))
            }
            Err(error) => Err(error),
        }
    }

    async fn post(&self, one: &Desired) -> Result<(), Error> {
        let object = typed(one, one.object.clone())?;
        let api = self.api(one.kind);
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let what = || format!("making {} {}", one.kind.kind, one.name);
        self.context.ask(what, api.create(&params, &object)).await?;
        self.count("create", one.kind);
        tracing::info!(kind = one.kind.kind, name = one.name, "made");
        Ok(())
    }

    /// One that is gone, or is another by now, is left alone.
    async fn delete(&self, one: &Doomed) -> Result<(), Error> {
        let params = DeleteParams {
            preconditions: Some(Preconditions { uid: Some(one.uid.clone()), ..Preconditions::default() }),
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        let api = self.api(one.kind);
        let what = || format!("deleting {} {}", one.kind.kind, one.name);
        match self.context.ask(what, api.delete(&one.name, &params)).await {
            Ok(_) => {
                self.count("delete", one.kind);
                tracing::info!(kind = one.kind.kind, name = one.name, "deleted");
                Ok(())
            }
            Err(error) if matches!(error.code(), Some(404 | 409)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// As it was seen, or as it is.
    async fn live(&self, one: &Desired) -> Result<Option<Json>, Error> {
        match self.live.get(&(one.kind.kind, one.name.clone())) {
            Some(live) => Ok(live.clone()),
            None => observe::live(self.context, self.namespace, one.kind, &one.name).await,
        }
    }

    fn api(&self, kind: &Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.context.client.clone(), self.namespace, &kind.resource())
    }

    fn count(&self, verb: &str, kind: &Kind) {
        self.context.metrics.writes.with_label_values(&[verb, kind.kind]).inc();
    }
}

fn typed(one: &Desired, object: Json) -> Result<DynamicObject, Error> {
    // The error names a place in the object, never a value.
    serde_json::from_value(object)
        .map_err(|error| Error::Own(format!("{} {} is malformed at {}", one.kind.kind, one.name, error.column())))
}

fn leaving(one: &Desired) -> Error {
    Error::Changed(format!("{} {} is about to go; it is made again then", one.kind.kind, one.name))
}

fn conflict(one: &Desired, owner: &str) -> Obstacle {
    let (kind, name) = (one.kind.kind, &one.name);
    Obstacle::Conflict(format!("{kind} {name} belongs to {owner}: delete or rename it, or rename the Backend"))
}
