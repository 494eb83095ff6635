//! MigrationPlans: made from the report of a plan Job, and thrown away when they are old. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use mainstay_crds::migration_plan::{MigrationPlan, MigrationPlanSpec, PlanStep};
use mainstay_crds::plan::{Class, Phase, Plan, Step};
use serde_json::json;

use super::applied::Applied;
use super::target::Target;
use crate::backend::observed::Observed;
use crate::desired::{Desired, How};
use crate::kind;

/// The annotation that tells which Collections are gone with a plan.
pub const REMOVES: &str = "mainstay.dev/removes";
/// The annotation of a plan that takes more than one Collection away within a minute.
pub const REMOVES_MANY: &str = "mainstay.dev/removes-many";
/// The annotation of a plan with migrations of the server's own tables: the new image cannot run before.
pub const SYSTEM: &str = "mainstay.dev/system";

/// SQL that is longer stands in a ConfigMap.
const SQL: usize = 512 * 1024;
/// What a ConfigMap holds of it.
const SQL_MAP: usize = 900 * 1024;
/// How many steps a MigrationPlan lists, and how many characters an effect and a note may have.
const STEPS: usize = 4000;
const EFFECT: usize = 1000;
const NOTE: usize = 4000;
/// How many are kept.
const KEPT: usize = 10;
/// Removals so close together are one.
const TOGETHER: SignedDuration = SignedDuration::from_secs(60);

/// A plan as objects.
pub struct Made {
    /// As it will be seen.
    pub object: MigrationPlan,
    /// Long SQL first, then the plan.
    pub desired: Vec<Desired>,
}

/// metadata.name of the MigrationPlan.
pub fn name(backend: &str, plan: &Plan) -> String {
    format!("{backend}-{}-{}", plan.from_revision, short(&plan.plan_hash))
}

/// The first digits of a plan's hash.
pub fn short(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}

/// Whether it has steps for after the rollout.
pub fn has_contract(plan: &MigrationPlan) -> bool {
    plan.spec.steps.iter().any(|step| step.phase == "contract")
}

/// An annotation of a plan.
pub fn says<'a>(plan: &'a MigrationPlan, annotation: &str) -> Option<&'a str> {
    plan.metadata.annotations.as_ref()?.get(annotation).map(String::as_str)
}

/// The MigrationPlan of a report.
pub fn make(
    seen: &Observed,
    target: &Target,
    applied: &Applied,
    names: &[String],
    plan: &Plan,
    notes: &[String],
    now: Timestamp,
) -> Made {
    let backend = &*seen.backend;
    let name = name(&backend.name_any(), plan);
    let system = plan.system.iter().map(|one| PlanStep {
        effect: format!("migrate the server's own tables: {one}"),
        collection: "system".to_owned(),
        phase: "expand".to_owned(),
        class: "safe".to_owned(),
        reversible: false,
        sql: Vec::new(),
    });
    let mut steps: Vec<PlanStep> = shortened(system.chain(plan.steps.iter().map(step)).collect());
    let length: usize = steps.iter().flat_map(|step| &step.sql).map(String::len).sum();
    let mut desired = Vec::new();
    let mut sql_config_map = None;
    if length > SQL {
        let map = format!("{name}-sql");
        let content = json!({ "immutable": true, "data": { "plan.sql": script(&steps) } });
        desired.push(Desired::new(backend, &kind::CONFIG_MAP, map.clone(), &backend.name_any(), content, How::Create));
        steps.iter_mut().for_each(|step| step.sql.clear());
        sql_config_map = Some(map);
    }
    let (removes, many) = removals(seen, applied, names, now);
    let spec = MigrationPlanSpec {
        backend_ref: mainstay_crds::collection::BackendRef { name: backend.name_any() },
        image: target.image.clone(),
        documents: target.documents.clone(),
        from_revision: plan.from_revision,
        to_revision: plan.to_revision,
        plan_hash: plan.plan_hash.clone(),
        approval_hash: plan.approval_hash.clone(),
        steps,
        notes: notes.iter().take(STEPS).map(|note| note.chars().take(NOTE).collect()).collect(),
        sql_config_map,
    };
    let own_tables = (!plan.system.is_empty()).then(|| "true".to_owned());
    let annotations = [(REMOVES, removes), (REMOVES_MANY, many), (SYSTEM, own_tables)];
    let annotations = annotations.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let annotations: BTreeMap<String, String> = annotations.collect();
    let content = json!({ "metadata": { "annotations": annotations }, "spec": spec });
    let mut object = MigrationPlan::new(&name, spec);
    object.metadata.annotations = Some(annotations);
    object.metadata.generation = Some(1);
    let made = Desired::new(backend, &kind::MIGRATION_PLAN, name, &backend.name_any(), content, How::Create);
    desired.push(made);
    Made { object, desired }
}

