//! What people do beside the operator: they suspend it, they have an object of its name, they install a kind later.

use std::time::{Duration, Instant};

use mainstay_e2e::cluster::{BUSYBOX_IMAGE, PATIENCE, wait_for};
use serde_json::Value as Json;

use crate::api::with_proxy;
use crate::faults::{TEXT, notes, serve};
use crate::fixture::{is_ready, says, with_operator};

/// How long nothing may be written.
const QUIET: Duration = Duration::from_secs(5);

#[test]
fn nothing_but_status_is_written_while_it_is_suspended() {
    with_proxy("suspended", |its, cutter| {
        its.operator = Some(mainstay_e2e::operator::Operator::behind(its.here, cutter.address));
        serve(its);
        its.backend("suspend: true");
        its.told("Reconciling", "False", "Suspended");
        let before = cutter.writes().len();
        its.here.kubectl(&["delete", "service", "markets"]);
        its.here.apply(&notes("notes", &format!("{TEXT}\n    - {{name: mood, type: text}}")));
        its.backend("suspend: true\nreplicas: 2");
        its.here.wait_for("backend/markets", PATIENCE, |backend| {
            says(backend, "Reconciling", "False", "Suspended")?;
            match backend["status"]["observedGeneration"] == backend["metadata"]["generation"] {
                true => Ok(()),
                false => Err(backend["status"].to_string()),
            }
        });
        let seen = Instant::now();
        // Longer than changes settle: the length of the time is what is measured.
        wait_for("a while", PATIENCE, || if seen.elapsed() > QUIET { Ok(()) } else { Err("not yet".to_owned()) });
        let told = |write: &String| write.ends_with("/status") || write.contains("/events");
        let writes = &cutter.writes()[before..];
        assert!(writes.iter().all(told), "{writes:#?}");
        assert!(its.here.object("service/markets").is_err());
        assert_eq!(its.value("deployment/markets", ".spec.replicas"), "1");

        its.backend("replicas: 2");
        its.here.wait_for("backend/markets", PATIENCE, |backend| {
            is_ready(backend)?;
            let revision = &backend["status"]["schema"]["revision"];
            if *revision == 2 { Ok(()) } else { Err(format!("revision {revision}")) }
        });
        assert!(its.here.object("service/markets").is_ok());
        assert_eq!(its.value("deployment/markets", ".status.readyReplicas"), "2");
    });
}

#[test]
fn an_object_that_belongs_to_someone_else_is_not_taken_and_once_it_is_gone_all_is_well() {
    with_operator("conflict", |its| {
        its.here.apply(&format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: markets, labels: {{team: other}}}}, spec: {{\
             replicas: 0, selector: {{matchLabels: {{app: other}}}}, template: {{metadata: {{labels: {{app: other}}}}, \
             spec: {{containers: [{{name: main, image: '{BUSYBOX_IMAGE}'}}]}}}}}}}}"
        ));
        let theirs = |object: &Json| {
            let metadata = &object["metadata"];
            (
                metadata["uid"].clone(),
                metadata["labels"].clone(),
                metadata["ownerReferences"].clone(),
                object["spec"].clone(),
            )
        };
        let before = theirs(&its.here.object("deployment/markets").unwrap());
        its.here.apply(&notes("notes", TEXT));
        its.backend("");
        let told = its.told("Stalled", "True", "ObjectConflict");
        says(&told, "Ready", "False", "ObjectConflict").unwrap();
        assert!(told["status"].to_string().contains("Deployment markets belongs to no Backend"), "{told}");
        assert_eq!(theirs(&its.here.object("deployment/markets").unwrap()), before);
        its.here.kubectl(&["delete", "deployment", "markets"]);
        its.ready();
        let (_way, admin) = its.api();
        assert_eq!(admin.get("/api/v1/notes", &[]).status, 200);
    });
}

#[test]
fn a_service_monitor_comes_once_its_kind_is_there() {
    with_operator("monitored", |its| {
        its.here.apply(&notes("notes", TEXT));
        its.backend("monitoring: {serviceMonitor: {}}");
        its.ready();
        assert!(its.here.object("servicemonitor/markets").is_err(), "the cluster has the kind already");
        its.here.cluster.apply(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
             metadata: {name: servicemonitors.monitoring.coreos.com}\nspec:\n  group: monitoring.coreos.com\n  \
             scope: Namespaced\n  names: {kind: ServiceMonitor, plural: servicemonitors, singular: servicemonitor}\n  \
             versions:\n    - name: v1\n      served: true\n      storage: true\n      schema:\n        \
             openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}\n",
        );
        let monitor = its.here.wait_for("servicemonitor/markets", PATIENCE, |monitor| {
            let selected = &monitor["spec"]["selector"]["matchLabels"]["mainstay.dev/backend"];
            if selected == "markets" { Ok(()) } else { Err(monitor.to_string()) }
        });
        assert_eq!(monitor["metadata"]["ownerReferences"][0]["kind"], "Backend");
        // It is watched from now on: what is deleted by hand comes back.
        its.here.kubectl(&["delete", "servicemonitor", "markets"]);
        its.here.wait_for("servicemonitor/markets", PATIENCE, |new| {
            match new["metadata"]["uid"] == monitor["metadata"]["uid"] {
                true => Err("the old one is there still".to_owned()),
                false => Ok(()),
            }
        });
        its.here.cluster.kubectl(&["delete", "crd", "servicemonitors.monitoring.coreos.com"]);
        its.backend("replicas: 2\nmonitoring: {serviceMonitor: {}}");
        its.ready_within(PATIENCE);
    });
}
