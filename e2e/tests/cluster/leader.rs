//! Two operators and one Lease: one works, the other takes over when the first is frozen, killed or told to stop.

use std::time::{Duration, Instant};

use mainstay_e2e::cluster::{Cluster, PATIENCE, wait_for};
use mainstay_e2e::cutter::Cutter;
use mainstay_e2e::operator::Operator;

use crate::faults::{TEXT, notes};
use crate::fixture::Fixture;

/// The Lease holds for fifteen seconds and is looked at every two; the machine is busy.
const TAKEN_OVER: Duration = Duration::from_secs(25);

/// Two operators, of which `first` was elected, each behind a proxy of its own.
struct Two<'a> {
    its: Fixture<'a>,
    first: Option<Operator>,
    second: Option<Operator>,
    proxies: [Cutter; 2],
}

fn with_two(purpose: &str, test: impl FnOnce(&mut Two<'_>)) {
    Cluster::get().with_namespace(purpose, |here| {
        let its = Fixture { here, operator: None, url: here.database("database") };
        let proxy = here.cluster.proxy();
        let proxies = [Cutter::new(proxy.address), Cutter::new(proxy.address)];
        let first = Operator::candidate(here, proxies[0].address, "first");
        holds(&its, "first", PATIENCE);
        let second = Operator::candidate(here, proxies[1].address, "second");
        let mut two = Two { its, first: Some(first), second: Some(second), proxies };
        test(&mut two);
    });
}

/// Waits until the operator of this name holds the Lease.
fn holds(its: &Fixture<'_>, name: &str, patience: Duration) {
    wait_for("the Lease", patience, || {
        let lease = its.here.object("lease/mainstay-operator")?;
        let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
        if holder.starts_with(&format!("{name}_")) { Ok(()) } else { Err(format!("{holder:?} holds it")) }
    });
}

#[test]
fn a_frozen_leader_is_replaced_and_writes_nothing_when_it_wakes() {
    with_two("frozen", |two| {
        // It is frozen between a write and its answer, with the next write to come.
        two.its.here.apply(&notes("notes", TEXT));
        let first = two.first.as_mut().expect("it runs");
        two.its.backend("");
        wait_for("it is at work", PATIENCE, || {
            if two.proxies[0].writes().len() >= 3 { Ok(()) } else { Err(format!("{:?}", two.proxies[0].writes())) }
        });
        two.proxies[0].hang(true);
        first.signal("STOP");
        let frozen = Instant::now();
        assert!(two.proxies[1].writes().is_empty(), "the other waits: {:?}", two.proxies[1].writes());
        holds(&two.its, "second", TAKEN_OVER);
        println!("a frozen leader was replaced after {:?}", frozen.elapsed());
        // The answer that it waited for is there when it wakes.
        two.proxies[0].hang(false);
        // What it had sent before it froze is still on its way.
        let mut before = (two.proxies[0].writes(), Instant::now());
        wait_for("nothing more of what it had sent", PATIENCE, || {
            let writes = two.proxies[0].writes();
            if writes.len() != before.0.len() {
                before = (writes, Instant::now());
            }
            if before.1.elapsed() > Duration::from_secs(1) { Ok(()) } else { Err("not yet".to_owned()) }
        });
        let before = before.0;
        first.signal("CONT");
        assert_eq!(first.ended(), Some(1), "{}", first.log());
        let after = two.proxies[0].writes();
        assert_eq!(after[before.len()..], [""; 0], "it wrote when it woke");
        two.its.ready();
        holds(&two.its, "second", PATIENCE);
    });
}

#[test]
fn a_killed_leader_is_replaced_when_its_lease_ends() {
    with_two("leader-killed", |two| {
        two.first.take().expect("it runs").kill();
        holds(&two.its, "second", TAKEN_OVER);
        two.its.here.apply(&notes("notes", TEXT));
        two.its.backend("");
        two.its.ready();
    });
}

#[test]
fn a_leader_that_is_told_to_stop_hands_over_at_once() {
    with_two("leader-stopped", |two| {
        two.its.here.apply(&notes("notes", TEXT));
        two.its.backend("");
        two.its.ready();
        let mut first = two.first.take().expect("it runs");
        first.signal("TERM");
        assert_eq!(first.ended(), Some(0), "{}", first.log());
        // A Lease that was not released would hold for fifteen seconds.
        holds(&two.its, "second", Duration::from_secs(6));
        assert!(two.second.is_some());
        two.its.backend("replicas: 2");
        two.its.ready();
    });
}
