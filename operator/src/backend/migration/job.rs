//! Migration Jobs: as they are seen, and as they are made. Pure.
//!
//! A Job's name says which phase of what it runs, and for the how-manieth time; what its result belongs to stands in its
//! annotations, so that it can be used though all else is gone.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use mainstay_crds::backend::MigrationsSpec;
use mainstay_crds::duration;
use serde_json::{Value as Json, json};

use crate::backend::observed::Observed;
use crate::backend::plan::Inputs;
use crate::backend::plan::pod::{self, COMPONENT_LABEL, DOCUMENTS_ANNOTATION, Role};
use crate::backend::release::Release;
use crate::backend::report::{Outcome, Report};
use crate::desired::{Desired, How, labels};
use crate::kind;

/// Annotations of a Job.
pub const IMAGE: &str = "mainstay.dev/image";
/// How many ConfigMaps its documents fill.
pub const PARTS: &str = "mainstay.dev/parts";
/// Which database it works on.
pub const DATABASE: &str = "mainstay.dev/database";
/// metadata.name of its MigrationPlan.
pub const PLAN: &str = "mainstay.dev/plan";
/// The whole hash of its plan.
pub const PLAN_HASH: &str = "mainstay.dev/plan-hash";
/// The generation of the Backend that it was made for.
pub const GENERATION: &str = "mainstay.dev/generation";

/// How long a phase may take, in seconds, when the spec does not say.
const TIMEOUT: u64 = 3600;

/// A pod takes less to be made, as long as nothing stands in the way.
const PODLESS: SignedDuration = SignedDuration::from_secs(10);

/// What a Job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Computes the plan; reads only.
    Plan,
    /// Everything before new servers.
    Expand,
    /// Everything after them.
    Contract,
}

impl Phase {
    /// In names and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Plan => "plan",
            Phase::Expand => "expand",
            Phase::Contract => "contract",
        }
    }
}

/// A Job as it is.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// The object.
    pub job: &'a Job,
    /// metadata.name.
    pub name: String,
    /// What it does.
    pub phase: Phase,
    /// Of what: the target's key, or the first digits of a plan's hash.
    pub key: String,
    /// Counts from 1.
    pub attempt: u32,
    /// What it printed, once it is finished and its log is read.
    pub report: Option<&'a Report>,
}

impl<'a> Run<'a> {
    /// The Backend's migration Jobs.
    pub fn all(seen: &'a Observed) -> Vec<Run<'a>> {
        let prefix = format!("{}-", seen.backend.name_any());
        let run = |job: &'a Job| {
            let name = job.name_any();
            let mut words = name.strip_prefix(&prefix)?.split('-');
            let phase = [Phase::Plan, Phase::Expand, Phase::Contract];
            let word = words.next()?;
            let phase = phase.into_iter().find(|phase| phase.as_str() == word)?;
            let (key, attempt) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
            let ended = condition(job).is_some();
            let report = seen.reports.get(&name).filter(|_| ended);
            words.next().is_none().then_some(Run { job, name, phase, key, attempt, report })
        };
        seen.jobs.iter().filter_map(run).collect()
    }

    /// An annotation; empty when it is not there.
    pub fn says(&self, annotation: &str) -> &'a str {
        let all = self.job.metadata.annotations.as_ref();
        all.and_then(|all| all.get(annotation)).map_or("", String::as_str)
    }

    /// What it printed when it did what it should.
    pub fn success(&self) -> Option<&'a Report> {
        let right = if self.phase == Phase::Plan { Outcome::Planned } else { Outcome::Applied };
        self.report.filter(|report| report.outcome == right)
    }

    /// What it printed when it did not.
    pub fn failure(&self) -> Option<&'a Report> {
        self.report.filter(|_| self.success().is_none())
    }

    /// When it ended, as far as that is known.
    pub fn ended_at(&self) -> Option<Timestamp> {
        let status = self.job.status.as_ref();
        let condition = condition(self.job).and_then(|condition| condition.last_transition_time.as_ref());
        let completion = status.and_then(|status| status.completion_time.as_ref());
        condition.or(completion).or(self.job.metadata.creation_timestamp.as_ref()).map(|time| time.0)
    }

    /// Whether its pod runs.
    pub fn has_begun(&self) -> bool {
        self.job.status.as_ref().and_then(|status| status.ready).unwrap_or(0) > 0
    }

    /// Why its pod is not even on a node, and where more is told: it may not be made, or there is no place for it.
    pub fn homeless(&self, seen: &Observed, now: Timestamp) -> Option<String> {
        let name = &self.name;
        let mut pods = self.pods(seen).peekable();
        if pods.peek().is_none() {
            let made = self.job.metadata.creation_timestamp.as_ref()?.0;
            let late = now.duration_since(made) > PODLESS && self.job.status.as_ref()?.active.unwrap_or(0) == 0;
            let said =
                || format!("Job `{name}` has no pod yet, as by a quota: `kubectl describe job {name}` tells why");
            return late.then(said);
        }
        let conditions = pods.filter_map(|pod| pod.status.as_ref()?.conditions.as_ref()).flatten();
        let mut unplaced = conditions.filter(|condition| {
            condition.type_ == "PodScheduled" && condition.reason.as_deref() == Some("Unschedulable")
        });
        let why = unplaced.next()?.message.as_deref().unwrap_or_default();
        Some(format!("the pod of Job `{name}` finds no node: {}", why.chars().take(500).collect::<String>()))
    }

    fn pods<'b>(&'b self, seen: &'b Observed) -> impl Iterator<Item = &'b Pod> {
        let own = |labels: &std::collections::BTreeMap<String, String>| {
            labels.get("batch.kubernetes.io/job-name").or_else(|| labels.get("job-name")) == Some(&self.name)
        };
        seen.job_pods.iter().filter(move |pod| pod.metadata.labels.as_ref().is_some_and(own))
    }

    /// Why its pod cannot begin: what the kubelet says of the image.
    pub fn obstacle(&self, seen: &Observed) -> Option<String> {
        const REASONS: [&str; 7] = [
            "ErrImagePull",
            "ImagePullBackOff",
            "InvalidImageName",
            "ErrImageNeverPull",
            "CreateContainerConfigError",
            "CreateContainerError",
            "RunContainerError",
        ];
        let states = self.pods(seen).filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref()).flatten();
        let mut waiting = states.filter_map(|container| container.state.as_ref()?.waiting.as_ref());
        waiting.find_map(|waiting| {
            let reason = waiting.reason.as_deref().filter(|reason| REASONS.contains(reason))?;
            let message = waiting.message.as_deref().unwrap_or_default();
            Some(format!("{reason}: {}", message.chars().take(500).collect::<String>()))
        })
    }
}

