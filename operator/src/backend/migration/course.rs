//! One reconciliation of a Backend's schema: what is known, what was taken from Jobs, what comes out of it.
//!
//! The other modules add their part to it, each one stage of the way. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use mainstay_crds::backend::PlanStatus;
use mainstay_crds::conditions::Reason;
use mainstay_crds::migration_plan::MigrationPlan;

use super::applied::Applied;
use super::job::{self, Order, Phase, Run};
use super::progress::Progress;
use super::target::Target;
use super::{Migration, Wait, gate, plans, rollout};
use crate::backend::documents::Documents;
use crate::backend::observed::Observed;
use crate::backend::plan::Inputs;
use crate::backend::plan::pod::DOCUMENTS_ANNOTATION;
use crate::backend::release::Release;
use crate::backend::status::seconds;
use crate::desired::Desired;
use crate::settings::Settings;

/// One reconciliation.
pub struct Course<'a> {
    pub(super) seen: &'a Observed,
    pub(super) settings: &'a Settings,
    pub(super) documents: &'a Documents,
    pub(super) now: Timestamp,
    pub(super) target: Target,
    pub(super) runs: Vec<Run<'a>>,
    /// What the database has, as it was written before.
    pub(super) stored: Option<Applied>,
    /// What the database has, with what Jobs say.
    pub(super) applied: Option<Applied>,
    /// MigrationPlans that are made now, as objects.
    pub(super) made: Vec<MigrationPlan>,
    /// Their writes.
    pub(super) writes: Vec<Desired>,
    /// Jobs that are made now.
    pub(super) orders: Vec<Desired>,
    /// The key of the plan Jobs that count.
    pub(super) key: Option<String>,
    /// The target's image ran against this database, so that it may serve the applied documents.
    pub(super) image_fits: bool,
    /// MigrationPlans that another of their name has to replace.
    pub(super) replaced: BTreeSet<String>,
    /// How far plans are.
    pub(super) progress: BTreeMap<String, Progress>,
    pub(super) out: Migration,
}

