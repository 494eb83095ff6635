//! Whether the steps of a phase may begin: policy, approval, backup, window. Pure.
//!
//! Asked before every Job of a phase. The hash that approves covers effects, so that it may be given before the plan is
//! there.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use mainstay_crds::backend::{Backend, Gate, MigrationPolicy, StepClass};
use mainstay_crds::conditions::Reason;
use mainstay_crds::migration_plan::{MigrationPlan, PlanStep};

use super::Wait;
use super::plans::{REMOVES, REMOVES_MANY, says};
use super::window::{Window, window};

/// The Backend's annotation that names the plan for which there is a backup.
pub const BACKUP: &str = "mainstay.dev/backup";

/// Steps that may not begin yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Why.
    pub wait: Wait,
    /// When time alone opens the gate.
    pub until: Option<Timestamp>,
}

/// Why the steps of some phases may not begin; `begun` when a Job of them ran already, which the window lets go on.
pub fn held(backend: &Backend, plan: &MigrationPlan, phases: &[&str], begun: bool, now: Timestamp) -> Option<Held> {
    let steps: Vec<&PlanStep> = plan.spec.steps.iter().filter(|step| phases.contains(&step.phase.as_str())).collect();
    // What is forbidden holds all of the plan: half of it would stand in the way of going back.
    let all = if phases.contains(&"expand") { plan.spec.steps.iter().collect() } else { steps.clone() };
    let forbidden: Vec<&str> = with_gate(backend, &all, Gate::Forbid).map(|step| step.effect.as_str()).collect();
    let name = plan.name_any();
    if !forbidden.is_empty() {
        let message = format!("spec.migrations.policy forbids {}; take the change back, or allow it", list(&forbidden));
        return Some(Held { wait: Wait { reason: Reason::Forbidden, message, stalled: true }, until: None });
    }
    let many = removes(plan).filter(|_| phases.contains(&"expand"));
    let approvable: Vec<&str> = with_gate(backend, &steps, Gate::Approve).map(|step| step.effect.as_str()).collect();
    let effects: Vec<&str> = many.iter().copied().chain(approvable).collect();
    if !effects.is_empty() && !approved(backend, plan) {
        let hash = approval(backend, plan);
        let message = format!(
            "{} wait for approval: look at MigrationPlan `{name}`, then add {hash} to spec.migrations.approve",
            list(&effects)
        );
        return Some(Held { wait: Wait { reason: Reason::ApprovalRequired, message, stalled: true }, until: None });
    }
    backup(backend, plan, &steps).or_else(|| {
        let gated = !effects.is_empty() || steps.iter().any(|step| is_gated(step));
        outside(backend, now).filter(|_| gated && !begun)
    })
}

/// What `spec.migrations.approve` has to name: the approval hash where it covers all that is gated, else the plan's own.
pub fn approval<'a>(backend: &Backend, plan: &'a MigrationPlan) -> &'a str {
    let covering = plan.spec.approval_hash.as_deref().filter(|_| is_covered(backend, plan));
    covering.unwrap_or(&plan.spec.plan_hash)
}

/// Whether the approval hash says something of every gated effect: it knows steps that fail or lose data, and neither
/// others that the policy gates nor Collections that leave their data behind.
fn is_covered(backend: &Backend, plan: &MigrationPlan) -> bool {
    let steps: Vec<&PlanStep> = plan.spec.steps.iter().collect();
    let known = |name: &str| steps.iter().any(|step| step.collection == name && is_gated(step));
    let mut removed =
        says(plan, REMOVES).filter(|_| removes(plan).is_some()).into_iter().flat_map(|all| all.split(','));
    removed.all(known) && with_gate(backend, &steps, Gate::Approve).all(is_gated)
}

/// Effects that the policy gates, of all phases.
pub fn effects(backend: &Backend, plan: &MigrationPlan) -> Vec<String> {
    let steps: Vec<&PlanStep> = plan.spec.steps.iter().collect();
    let gated = with_gate(backend, &steps, Gate::Approve).map(|step| step.effect.clone());
    removes(plan).map(str::to_owned).into_iter().chain(gated).collect()
}

