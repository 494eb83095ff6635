//! The last phase of a plan: what would break older servers, once none is left and new ones have run for a while. Pure.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use mainstay_crds::conditions::Reason;
use mainstay_crds::duration;
use mainstay_crds::migration_plan::MigrationPlan;

use super::applied::Applied;
use super::course::Course;
use super::expand::migrating;
use super::job::{Order, Phase};
use super::progress::Progress;
use super::{Wait, failure, gate, plans, rollout};
use crate::backend::release::Release;
use crate::backend::status::seconds;

/// The phases of its Job.
const PHASES: [&str; 1] = ["contract"];
/// How long new servers run before it.
const SOAK: Duration = Duration::from_secs(600);

impl Course<'_> {
    /// Goes on with the applied plan as far as it can.
    pub fn contract(&mut self) {
        let Some(applied) = self.applied.clone() else { return };
        let Some(plan) = self.find(&applied.plan).cloned() else {
            if applied.open {
                let message = "contract steps are open; their plan is asked for again".to_owned();
                self.out.contract = Some(Wait { reason: Reason::ContractPending, message, stalled: false });
            }
            return;
        };
        let since = rollout::complete(self.seen, &applied.documents, self.now);
        // The Deployment's own time moves with every later rollout; what was found first counts.
        let told = plan.status.as_ref().and_then(|status| status.rolled_out_at.as_deref()?.parse::<Timestamp>().ok());
        let since = since.map(|since| told.map_or(since, |told| told.min(since)));
        let progress = self.contract_of(&applied, &plan, since);
        let progress = progress.at(&applied.expanded_at, since.map(seconds), &applied.contracted_at);
        self.progress.insert(plan.name_any(), progress);
    }

    fn contract_of(&mut self, applied: &Applied, plan: &MigrationPlan, since: Option<Timestamp>) -> Progress {
        if !applied.open {
            let finished = plans::has_contract(plan) || since.is_some() || was_complete(plan);
            return if finished { Progress::complete() } else { Progress::rolling_out(&rolling_out()) };
        }
        if self.out.plan.is_none() {
            self.show(plan);
        }
        let key = plans::short(&plan.spec.plan_hash).to_owned();
        if let Some(run) = self.latest(Phase::Contract, &key).filter(|run| run.report.is_none()) {
            let wait = self.running(&run, &plan.name_any());
            self.out.contract = Some(wait.clone());
            return Progress::contracting(&wait, run.attempt);
        }
        let (wait, progress) = self.contract_step(applied, plan, &key, since);
        self.out.contract = Some(wait);
        progress
    }

    fn contract_step(
        &mut self,
        applied: &Applied,
        plan: &MigrationPlan,
        key: &str,
        since: Option<Timestamp>,
    ) -> (Wait, Progress) {
        let Some(since) = since else {
            let wait = rolling_out();
            return (wait.clone(), Progress::rolling_out(&wait));
        };
        let ends = SignedDuration::try_from(self.soak()).ok().and_then(|soak| since.checked_add(soak).ok());
        if ends.is_some_and(|ends| ends > self.now) {
            self.again_at(ends);
            let at = ends.map(seconds).unwrap_or_default();
            let message = format!("new servers run until {at} before the contract of `{}`", plan.name_any());
            let wait = Wait { reason: Reason::Soaking, message, stalled: false };
            return (wait.clone(), Progress::soaking(&wait));
        }
        let failed = self.failed(Phase::Contract, key);
        if let Some(held) = gate::held(&self.seen.backend, plan, &PHASES, failed.is_some(), self.now) {
            self.again_at(held.until);
            let wait = Wait { reason: contract_reason(held.wait.reason), ..held.wait };
            return (wait.clone(), Progress::contract_pending(&wait));
        }
        if super::blocked(self.seen, self.documents).is_some() || self.runs_phase() {
            let message = "the contract waits until steps may begin again".to_owned();
            let wait = Wait { reason: Reason::ContractPending, message, stalled: false };
            return (wait.clone(), Progress::contract_pending(&wait));
        }
        let name = plan.name_any();
        let attempt = failed.as_ref().map_or(1, |run| run.attempt + 1);
        let mut answer = (migrating(&name), Progress::contracting(&migrating(&name), attempt));
        if let Some((run, report)) = failed.as_ref().and_then(|run| Some((run, run.failure()?))) {
            let wait = failure::wait(report, run.attempt);
            answer = (wait.clone(), Progress::failed(&wait, run.attempt, failure::last_failure(report)));
            if let Some(rest) = failure::rest(run, self.seen.backend.metadata.generation, self.now) {
                self.again(rest);
                return answer;
            }
        }
        let release =
            Release { image: applied.image.clone(), documents: applied.documents.clone(), parts: applied.parts };
        let (phase, allow) = (Phase::Contract, gate::allow(plan, &PHASES));
        let plan = (name.as_str(), plan.spec.plan_hash.as_str());
        self.order(&Order { phase, key, attempt, release, database: &applied.database, plan, allow });
        answer
    }

    /// Whether a Job that changes the database is there or about to be made.
    fn runs_phase(&self) -> bool {
        let made = |order: &crate::desired::Desired| {
            order.object.pointer("/metadata/labels/mainstay.dev~1phase").is_some_and(|phase| phase != "plan")
        };
        self.runs.iter().any(|run| run.phase != Phase::Plan && run.report.is_none()) || self.orders.iter().any(made)
    }

    fn soak(&self) -> Duration {
        let migrations = self.seen.backend.spec.migrations.as_ref();
        migrations.and_then(|migrations| duration::parse(migrations.soak.as_deref()?)).unwrap_or(SOAK)
    }
}

/// Approval of a contract is asked for in its own word.
fn contract_reason(reason: Reason) -> Reason {
    match reason {
        Reason::ApprovalRequired => Reason::ContractPending,
        other => other,
    }
}

fn was_complete(plan: &MigrationPlan) -> bool {
    plan.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Complete"))
}

fn rolling_out() -> Wait {
    let message = "servers of the applied revision replace older ones".to_owned();
    Wait { reason: Reason::RollingOut, message, stalled: false }
}
