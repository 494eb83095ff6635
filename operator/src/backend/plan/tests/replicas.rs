//! How many servers are asked for, by whom the count was chosen before; and from how many a budget guards them.

use k8s_openapi::api::apps::v1::Deployment;

use super::*;

/// A live Deployment whose count was written by these managers.
fn live(replicas: i32, managers: &[&str]) -> Deployment {
    let entry = |manager: &&str| json!({ "manager": manager, "operation": "Apply", "fieldsV1": { "f:spec": { "f:replicas": {} } } });
    let other = json!({ "manager": "kubectl", "operation": "Update", "fieldsV1": { "f:spec": { "f:paused": {} } } });
    let entries: Vec<Json> = managers.iter().map(entry).chain([other]).collect();
    serde_json::from_value(json!({
        "metadata": { "name": "demo", "managedFields": entries },
        "spec": { "replicas": replicas, "selector": {}, "template": {} },
    }))
    .unwrap()
}

const WE: &str = "mainstay-backend";
const HPA: &str = "kube-controller-manager";

#[test]
fn an_autoscaler_is_never_fought() {
    let (fixed, auto) = (json!({ "replicas": 3 }), json!({ "autoscaling": { "min": 2, "max": 9 } }));
    let cases = [
        ("nothing said", json!({}), None, json!(1)),
        ("first made", fixed.clone(), None, json!(3)),
        ("none at all", json!({ "replicas": 0 }), Some(live(3, &[WE])), json!(0)),
        ("scaled by hand, restored", fixed.clone(), Some(live(7, &["kubectl"])), json!(3)),
        ("back from an autoscaler", fixed, Some(live(7, &[HPA])), json!(3)),
        ("first made, autoscaled", auto.clone(), None, json!(2)),
        ("first made, no bound", json!({ "autoscaling": { "max": 9 } }), None, json!(1)),
        ("handed over", auto.clone(), Some(live(5, &[WE])), json!(5)),
        ("handed over, above the bound", auto.clone(), Some(live(12, &[WE])), json!(12)),
        ("handed over from none", auto.clone(), Some(live(0, &[WE])), json!(2)),
        ("the autoscaler chose", auto.clone(), Some(live(6, &[HPA])), Json::Null),
        ("the autoscaler agrees with us", auto.clone(), Some(live(6, &[WE, HPA])), Json::Null),
        ("nobody owns it", auto, Some(live(6, &[])), json!(6)),
    ];
    for (name, spec, deployment, replicas) in cases {
        let seen = Observed { deployment, ..seen(backend(&spec)) };
        let object = one(&objects(&seen, &Settings::for_tests()), "Deployment");
        assert_eq!(object["spec"]["replicas"], replicas, "{name}");
    }
}

#[test]
fn a_budget_guards_from_two_servers_on() {
    let cases = [
        (json!({}), false),
        (json!({ "replicas": 0 }), false),
        (json!({ "replicas": 1 }), false),
        (json!({ "replicas": 2 }), true),
        (json!({ "autoscaling": { "max": 1 } }), false),
        (json!({ "autoscaling": { "max": 2 } }), true),
    ];
    for (spec, guarded) in cases {
        let budget = one(&of(&spec), "PodDisruptionBudget");
        assert_eq!(budget.is_object(), guarded, "{spec}");
        assert!(!guarded || budget["spec"]["maxUnavailable"] == 1, "{spec}");
    }
}
