//! Each field of a Backend's spec shows in an object, and is gone from it when it is taken away.

use std::collections::BTreeSet;

use mainstay_crds::backend::*;

use super::*;

/// Takes every struct apart, so that this does not compile while a field is missing, and names the fields.
macro_rules! fields {
    ($($of:ident { $($field:ident),* })*) => {
        fn fields() -> BTreeSet<String> {
            let mut names = BTreeSet::new();
            $(
                let _whole = |$of { $($field: _),* }: $of| ();
                $(assert!(names.insert(format!("{}.{}", stringify!($of), stringify!($field))));)*
            )*
            names
        }
    };
}

fields! {
    BackendSpec {
        image, replicas, autoscaling, database, redis, config, migrations, secrets, expose, resources, pod_template,
        network_policy, monitoring, suspend, take_over_from
    }
    AutoscalingSpec { min, max, target_cpu, metrics, behavior }
    DatabaseSpec { url_from, direct_url_from, schema, embedded }
    RedisSpec { url_from }
    SecretSource { secret_key_ref }
    SecretKeyRef { name, key }
    EmbeddedSpec { size, storage_class_name }
    MigrationsSpec { policy, approve, window, timeout, backoff_limit, soak, backup, resources }
    SecretsSpec { jwt_keys, admin_key }
    ExposeSpec { service, ingress, gateway }
    ServiceSpec { kind, port, annotations }
    IngressSpec { host, class_name, tls_secret_name, annotations }
    GatewaySpec { parent_refs, hostnames }
    ParentRef { name, namespace, section_name }
    ResourcesSpec { requests, limits }
    PodTemplateSpec { annotations, node_selector, tolerations, affinity, priority_class_name, env, image_pull_secrets }
    EnvSpec { name, value }
    LocalName { name }
    NetworkPolicySpec { enabled, from, metrics_from, egress }
    MonitoringSpec { service_monitor }
    ServiceMonitorSpec { interval, labels }
}

/// Fields that no object planned here comes from: they steer migrations and keys, or stop everything.
const ELSEWHERE: [&str; 9] = [
    "BackendSpec.suspend",
    "MigrationsSpec.approve",
    "MigrationsSpec.backoff_limit",
    "MigrationsSpec.backup",
    "MigrationsSpec.policy",
    "MigrationsSpec.soak",
    "MigrationsSpec.timeout",
    "MigrationsSpec.window",
    "SecretsSpec.admin_key",
];