impl<'a> Course<'a> {
    /// Begins with what was seen.
    pub fn new(seen: &'a Observed, settings: &'a Settings, documents: &'a Documents, now: Timestamp) -> Course<'a> {
        let stored = Applied::read(seen.applied.as_ref());
        Course {
            seen,
            settings,
            documents,
            now,
            target: Target::of(&seen.backend, settings, documents),
            runs: Run::all(seen),
            applied: stored.clone(),
            stored,
            made: Vec::new(),
            writes: Vec::new(),
            orders: Vec::new(),
            key: None,
            image_fits: false,
            replaced: BTreeSet::new(),
            progress: BTreeMap::new(),
            out: Migration::default(),
        }
    }

    /// Whether the server migrates its own file at its start.
    pub fn is_embedded(&self) -> bool {
        self.seen.backend.spec.database.as_ref().is_some_and(|database| database.embedded.is_some())
    }

    /// No Job is needed: what is accepted is released.
    pub fn embedded(mut self) -> Migration {
        let Target { image, documents, parts, .. } = self.target.clone();
        let runs = rollout::current(self.seen).is_some_and(|runs| runs.image == image && runs.documents == documents);
        if let Some(wait) = super::blocked(self.seen, self.documents)
            && super::is_frozen(self.seen)
            && !(runs && wait.reason == Reason::Suspended)
        {
            self.out.waits = Some(wait);
        }
        self.out.release = Some(Release { image, documents, parts }).filter(|release| !release.documents.is_empty());
        if !super::is_frozen(self.seen) {
            self.collect_documents();
        }
        self.out
    }

    /// Takes over what finished phases did to the database.
    pub fn take_results(&mut self) {
        let mut done: Vec<Run<'a>> = self.runs.iter().filter(|run| run.success().is_some()).cloned().collect();
        done.sort_by_key(|run| (run.phase, run.ended_at()));
        for run in done {
            match run.phase {
                Phase::Plan => {}
                Phase::Expand => self.take_expand(&run),
                Phase::Contract => self.take_contract(&run),
            }
        }
    }

    fn take_expand(&mut self, run: &Run<'_>) {
        let Some(report) = run.success() else { return };
        let before = self.applied.clone().unwrap_or_default();
        let plan = run.says(job::PLAN).to_owned();
        let Some(mut applied) = before.clone().with_schema(report) else { return };
        if self.is_taken(&before, run) || applied.revision < before.revision {
            return;
        }
        let contract = report.plan.as_ref().is_some_and(|plan| {
            let mut steps = plan.steps.iter();
            steps.any(|step| step.phase == mainstay_crds::plan::Phase::Contract)
                && report.compatible_from < plan.to_revision
        });
        applied.documents = run.says(DOCUMENTS_ANNOTATION).to_owned();
        applied.parts = run.says(job::PARTS).parse().unwrap_or(0);
        applied.image = run.says(job::IMAGE).to_owned();
        applied.database = run.says(job::DATABASE).to_owned();
        applied.plan_hash = run.says(job::PLAN_HASH).to_owned();
        applied.open = contract;
        applied.next = String::new();
        applied.expanded_at = run.ended_at().map(seconds).unwrap_or_default();
        applied.contracted_at = String::new();
        applied.remember(&plan);
        applied.plan = plan;
        self.applied = Some(applied);
    }

    /// Whether the result of an expand phase is part of what is known already. A plan that is made again, for another
    /// image, runs again.
    pub(super) fn is_taken(&self, applied: &Applied, run: &Run<'_>) -> bool {
        let plan = run.says(job::PLAN);
        let again = applied.next == plan && self.find(plan).is_some_and(|plan| plan.spec.image == run.says(job::IMAGE));
        !again && (applied.plan == plan || applied.history.iter().any(|name| name == plan))
    }

    fn take_contract(&mut self, run: &Run<'_>) {
        let Some(report) = run.success() else { return };
        let Some(before) = self.applied.clone() else { return };
        if !before.open || before.plan_hash != run.says(job::PLAN_HASH) {
            return;
        }
        let mut applied = before.clone().with_schema(report).unwrap_or(before);
        applied.open = false;
        applied.contracted_at = run.ended_at().map(seconds).unwrap_or_default();
        self.applied = Some(applied);
    }

    /// Nothing is begun.
    pub fn block(&mut self, wait: Wait) {
        self.out.waits = Some(wait);
    }

    /// A MigrationPlan, be it made just now.
    pub(super) fn find(&self, name: &str) -> Option<&MigrationPlan> {
        let there = |plan: &&MigrationPlan| plan.name_any() == name && plan.metadata.deletion_timestamp.is_none();
        let seen = self.seen.plans.iter().filter(there).find(|_| !self.replaced.contains(name));
        self.made.iter().find(there).or(seen)
    }

    /// Whether the database has what is declared, and all that is known of it is here.
    pub(super) fn is_reached(&self) -> bool {
        self.applied.as_ref().is_some_and(|applied| {
            self.target.is_reached(applied) && (!applied.open || self.find(&applied.plan).is_some())
        })
    }

    /// The plan to the target that the newest plan Job found.
    pub(super) fn candidate(&self) -> Option<&MigrationPlan> {
        let applied = self.applied.as_ref()?;
        let plan = self.find(&applied.next)?;
        let is_open = applied.open && applied.plan == applied.next;
        let fits = plan.spec.image == self.target.image
            && plan.spec.documents == self.target.documents
            && (is_open || plan.spec.from_revision == applied.revision)
            && applied.database == self.target.database;
        fits.then_some(plan)
    }

    /// The finished and failed run of a phase with the highest attempt, when no later one is there.
    pub(super) fn failed(&self, phase: Phase, key: &str) -> Option<Run<'a>> {
        self.latest(phase, key).filter(|run| run.failure().is_some())
    }

