//! Conditions by situation.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use mainstay_crds::backend::{Backend, SchemaStatus};
use serde_json::json;

use super::*;
use crate::backend::observed::{Endpoint, SecretState, UrlSecret};
use crate::backend::release::Release;

fn seen(updated: i32, available: i32) -> Observed {
    let backend: Backend = serde_json::from_value(json!({
        "apiVersion": "mainstay.dev/v1alpha1", "kind": "Backend",
        "metadata": { "name": "demo", "namespace": "team", "generation": 3 },
        "spec": { "image": "server:1", "replicas": 2 },
    }))
    .unwrap();
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": { "name": "demo", "generation": 5 },
        "spec": { "replicas": 2, "selector": {}, "template": {
            "metadata": { "annotations": { "mainstay.dev/documents": "abc" } },
            "spec": { "containers": [{ "name": "server", "image": "server:1" }] },
        } },
        "status": {
            "observedGeneration": 5, "replicas": 2, "updatedReplicas": updated,
            "readyReplicas": available, "availableReplicas": available,
        },
    }))
    .unwrap();
    Observed { backend: Arc::new(backend), deployment: Some(deployment), ..Observed::default() }
}

fn way() -> Migration {
    Migration {
        release: Some(Release { image: "server:1".to_owned(), documents: "abc".to_owned(), parts: 1 }),
        desired: Vec::new(),
        doomed: Vec::new(),
        plans: Vec::new(),
        waits: None,
        contract: None,
        schema: Some(SchemaStatus { revision: 4, hash: "0123".to_owned() }),
        plan: None,
        notes: Vec::new(),
        again: None,
    }
}

fn wait(reason: Reason, stalled: bool) -> Wait {
    Wait { reason, message: "as it is".to_owned(), stalled }
}

fn settings() -> Settings {
    crate::settings::Settings::for_tests()
}

fn judged(seen: &Observed, way: &Migration) -> Vec<String> {
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let status = status(seen, &settings(), &Documents::default(), &Secrets::default(), way, now);
    assert_eq!(status.observed_generation, Some(3));
    let told = status.conditions.iter().map(|c| format!("{}={} {}", c.kind, c.status, c.reason));
    told.collect()
}

#[test]
fn all_is_well() {
    assert_eq!(
        judged(&seen(2, 2), &way()),
        [
            "Available=True Ready",
            "Ready=True Ready",
            "SchemaReady=True Ready",
            "Reconciling=False Ready",
            "Stalled=False Ready",
        ]
    );
}

#[test]
fn a_pending_contract_does_not_unset_ready() {
    let way = Migration { contract: Some(wait(Reason::ApprovalRequired, true)), ..way() };
    let told = judged(&seen(2, 2), &way);
    assert_eq!(told[1..3], ["Ready=True Ready", "SchemaReady=True ContractPending"]);
}

#[test]
fn waiting_for_a_person_is_stalled_and_serves_on() {
    let way = Migration { waits: Some(wait(Reason::ApprovalRequired, true)), ..way() };
    assert_eq!(
        judged(&seen(2, 2), &way),
        [
            "Available=True Ready",
            "Ready=False ApprovalRequired",
            "SchemaReady=False ApprovalRequired",
            "Reconciling=False ApprovalRequired",
            "Stalled=True ApprovalRequired",
        ]
    );
}

#[test]
fn a_rollout_is_under_way() {
    let told = judged(&seen(1, 2), &way());
    assert_eq!(told[1], "Ready=False RollingOut");
    assert_eq!(told[3..], ["Reconciling=True RollingOut", "Stalled=False RollingOut"]);
    let mut other = way();
    other.release = Some(Release { image: "server:2".to_owned(), documents: "abc".to_owned(), parts: 1 });
    assert_eq!(judged(&seen(2, 2), &other)[1], "Ready=False RollingOut");
}

#[test]
fn a_missing_secret_names_itself() {
    let mut seen = seen(0, 0);
    seen.deployment = None;
    let (of, state) = (Endpoint::Database, SecretState::Missing);
    seen.urls = vec![UrlSecret { of, name: "db".to_owned(), key: "url".to_owned(), state }];
    let way = Migration { release: None, schema: None, waits: Some(wait(Reason::SecretMissing, true)), ..way() };
    let told = judged(&seen, &way);
    assert_eq!(told[0], "Available=False SecretMissing");
    assert_eq!(told[4], "Stalled=True SecretMissing");
}

#[test]
fn an_image_that_is_not_there_is_told() {
    let mut seen = seen(1, 1);
    seen.pods = vec![
        serde_json::from_value(json!({
            "metadata": { "name": "demo-1" },
            "status": { "containerStatuses": [{
                "name": "server", "image": "server:9", "imageID": "", "ready": false, "restartCount": 0,
                "state": { "waiting": { "reason": "ImagePullBackOff" } },
            }] },
        }))
        .unwrap(),
    ];
    assert_eq!(judged(&seen, &way())[1], "Ready=False ImageUnavailable");
}

#[test]
fn a_suspended_backend_says_so_and_stays_ready() {
    let mut seen = seen(2, 2);
    Arc::make_mut(&mut seen.backend).spec.suspend = Some(true);
    let told = judged(&seen, &way());
    assert_eq!((told[1].as_str(), told[3].as_str()), ("Ready=True Ready", "Reconciling=False Suspended"));
}

#[test]
fn since_when_is_kept_while_the_status_stays() {
    let old = [Condition {
        kind: "Ready".to_owned(),
        status: "True".to_owned(),
        last_transition_time: "2020-01-01T00:00:00Z".to_owned(),
        ..Condition::default()
    }];
    let now = "2026-01-02T03:04:05.678Z".parse().unwrap();
    let kept = condition(&old, Type::Ready, true, Reason::Ready, String::new(), None, now);
    assert_eq!(kept.last_transition_time, "2020-01-01T00:00:00Z");
    let new = condition(&old, Type::Ready, false, Reason::Pending, String::new(), None, now);
    assert_eq!(new.last_transition_time, "2026-01-02T03:04:05Z");
}

#[test]
fn urls_follow_what_is_exposed() {
    let of = |expose: serde_json::Value| {
        let spec: BackendSpec = serde_json::from_value(json!({ "expose": expose })).unwrap();
        url(&spec, "demo", "team", &settings())
    };
    for (expose, expected) in [
        (json!({}), "http://demo.team.svc.cluster.local"),
        (json!({ "service": { "port": 8000 } }), "http://demo.team.svc.cluster.local:8000"),
        (json!({ "ingress": { "host": "a.example" } }), "http://a.example"),
        (json!({ "ingress": { "host": "a.example", "tlsSecretName": "t" } }), "https://a.example"),
        (json!({ "gateway": { "parentRefs": [{ "name": "g" }], "hostnames": ["b.example"] } }), "http://b.example"),
    ] {
        assert_eq!(of(expose), expected);
    }
}
