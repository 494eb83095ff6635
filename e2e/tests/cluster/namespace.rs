//! Things that go away while they are being made or changed: a namespace, a Backend. Nothing holds them up, and nothing is
//! written after them.

use std::time::{Duration, Instant};

use mainstay_e2e::cluster::{Cluster, PATIENCE, wait_for};
use mainstay_e2e::cutter::Cutter;
use mainstay_e2e::operator::Operator;

use crate::faults::{TEXT, notes};
use crate::fixture::{Fixture, with_operator};

/// How long nothing may be written.
const QUIET: Duration = Duration::from_secs(5);

/// Runs a test with an operator whose writes are counted, then deletes the namespace: it goes, and the writes end.
fn ended_with_its_namespace(purpose: &str, midway: impl FnOnce(&Fixture<'_>)) {
    Cluster::get().with_namespace(purpose, |here| {
        let url = here.database("database");
        let proxy = here.cluster.proxy();
        let cutter = Cutter::new(proxy.address);
        let operator = Some(Operator::behind(here, cutter.address));
        let its = Fixture { here, operator, url };
        midway(&its);
        here.cluster.kubectl(&["delete", "namespace", &here.name, "--wait=false"]);
        let before = cutter.writes().len();
        let name = format!("namespace/{}", here.name);
        wait_for("the namespace is gone", PATIENCE, || match here.object(&name) {
            Err(gone) if gone.contains("NotFound") => Ok(()),
            Err(other) => Err(other),
            Ok(namespace) => Err(namespace["status"].to_string()),
        });
        let mut last = (cutter.writes().len(), Instant::now());
        wait_for("nothing is written any more", QUIET * 6, || {
            let count = cutter.writes().len();
            if count != last.0 {
                last = (count, Instant::now());
            }
            if last.1.elapsed() > QUIET { Ok(()) } else { Err(format!("{:#?}", &cutter.writes()[before..])) }
        });
        let writes = &cutter.writes()[before..];
        assert!(writes.len() < 40, "{writes:#?}");
        let made = |write: &&String| write.starts_with("POST") && !write.contains("/events");
        assert!(writes.iter().filter(made).count() <= 1, "things are made in a namespace that goes: {writes:#?}");
    });
}

/// Waits until a Job of a phase is there.
fn job(its: &Fixture<'_>, phase: &str) {
    wait_for("a Job", PATIENCE, || {
        let jobs = its.here.objects("jobs", &[&format!("--selector=mainstay.dev/phase={phase}")]);
        if jobs.is_empty() { Err("none yet".to_owned()) } else { Ok(()) }
    });
}

#[test]
fn a_namespace_goes_in_the_middle_of_a_creation() {
    ended_with_its_namespace("gone-creating", |its| {
        its.here.apply(&notes("notes", TEXT));
        its.backend("replicas: 2");
        job(its, "plan");
    });
}

#[test]
fn a_namespace_goes_in_the_middle_of_a_migration() {
    let mut holder = None;
    ended_with_its_namespace("gone-migrating", |its| {
        its.here.apply(&notes("notes", TEXT));
        its.backend("");
        its.ready();
        holder = Some(its.here.cluster.postgres().hold(its.database(), "LOCK TABLE notes IN ACCESS SHARE MODE"));
        its.here.apply(&notes("notes", &format!("{TEXT}\n    - {{name: mood, type: text}}")));
        job(its, "expand");
    });
}

#[test]
fn a_backend_that_is_deleted_while_its_plan_is_made_goes_and_comes_again() {
    with_operator("gone-planning", |its| {
        its.here.apply(&notes("notes", TEXT));
        its.backend("");
        job(its, "plan");
        its.here.kubectl(&["delete", "backend", "markets"]);
        wait_for("what it owned is gone", PATIENCE, || {
            let kinds = "jobs,pods,configmaps,services,serviceaccounts,secrets,migrationplans";
            let left = its.here.objects(kinds, &["--selector=mainstay.dev/backend=markets"]);
            if left.is_empty() { Ok(()) } else { Err(format!("{} objects", left.len())) }
        });
        its.backend("");
        its.ready();
        let (_way, admin) = its.api();
        assert_eq!(admin.get("/api/v1/notes", &[]).status, 200);
    });
}
