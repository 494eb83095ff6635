//! When nothing changes, nothing is written.

use std::time::{Duration, Instant};

use mainstay_e2e::cluster::{PATIENCE, wait_for};
use mainstay_e2e::cutter::Cutter;
use mainstay_e2e::operator::Operator;

use crate::fixture::with_operator;

/// How long nothing may be written.
const QUIET: Duration = Duration::from_secs(60);

#[test]
fn a_steady_state_costs_no_write() {
    with_operator("steady", |its| {
        its.operator = None;
        let proxy = its.here.cluster.proxy();
        let cutter = Cutter::new(proxy.address);
        its.operator = Some(Operator::behind(its.here, cutter.address));
        its.markets();
        its.backend("replicas: 2\nsecrets: {jwtKeys: {algorithm: EdDSA}}");
        its.ready();
        // What follows readiness, such as the removal of a finished Job, is part of getting there.
        let mut last = (cutter.writes().len(), Instant::now());
        wait_for("ten seconds without a write", PATIENCE, || {
            let count = cutter.writes().len();
            if count != last.0 {
                last = (count, Instant::now());
            }
            if last.1.elapsed() > Duration::from_secs(10) { Ok(()) } else { Err(format!("{:#?}", cutter.writes())) }
        });
        let before = cutter.writes().len();
        let quiet = Instant::now();
        // A minute has to pass: its length is what is measured.
        wait_for("a quiet minute", QUIET * 2, || {
            let writes = cutter.writes();
            assert_eq!(writes.len(), before, "{:#?}", &writes[before..]);
            if quiet.elapsed() > QUIET { Ok(()) } else { Err("not yet".to_owned()) }
        });
        println!("steady: 0 writes in {QUIET:?} after {before} of the creation");
    });
}
