//! Objects by Kubernetes' own types, and what every one of them has.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, PodSpec, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use mainstay_crds::backend::{PageConfig, check_backend};

use super::golden::{full, specs};
use super::*;

/// What Kubernetes' own type keeps of an object: a member that it does not know is gone.
fn known<T: serde::de::DeserializeOwned + serde::Serialize>(object: &Json) -> Json {
    serde_json::to_value(serde_json::from_value::<T>(object.clone()).unwrap()).unwrap()
}

#[test]
fn kubernetes_knows_every_member() {
    let mut kinds = Vec::new();
    for (name, spec) in specs() {
        for Desired { kind, object, .. } in of(&spec) {
            kinds.push(kind.kind);
            let kept = match kind.kind {
                "ConfigMap" => known::<ConfigMap>(&object),
                "Deployment" => known::<Deployment>(&object),
                "HorizontalPodAutoscaler" => known::<HorizontalPodAutoscaler>(&object),
                "Ingress" => known::<Ingress>(&object),
                "Job" => known::<Job>(&object),
                "NetworkPolicy" => known::<NetworkPolicy>(&object),
                "PodDisruptionBudget" => known::<PodDisruptionBudget>(&object),
                "Service" => known::<Service>(&object),
                "ServiceAccount" => known::<ServiceAccount>(&object),
                "StatefulSet" => known::<StatefulSet>(&object),
                "HTTPRoute" | "ServiceMonitor" => object.clone(),
                other => panic!("no type for {other}"),
            };
            assert_eq!(kept, object, "{name} {}", kind.kind);
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), 12, "{kinds:?}");
}

#[test]
fn every_object_is_the_backends() {
    for (name, spec) in specs() {
        for Desired { kind, object, name: own, .. } in of(&spec) {
            let metadata = &object["metadata"];
            assert_eq!(metadata["labels"]["mainstay.dev/backend"], "demo", "{name} {}", kind.kind);
            assert_eq!(metadata["ownerReferences"][0]["name"], "demo", "{name} {}", kind.kind);
            assert_eq!(metadata["namespace"], "team", "{name} {}", kind.kind);
            assert!(own == "demo" || ["ConfigMap", "Job"].contains(&kind.kind), "{name} {} {own}", kind.kind);
            assert!(metadata["labels"]["app.kubernetes.io/instance"].is_null());
        }
    }
}

#[test]
fn no_pod_may_more_than_it_must() {
    for (name, spec) in specs() {
        let objects = of(&spec);
        for kind in ["Deployment", "StatefulSet", "Job"] {
            let object = one(&objects, kind);
            if object.is_null() {
                continue;
            }
            let pod: PodSpec = serde_json::from_value(object["spec"]["template"]["spec"].clone()).unwrap();
            let security = pod.security_context.unwrap();
            assert_eq!((security.run_as_non_root, security.run_as_user), (Some(true), None), "{name} {kind}");
            assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault", "{name} {kind}");
            assert_eq!((pod.automount_service_account_token, pod.enable_service_links), (Some(false), Some(false)));
            let container = &pod.containers[0];
            let own = container.security_context.clone().unwrap();
            assert_eq!((own.allow_privilege_escalation, own.read_only_root_filesystem), (Some(false), Some(true)));
            assert_eq!(own.capabilities.unwrap().drop.unwrap(), ["ALL"], "{name} {kind}");
            assert!(container.lifecycle.is_none() && container.env_from.is_none(), "{name} {kind}");
            for variable in container.env.iter().flatten() {
                let secret = variable.value_from.as_ref().and_then(|source| source.secret_key_ref.as_ref());
                assert!(secret.is_none(), "{name} {kind} {}", variable.name);
            }
            for mount in container.volume_mounts.iter().flatten() {
                assert!(mount.sub_path.is_none() && mount.sub_path_expr.is_none(), "{name} {kind} {}", mount.name);
            }
            let mounts = container.volume_mounts.iter().flatten().map(|mount| mount.name.as_str());
            let volumes = pod.volumes.iter().flatten().map(|volume| volume.name.as_str());
            let data = (kind == "StatefulSet").then_some("data");
            assert_eq!(mounts.collect::<Vec<_>>(), volumes.chain(data).collect::<Vec<_>>(), "{name} {kind}");
        }
    }
}