/// How a Job ended, if it did.
fn condition(job: &Job) -> Option<&k8s_openapi::api::batch::v1::JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let ends = |kind: &str| matches!(kind, "Complete" | "Failed");
    conditions.iter().find(|condition| ends(&condition.type_) && condition.status == "True")
}

/// A Job to be made.
pub struct Order<'a> {
    /// What it does.
    pub phase: Phase,
    /// Of what.
    pub key: &'a str,
    /// Counts from 1.
    pub attempt: u32,
    /// The image, and the documents that it reads.
    pub release: Release,
    /// Which database it works on.
    pub database: &'a str,
    /// Its MigrationPlan and the whole hash of it; empty for a plan Job.
    pub plan: (&'a str, &'a str),
    /// Classes of gated steps that may run.
    pub allow: Vec<&'static str>,
}

impl Order<'_> {
    fn arguments(&self) -> Vec<String> {
        let documents = pod::documents_folder();
        let mut arguments = match self.phase {
            Phase::Plan => vec!["migrate", "plan", "-f", &documents],
            Phase::Expand => vec!["migrate", "up", "-f", &documents, "--phase", "expand,backfill"],
            Phase::Contract => vec!["migrate", "up", "-f", &documents, "--phase", "contract"],
        };
        let allow = self.allow.join(",");
        if self.phase != Phase::Plan {
            arguments.extend(["--expect-hash", self.plan.1]);
            if !allow.is_empty() {
                arguments.extend(["--allow", &allow]);
            }
        }
        arguments.push("--report");
        arguments.into_iter().map(str::to_owned).collect()
    }

    /// The Job.
    pub fn desired(&self, inputs: &Inputs<'_>) -> Desired {
        let (backend, name) = (inputs.backend, inputs.name());
        let migrations = backend.spec.migrations.clone().unwrap_or_default();
        let mut own = json!({ COMPONENT_LABEL: "migration", "mainstay.dev/phase": self.phase.as_str() });
        let metadata_labels = own.clone();
        for (key, value) in labels(&name) {
            own[key] = json!(value);
        }
        let generation = backend.metadata.generation.map(|generation| generation.to_string());
        let annotations = json!({
            IMAGE: self.release.image, DOCUMENTS_ANNOTATION: self.release.documents,
            PARTS: self.release.parts.to_string(), DATABASE: self.database, GENERATION: generation,
            PLAN: Some(self.plan.0).filter(|text| !text.is_empty()),
            PLAN_HASH: Some(self.plan.1).filter(|text| !text.is_empty()),
        });
        let content = json!({
            "metadata": { "labels": metadata_labels, "annotations": annotations },
            "spec": {
                "completions": 1, "parallelism": 1,
                "backoffLimit": migrations.backoff_limit.unwrap_or(3),
                "activeDeadlineSeconds": timeout(&migrations),
                "podFailurePolicy": failure_policy(),
                "template": {
                    "metadata": { "labels": own, "annotations": pod::annotations(backend, &self.release) },
                    "spec": pod::spec(inputs, &self.release, &Role::Migration(self.arguments())),
                },
            },
        });
        let job = format!("{name}-{}-{}-{}", self.phase.as_str(), self.key, self.attempt);
        Desired::new(backend, &kind::JOB, job, &name, content, How::Create)
    }
}

fn timeout(migrations: &MigrationsSpec) -> u64 {
    let said = migrations.timeout.as_deref().and_then(duration::parse);
    said.map_or(TIMEOUT, |timeout| timeout.as_secs().max(1))
}

/// What another try of the same pod cannot mend ends the Job at once; a node that goes away is nobody's failure.
fn failure_policy() -> Json {
    json!({ "rules": [
        {
            "action": "FailJob",
            "onExitCodes": { "containerName": "migrate", "operator": "In", "values": [2, 3, 42, 64, 65] },
        },
        { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
    ] })
}
