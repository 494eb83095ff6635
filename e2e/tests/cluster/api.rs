//! An API server that refuses, is overloaded, hangs or drops its watches: it ends as if nothing had been, without a storm.

use std::time::{Duration, Instant};

use mainstay_e2e::cluster::{Cluster, PATIENCE, wait_for};
use mainstay_e2e::cutter::{Cutter, Refusal};
use mainstay_e2e::operator::Operator;

use crate::faults::{TEXT, notes, serve};
use crate::fixture::{Fixture, says, with_operator};
use crate::killed::{MOOD, NOTES, at_revision, end_state, same, settled};

/// Runs a test with a proxy between the operator and the API server. The operator is started by the test.
pub fn with_proxy(purpose: &str, test: impl FnOnce(&mut Fixture<'_>, &Cutter)) {
    Cluster::get().with_namespace(purpose, |here| {
        let url = here.database("database");
        let proxy = here.cluster.proxy();
        let cutter = Cutter::new(proxy.address);
        test(&mut Fixture { here, operator: None, url }, &cutter);
    });
}

/// Creates and migrates, and answers what there was after each.
fn create_and_migrate(its: &Fixture<'_>) -> [Vec<serde_json::Value>; 2] {
    its.here.apply(NOTES);
    its.backend("replicas: 1");
    its.ready();
    settled(its.here);
    let created = end_state(its.here);
    its.here.apply(&format!("{NOTES}{MOOD}"));
    at_revision(its.here, "2");
    its.ready();
    settled(its.here);
    [created, end_state(its.here)]
}

#[test]
fn every_second_write_is_refused_and_it_ends_in_the_same_state() {
    let mut undisturbed = None;
    with_operator("obeyed", |its| undisturbed = Some(create_and_migrate(its)));
    with_proxy("refused", |its, cutter| {
        cutter.refuse(Refusal::EverySecondWrite(vec![409, 429, 500, 503]));
        its.operator = Some(Operator::behind(its.here, cutter.address));
        let disturbed = create_and_migrate(its);
        for (found, expected) in disturbed.iter().zip(undisturbed.as_ref().expect("it ran")) {
            same(found, expected);
        }
        let refused = cutter.writes().iter().filter(|write| write.contains(" refused with ")).count();
        println!("refused {refused} of {} writes", cutter.writes().len());
        assert!(refused >= 10, "{:#?}", cutter.writes());
    });
}

#[test]
fn an_api_server_that_only_fails_is_not_stormed() {
    with_proxy("failing", |its, cutter| {
        its.operator = Some(Operator::behind(its.here, cutter.address));
        serve(its);
        cutter.refuse(Refusal::Everything(500));
        cutter.disconnect();
        its.backend("replicas: 2");
        let (before, start) = (cutter.requests(), Instant::now());
        // The length of the time is what is measured.
        wait_for("ten seconds", PATIENCE, || {
            if start.elapsed() > Duration::from_secs(10) { Ok(()) } else { Err("not yet".to_owned()) }
        });
        let requests = cutter.requests() - before;
        println!("{requests} requests in ten seconds of failures");
        assert!((5..150).contains(&requests), "{requests} requests in {:?}", start.elapsed());
        cutter.refuse(Refusal::Nothing);
        its.ready();
        assert_eq!(its.value("deployment/markets", ".status.readyReplicas"), "2");
    });
}

#[test]
fn an_api_server_that_hangs_and_drops_its_watches_holds_up_but_loses_nothing() {
    with_proxy("hanging", |its, cutter| {
        its.operator = Some(Operator::behind(its.here, cutter.address));
        its.here.apply(&notes("notes", TEXT));
        its.backend("");
        wait_for("it is at work", PATIENCE, || {
            if cutter.writes().len() >= 3 { Ok(()) } else { Err(format!("{:?}", cutter.writes())) }
        });
        cutter.hang(true);
        // Longer than any request is waited for.
        let log = || its.operator.as_ref().expect("it runs").log();
        wait_for("it gives up a request", PATIENCE, || {
            if log().contains("no answer in time") { Ok(()) } else { Err(log()) }
        });
        cutter.hang(false);
        its.ready();
        cutter.disconnect();
        its.backend("replicas: 2");
        its.ready();
        assert_eq!(its.value("deployment/markets", ".status.readyReplicas"), "2");
    });
}

#[test]
fn nothing_is_done_under_definitions_that_are_older_and_newer_ones_stay() {
    const VERSION: &str = "mainstay.dev/crd-version\":\"";
    with_proxy("definitions", |its, cutter| {
        let ours = its.here.object("crd/backends.mainstay.dev").unwrap();
        let ours = ours["metadata"]["annotations"]["mainstay.dev/crd-version"].as_str().unwrap().to_owned();
        assert_eq!(ours.len(), 1, "the texts below have one digit");
        its.here.apply(&notes("notes", TEXT));
        its.backend("");
        // Older for this operator alone, which may not write them.
        cutter.disguise(&format!("{VERSION}{ours}"), &format!("{VERSION}0"));
        cutter.refuse(Refusal::Writes("/customresourcedefinitions/".to_owned(), 403));
        its.operator = Some(Operator::behind(its.here, cutter.address));
        let told = its.told("Stalled", "True", "CRDTooOld");
        says(&told, "Ready", "False", "CRDTooOld").unwrap();
        assert!(told["status"].to_string().contains("mainstay-operator crds | kubectl"), "{told}");
        let done = |write: &String| {
            !write.contains("/customresourcedefinitions/") && !write.contains("/status") && !write.contains("/events")
        };
        assert!(!cutter.writes().iter().any(done), "{:#?}", cutter.writes());
        // The same, when it is told not to write them.
        its.operator = None;
        cutter.arm(0);
        its.operator = Some(Operator::with(its.here, cutter.address, &["--apply-crds", "false"]));
        let log = || its.operator.as_ref().expect("it runs").log();
        wait_for("it says so", PATIENCE, || if log().contains("CRDTooOld") { Ok(()) } else { Err(log()) });
        assert_eq!(cutter.writes(), [""; 0], "it has been told already");
        // Newer ones are left as they are, and worked under.
        its.operator = None;
        cutter.disguise(&format!("{VERSION}{ours}"), &format!("{VERSION}9"));
        cutter.arm(0);
        its.operator = Some(Operator::behind(its.here, cutter.address));
        its.ready();
        assert!(
            !cutter.writes().iter().any(|write| write.contains("customresourcedefinitions")),
            "{:#?}",
            cutter.writes()
        );
    });
}