#[test]
fn keys_are_mounted_where_there_are_some() {
    let volumes = |spec: &Json, kind: &str| -> Vec<String> {
        let pod = one(&of(spec), kind).pointer("/spec/template/spec/volumes").cloned().unwrap();
        pod.as_array().unwrap().iter().map(|volume| volume["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(volumes(&json!({}), "Deployment"), ["documents", "database", "admin-key", "api-keys"]);
    assert_eq!(volumes(&full(), "Deployment"), ["documents", "database", "redis", "admin-key", "jwt-keys", "api-keys"]);
    assert_eq!(volumes(&full(), "Job"), ["documents", "database"]);
    let embedded = json!({ "database": { "urlFrom": null, "embedded": { "size": "1Gi" } } });
    assert_eq!(volumes(&embedded, "StatefulSet"), ["documents", "admin-key", "api-keys"]);
}

#[test]
fn an_embedded_database_has_a_server_and_no_more() {
    let spec = json!({ "database": { "urlFrom": null, "embedded": { "size": "1Gi" } } });
    let kinds: Vec<&str> = of(&spec).iter().map(|object| object.kind.kind).collect();
    assert_eq!(kinds, ["ServiceAccount", "ConfigMap", "NetworkPolicy", "Service", "StatefulSet"]);
}

#[test]
fn before_the_first_schema_nothing_runs() {
    let mut backend = backend(&full());
    backend.spec.image = None;
    let kinds: Vec<&str> =
        objects(&seen(backend), &Settings::for_tests()).iter().map(|object| object.kind.kind).collect();
    assert_eq!(kinds, ["ServiceAccount", "ConfigMap", "NetworkPolicy", "Service"]);
}

#[test]
fn servers_stay_while_nobody_knows_what_they_shall_run() {
    let before = of(&json!({ "autoscaling": { "max": 3 }, "expose": { "ingress": { "host": "h" } } }));
    let mut unknown = backend(&json!({ "networkPolicy": { "enabled": false } }));
    unknown.spec.image = None;
    let after = objects(&seen(unknown), &Settings::for_tests());
    let kinds = |release: Option<&Release>| -> Vec<&str> {
        let gone = doomed(&before, &after, release).into_iter().map(|(kind, _)| kind);
        gone.filter(|kind| !["ConfigMap", "Job"].contains(kind)).collect()
    };
    assert_eq!(kinds(None), ["NetworkPolicy", "Ingress"]);
    let all = ["NetworkPolicy", "Deployment", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Ingress"];
    assert_eq!(kinds(release(&backend(&json!({}))).as_ref()), all);
}

#[test]
fn kinds_that_the_cluster_lacks_wait() {
    let (_, spec) = specs().pop().unwrap();
    let mut seen = seen(backend(&spec));
    let kinds = |seen: &Observed| {
        let objects = objects(seen, &Settings::for_tests());
        (one(&objects, "HTTPRoute").is_object(), one(&objects, "ServiceMonitor").is_object())
    };
    assert_eq!(kinds(&seen), (true, true));
    seen.apis = Apis { service_monitor: false, http_route: true };
    assert_eq!(kinds(&seen), (true, false));
    seen.apis = Apis { service_monitor: true, http_route: false };
    assert_eq!(kinds(&seen), (false, true));
}

#[test]
fn servers_read_the_configuration_as_it_was_written() {
    let config = one(&of(&json!({ "config": { "limits": { "page": { "max": 50 } } } })), "ConfigMap");
    let document: Json = serde_json::from_str(config["data"]["backend.json"].as_str().unwrap()).unwrap();
    let spec = check_backend(&document).unwrap();
    assert_eq!(spec.config.unwrap().limits.unwrap().page.unwrap(), PageConfig { default: None, max: Some(50) });
    assert_eq!((spec.image, spec.database), (None, None), "the rest is not the server's");
}

#[test]
fn a_collection_named_backend_is_not_in_the_way() {
    let pod = one(&of(&json!({})), "Deployment");
    let sources = pod.pointer("/spec/template/spec/volumes/0/projected/sources").unwrap().as_array().unwrap();
    let names: Vec<&Json> = sources.iter().map(|source| &source["configMap"]["name"]).collect();
    assert_eq!(names[..2], ["demo-r0123456789ab-0", "demo-r0123456789ab-1"]);
    assert_eq!(sources[2]["configMap"]["name"], one(&of(&json!({})), "ConfigMap")["metadata"]["name"]);
    assert_eq!(sources[2]["configMap"]["items"], json!([{ "key": "backend.json", "path": "_backend.json" }]));
}
