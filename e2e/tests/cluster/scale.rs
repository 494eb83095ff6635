//! Servers scale by CPU, and nobody fights the autoscaler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use mainstay_e2e::cluster::{PATIENCE, wait_for};
use mainstay_e2e::http::Caller;

use crate::fixture::{Fixture, with_operator};

/// Metrics come every ten seconds, and the autoscaler looks every fifteen.
const SCALING: Duration = Duration::from_secs(240);

#[test]
fn servers_scale_up_under_load_and_back() {
    with_operator("scale", |its| {
        its.markets();
        its.backend("replicas: 2");
        its.ready();
        // The hand-over keeps the count.
        its.backend(
            "autoscaling: {min: 1, max: 3, targetCPU: 50, behavior: {scaleDown: {stabilizationWindowSeconds: 5}}}\n\
             resources: {requests: {cpu: 20m, memory: 32Mi}}",
        );
        its.here.object("backend/markets").unwrap();
        its.here.wait_for("hpa/markets", PATIENCE, |hpa| match hpa["status"]["currentReplicas"].as_i64() {
            Some(1..) => Ok(()),
            _ => Err(hpa["status"].to_string()),
        });
        its.ready();
        let (way, _admin) = its.api();
        let stop = Arc::<AtomicBool>::default();
        let key = its.admin_key();
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let (stop, caller) = (Arc::clone(&stop), Caller::new(&way.url, Some(&key)));
                thread::spawn(move || {
                    // Bounded: at most four times ten thousand.
                    for _ in 0..10_000 {
                        if stop.load(Ordering::SeqCst) {
                            break;
                        }
                        drop(caller.send(reqwest::Method::GET, "/api/v1/markets", &[], None));
                        thread::sleep(Duration::from_millis(5));
                    }
                })
            })
            .collect();
        replicas(its, "scaled up", |count| count == 3);
        stop.store(true, Ordering::SeqCst);
        clients.into_iter().for_each(|client| client.join().expect("no panic"));
        replicas(its, "scaled down", |count| count == 1);
    });
}

fn replicas(its: &Fixture<'_>, what: &str, wanted: impl Fn(i64) -> bool) {
    wait_for(what, SCALING, || {
        let found = its.value("deployment/markets", ".spec.replicas").parse().unwrap_or(0);
        if wanted(found) { Ok(()) } else { Err(format!("{found} servers; {}", its.here.kubectl(&["get", "hpa"]))) }
    });
}

#[test]
fn the_scale_subresource_works_without_autoscaling() {
    with_operator("by-scale", |its| {
        its.backend("replicas: 1");
        its.ready();
        its.here.kubectl(&["scale", "backend/markets", "--replicas=2"]);
        its.ready();
        assert_eq!(its.value("deployment/markets", ".status.readyReplicas"), "2");
        assert_eq!(its.value("backend/markets", ".status.replicas"), "2");
    });
}
