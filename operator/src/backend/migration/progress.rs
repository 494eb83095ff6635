//! How far each MigrationPlan is: its status, and an Event when its phase changes. Pure.

use kube::ResourceExt;
use mainstay_crds::conditions::{Reason, Type};
use mainstay_crds::migration_plan::{MigrationPlan, MigrationPlanStatus};

use super::Wait;
use super::course::Course;
use crate::backend::status::condition;
use crate::desired::Note;

/// How far a plan is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    phase: &'static str,
    reason: Reason,
    message: String,
    attempts: Option<u32>,
    last_failure: Option<String>,
    expanded_at: Option<String>,
    rolled_out_at: Option<String>,
    contracted_at: Option<String>,
}

impl Progress {
    fn new(phase: &'static str, wait: &Wait, attempts: Option<u32>) -> Progress {
        Progress {
            phase,
            reason: wait.reason,
            message: wait.message.clone(),
            attempts,
            last_failure: None,
            expanded_at: None,
            rolled_out_at: None,
            contracted_at: None,
        }
    }

    /// It is held before its first phase.
    pub fn waiting(wait: &Wait) -> Progress {
        Progress::new("Waiting", wait, None)
    }

    /// A Job runs its expand phase.
    pub fn expanding(wait: &Wait, attempt: u32) -> Progress {
        Progress::new("Expanding", wait, Some(attempt))
    }

    /// New servers replace older ones.
    pub fn rolling_out(wait: &Wait) -> Progress {
        Progress::new("RollingOut", wait, None)
    }

    /// New servers run for a while.
    pub fn soaking(wait: &Wait) -> Progress {
        Progress::new("Soaking", wait, None)
    }

    /// It is held before its contract phase.
    pub fn contract_pending(wait: &Wait) -> Progress {
        Progress::new("ContractPending", wait, None)
    }

    /// A Job runs its contract phase.
    pub fn contracting(wait: &Wait, attempt: u32) -> Progress {
        Progress::new("Contracting", wait, Some(attempt))
    }

    /// A Job failed; the next one comes in time.
    pub fn failed(wait: &Wait, attempt: u32, last_failure: String) -> Progress {
        Progress { last_failure: Some(last_failure), ..Progress::new("Failed", wait, Some(attempt)) }
    }

    /// All phases are done.
    pub fn complete() -> Progress {
        let message = "all phases are done".to_owned();
        Progress::new("Complete", &Wait { reason: Reason::Complete, message, stalled: false }, None)
    }

    /// With times in RFC 3339: when expand was done, since when no older server is left, when contract was done. Empty
    /// when it is not known.
    pub fn at(self, expanded: &str, rolled_out: Option<String>, contracted: &str) -> Progress {
        let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Progress { expanded_at: known(expanded), rolled_out_at: rolled_out, contracted_at: known(contracted), ..self }
    }

    fn superseded() -> Progress {
        let message = "another plan took its place".to_owned();
        Progress::new("Superseded", &Wait { reason: Reason::Superseded, message, stalled: false }, None)
    }
}

impl Course<'_> {
    /// The status of every plan, and what people should hear of.
    pub(super) fn report_progress(&mut self) {
        let stays = |plan: &&MigrationPlan| plan.metadata.deletion_timestamp.is_none();
        let plans = self.seen.plans.iter().filter(stays).filter(|plan| !self.replaced.contains(&plan.name_any()));
        let plans: Vec<MigrationPlan> = plans.chain(&self.made).cloned().collect();
        for plan in plans {
            let name = plan.name_any();
            let Some(progress) = self.progress.get(&name).cloned().or_else(|| self.otherwise(&plan)) else { continue };
            let old = plan.status.as_ref();
            if old.and_then(|old| old.phase.as_deref()) != Some(progress.phase) {
                self.out.notes.push(Note {
                    warning: progress.phase == "Failed",
                    reason: format!("Plan{}", progress.phase),
                    message: format!("MigrationPlan `{name}`: {}", progress.message),
                });
            }
            let is = progress.phase == "Complete";
            let conditions = old.map_or(&[][..], |old| &old.conditions);
            let kept = |pick: fn(&MigrationPlanStatus) -> &Option<String>| old.and_then(|old| pick(old).clone());
            let status = MigrationPlanStatus {
                conditions: vec![condition(
                    conditions,
                    Type::Complete,
                    is,
                    progress.reason,
                    progress.message,
                    plan.metadata.generation,
                    self.now,
                )],
                phase: Some(progress.phase.to_owned()),
                expanded_at: progress.expanded_at.or_else(|| kept(|old| &old.expanded_at)),
                rolled_out_at: match is {
                    true => kept(|old| &old.rolled_out_at).or(progress.rolled_out_at),
                    false => progress.rolled_out_at,
                },
                contracted_at: progress.contracted_at.or_else(|| kept(|old| &old.contracted_at)),
                attempts: progress.attempts,
                last_failure: progress.last_failure,
            };
            self.out.plans.push((name, status));
        }
    }

    /// Of a plan that is not under way.
    fn otherwise(&self, plan: &MigrationPlan) -> Option<Progress> {
        let name = plan.name_any();
        let phase = plan.status.as_ref().and_then(|status| status.phase.as_deref());
        let Some(applied) = &self.applied else {
            // What the database has is not known: neither is this.
            return None;
        };
        if applied.next == name && self.out.waits.is_some() && self.candidate().is_some() {
            // Nothing is begun for now.
            return self.out.waits.as_ref().map(Progress::waiting);
        }
        if applied.history.contains(&name) || phase == Some("Complete") {
            return Some(Progress::complete());
        }
        Some(Progress::superseded())
    }
}
