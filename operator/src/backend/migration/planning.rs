//! From a target to its plan: a read-only Job of the target's image is asked, and its report taken. Pure.

use std::time::Duration;

use mainstay_crds::conditions::Reason;
use mainstay_crds::migration_plan::MigrationPlan;
use mainstay_crds::plan::Plan;

use super::applied::Applied;
use super::course::Course;
use super::job::{GENERATION, Order, Phase, Run};
use super::{Wait, failure, plans, rollout, settle};
use crate::backend::release::Release;
use crate::backend::report::Report;

impl Course<'_> {
    /// Goes towards the target as far as it can.
    pub fn plan(&mut self) {
        let stale = self.stale();
        if stale.is_empty() {
            if self.is_reached() {
                return;
            }
            if self.candidate().is_some() {
                return self.expand();
            }
        }
        let key = self.target.key(self.applied.as_ref(), &stale);
        self.key = Some(key.clone());
        let runs = self.runs.iter().filter(|run| run.phase == Phase::Plan && run.key == key);
        let answered = runs.filter(|run| run.report.is_some()).max_by_key(|run| run.attempt).cloned();
        match answered {
            Some(run) => match (run.success(), run.failure()) {
                (Some(report), _) => self.take_plan(report),
                (None, Some(report)) => self.refused(&run, report, &key),
                (None, None) => {}
            },
            None => self.ask(&key, 1, None),
        }
    }

    /// The uid of the Job that says that the present plan no longer fits the database; empty when there is none.
    fn stale(&self) -> String {
        let Some(applied) = &self.applied else { return String::new() };
        let next = self.candidate().map(|plan| (Phase::Expand, plan.spec.plan_hash.as_str()));
        let open = applied.open.then_some((Phase::Contract, applied.plan_hash.as_str()));
        let failed = next.into_iter().chain(open).filter_map(|(phase, hash)| self.failed(phase, plans::short(hash)));
        let mut stale = failed.filter(|run| run.failure().is_some_and(|report| failure::is(report, "PlanStale")));
        stale.find_map(|run| run.job.metadata.uid.clone()).unwrap_or_default()
    }

    /// Has a Job compute the plan, once changes have settled.
    fn ask(&mut self, key: &str, attempt: u32, before: Option<Wait>) {
        let running = self.latest(Phase::Plan, key).filter(|run| run.report.is_none());
        if let Some(run) = running {
            // A pod that cannot begin does not learn what was mended in the spec.
            let mended = run.says(GENERATION).parse().ok() != self.seen.backend.metadata.generation;
            if mended && !run.has_begun() {
                return self.send(key, run.attempt + 1);
            }
            self.again(Duration::from_secs(5));
            let trouble = run.obstacle(self.seen).map(|message| image_unavailable(&self.target.image, &message));
            let name = &run.name;
            let homeless = run.homeless(self.seen, self.now);
            let asks = || planning(homeless.unwrap_or_else(|| format!("Job `{name}` computes the plan")));
            self.out.waits = Some(trouble.or(before).unwrap_or_else(asks));
            return;
        }
        if attempt == 1
            && let Some(left) = settle::settles(self.seen, &self.target, self.now)
        {
            self.again(left);
            self.out.waits = Some(planning("a change settles before it is planned".to_owned()));
            return;
        }
        self.send(key, attempt);
        self.out.waits = Some(before.unwrap_or_else(|| planning("a Job computes the plan".to_owned())));
    }

    fn send(&mut self, key: &str, attempt: u32) {
        let target = self.target.clone();
        let release = Release { image: target.image, documents: target.documents, parts: target.parts };
        let (phase, plan, allow) = (Phase::Plan, ("", ""), Vec::new());
        self.order(&Order { phase, key, attempt, release, database: &target.database, plan, allow });
        self.out.waits.get_or_insert_with(|| planning("a Job computes the plan".to_owned()));
    }

    /// Takes the report of a plan Job that found its way.
    fn take_plan(&mut self, report: &Report) {
        let Some((plan, mut applied)) = report.plan.as_ref().zip(self.look(report)) else {
            self.out.waits = Some(planning("the report of the plan Job is not understood; see its log".to_owned()));
            return;
        };
        let is_open = plan.to_revision == applied.revision && plan.from_revision < plan.to_revision;
        self.image_fits = plan.system.is_empty();
        let is_nothing = plan.steps.is_empty() && self.image_fits && plan.from_revision == plan.to_revision;
        // An open plan has been expanded; but the image's own tables come before its servers, and so before the contract.
        let is_expanded = is_open && self.image_fits;
        if is_expanded || is_nothing {
            applied.documents.clone_from(&self.target.documents);
            applied.parts = self.target.parts;
            applied.image.clone_from(&self.target.image);
            applied.next.clear();
        }
        let name = plans::name(&kube::ResourceExt::name_any(&*self.seen.backend), plan);
        if is_nothing {
            applied.open = false;
            self.applied = Some(applied);
            // Its report is stored by that.
            return;
        }
        if !self.write_plan(&name, plan, &applied, report, is_expanded) {
            self.out.waits = Some(planning(format!("MigrationPlan `{name}` is made again")));
            self.again(Duration::from_secs(1));
            return;
        }
        applied.open = is_open;
        if is_open {
            applied.plan.clone_from(&name);
            applied.plan_hash.clone_from(&plan.plan_hash);
            applied.remember(&name);
        }
        if is_expanded {
            self.applied = Some(applied);
            return;
        }
        applied.next = name;
        self.applied = Some(applied);
        self.expand();
    }

    /// What a report says of the database, with what else is known of it.
    fn look(&self, report: &Report) -> Option<Applied> {
        let before = self.applied.clone().unwrap_or_default();
        let known = self.applied.is_some() && before.database == self.target.database;
        let mut applied = before.clone().with_schema(report)?;
        applied.database.clone_from(&self.target.database);
        if known && applied.revision == before.revision {
            return Some(applied);
        }
        let led = self.seen.plans.iter().filter(|plan| plan.spec.to_revision == applied.revision);
        let led = led.max_by_key(|plan| plan.metadata.creation_timestamp.clone());
        let current = rollout::current(self.seen);
        let documents = led.map(|plan| plan.spec.documents.clone());
        let documents = documents.filter(|documents| rollout::parts(self.seen, documents) > 0);
        let served = current.as_ref().map(|current| current.documents.clone());
        // What is served fits for sure: nothing that was applied since breaks it.
        applied.documents = served.or(documents).filter(|_| applied.revision > 0).unwrap_or_default();
        applied.parts = rollout::parts(self.seen, &applied.documents);
        applied.image = current.map(|current| current.image).unwrap_or_default();
        (applied.plan, applied.plan_hash, applied.next) = (String::new(), String::new(), String::new());
        applied.open = false;
        Some(applied)
    }

    /// Writes the MigrationPlan, unless it is there; false while one of its name, made for something else, has to go.
    fn write_plan(&mut self, name: &str, plan: &Plan, applied: &Applied, report: &Report, usable: bool) -> bool {
        let there = self.seen.plans.iter().find(|there| there.metadata.name.as_deref() == Some(name));
        if let Some(there) = there {
            let same = there.spec.image == self.target.image && there.spec.documents == self.target.documents;
            if there.metadata.deletion_timestamp.is_none() && (same || usable) {
                return true;
            }
            self.replaced.insert(name.to_owned());
            return false;
        }
        let names = &self.documents.names;
        let made = plans::make(self.seen, &self.target, applied, names, plan, &report.notes, self.now);
        self.made.push(made.object);
        self.writes.extend(made.desired);
        true
    }

    /// There is no plan yet: says why, and tries again in time.
    fn refused(&mut self, run: &Run<'_>, report: &Report, key: &str) {
        let wait = failure::wait(report, run.attempt);
        let held = failure::is(report, "ContractOpen");
        self.image_fits = held || failure::is(report, "PlanRefused");
        let moved = self.look(report).filter(|_| !failure::is(report, "DatabaseInUse"));
        if let Some(moved) = moved {
            let revision = self.applied.as_ref().map(|applied| applied.revision);
            if revision != Some(moved.revision) {
                self.applied = Some(moved);
            }
        }
        if held {
            self.out.waits = Some(Wait {
                message: "the contract of the applied revision comes before these documents".to_owned(),
                ..wait
            });
            if self.reopen() {
                // Once it is done, the same is asked anew.
                return;
            }
        } else {
            self.out.waits = Some(wait.clone());
        }
        match failure::rest(run, self.seen.backend.metadata.generation, self.now) {
            Some(rest) => self.again(rest),
            None => self.ask(key, run.attempt + 1, self.out.waits.clone()),
        }
    }

    /// The server says that a contract is open: finds whose, when that was lost. False when it cannot be told.
    fn reopen(&mut self) -> bool {
        let Some(applied) = self.applied.as_mut() else { return false };
        if applied.open {
            return true;
        }
        let led = |plan: &&MigrationPlan| plan.spec.to_revision == applied.revision && plans::has_contract(plan);
        let plan = self.seen.plans.iter().filter(led).max_by_key(|plan| plan.metadata.creation_timestamp.clone());
        let Some(plan) = plan else {
            if let Some(wait) = &mut self.out.waits {
                wait.stalled = true;
                wait.message
                    .push_str("; its MigrationPlan is lost: take the change of the documents back until it is done");
            }
            return false;
        };
        applied.open = true;
        applied.plan = plan.metadata.name.clone().unwrap_or_default();
        applied.plan_hash.clone_from(&plan.spec.plan_hash);
        applied.documents.clone_from(&plan.spec.documents);
        applied.parts = rollout::parts(self.seen, &plan.spec.documents);
        true
    }
}

fn planning(message: String) -> Wait {
    Wait { reason: Reason::Planning, message, stalled: false }
}

/// What is said of an image that cannot be pulled or started.
pub fn image_unavailable(image: &str, message: &str) -> Wait {
    let message = format!("image `{image}` cannot be run: {message}");
    Wait { reason: Reason::ImageUnavailable, message, stalled: false }
}