/// Whether the hash is given.
pub fn approved(backend: &Backend, plan: &MigrationPlan) -> bool {
    let given = backend.spec.migrations.as_ref().map_or(&[][..], |migrations| &migrations.approve);
    let wanted = approval(backend, plan);
    given.iter().any(|hash| *hash == wanted || *hash == plan.spec.plan_hash)
}

/// The classes that the server runs only when it is told so.
pub fn allow(plan: &MigrationPlan, phases: &[&str]) -> Vec<&'static str> {
    let steps = || plan.spec.steps.iter().filter(|step| phases.contains(&step.phase.as_str()));
    let classes = ["dataDependent", "destructive"].into_iter();
    classes.filter(|class| steps().any(|step| step.class == *class)).collect()
}

fn removes(plan: &MigrationPlan) -> Option<&str> {
    says(plan, REMOVES_MANY)
}

fn is_gated(step: &PlanStep) -> bool {
    matches!(step.class.as_str(), "dataDependent" | "destructive")
}

fn with_gate<'a>(backend: &Backend, steps: &[&'a PlanStep], gate: Gate) -> impl Iterator<Item = &'a PlanStep> {
    let migrations = backend.spec.migrations.as_ref();
    let policy = migrations.and_then(|migrations| migrations.policy.clone()).unwrap_or_default();
    steps.iter().copied().filter(move |step| gate_of(&policy, &step.class) == gate).collect::<Vec<_>>().into_iter()
}

/// A class that a newer image knows and this operator does not is for people to judge.
fn gate_of(policy: &MigrationPolicy, class: &str) -> Gate {
    match class {
        "safe" => policy.safe.unwrap_or(Gate::Auto),
        "locking" => policy.locking.unwrap_or(Gate::Auto),
        "dataDependent" => policy.data_dependent.unwrap_or(Gate::Approve),
        "destructive" => policy.destructive.unwrap_or(Gate::Approve),
        _ => Gate::Approve,
    }
}

fn backup(backend: &Backend, plan: &MigrationPlan, steps: &[&PlanStep]) -> Option<Held> {
    let before = &backend.spec.migrations.as_ref()?.backup.as_ref()?.before;
    let word = |class: &StepClass| match class {
        StepClass::Safe => "safe",
        StepClass::Locking => "locking",
        StepClass::DataDependent => "dataDependent",
        StepClass::Destructive => "destructive",
    };
    let step = steps.iter().find(|step| before.iter().any(|class| word(class) == step.class))?;
    let name = plan.name_any();
    let named = backend.annotations().get(BACKUP).map_or("", String::as_str);
    if named.split(',').any(|one| one.trim() == name) {
        return None;
    }
    let message =
        format!("`{}` waits for a backup: make one, then set the Backend's annotation {BACKUP}={name}", step.effect);
    Some(Held { wait: Wait { reason: Reason::WaitingForBackup, message, stalled: true }, until: None })
}

fn outside(backend: &Backend, now: Timestamp) -> Option<Held> {
    let spec = backend.spec.migrations.as_ref()?.window.as_ref()?;
    let (reason, message, stalled, until) = match window(spec, now) {
        Window::Open => return None,
        Window::Closed(second) => {
            let until = Timestamp::from_second(second).ok();
            let at = until.map(|at| at.to_string()).unwrap_or_default();
            (Reason::WaitingForWindow, format!("gated steps wait for the window, which opens at {at}"), false, until)
        }
        Window::Wrong => {
            let message = "spec.migrations.window: write start as 02:00 and duration as 2h".to_owned();
            (Reason::InvalidSpec, message, true, None)
        }
    };
    Some(Held { wait: Wait { reason, message, stalled }, until })
}

/// The first effects, and how many more.
fn list(effects: &[&str]) -> String {
    let first = effects.iter().take(5).map(|effect| format!("`{effect}`")).collect::<Vec<_>>().join(", ");
    match effects.len() {
        0..=5 => first,
        many => format!("{first} and {} more", many - 5),
    }
}
