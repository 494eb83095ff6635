//! A cluster in memory: carries out what was planned, runs Jobs against a simulated database, rolls Deployments out.
//!
//! Called by the tests alone. Counts writes and can be cut after any of them, as an operator that is killed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use mainstay_crds::backend::Backend;
use mainstay_crds::collection::Collection;
use mainstay_crds::migration_plan::MigrationPlan;
use serde_json::{Value as Json, json};

use super::database::{Database, schema};
use crate::backend::migration::{Migration, migration};
use crate::backend::observed::{Endpoint, Entropy, Observed, SecretState, UrlSecret};
use crate::backend::plan::plan;
use crate::backend::planned::Planned;
use crate::backend::report::{Outcome, Report};
use crate::backend::{documents, report};
use crate::desired::{Desired, How};
use crate::settings::Settings;

/// A cluster with one Backend.
#[derive(Clone)]
pub struct World {
    pub seen: Observed,
    pub now: Timestamp,
    pub database: Database,
    /// The next Jobs of a phase fail for this reason.
    pub failures: VecDeque<(&'static str, &'static str)>,
    /// Jobs are not run and pods not replaced while this is set.
    pub stopped: bool,
    /// All writes since the beginning.
    pub writes: usize,
    /// The operator is killed before this write.
    pub cut: Option<usize>,
    /// What Jobs were run: `plan`, `expand`, `contract`.
    pub ran: Vec<String>,
    contents: BTreeMap<String, BTreeMap<String, String>>,
    uids: u32,
}

