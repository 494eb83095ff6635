//! Plans as text for people and as JSON for programs.
//!
//! Used by `migrate` and by `serve` when it refuses a plan. Writes nothing itself.

use std::collections::BTreeSet;

use mainstay_crds::plan::{Class, Phase, Plan};

use super::super::{Exit, Failure};
use crate::documents::count;

/// The plan as the operator reads it.
pub fn json(plan: &Plan) -> Result<String, Failure> {
    serde_json::to_string_pretty(plan).map_err(|error| Failure::new(Exit::Bug, error.to_string()))
}

/// The plan as a person reads it: one line a step, then the hashes.
pub fn text(plan: &Plan) -> String {
    let system: String = plan.system.iter().map(|name| format!("System tables first: {name}\n")).collect();
    if plan.steps.is_empty() && plan.from_revision == plan.to_revision {
        return match system.is_empty() {
            true => format!("Nothing to do: the database has these documents (revision {}).\n", plan.from_revision),
            false => format!("{system}The database has these documents (revision {}).\n", plan.from_revision),
        };
    }
    let steps = match plan.steps.len() {
        0 => "no step: the tables stay as they are.\n".to_owned(),
        steps => format!("{}:\n\n", count(steps, "step")),
    };
    let mut text = format!("{system}Revision {} to {}, {steps}", plan.from_revision, plan.to_revision);
    for step in &plan.steps {
        let end = if step.reversible { "" } else { "  (cannot be undone)" };
        text.push_str(&format!("  {:9} {:14} {}{end}\n", phase(step.phase), class(step.class), step.effect));
    }
    text.push_str(&format!("\nPlan hash      {}\n", plan.plan_hash));
    if let Some(hash) = &plan.approval_hash {
        text.push_str(&format!("Approval hash  {hash}\n"));
    }
    text
}

/// What the plan leaves as it is.
pub fn notes(notes: &[String]) -> String {
    notes.iter().map(|note| format!("Note: {note}\n")).collect()
}

/// The command that applies exactly this plan, its gated classes allowed.
pub fn command(plan: &Plan, arguments: &str) -> String {
    let gated: BTreeSet<Class> = plan.steps.iter().map(|step| step.class).filter(|class| is_gated(*class)).collect();
    let allow = match gated.is_empty() {
        true => String::new(),
        false => format!(" --allow {}", gated.into_iter().map(class).collect::<Vec<_>>().join(",")),
    };
    format!("mainstay migrate up{arguments} --expect-hash {}{allow}", plan.plan_hash)
}

/// Whether a person must say yes.
pub fn is_gated(class: Class) -> bool {
    matches!(class, Class::DataDependent | Class::Destructive)
}

/// As in JSON and in `--allow`.
pub fn class(class: Class) -> &'static str {
    match class {
        Class::Safe => "safe",
        Class::Locking => "locking",
        Class::DataDependent => "dataDependent",
        Class::Destructive => "destructive",
    }
}

/// As in JSON and in `--phase`.
pub fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Expand => "expand",
        Phase::Backfill => "backfill",
        Phase::Contract => "contract",
    }
}