/// The fields, a spec with them, and what shows in which object where.
type Case = (&'static str, Json, &'static str, &'static str, Json);

fn cases() -> Vec<Case> {
    [servers(), pods(), databases(), exposed(), scaled(), guarded()].concat()
}

fn servers() -> Vec<Case> {
    let document = r#"{"apiVersion":"mainstay.dev/v1alpha1","kind":"Backend","metadata":{"name":"demo"},"spec":{"config":{"limits":{"depth":9}}}}"#;
    vec![
        (
            "BackendSpec.image",
            json!({ "image": "x:2" }),
            "Deployment",
            "/spec/template/spec/containers/0/image",
            json!("x:2"),
        ),
        ("BackendSpec.replicas", json!({ "replicas": 4 }), "Deployment", "/spec/replicas", json!(4)),
        (
            "BackendSpec.config",
            json!({ "config": { "limits": { "depth": 9 } } }),
            "ConfigMap",
            "/data/backend.json",
            json!(document),
        ),
        (
            "BackendSpec.take_over_from",
            json!({ "takeOverFrom": "team/old" }),
            "Job",
            "/spec/template/spec/containers/0/env/2",
            json!({ "name": "MAINSTAY_TAKE_OVER_FROM", "value": "team/old" }),
        ),
        (
            "BackendSpec.resources ResourcesSpec.requests",
            json!({ "resources": { "requests": { "cpu": "2000m" } } }),
            "Deployment",
            "/spec/template/spec/containers/0/resources/requests",
            json!({ "cpu": "2", "memory": "64Mi" }),
        ),
        (
            "ResourcesSpec.limits",
            json!({ "resources": { "limits": { "memory": "32Mi" } } }),
            "Deployment",
            "/spec/template/spec/containers/0/resources",
            json!({ "limits": { "memory": "32Mi" }, "requests": { "cpu": "100m", "memory": "32Mi" } }),
        ),
        (
            "BackendSpec.migrations MigrationsSpec.resources",
            json!({ "migrations": { "resources": { "limits": { "cpu": "1" } } } }),
            "Job",
            "/spec/template/spec/containers/0/resources",
            json!({ "limits": { "cpu": "1" }, "requests": { "cpu": "1", "memory": "64Mi" } }),
        ),
        (
            "BackendSpec.secrets SecretsSpec.jwt_keys",
            json!({ "secrets": { "jwtKeys": {} } }),
            "Deployment",
            "/spec/template/spec/volumes/3/secret",
            json!({ "secretName": "demo-jwt-keys", "items": [{ "key": "keys.json", "path": "keys.json" }] }),
        ),
    ]
}

fn pods() -> Vec<Case> {
    let case = |fields, spec: Json, kind, at, value| (fields, json!({ "podTemplate": spec }), kind, at, value);
    let affinity = json!({
        "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [
            { "weight": 1, "preference": { "matchExpressions": [{ "key": "a", "operator": "Exists" }] } },
        ] },
        "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [
            { "topologyKey": "a", "labelSelector": {} },
        ] },
    });
    let tolerations = json!([{ "operator": "Exists" }]);
    vec![
        case(
            "BackendSpec.pod_template PodTemplateSpec.annotations",
            json!({ "annotations": { "a": "b" } }),
            "Deployment",
            "/spec/template/metadata/annotations",
            json!({ "a": "b", "mainstay.dev/documents": "0123456789ab" }),
        ),
        case(
            "PodTemplateSpec.node_selector",
            json!({ "nodeSelector": { "a": "b" } }),
            "Deployment",
            "/spec/template/spec/nodeSelector/a",
            json!("b"),
        ),
        case("", json!({ "nodeSelector": { "a": "b" } }), "Job", "/spec/template/spec/nodeSelector/a", json!("b")),
        case(
            "PodTemplateSpec.tolerations",
            json!({ "tolerations": tolerations }),
            "Deployment",
            "/spec/template/spec/tolerations",
            tolerations.clone(),
        ),
        case("", json!({ "tolerations": tolerations }), "Job", "/spec/template/spec/tolerations", tolerations.clone()),
        case(
            "PodTemplateSpec.affinity",
            json!({ "affinity": affinity }),
            "Deployment",
            "/spec/template/spec/affinity",
            affinity.clone(),
        ),
        case(
            "",
            json!({ "affinity": affinity }),
            "Job",
            "/spec/template/spec/affinity",
            json!({ "nodeAffinity": affinity["nodeAffinity"] }),
        ),
        case(
            "PodTemplateSpec.priority_class_name",
            json!({ "priorityClassName": "x" }),
            "Deployment",
            "/spec/template/spec/priorityClassName",
            json!("x"),
        ),
        case(
            "PodTemplateSpec.env EnvSpec.name EnvSpec.value",
            json!({ "env": [{ "name": "MAINSTAY_LISTEN", "value": "c" }, { "name": "A", "value": "b" }] }),
            "Job",
            "/spec/template/spec/containers/0/env/3",
            json!({ "name": "A", "value": "b" }),
        ),
        case(
            "PodTemplateSpec.image_pull_secrets LocalName.name",
            json!({ "imagePullSecrets": [{ "name": "x" }] }),
            "Job",
            "/spec/template/spec/imagePullSecrets",
            json!([{ "name": "x" }]),
        ),
    ]
}

