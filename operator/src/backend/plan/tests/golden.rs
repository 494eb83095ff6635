//! Typical Backends and all their objects, as reviewed snapshots.
//!
//! A Backend with a set image has its pod template from here: a change of one of these restarts the servers of every
//! Backend when the operator is upgraded.

use super::*;

/// Every field that objects of a Backend over PostgreSQL come from.
pub(super) fn full() -> Json {
    json!({
        "replicas": 3,
        "database": {
            "directUrlFrom": { "secretKeyRef": { "name": "demo-direct", "key": "uri" } },
            "schema": "shop",
        },
        "redis": { "urlFrom": { "secretKeyRef": { "name": "demo-redis", "key": "uri" } } },
        "config": { "limits": { "body": "2MiB" }, "cors": { "allowedOrigins": ["https://shop.example"] } },
        "migrations": { "resources": { "requests": { "cpu": "0.2" }, "limits": { "memory": "1024Mi" } } },
        "secrets": { "jwtKeys": {}, "adminKey": { "rotateEvery": "90d" } },
        "expose": { "service": {
            "type": "LoadBalancer", "port": 8443, "annotations": { "cloud.example/internal": "true" },
        } },
        "resources": { "requests": { "cpu": "0.5", "memory": "128Mi" }, "limits": { "memory": "1024Mi" } },
        "podTemplate": {
            "annotations": { "team.example/owner": "shop" },
            "nodeSelector": { "kubernetes.io/arch": "arm64" },
            "tolerations": [{ "key": "spot", "operator": "Exists", "effect": "NoSchedule" }],
            "affinity": {
                "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [
                    { "matchExpressions": [{ "key": "pool", "operator": "In", "values": ["apps"] }] },
                ] } },
                "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{
                    "weight": 100,
                    "podAffinityTerm": { "topologyKey": "kubernetes.io/hostname", "labelSelector": {} },
                }] },
            },
            "priorityClassName": "shop",
            "env": [{ "name": "HTTPS_PROXY", "value": "http://proxy.example:3128" }],
            "imagePullSecrets": [{ "name": "registry" }],
        },
        "networkPolicy": {
            "from": [{ "namespaceSelector": {} }],
            "metricsFrom": [{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "monitoring" } } }],
            "egress": [
                { "ports": [{ "port": 53, "protocol": "UDP" }, { "port": 53, "protocol": "TCP" }] },
                { "to": [{ "ipBlock": { "cidr": "10.0.0.0/8" } }], "ports": [{ "port": 5432, "protocol": "TCP" }] },
            ],
        },
        "takeOverFrom": "team/old",
    })
}

/// The specs by name.
pub(super) fn specs() -> Vec<(&'static str, Json)> {
    let behavior = json!({ "scaleDown": { "stabilizationWindowSeconds": 60 } });
    let metrics = json!([{ "type": "Pods", "pods": {
        "metric": { "name": "http_requests_per_second" }, "target": { "type": "AverageValue", "averageValue": 1500 },
    } }]);
    let gateway = json!({
        "parentRefs": [{ "name": "public", "namespace": "gateways", "sectionName": "https" }, { "name": "inside" }],
        "hostnames": ["api.shop.example"],
    });
    vec![
        ("minimal", json!({})),
        ("full", full()),
        (
            "autoscaled",
            json!({ "autoscaling": {
            "min": 2, "max": 10, "targetCPU": 65, "metrics": metrics, "behavior": behavior,
        } }),
        ),
        (
            "embedded",
            json!({ "database": {
            "urlFrom": null, "embedded": { "size": "2048Mi", "storageClassName": "fast" },
        } }),
        ),
        (
            "ingress",
            json!({ "expose": { "ingress": {
            "host": "api.shop.example", "className": "nginx", "tlsSecretName": "shop-tls",
            "annotations": { "cert-manager.io/cluster-issuer": "letsencrypt" },
        } } }),
        ),
        (
            "gateway",
            json!({
                "expose": { "gateway": gateway },
                "monitoring": { "serviceMonitor": { "interval": "30s", "labels": { "release": "prometheus" } } },
            }),
        ),
    ]
}

#[test]
fn typical_backends() {
    for (name, spec) in specs() {
        let objects: Vec<Json> = of(&spec).into_iter().map(|object| object.object).collect();
        insta::assert_yaml_snapshot!(name, objects);
    }
}

#[test]
fn pod_templates_do_not_come_from_the_operator() {
    let other = Settings {
        server_image: "elsewhere.example/server:9.9.9".to_owned(),
        namespaces: vec!["team".to_owned()],
        class: Some("other".to_owned()),
        own_namespace: "elsewhere".to_owned(),
        cluster_domain: "example".to_owned(),
    };
    for (name, spec) in specs() {
        let seen = seen(backend(&spec));
        let pods = |settings: &Settings| {
            let objects = objects(&seen, settings).into_iter().map(|object| object.object);
            objects.filter(|object| object["kind"] != "NetworkPolicy").collect::<Vec<_>>()
        };
        assert_eq!(pods(&Settings::for_tests()), pods(&other), "{name}");
    }
}
