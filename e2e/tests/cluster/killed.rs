//! The operator is killed after every single write to the API server, and the Backend ends as if it never had been.
//!
//! A proxy lets one write of each life of the operator happen and loses its answer; then the process is killed and
//! the next one starts. So every write of a creation and of a migration is once the last of a life.

use std::time::{Duration, Instant};

use mainstay_e2e::cluster::{Cluster, Namespace, PATIENCE, wait_for};
use mainstay_e2e::cutter::Cutter;
use mainstay_e2e::operator::Operator;
use serde_json::{Value as Json, json};

use crate::fixture::{Fixture, is_ready, with_operator};

/// A collection.
pub const NOTES: &str = "apiVersion: mainstay.dev/v1alpha1\nkind: Collection\nmetadata: {name: notes}\nspec:\n  \
                     backendRef: {name: markets}\n  fields:\n    - {name: text, type: text}\n";
/// One field more.
pub const MOOD: &str = "    - {name: mood, type: text}\n";
/// A life does one write, and a creation with a migration takes about forty.
const LIVES: usize = 150;

#[test]
fn each_write_may_be_the_last_of_a_life() {
    let mut undisturbed = Vec::new();
    with_operator("whole", |its| {
        its.here.apply(NOTES);
        its.backend("replicas: 1");
        its.ready();
        settled(its.here);
        undisturbed.push(end_state(its.here));
        its.here.apply(&format!("{NOTES}{MOOD}"));
        at_revision(its.here, "2");
        its.ready();
        settled(its.here);
        undisturbed.push(end_state(its.here));
    });
    Cluster::get().with_namespace("killed", |here| {
        let url = here.database("database");
        let its = Fixture { here, operator: None, url };
        let proxy = here.cluster.proxy();
        let cutter = Cutter::new(proxy.address);
        its.here.apply(NOTES);
        its.backend("replicas: 1");
        let created = live_and_die(here, &cutter, "1");
        same(&end_state(here), &undisturbed[0]);
        its.here.apply(&format!("{NOTES}{MOOD}"));
        let migrated = live_and_die(here, &cutter, "2");
        same(&end_state(here), &undisturbed[1]);
        println!("killed after each of {} writes of a creation and {} of a migration", created.len(), migrated.len());
        assert!(created.len() >= 10 && migrated.len() >= 4, "{created:#?} {migrated:#?}");
    });
}

/// Lives of one write each until the Backend is ready at the revision and a life finds nothing to write. Answers the writes.
fn live_and_die(here: &Namespace<'_>, cutter: &Cutter, revision: &str) -> Vec<String> {
    let mut writes = Vec::new();
    for _ in 0..LIVES {
        cutter.arm(1);
        let operator = Operator::behind(here, cutter.address);
        let start = Instant::now();
        let cut = loop {
            if cutter.has_cut() {
                break true;
            }
            let done = here.object("backend/markets").is_ok_and(|backend| {
                is_ready(&backend).is_ok() && backend["status"]["schema"]["revision"].to_string() == revision
            });
            // Ready, and this life has looked around without writing.
            if done && start.elapsed() > Duration::from_secs(8) {
                break false;
            }
            assert!(start.elapsed() < PATIENCE, "nothing is written and it is not ready: {}", operator.log());
            std::thread::sleep(Duration::from_millis(50));
        };
        writes.extend(cutter.writes());
        operator.kill();
        if !cut {
            return writes;
        }
    }
    panic!("not ready after {LIVES} lives: {writes:#?}");
}

/// Waits until every plan is done: that follows readiness.
pub fn settled(here: &Namespace<'_>) {
    wait_for("plans that are done", PATIENCE, || {
        let plans = here.objects("migrationplans", &[]);
        let open: Vec<_> = plans.iter().filter(|plan| plan["status"]["phase"] != "Complete").collect();
        let jobs = here.objects("jobs", &[]).len();
        if open.is_empty() && jobs == 0 { Ok(()) } else { Err(format!("{jobs} Jobs, {open:?}")) }
    });
}

/// Waits for a revision of the schema.
pub fn at_revision(here: &Namespace<'_>, wanted: &str) {
    wait_for("the revision", PATIENCE, || {
        let found = here.object("backend/markets")?["status"]["schema"]["revision"].to_string();
        if found == wanted { Ok(()) } else { Err(found) }
    });
}

/// Panics with the first line of JSON that differs.
pub fn same(found: &[Json], expected: &[Json]) {
    let lines = |objects: &[Json]| -> Vec<String> {
        format!("{:#}", Json::from(objects.to_vec())).lines().map(str::to_owned).collect()
    };
    let (found, expected) = (lines(found), lines(expected));
    let position = found.iter().zip(&expected).position(|(one, other)| one != other);
    let position = position.or((found.len() != expected.len()).then_some(found.len().min(expected.len())));
    if let Some(position) = position {
        let around = |lines: &[String]| lines[position.saturating_sub(12)..lines.len().min(position + 6)].join("\n");
        panic!("after the kills:\n{}\nundisturbed:\n{}", around(&found), around(&expected));
    }
}

/// Everything that the operator keeps, without what differs from one namespace and one moment to another.
pub fn end_state(here: &Namespace<'_>) -> Vec<Json> {
    let kinds = "deployments,services,serviceaccounts,networkpolicies,configmaps,migrationplans,jobs";
    let objects = here.objects(kinds, &["--selector=mainstay.dev/backend=markets"]);
    let namespace = here.object(&format!("namespace/{}", here.name)).expect("it is there");
    let uid = namespace["metadata"]["uid"].as_str().expect("a uid");
    let kept = objects.into_iter().map(|object| {
        let text = json!({
            "kind": object["kind"], "name": object["metadata"]["name"], "labels": object["metadata"]["labels"],
            "spec": object["spec"], "data": object["data"], "phase": object["status"]["phase"],
        });
        let text = text.to_string().replace(&here.name, "NAMESPACE").replace(uid, "UID");
        let mut object: Json = serde_json::from_str(&text).expect("JSON");
        for (part, chosen) in
            [("spec", "clusterIP"), ("spec", "clusterIPs"), ("data", "expandedAt"), ("data", "contractedAt")]
        {
            if let Some(part) = object[part].as_object_mut() {
                part.remove(chosen);
            }
        }
        object
    });
    kept.collect()
}
