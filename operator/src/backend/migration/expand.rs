//! The first phase of a plan: everything that must be there before new servers. Pure.

use kube::ResourceExt;
use mainstay_crds::conditions::Reason;

use super::course::Course;
use super::job::{Order, Phase, Run};
use super::planning::image_unavailable;
use super::progress::Progress;
use super::{Wait, failure, gate, plans};
use crate::backend::release::Release;

/// The phases of one Job.
const PHASES: [&str; 2] = ["expand", "backfill"];

impl Course<'_> {
    /// Runs the expand phase of the plan to the target as soon as it may.
    pub(super) fn expand(&mut self) {
        let Some(plan) = self.candidate().cloned() else { return };
        let (name, hash) = (plan.name_any(), plan.spec.plan_hash.as_str());
        // With migrations of its own tables pending, the new image has to wait as well.
        self.image_fits = plans::says(&plan, plans::SYSTEM).is_none();
        self.show(&plan);
        let failed = self.failed(Phase::Expand, plans::short(hash));
        let attempt = failed.as_ref().map_or(1, |run| run.attempt + 1);
        if let Some(held) = gate::held(&self.seen.backend, &plan, &PHASES, failed.is_some(), self.now) {
            self.again_at(held.until);
            self.progress.insert(name, Progress::waiting(&held.wait));
            self.out.waits = Some(held.wait);
            return;
        }
        if let Some((run, report)) = failed.as_ref().and_then(|run| Some((run, run.failure()?))) {
            let wait = failure::wait(report, run.attempt);
            self.progress.insert(name.clone(), Progress::failed(&wait, run.attempt, failure::last_failure(report)));
            self.out.waits = Some(wait);
            if let Some(rest) = failure::rest(run, self.seen.backend.metadata.generation, self.now) {
                return self.again(rest);
            }
        } else {
            let wait = migrating(&name);
            self.progress.insert(name.clone(), Progress::expanding(&wait, attempt));
            self.out.waits = Some(wait);
        }
        let spec = &plan.spec;
        let release =
            Release { image: spec.image.clone(), documents: spec.documents.clone(), parts: self.target.parts };
        let (database, allow) = (self.target.database.clone(), gate::allow(&plan, &PHASES));
        let (phase, key, plan) = (Phase::Expand, plans::short(hash), (name.as_str(), hash));
        self.order(&Order { phase, key, attempt, release, database: &database, plan, allow });
    }

    /// What is said while a Job of a phase is under way.
    pub(super) fn running(&self, run: &Run<'_>, plan: &str) -> Wait {
        match run.obstacle(self.seen) {
            Some(message) => image_unavailable(run.says(super::job::IMAGE), &message),
            None => {
                let homeless = run.homeless(self.seen, self.now);
                let message = homeless.unwrap_or_else(|| format!("Job `{}` carries out `{plan}`", run.name));
                Wait { message, ..migrating(plan) }
            }
        }
    }
}

/// The database is being changed.
pub(super) fn migrating(plan: &str) -> Wait {
    Wait { reason: Reason::Migrating, message: format!("a Job carries out `{plan}`"), stalled: false }
}