fn step(step: &Step) -> PlanStep {
    let phase = match step.phase {
        Phase::Expand => "expand",
        Phase::Backfill => "backfill",
        Phase::Contract => "contract",
    };
    let class = match step.class {
        Class::Safe => "safe",
        Class::Locking => "locking",
        Class::DataDependent => "dataDependent",
        Class::Destructive => "destructive",
    };
    PlanStep {
        effect: step.effect.chars().take(EFFECT).collect(),
        collection: step.collection.clone(),
        phase: phase.to_owned(),
        class: class.to_owned(),
        reversible: step.reversible,
        sql: step.postgres.up.clone(),
    }
}

/// No more steps than an object holds. Safe ones go first: nothing is decided by them.
fn shortened(mut steps: Vec<PlanStep>) -> Vec<PlanStep> {
    let mut surplus = steps.len().saturating_sub(STEPS);
    steps.retain(|step| {
        let goes = surplus > 0 && step.class == "safe";
        surplus -= usize::from(goes);
        !goes
    });
    steps.truncate(STEPS);
    steps
}

/// All statements as one text, as far as a ConfigMap holds them.
fn script(steps: &[PlanStep]) -> String {
    let mut text = String::new();
    for step in steps {
        text.push_str(&format!("-- {} ({}, {})\n", step.effect, step.phase, step.class));
        for statement in &step.sql {
            if text.len() + statement.len() > SQL_MAP {
                text.push_str("-- the rest is longer than a ConfigMap holds; `mainstay migrate plan` prints it\n");
                return text;
            }
            text.push_str(statement);
            text.push_str(";\n");
        }
    }
    text
}

/// Names of Collections that are gone with this plan, and an effect for people when it takes more than one away within
/// a minute.
fn removals(seen: &Observed, applied: &Applied, names: &[String], now: Timestamp) -> (Option<String>, Option<String>) {
    let gone = applied.collections.iter().filter(|name| *name != "users" && !names.contains(name));
    let gone: BTreeSet<&str> = gone.map(String::as_str).collect();
    if gone.is_empty() {
        return (None, None);
    }
    let recent = seen.plans.iter().filter(|plan| {
        let made = plan.creation_timestamp().map(|time| time.0);
        made.is_some_and(|made| now.duration_since(made) < TOGETHER)
    });
    let before = recent.filter_map(|plan| says(plan, REMOVES)).flat_map(|names| names.split(','));
    let all: BTreeSet<&str> = before.chain(gone.iter().copied()).collect();
    let joined = |names: &BTreeSet<&str>, by: &str| names.iter().copied().collect::<Vec<_>>().join(by);
    let many = (all.len() > 1).then(|| format!("remove collections {}", joined(&all, ", ")));
    (Some(joined(&gone, ",")), many)
}

/// Plans that are too old to be kept, less those that are still needed.
pub fn old<'a>(plans: &'a [MigrationPlan], needed: &[&str]) -> Vec<&'a MigrationPlan> {
    let mut all: Vec<&MigrationPlan> = plans.iter().collect();
    all.sort_by_cached_key(|plan| {
        let made = plan.creation_timestamp().map(|time| time.0);
        (std::cmp::Reverse(made), std::cmp::Reverse(plan.spec.from_revision), plan.name_any())
    });
    all.into_iter().skip(KEPT).filter(|plan| !needed.contains(&plan.name_any().as_str())).collect()
}