fn databases() -> Vec<Case> {
    let case = |fields, spec: Json, kind, at, value| (fields, json!({ "database": spec }), kind, at, value);
    let source = |name: &str, key: &str| json!({ "secretKeyRef": { "name": name, "key": key } });
    let embedded = json!({ "urlFrom": null, "embedded": { "size": "2048Mi", "storageClassName": "fast" } });
    let file = |name: &str, key: &str, path: &str| json!({ "secret": { "name": name, "items": [{ "key": key, "path": path }] } });
    vec![
        case(
            "BackendSpec.database DatabaseSpec.url_from SecretSource.secret_key_ref SecretKeyRef.name SecretKeyRef.key",
            json!({ "urlFrom": source("a", "b") }),
            "Deployment",
            "/spec/template/spec/volumes/1/projected/sources",
            json!([file("a", "b", "url")]),
        ),
        case(
            "DatabaseSpec.direct_url_from",
            json!({ "directUrlFrom": source("a", "b") }),
            "Job",
            "/spec/template/spec/volumes/1/projected/sources",
            json!([file("demo-database", "uri", "url"), file("a", "b", "direct-url")]),
        ),
        case(
            "DatabaseSpec.schema",
            json!({ "schema": "shop" }),
            "Job",
            "/spec/template/spec/containers/0/env/1",
            json!({ "name": "MAINSTAY_DATABASE_SCHEMA", "value": "shop" }),
        ),
        (
            "BackendSpec.redis RedisSpec.url_from",
            json!({ "redis": { "urlFrom": source("a", "b") } }),
            "Deployment",
            "/spec/template/spec/volumes/2",
            json!({ "name": "redis", "projected": { "sources": [file("a", "b", "url")] } }),
        ),
        case(
            "DatabaseSpec.embedded EmbeddedSpec.size EmbeddedSpec.storage_class_name",
            embedded,
            "StatefulSet",
            "/spec/volumeClaimTemplates/0/spec",
            json!({
                "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
                "resources": { "requests": { "storage": "2Gi" } },
            }),
        ),
    ]
}

fn exposed() -> Vec<Case> {
    let case = |fields, spec: Json, kind, at, value| (fields, json!({ "expose": spec }), kind, at, value);
    let ingress = json!({ "host": "h", "className": "c", "tlsSecretName": "s", "annotations": { "a": "b" } });
    let gateway = json!({
        "parentRefs": [{ "name": "n", "namespace": "s", "sectionName": "l" }], "hostnames": ["h"],
    });
    let parent = json!({
        "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "n", "namespace": "s", "sectionName": "l",
    });
    vec![
        case(
            "BackendSpec.expose ExposeSpec.service ServiceSpec.kind",
            json!({ "service": { "type": "NodePort" } }),
            "Service",
            "/spec/type",
            json!("NodePort"),
        ),
        case("ServiceSpec.port", json!({ "service": { "port": 81 } }), "Service", "/spec/ports/0/port", json!(81)),
        case(
            "ServiceSpec.annotations",
            json!({ "service": { "annotations": { "a": "b" } } }),
            "Service",
            "/metadata/annotations",
            json!({ "a": "b" }),
        ),
        case(
            "ExposeSpec.ingress IngressSpec.host",
            json!({ "ingress": ingress }),
            "Ingress",
            "/spec/rules/0/host",
            json!("h"),
        ),
        case("IngressSpec.class_name", json!({ "ingress": ingress }), "Ingress", "/spec/ingressClassName", json!("c")),
        case(
            "IngressSpec.tls_secret_name",
            json!({ "ingress": ingress }),
            "Ingress",
            "/spec/tls",
            json!([{ "hosts": ["h"], "secretName": "s" }]),
        ),
        case(
            "IngressSpec.annotations",
            json!({ "ingress": ingress }),
            "Ingress",
            "/metadata/annotations",
            json!({ "a": "b" }),
        ),
        case(
            "ExposeSpec.gateway GatewaySpec.parent_refs ParentRef.name ParentRef.namespace ParentRef.section_name",
            json!({ "gateway": gateway }),
            "HTTPRoute",
            "/spec/parentRefs",
            json!([parent]),
        ),
        case("GatewaySpec.hostnames", json!({ "gateway": gateway }), "HTTPRoute", "/spec/hostnames", json!(["h"])),
        case(
            "",
            json!({ "gateway": gateway, "service": { "port": 81 } }),
            "HTTPRoute",
            "/spec/rules/0/backendRefs/0/port",
            json!(81),
        ),
    ]
}