impl World {
    /// A Backend over PostgreSQL without Collections.
    pub fn new() -> World {
        let backend = json!({
            "apiVersion": "mainstay.dev/v1alpha1", "kind": "Backend",
            "metadata": {
                "name": "shop", "namespace": "eshop", "uid": "backend", "generation": 1,
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {
                "image": "server:1", "replicas": 2,
                "database": { "urlFrom": { "secretKeyRef": { "name": "database", "key": "url" } } },
            },
        });
        let usable = UrlSecret {
            of: Endpoint::Database,
            name: "database".into(),
            key: "url".into(),
            state: SecretState::Usable,
        };
        let seen = Observed {
            backend: Arc::new(serde_json::from_value(backend).unwrap()),
            urls: vec![usable],
            entropy: Entropy((0..=255).collect()),
            ..Observed::default()
        };
        World {
            seen,
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            database: Database::default(),
            failures: VecDeque::new(),
            stopped: false,
            writes: 0,
            cut: None,
            ran: Vec::new(),
            contents: BTreeMap::new(),
            uids: 0,
        }
    }

    /// Declares a Collection with text fields; one that ends in `!` is required.
    pub fn declare(&mut self, name: &str, fields: &[&str]) {
        let field = |field: &&str| {
            let name = field.trim_end_matches('!');
            json!({ "name": name, "type": "text", "maxLength": 9, "required": field.ends_with('!') })
        };
        let fields: Vec<Json> = fields.iter().map(field).collect();
        self.declare_as(name, json!(fields));
    }

    /// Declares a Collection with these fields, be they right or not.
    pub fn declare_as(&mut self, name: &str, fields: Json) {
        self.pass(Duration::from_secs(1));
        let old = self.seen.collections.iter().position(|one| one.name_any() == name);
        let old = old.map(|at| self.seen.collections.remove(at));
        let generation = old.as_ref().and_then(|old| old.metadata.generation).unwrap_or(0) + 1;
        let made = old.as_ref().and_then(|old| old.creation_timestamp()).map_or(self.now, |made| made.0);
        let mut object: Collection = serde_json::from_value(json!({
            "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection",
            "metadata": { "name": name, "generation": generation, "creationTimestamp": made.to_string() },
            "spec": { "backendRef": { "name": "shop" }, "fields": fields },
        }))
        .unwrap();
        object.status = old.and_then(|old| old.status.clone());
        self.seen.collections.push(Arc::new(object));
        self.seen.collections.sort_by_key(|one| one.name_any());
    }

    pub fn remove(&mut self, name: &str) {
        self.pass(Duration::from_secs(1));
        self.seen.collections.retain(|one| one.name_any() != name);
    }

    /// Edits the Backend's spec.
    pub fn edit(&mut self, spec: Json) {
        let mut backend = serde_json::to_value(&*self.seen.backend).unwrap();
        merge(&mut backend["spec"], &spec);
        let generation = backend["metadata"]["generation"].as_i64().unwrap() + 1;
        backend["metadata"]["generation"] = json!(generation);
        self.seen.backend = Arc::new(serde_json::from_value(backend).unwrap());
    }

    pub fn annotate(&mut self, key: &str, value: &str) {
        let mut backend = Backend::clone(&self.seen.backend);
        backend.annotations_mut().insert(key.to_owned(), value.to_owned());
        self.seen.backend = Arc::new(backend);
    }

    pub fn pass(&mut self, time: Duration) {
        self.now = self.now.checked_add(SignedDuration::try_from(time).unwrap()).unwrap();
    }

    /// What migration alone says now.
    pub fn way(&self) -> Migration {
        let documents = documents::documents(&self.seen, self.now);
        migration(&self.seen, &Settings::for_tests(), &documents, self.now)
    }

    /// One reconciliation; false when it was killed.
    fn reconcile(&mut self) -> bool {
        let mut planned = plan(&self.seen, &Settings::for_tests(), self.now);
        // No Secret is kept here, so that keys would be new each time.
        planned.status.keys = None;
        self.apply(&planned).is_some()
    }

    /// Lives on until nothing changes any more for `quiet`, at most.
    pub fn settle(&mut self) -> Migration {
        self.settle_for(Duration::from_secs(60))
    }

    /// Lives on until nothing is due within `patience`, and returns what migration says then.
    pub fn settle_for(&mut self, patience: Duration) -> Migration {
        let end = self.now.checked_add(SignedDuration::try_from(patience).unwrap()).unwrap();
        for _ in 0..500 {
            let before = self.writes;
            let whole = self.reconcile();
            if !whole || self.writes > before {
                continue;
            }
            if !self.stopped && (self.run_jobs() | self.roll_out()) {
                self.pass(Duration::from_secs(1));
                continue;
            }
            // Keys have times of their own.
            let due =
                self.way().again.map(|again| self.now.checked_add(SignedDuration::try_from(again).unwrap()).unwrap());
            match due.filter(|due| *due <= end) {
                Some(due) => self.now = due,
                None => return self.way(),
            }
        }
        panic!("it does not come to rest: {:#?}", self.way());
    }

    /// One write; `None` when the operator was killed before it.
    fn write(&mut self) -> Option<()> {
        if self.cut == Some(self.writes) {
            self.cut = None;
            return None;
        }
        self.writes += 1;
        Some(())
    }

    fn apply(&mut self, planned: &Planned) -> Option<()> {
        for desired in &planned.desired {
            self.apply_one(desired)?;
        }
        for (name, status) in &planned.plans {
            let at = self.seen.plans.iter().position(|plan| plan.name_any() == *name);
            let Some(at) = at.filter(|at| self.seen.plans[*at].status.as_ref() != Some(status)) else { continue };
            self.write()?;
            self.seen.plans[at].status = Some(status.clone());
        }
        for (name, status) in &planned.collections {
            let at = self.seen.collections.iter().position(|one| one.name_any() == *name);
            let Some(at) = at.filter(|at| self.seen.collections[*at].status.as_ref() != Some(status)) else { continue };
            self.write()?;
            Arc::make_mut(&mut self.seen.collections[at]).status = Some(status.clone());
        }
        if self.seen.backend.status.as_ref() != Some(&planned.status) {
            self.write()?;
            Arc::make_mut(&mut self.seen.backend).status = Some(planned.status.clone());
        }
        for doomed in &planned.doomed {
            self.write()?;
            self.delete(doomed.kind.kind, &doomed.name);
        }
        Some(())
    }

    /// Deletes an object.
    pub fn delete(&mut self, kind: &str, name: &str) {
        let keep = |metadata: &ObjectMeta| metadata.name.as_deref() != Some(name);
        match kind {
            "Job" => {
                self.seen.jobs.retain(|job| keep(&job.metadata));
                self.seen.reports.remove(name);
            }
            "MigrationPlan" => self.seen.plans.retain(|plan| keep(&plan.metadata)),
            "ConfigMap" if name == "shop-applied" => self.seen.applied = None,
            "ConfigMap" => self.seen.config_maps.retain(keep),
            _ => panic!("{kind} {name} is deleted"),
        }
    }

    fn made(&mut self, object: &Json) -> Json {
        self.uids += 1;
        let mut object = object.clone();
        object["metadata"]["uid"] = json!(format!("uid-{}", self.uids));
        // Kubernetes cuts times to seconds.
        object["metadata"]["creationTimestamp"] = json!(self.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        object["metadata"]["generation"] = json!(1);
        object
    }

    fn apply_one(&mut self, desired: &Desired) -> Option<()> {
        let name = desired.name.as_str();
        match (desired.kind.kind, &desired.how) {
            ("ConfigMap", How::Create) => {
                if self.seen.config_maps.iter().any(|map| map.name.as_deref() == Some(name)) {
                    return Some(());
                }
                self.write()?;
                let map: ConfigMap = serde_json::from_value(self.made(&desired.object)).unwrap();
                self.contents.insert(name.to_owned(), map.data.clone().unwrap_or_default());
                self.seen.config_maps.push(map.metadata);
            }
            ("ConfigMap", _) => {
                let map: ConfigMap = serde_json::from_value(desired.object.clone()).unwrap();
                let is_applied = name == "shop-applied";
                let slot = if is_applied { &self.seen.applied } else { &self.seen.accepted };
                if slot.as_ref().is_some_and(|old| old.data == map.data) {
                    return Some(());
                }
                self.write()?;
                if is_applied {
                    self.seen.applied = Some(map);
                } else {
                    self.seen.accepted = Some(map);
                    self.read_accepted();
                }
            }
            ("Job", _) => {
                assert!(!self.seen.jobs.iter().any(|job| job.name_any() == name), "{name} is there already");
                self.write()?;
                let job = serde_json::from_value(self.made(&desired.object)).unwrap();
                self.seen.jobs.push(job);
            }
            ("MigrationPlan", _) => {
                assert!(!self.seen.plans.iter().any(|plan| plan.name_any() == name), "{name} is there already");
                self.write()?;
                let plan: MigrationPlan = serde_json::from_value(self.made(&desired.object)).unwrap();
                self.seen.plans.push(plan);
            }
            ("Secret", _) => {
                let secret = serde_json::from_value(self.made(&desired.object)).unwrap();
                self.write()?;
                match name {
                    "shop-admin-key" => self.seen.admin_key = Some(secret),
                    "shop-api-keys" => self.seen.api_key_hashes = Some(secret),
                    _ => panic!("Secret {name} is written"),
                }
            }
            ("Deployment", _) => {
                let wanted: Deployment = serde_json::from_value(desired.object.clone()).unwrap();
                let old = self.seen.deployment.clone();
                if old.as_ref().is_some_and(|old| old.spec == wanted.spec) {
                    return Some(());
                }
                self.write()?;
                let generation = old.as_ref().and_then(|old| old.metadata.generation).unwrap_or(0) + 1;
                let metadata = ObjectMeta { generation: Some(generation), ..wanted.metadata.clone() };
                self.seen.deployment = Some(Deployment { metadata, status: old.and_then(|old| old.status), ..wanted });
            }
            _ => {}
        }
        Some(())
    }

    fn read_accepted(&mut self) {
        let data = self.seen.accepted.as_ref().unwrap().data.clone().unwrap();
        self.seen.accepted_documents = self.read_documents(&data["hash"]);
    }

    fn read_documents(&self, hash: &str) -> BTreeMap<String, Json> {
        let prefix = format!("shop-r{hash}-");
        let maps = self.contents.iter().filter(|(name, _)| name.starts_with(&prefix));
        let files = maps.flat_map(|(_, files)| files);
        files
            .map(|(file, text)| (file.trim_end_matches(".json").to_owned(), serde_json::from_str(text).unwrap()))
            .collect()
    }

    /// Runs Jobs to their end; whether there was one.
    pub fn run_jobs(&mut self) -> bool {
        let mut jobs = std::mem::take(&mut self.seen.jobs);
        let mut any = false;
        for job in &mut jobs {
            if self.seen.reports.contains_key(&job.name_any()) {
                continue;
            }
            any = true;
            let report = self.run_job(job);
            let kind = if report.outcome == Outcome::Failed { "Failed" } else { "Complete" };
            let ended = self.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            job.status = Some(
                serde_json::from_value(json!({
                    "conditions": [{ "type": kind, "status": "True", "lastTransitionTime": ended }],
                }))
                .unwrap(),
            );
            // Through its text, as a log would have it.
            let text = serde_json::to_string(&report).unwrap();
            let line = format!("mainstay-report {} {text}", super::super::target::digest(&text, 64));
            self.seen.reports.insert(job.name_any(), report::read(&line).unwrap());
        }
        self.seen.jobs = jobs;
        any
    }

    fn run_job(&mut self, job: &Job) -> Report {
        let phase = job.labels()["mainstay.dev/phase"].clone();
        self.ran.push(phase.clone());
        let pod = job.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
        let container = &pod.containers[0];
        let arguments: Vec<&str> = container.args.as_ref().unwrap().iter().map(String::as_str).collect();
        let documents = self.read_documents(&job.annotations()["mainstay.dev/documents"]);
        if let Some(at) = self.failures.iter().position(|(of, _)| *of == phase) {
            let (_, reason) = self.failures.remove(at).unwrap();
            let (reason, message) = (Some(reason.to_owned()), Some(format!("because of {reason}")));
            return Report { version: 1, outcome: Outcome::Failed, reason, message, ..Report::default() };
        }
        self.database.run(&arguments, &schema(&documents), container.image.as_deref().unwrap())
    }

    /// Replaces the pods by those of the Deployment's template; whether there was something to do.
    pub fn roll_out(&mut self) -> bool {
        let Some(deployment) = &mut self.seen.deployment else { return false };
        let (generation, spec) = (deployment.metadata.generation, deployment.spec.clone().unwrap());
        if deployment.status.as_ref().and_then(|status| status.observed_generation) == generation {
            return false;
        }
        let image = spec.template.spec.as_ref().and_then(|spec| spec.containers[0].image.clone()).unwrap();
        if !self.database.lacks(&image).is_empty() {
            // Its servers are never ready.
            return false;
        }
        let count = spec.replicas.unwrap_or(1);
        let at = self.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        deployment.status = serde_json::from_value(json!({
            "observedGeneration": generation, "replicas": count, "updatedReplicas": count, "readyReplicas": count,
            "availableReplicas": count,
            "conditions": [
                { "type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "lastUpdateTime": at },
                { "type": "Available", "status": "True", "reason": "MinimumReplicasAvailable" },
            ],
        }))
        .unwrap();
        let mut metadata = spec.template.metadata.clone().unwrap();
        metadata.creation_timestamp = Some(Time(self.now));
        let pod = |at: i32| Pod {
            metadata: ObjectMeta { name: Some(format!("shop-{at}")), ..metadata.clone() },
            spec: spec.template.spec.clone(),
            ..Pod::default()
        };
        self.seen.pods = (0..count).map(pod).collect();
        true
    }

    /// The phase of each MigrationPlan, by name.
    pub fn phases(&self) -> Vec<String> {
        let mut plans: Vec<&MigrationPlan> = self.seen.plans.iter().collect();
        plans.sort_by_key(|plan| (plan.spec.from_revision, plan.creation_timestamp()));
        let phase = |plan: &&MigrationPlan| {
            let phase = plan.status.as_ref().and_then(|status| status.phase.clone());
            format!("{}→{} {}", plan.spec.from_revision, plan.spec.to_revision, phase.unwrap_or_default())
        };
        plans.iter().map(phase).collect()
    }

    /// Everything that has to be the same however the operator got there, without times.
    pub fn end(&self) -> Json {
        let mut applied = json!(self.seen.applied.as_ref().and_then(|map| map.data.clone()));
        for time in ["expandedAt", "contractedAt", "history"] {
            applied.as_object_mut().map(|data| data.remove(time));
        }
        let deployment = self.seen.deployment.as_ref().map(|deployment| deployment.spec.clone());
        let conditions = self.seen.backend.status.as_ref().map(|status| {
            let conditions = status.conditions.iter();
            conditions.map(|one| json!([one.kind, one.status, one.reason])).collect::<Vec<_>>()
        });
        let jobs: Vec<String> = self.seen.jobs.iter().map(|job| job.name_any()).collect();
        let served = self.database.schema.clone();
        json!([applied, deployment, conditions, jobs, served, self.database.revision, self.database.compatible_from])
    }
}

fn merge(into: &mut Json, from: &Json) {
    match (into, from) {
        (Json::Object(into), Json::Object(from)) => {
            for (key, value) in from {
                if value.is_null() {
                    into.remove(key);
                } else {
                    merge(into.entry(key.clone()).or_insert(Json::Null), value);
                }
            }
        }
        (into, from) => *into = from.clone(),
    }
}