    /// The run of a phase with the highest attempt.
    pub(super) fn latest(&self, phase: Phase, key: &str) -> Option<Run<'a>> {
        let runs = self.runs.iter().filter(|run| run.phase == phase && run.key == key);
        runs.max_by_key(|run| run.attempt).cloned()
    }

    /// Makes a Job.
    pub(super) fn order(&mut self, order: &Order<'_>) {
        let current = self.out.release.clone();
        let inputs =
            Inputs { backend: &self.seen.backend, seen: self.seen, settings: self.settings, release: current.as_ref() };
        self.orders.push(order.desired(&inputs));
    }

    /// Looks again after this time, or earlier.
    pub(super) fn again(&mut self, after: Duration) {
        // Never at once, so that a clock that stands still does not become a loop.
        let after = after.max(Duration::from_millis(200));
        self.out.again = Some(self.out.again.map_or(after, |again| again.min(after)));
    }

    /// Looks again at this time.
    pub(super) fn again_at(&mut self, at: Option<Timestamp>) {
        if let Some(left) = at.map(|at| at.duration_since(self.now)) {
            self.again(if left.is_positive() { left.unsigned_abs() } else { Duration::ZERO });
        }
    }

    /// Shows a plan in the Backend's status.
    pub(super) fn show(&mut self, plan: &MigrationPlan) {
        let effects = gate::effects(&self.seen.backend, plan);
        let waits = !effects.is_empty() && !gate::approved(&self.seen.backend, plan);
        self.out.plan = Some(PlanStatus {
            name: plan.name_any(),
            approval_hash: waits.then(|| gate::approval(&self.seen.backend, plan).to_owned()),
            effects,
        });
    }

    /// What servers run: the applied documents, by the target's image as soon as that is known to fit.
    fn release(&self) -> Option<Release> {
        let current = rollout::current(self.seen);
        let applied = self.applied.as_ref().filter(|applied| !applied.documents.is_empty());
        let (documents, parts) = match (applied, &current) {
            (Some(applied), _) => (applied.documents.clone(), applied.parts),
            (None, Some(current)) => (current.documents.clone(), current.parts),
            (None, None) => return None,
        };
        let fits = self.image_fits || applied.is_some_and(|applied| applied.image == self.target.image);
        let image = match (fits, current, applied) {
            (true, ..) => self.target.image.clone(),
            (false, Some(current), _) => current.image,
            (false, None, Some(applied)) => applied.image.clone(),
            (false, None, None) => return None,
        };
        Some(Release { image, documents, parts })
    }

    /// Everything together, in the order in which it is to be written.
    pub fn finish(mut self) -> Migration {
        self.out.release = self.release();
        self.out.schema = self.applied.as_ref().and_then(Applied::status);
        self.report_progress();
        self.collect_jobs();
        self.collect_plans();
        self.collect_documents();
        let applied = self.applied.as_ref().map(|applied| applied.desired(&self.seen.backend));
        self.out.desired = self.writes.drain(..).chain(applied).chain(self.orders.drain(..)).collect();
        self.out
    }

    /// Names of plans that are never thrown away.
    pub(super) fn needed(&self) -> Vec<&str> {
        let applied = self.applied.iter().flat_map(|applied| [applied.plan.as_str(), applied.next.as_str()]);
        let running = self.runs.iter().map(|run| run.says(job::PLAN));
        applied.chain(running).filter(|name| !name.is_empty()).collect()
    }

    /// Whether a Job of a phase is under way. It is never interrupted: the newest documents are planned after it.
    pub fn phase_runs(&mut self) -> bool {
        let running = self.runs.iter().find(|run| run.phase != Phase::Plan && run.report.is_none()).cloned();
        let Some(run) = running else { return false };
        let name = run.says(job::PLAN).to_owned();
        // Its log may not be readable yet, and its pods are not watched.
        self.again(Duration::from_secs(5));
        if run.phase == Phase::Contract {
            if !self.is_reached() {
                self.out.waits = Some(self.running(&run, &name));
            }
            return true;
        }
        let wait = self.running(&run, &name);
        if let Some(plan) = self.find(&name).cloned() {
            self.image_fits = self.candidate().is_some_and(|plan| plans::says(plan, plans::SYSTEM).is_none());
            self.show(&plan);
        }
        self.progress.insert(name, Progress::expanding(&wait, run.attempt));
        self.out.waits = Some(wait);
        true
    }
}