fn scaled() -> Vec<Case> {
    let kind = "HorizontalPodAutoscaler";
    let case = |fields, spec: Json, at, value| (fields, json!({ "autoscaling": spec }), kind, at, value);
    let cpu = |percent: u32| {
        let target = json!({ "type": "Utilization", "averageUtilization": percent });
        json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } })
    };
    let metric = |value: Json| json!({ "type": "External", "external": { "metric": { "name": "q" }, "target": { "type": "Value", "value": value } } });
    let behavior = json!({ "scaleUp": { "selectPolicy": "Disabled" } });
    vec![
        case("BackendSpec.autoscaling AutoscalingSpec.max", json!({ "max": 7 }), "/spec/maxReplicas", json!(7)),
        case("AutoscalingSpec.min", json!({ "max": 7, "min": 3 }), "/spec/minReplicas", json!(3)),
        case("", json!({ "max": 7 }), "/spec/metrics", json!([cpu(80)])),
        case("AutoscalingSpec.target_cpu", json!({ "max": 7, "targetCPU": 50 }), "/spec/metrics", json!([cpu(50)])),
        case(
            "AutoscalingSpec.metrics",
            json!({ "max": 7, "metrics": [metric(json!(0.5))] }),
            "/spec/metrics",
            json!([metric(json!("500m"))]),
        ),
        case(
            "",
            json!({ "max": 7, "targetCPU": 50, "metrics": [metric(json!("2000m"))] }),
            "/spec/metrics",
            json!([cpu(50), metric(json!("2"))]),
        ),
        case("AutoscalingSpec.behavior", json!({ "max": 7, "behavior": behavior }), "/spec/behavior", behavior.clone()),
    ]
}

fn guarded() -> Vec<Case> {
    let kind = "NetworkPolicy";
    let case = |fields, spec: Json, at, value| (fields, json!({ "networkPolicy": spec }), kind, at, value);
    let peer = json!({ "ipBlock": { "cidr": "10.0.0.0/8" } });
    let operator =
        json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "mainstay-system" } } });
    let monitor = json!({ "monitoring": { "serviceMonitor": { "interval": "15s", "labels": { "a": "b" } } } });
    vec![
        case("BackendSpec.network_policy NetworkPolicySpec.enabled", json!({ "enabled": false }), "", Json::Null),
        case("NetworkPolicySpec.from", json!({ "from": [peer] }), "/spec/ingress/0/from", json!([peer])),
        case(
            "NetworkPolicySpec.metrics_from",
            json!({ "metricsFrom": [peer] }),
            "/spec/ingress/1/from",
            json!([operator, peer]),
        ),
        ("", monitor.clone(), kind, "/spec/ingress/1/from", Json::Null),
        case(
            "NetworkPolicySpec.egress",
            json!({ "egress": [{ "to": [peer] }] }),
            "/spec/egress",
            json!([{ "to": [peer] }]),
        ),
        case("", json!({ "egress": [{}] }), "/spec/egress", json!([{}])),
        case("", json!({ "egress": [] }), "/spec/policyTypes", json!(["Ingress", "Egress"])),
        (
            "BackendSpec.monitoring MonitoringSpec.service_monitor ServiceMonitorSpec.interval",
            monitor.clone(),
            "ServiceMonitor",
            "/spec/endpoints/0/interval",
            json!("15s"),
        ),
        ("ServiceMonitorSpec.labels", monitor, "ServiceMonitor", "/metadata/labels/a", json!("b")),
    ]
}

#[test]
fn every_field_shows_and_goes() {
    let plain = of(&json!({}));
    for (fields, spec, kind, at, value) in cases() {
        let name = format!("{fields} {spec}");
        let with = of(&spec);
        let found = |objects: &[Desired]| one(objects, kind).pointer(at).cloned().unwrap_or_default();
        assert_eq!(found(&with), value, "{name}");
        assert_ne!(found(&plain), value, "{name}, taken away");
        for (before, after) in [(&with, &plain), (&plain, &with)] {
            let lost =
                before.iter().filter(|old| !after.iter().any(|new| new.kind == old.kind && new.name == old.name));
            let lost: Vec<_> = lost.map(|old| (old.kind.kind, old.name.clone())).collect();
            assert_eq!(doomed(before, after, release(&backend(&spec)).as_ref()), lost, "{name}");
        }
    }
}

#[test]
fn no_field_is_forgotten() {
    let cases = cases();
    let shown = cases.iter().flat_map(|(fields, ..)| fields.split(' ')).filter(|field| !field.is_empty());
    let named: BTreeSet<String> = shown.chain(ELSEWHERE).map(str::to_owned).collect();
    assert_eq!(named, fields());
}
