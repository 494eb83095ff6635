//! The whole way of migrations over a simulated cluster and database, as scenarios.
//!
//! What is asked is what people see: which Jobs ran, how far plans are, what is served and what is waited for.

use std::time::Duration;

use mainstay_crds::conditions::Reason;
use serde_json::json;

use super::*;

mod approvals;
mod database;
mod kills;
mod objects;
mod world;

use world::World;

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// A Backend that serves `markets` with `name` and `old`, at revision 1.
fn running() -> World {
    let mut world = World::new();
    world.declare("markets", &["name", "old"]);
    let way = world.settle();
    assert_eq!((way.waits, way.contract), (None, None));
    world.ran.clear();
    world
}

fn waits(way: &Migration) -> (Reason, bool) {
    let wait = way.waits.as_ref().expect("it waits");
    (wait.reason, wait.stalled)
}

fn contract(way: &Migration) -> (Reason, bool) {
    let wait = way.contract.as_ref().expect("a contract is open");
    (wait.reason, wait.stalled)
}

/// Documents that the Deployment's pods serve are those that are accepted.
fn serves_newest(world: &World) -> bool {
    let newest = crate::backend::documents::documents(&world.seen, world.now).hash;
    rollout::current(&world.seen).is_some_and(|current| current.documents == newest)
}

#[test]
fn a_first_backend() {
    let mut world = World::new();
    world.declare("markets", &["name"]);
    let first = world.way();
    assert_eq!((first.release.clone(), waits(&first)), (None, (Reason::Planning, false)));
    assert!(first.desired.is_empty(), "a change settles first: {:?}", first.desired);
    let way = world.settle();
    assert_eq!(world.ran, ["plan", "expand"]);
    assert_eq!(world.phases(), ["0→1 Complete"]);
    assert_eq!((way.waits.clone(), way.contract.clone(), way.schema.clone().unwrap().revision), (None, None, 1));
    assert!(serves_newest(&world));
    assert!(world.seen.jobs.is_empty());
    let applied = world.seen.applied.as_ref().unwrap().data.as_ref().unwrap();
    assert_eq!((applied["revision"].as_str(), applied["compatibleFrom"].as_str()), ("1", "1"));
    assert!(applied["schema.json"].contains(r#""revision":1"#));
    // Nothing is written any more.
    let writes = world.writes;
    world.pass(minutes(60));
    world.settle();
    assert_eq!(world.writes, writes);
}

#[test]
fn a_backend_without_collections() {
    let mut world = World::new();
    let way = world.settle();
    assert_eq!((way.waits, world.ran.as_slice()), (None, &["plan".to_owned()][..]));
    assert_eq!(way.release.unwrap().parts, 0);
}

#[test]
fn an_added_field() {
    let mut world = running();
    world.declare("markets", &["name", "old", "slug"]);
    world.settle();
    assert_eq!(world.ran, ["plan", "expand"]);
    assert_eq!(world.phases(), ["0→1 Complete", "1→2 Complete"]);
    assert!(serves_newest(&world));
}

#[test]
fn changes_settle_together() {
    let mut world = running();
    for (at, fields) in [&["a"][..], &["a", "b"], &["a", "b", "c"]].into_iter().enumerate() {
        world.declare(&format!("n{at}s"), fields);
        let planned = crate::backend::plan::plan(&world.seen, &Settings { ..Settings::for_tests() }, world.now);
        assert!(!planned.desired.iter().any(|desired| desired.kind.kind == "Job"));
        // Only the documents are written meanwhile.
        world.stopped = true;
        world.settle_for(Duration::from_millis(500));
    }
    world.stopped = false;
    world.settle();
    assert_eq!(world.ran, ["plan", "expand"]);
}

#[test]
fn another_image() {
    let mut world = running();
    world.edit(json!({ "image": "server:2" }));
    world.settle();
    assert_eq!(world.ran, ["plan"]);
    assert_eq!(rollout::current(&world.seen).unwrap().image, "server:2");
    // One with tables of its own migrates first.
    world.edit(json!({ "image": "server:tables" }));
    world.settle();
    assert_eq!(world.ran, ["plan", "plan", "expand"]);
    assert_eq!(rollout::current(&world.seen).unwrap().image, "server:tables");
    assert_eq!(world.phases(), ["0→1 Complete", "1→1 Complete"]);
    // The same plan by another image takes the place of the first.
    world.edit(json!({ "image": "server:tables-too" }));
    world.settle();
    assert_eq!(world.phases(), ["0→1 Complete", "1→1 Complete"]);
    assert_eq!(rollout::current(&world.seen).unwrap().image, "server:tables-too");
}

#[test]
fn a_destructive_change_expands_soaks_and_waits_for_its_hash() {
    let mut world = running();
    world.declare("markets", &["name"]);
    let way = world.settle();
    assert_eq!(world.ran, ["plan", "expand"]);
    assert_eq!((way.waits.clone(), contract(&way)), (None, (Reason::Soaking, false)));
    assert_eq!(world.phases(), ["0→1 Complete", "1→2 Soaking"]);
    assert!(serves_newest(&world));
    let way = world.settle_for(minutes(30));
    assert_eq!((way.waits.clone(), contract(&way)), (None, (Reason::ContractPending, true)));
    assert_eq!(world.phases(), ["0→1 Complete", "1→2 ContractPending"]);
    let plan = way.plan.unwrap();
    assert_eq!(plan.effects, ["drop field markets.old"]);
    let hash = plan.approval_hash.unwrap();
    assert!(contract(&world.way()).1 && world.way().contract.unwrap().message.contains(&hash));
    assert_eq!(world.database.compatible_from, 1);
    world.edit(json!({ "migrations": { "approve": [hash] } }));
    let way = world.settle();
    assert_eq!((way.contract, way.plan), (None, None));
    assert_eq!(world.ran, ["plan", "expand", "contract"]);
    assert_eq!(world.phases(), ["0→1 Complete", "1→2 Complete"]);
    assert_eq!(world.database.compatible_from, 2);
    let status = world.seen.plans[1].status.clone().unwrap();
    assert!(status.expanded_at.is_some() && status.rolled_out_at.is_some() && status.contracted_at.is_some());
}

#[test]
fn an_approval_may_come_first() {
    let mut dry = running();
    dry.declare("markets", &["name"]);
    let hash = dry.settle().plan.unwrap().approval_hash.unwrap();
    let mut world = running();
    world.edit(json!({ "migrations": { "approve": [hash], "soak": "1m" } }));
    world.declare("markets", &["name"]);
    world.settle_for(minutes(10));
    assert_eq!(world.ran, ["plan", "expand", "contract"]);
}

#[test]
fn a_gated_expand_holds_up_the_schema_alone() {
    let mut world = running();
    let before = rollout::current(&world.seen).unwrap().documents;
    world.declare("markets", &["name", "old", "code!"]);
    world.edit(json!({ "image": "server:2" }));
    let way = world.settle();
    assert_eq!(waits(&way), (Reason::ApprovalRequired, true));
    let serves = rollout::current(&world.seen).unwrap();
    assert_eq!((serves.documents, serves.image.as_str()), (before, "server:2"));
    assert_eq!(world.phases(), ["0→1 Complete", "1→2 Waiting"]);
    world.edit(json!({ "replicas": 3 }));
    world.settle();
    assert_eq!(world.seen.pods.len(), 3);
    world.edit(json!({ "migrations": { "approve": [way.plan.unwrap().approval_hash.unwrap()] } }));
    assert_eq!(world.settle().waits, None);
    assert!(serves_newest(&world));
    assert_eq!(world.ran, ["plan", "expand"]);
}

#[test]
fn a_gated_expand_with_tables_of_the_image_holds_the_image_too() {
    let mut world = running();
    world.declare("markets", &["name", "old", "code!"]);
    world.edit(json!({ "image": "server:tables" }));
    assert_eq!(waits(&world.settle()), (Reason::ApprovalRequired, true));
    assert_eq!(rollout::current(&world.seen).unwrap().image, "server:1");
}

#[test]
fn what_is_forbidden_is_not_begun() {
    let mut world = running();
    world.edit(json!({ "migrations": { "policy": { "destructive": "Forbid" } } }));
    world.declare("markets", &["name"]);
    let way = world.settle_for(minutes(30));
    assert_eq!((waits(&way), world.ran.len()), ((Reason::Forbidden, true), 1));
    world.declare("markets", &["name", "old"]);
    assert_eq!(world.settle().waits, None);
    assert_eq!(world.phases(), ["0→1 Complete", "1→2 Superseded"]);
}

#[test]
fn a_backup_and_a_window_are_waited_for() {
    let mut world = running();
    world.edit(json!({ "migrations": {
        "policy": { "destructive": "Auto" }, "soak": "1m", "backup": { "before": ["destructive"] },
        "window": { "start": "02:00", "duration": "1h" },
    } }));
    world.declare("markets", &["name"]);
    let way = world.settle_for(minutes(10));
    assert_eq!(contract(&way), (Reason::WaitingForBackup, true));
    let plan = way.plan.unwrap().name;
    world.annotate("mainstay.dev/backup", &plan);
    let way = world.settle_for(minutes(10));
    assert_eq!(contract(&way), (Reason::WaitingForWindow, false));
    assert!(!world.ran.contains(&"contract".to_owned()));
    let way = world.settle_for(minutes(180));
    assert_eq!((way.contract, world.ran.last().unwrap().as_str()), (None, "contract"));
    assert!(world.now >= "2026-01-01T02:00:00Z".parse().unwrap());
}

#[test]
fn failures_are_retried_with_longer_and_longer_rests() {
    let mut world = running();
    world.declare("markets", &["name", "old", "slug"]);
    world.failures.extend([("expand", "StepFailed"); 3]);
    let begin = world.now;
    let way = world.settle_for(Duration::from_secs(8));
    assert_eq!(waits(&way), (Reason::MigrationFailed, false));
    assert!(way.waits.unwrap().message.contains("because of StepFailed"));
    assert_eq!(world.phases(), ["0→1 Complete", "1→2 Failed"]);
    let status = world.seen.plans[1].status.clone().unwrap();
    assert_eq!((status.attempts, status.last_failure.as_deref()), (Some(1), Some("because of StepFailed")));
    assert_eq!(world.settle_for(minutes(5)).waits, None);
    let took = world.now.duration_since(begin).as_secs();
    // 10 + 20 + 40 seconds of rest.
    assert!((70..110).contains(&took), "{took}");
    assert_eq!(world.ran, ["plan", "expand", "expand", "expand", "expand"]);
    assert!(world.seen.jobs.is_empty());
}

#[test]
fn a_failure_is_retried_at_once_when_the_spec_changes() {
    let mut world = running();
    world.declare("markets", &["name", "old", "slug"]);
    world.failures.extend([("plan", "DatabaseInUse"); 6]);
    let way = world.settle_for(minutes(4));
    assert_eq!(waits(&way), (Reason::DatabaseInUse, true));
    let (before, tries) = (world.now, world.ran.len());
    world.failures.clear();
    world.edit(json!({ "takeOverFrom": "eshop/former" }));
    assert_eq!(world.settle_for(Duration::from_secs(5)).waits, None);
    assert_eq!(world.ran.len(), tries + 2);
    assert!(world.now.duration_since(before).as_secs() <= 10);
}

#[test]
fn a_failed_contract_is_retried() {
    let mut world = running();
    world.edit(json!({ "migrations": { "policy": { "destructive": "Auto" }, "soak": "0s" } }));
    world.declare("markets", &["name"]);
    world.failures.push_back(("contract", "OldInstances"));
    let way = world.settle_for(Duration::from_secs(8));
    assert_eq!((way.waits.clone(), contract(&way)), (None, (Reason::RollingOut, false)));
    assert_eq!(world.settle_for(minutes(1)).contract, None);
    assert_eq!(world.ran, ["plan", "expand", "contract", "contract"]);
}

#[test]
fn a_stale_plan_is_made_again() {
    let mut world = running();
    world.declare("markets", &["name", "old", "code!"]);
    let hash = world.settle().plan.unwrap().approval_hash.unwrap();
    // Someone migrates by hand.
    world.database.revision = 5;
    world.edit(json!({ "migrations": { "approve": [hash] } }));
    let way = world.settle_for(minutes(2));
    assert_eq!(way.waits, None);
    assert_eq!(world.ran, ["plan", "expand", "plan", "expand"]);
    assert_eq!(world.phases(), ["0→1 Complete", "1→2 Superseded", "5→6 Complete"]);
    assert!(world.seen.jobs.is_empty());
}

#[test]
fn a_plan_that_is_called_stale_without_reason_rests_before_it_is_tried_again() {
    let mut world = running();
    world.declare("markets", &["name", "old", "slug"]);
    world.failures.push_back(("expand", "PlanStale"));
    assert_eq!(world.settle_for(minutes(2)).waits, None);
    assert_eq!(world.ran, ["plan", "expand", "plan", "expand"]);
    assert!(world.seen.jobs.is_empty());
}

#[test]
fn an_invalid_collection_changes_nothing_and_comes_back() {
    let mut world = running();
    let writes = |world: &World| (world.ran.len(), rollout::current(&world.seen));
    let before = writes(&world);
    world.declare_as("markets", json!([{ "name": "name", "type": "texd" }]));
    assert_eq!(world.settle().waits, None);
    assert_eq!(writes(&world), before);
    world.declare("markets", &["name", "old", "slug"]);
    world.settle();
    assert!(serves_newest(&world));
    assert_eq!(world.database.revision, 2);
}

#[test]
fn a_waiting_plan_gives_way_to_newer_documents() {
    let mut world = running();
    world.declare("markets", &["name", "old", "code!"]);
    world.settle();
    world.declare("markets", &["name", "old", "slug"]);
    let way = world.settle();
    assert_eq!((way.waits, way.plan), (None, None));
    assert_eq!(world.phases(), ["0→1 Complete", "1→2 Superseded", "1→2 Complete"]);
    assert_eq!(world.ran, ["plan", "plan", "expand"]);
}

#[test]
fn documents_that_change_during_a_phase_are_planned_after_it() {
    let mut world = running();
    world.declare("markets", &["name", "old", "slug"]);
    world.stopped = true;
    world.settle_for(Duration::from_secs(8));
    world.run_jobs();
    world.settle_for(Duration::from_secs(1));
    let phase =
        |world: &World| world.seen.jobs.iter().map(|job| job.metadata.name.clone().unwrap()).collect::<Vec<_>>();
    let expand = phase(&world).into_iter().find(|name| name.contains("-expand-")).unwrap();
    world.declare("markets", &["name", "old", "slug", "more"]);
    let way = world.settle_for(Duration::from_secs(30));
    assert_eq!(waits(&way), (Reason::Migrating, false));
    assert_eq!(phase(&world), [expand]);
    world.stopped = false;
    assert_eq!(world.settle().waits, None);
    assert_eq!(world.phases(), ["0→1 Complete", "1→2 Complete", "2→3 Complete"]);
}

#[test]
fn while_a_contract_is_open_other_documents_wait() {
    let mut world = running();
    world.declare("markets", &["name"]);
    world.settle();
    world.declare("markets", &["name", "slug"]);
    let way = world.settle();
    assert_eq!(waits(&way), (Reason::ContractPending, false));
    assert_eq!(contract(&way), (Reason::Soaking, false));
    // The image goes on.
    world.edit(json!({ "image": "server:2" }));
    world.settle();
    assert_eq!(rollout::current(&world.seen).unwrap().image, "server:2");
    let way = world.settle_for(minutes(30));
    assert_eq!(contract(&way), (Reason::ContractPending, true));
    let hash = way.plan.unwrap().approval_hash.unwrap();
    world.edit(json!({ "migrations": { "approve": [hash] } }));
    let way = world.settle();
    assert_eq!((way.waits, way.contract), (None, None));
    assert_eq!(world.phases(), ["0→1 Complete", "1→2 Complete", "2→3 Complete"]);
    assert!(serves_newest(&world));
}

#[test]
fn an_evicted_pod_holds_no_contract_up() {
    let mut world = running();
    let mut evicted = world.seen.pods[0].clone();
    evicted.status = serde_json::from_value(json!({ "phase": "Failed", "reason": "Evicted" })).unwrap();
    world.edit(json!({ "migrations": { "policy": { "destructive": "Auto" }, "soak": "1m" } }));
    world.declare("markets", &["name"]);
    world.settle_for(Duration::from_secs(30));
    world.seen.pods.push(evicted);
    assert_eq!(world.settle_for(minutes(5)).contract, None);
    assert_eq!(world.database.compatible_from, 2);
}

#[test]
fn an_image_with_tables_of_its_own_comes_before_an_open_contract() {
    let mut world = running();
    world.declare("markets", &["name"]);
    assert_eq!(contract(&world.settle_for(minutes(30))), (Reason::ContractPending, true));
    world.edit(json!({ "image": "server:tables" }));
    let way = world.settle_for(minutes(30));
    assert_eq!(contract(&way), (Reason::ContractPending, true));
    assert_eq!(rollout::current(&world.seen).unwrap().image, "server:tables");
    assert!(world.database.lacks("server:tables").is_empty());
    world.edit(json!({ "migrations": { "approve": [way.plan.unwrap().approval_hash.unwrap()] } }));
    let way = world.settle_for(minutes(30));
    assert_eq!((way.waits, way.contract), (None, None));
    assert_eq!(world.ran, ["plan", "expand", "plan", "expand", "contract"]);
}

#[test]
fn nothing_is_begun_while_suspended_or_leaving() {
    let mut world = running();
    world.edit(json!({ "suspend": true }));
    assert_eq!(world.settle().waits, None, "what is declared is there");
    world.declare("markets", &["name", "old", "slug"]);
    let way = world.settle_for(minutes(5));
    assert_eq!((waits(&way), world.ran.len()), ((Reason::Suspended, false), 0));
    world.edit(json!({ "suspend": null }));
    assert_eq!(world.settle().waits, None);
    world.seen.namespace_terminating = true;
    world.declare("markets", &["name", "old"]);
    let way = world.settle_for(minutes(5));
    assert_eq!((waits(&way), way.desired.len(), world.ran.len()), ((Reason::Terminating, false), 0, 2));
}

#[test]
fn a_broken_secret_holds_up_steps_and_nothing_that_runs() {
    let mut world = running();
    let cases = [
        (SecretState::Missing, Reason::SecretMissing),
        (SecretState::KeyMissing, Reason::SecretMissing),
        (SecretState::Invalid, Reason::SecretInvalid),
    ];
    let release = world.way().release;
    world.declare("markets", &["name", "old", "slug"]);
    for (state, reason) in cases {
        world.seen.urls[0].state = state;
        let way = world.settle();
        assert_eq!((waits(&way), way.release), ((reason, true), release.clone()));
    }
    assert!(world.ran.is_empty());
    world.seen.urls[0].state = SecretState::Usable;
    assert_eq!(world.settle().waits, None);
}

#[test]
fn an_embedded_database_needs_no_job() {
    let mut world = World::new();
    world.edit(json!({ "database": { "urlFrom": null, "embedded": { "size": "1Gi" } } }));
    world.declare("markets", &["name"]);
    let way = world.settle();
    assert_eq!((way.waits, world.ran.len()), (None, 0));
    assert_eq!(way.release.unwrap().parts, 1);
}
