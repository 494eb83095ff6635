//! The structural check of a Backend document.
//!
//! Called by the server for a local file. What settings mean is judged there, together with flags.

use std::sync::LazyLock;

use serde_json::Value as Json;

use super::BackendSpec;
use crate::collection::check::structure;
use crate::problem::{Problem, Problems};

/// Where later versions bring something.
const LATER: [&str; 5] =
    ["/spec/config/cache", "/spec/config/events", "/spec/config/jobs", "/spec/config/search", "/spec/config/webhooks"];

/// The schema of a document, from the types above.
static DOCUMENT: LazyLock<Json> =
    LazyLock::new(|| structure::document_schema("Backend", &schemars::schema_for!(BackendSpec)));

/// The spec of a Backend document, or every structural problem of it. Paths begin at the document's root.
///
/// Sizes, durations and origins are text here; the server judges them together with its flags.
pub fn check_backend(document: &Json) -> Result<BackendSpec, Vec<Problem>> {
    let mut problems = Problems::new();
    let kept = structure::prune(document, &DOCUMENT, &LATER, &mut problems);
    let spec = kept.as_ref().and_then(|document| document.get("spec")).cloned().unwrap_or_default();
    let spec = match serde_json::from_value(spec) {
        Ok(spec) => spec,
        Err(error) => {
            if problems.is_empty() {
                problems.within("spec", |problems| problems.add("wrong_type", error.to_string()));
            }
            BackendSpec::default()
        }
    };
    problems.finish(spec)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::backend::{ForwardedHeader, PageConfig};
    use crate::rate_limit::RouteClass;

    fn found(document: &Json) -> Vec<String> {
        let problems = check_backend(document).unwrap_err();
        problems.iter().map(|problem| format!("{} {}", problem.path, problem.code)).collect()
    }

    #[test]
    fn a_whole_configuration_is_read() {
        let document = json!({
            "apiVersion": "mainstay.dev/v1alpha1", "kind": "Backend", "metadata": { "name": "demo" },
            "spec": { "config": {
                "database": { "pool": { "size": 4, "wait": "1s", "lifetime": "10m" } },
                "limits": { "body": "2MiB", "url": "4KiB", "depth": 16, "page": { "default": 10, "max": 50 } },
                "timeouts": { "request": "5s", "lock": "1s", "client": "2s" },
                "cors": { "allowedOrigins": ["https://shop.example"] },
                "auth": { "registration": { "enabled": true }, "accessTokenLife": "5m", "password": { "minLength": 12 } },
                "proxies": { "trusted": ["10.0.0.0/8"], "header": "forwarded" },
                "telemetry": { "otlpEndpoint": "http://collector:4318", "sampleRatio": "0.01" },
                "rateLimits": [{ "name": "default", "by": "ip", "routes": ["read"], "limit": 9, "window": "1m" }],
            } },
        });
        let config = check_backend(&document).unwrap().config.unwrap();
        let auth = config.auth.unwrap();
        assert_eq!(auth.registration.unwrap().enabled, Some(true));
        assert_eq!(auth.password.unwrap().min_length, Some(12));
        assert_eq!(config.limits.unwrap().page.unwrap(), PageConfig { default: Some(10), max: Some(50) });
        assert_eq!(config.timeouts.unwrap().request.as_deref(), Some("5s"));
        assert_eq!(config.cors.unwrap().allowed_origins.unwrap(), ["https://shop.example"]);
        assert_eq!(config.proxies.unwrap().header, Some(ForwardedHeader::Forwarded));
        assert_eq!(config.telemetry.unwrap().sample_ratio.as_deref(), Some("0.01"));
        assert_eq!(config.rate_limits.unwrap()[0].routes, [RouteClass::Read]);
    }

    #[test]
    fn an_empty_spec_is_right() {
        let document = json!({ "apiVersion": "mainstay.dev/v1alpha1", "kind": "Backend", "metadata": { "name": "b" }, "spec": {} });
        assert_eq!(check_backend(&document).unwrap(), BackendSpec::default());
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let document = json!({
            "apiVersion": "mainstay.dev/v1", "kind": "Backend", "metadata": {},
            "spec": { "replicas": -2, "config": {
                "auth": { "registration": true, "password": { "minLength": 4 } },
                "events": {},
                "limits": { "body": 5, "dept": 16, "page": { "max": -1 } },
                "cors": { "allowedOrigins": "*" },
                "rateLimits": [
                    { "name": "a", "by": "name", "limit": 0, "window": "1m" },
                    { "name": "a", "by": "ip", "limit": 1, "window": "1m", "routes": ["reed"], "per": 1 },
                ],
            } },
        });
        assert_eq!(
            found(&document),
            [
                "/apiVersion not_allowed",
                "/metadata required",
                "/spec/config/auth/password/minLength out_of_range",
                "/spec/config/auth/registration wrong_type",
                "/spec/config/cors/allowedOrigins wrong_type",
                "/spec/config/events not_supported",
                "/spec/config/limits/body wrong_type",
                "/spec/config/limits/dept unknown_key",
                "/spec/config/limits/page/max out_of_range",
                "/spec/config/rateLimits/1 duplicate",
                "/spec/config/rateLimits/0/by not_allowed",
                "/spec/config/rateLimits/0/limit out_of_range",
                "/spec/config/rateLimits/1/per unknown_key",
                "/spec/config/rateLimits/1/routes/0 not_allowed",
                "/spec/replicas out_of_range",
            ]
        );
    }

    /// Everything that a Backend may say.
    fn whole() -> Json {
        json!({
            "apiVersion": "mainstay.dev/v1alpha1", "kind": "Backend",
            "metadata": { "name": "demo", "namespace": "shop", "labels": { "app": "shop" } },
            "spec": {
                "image": "ghcr.io/example/mainstay:1.4.0",
                "autoscaling": {
                    "min": 2, "max": 10, "targetCPU": 80,
                    "metrics": [{ "type": "Pods", "pods": { "metric": { "name": "rps" }, "target": { "type": "AverageValue", "averageValue": "100" } } }],
                    "behavior": { "scaleDown": { "stabilizationWindowSeconds": 300 } },
                },
                "database": {
                    "urlFrom": { "secretKeyRef": { "name": "pg", "key": "url" } },
                    "directUrlFrom": { "secretKeyRef": { "name": "pg", "key": "direct" } },
                    "schema": "shop",
                },
                "config": { "limits": { "body": "2MiB", "page": { "default": 10, "max": 50 } } },
                "migrations": {
                    "policy": { "safe": "Auto", "locking": "Approve", "dataDependent": "Approve", "destructive": "Forbid" },
                    "approve": ["0".repeat(64)],
                    "window": { "start": "02:00", "duration": "2h", "days": ["Sat", "Sun"] },
                    "timeout": "30m", "backoffLimit": 2, "soak": "1h",
                    "backup": { "before": ["destructive"] },
                    "resources": { "requests": { "cpu": "50m" } },
                },
                "secrets": {
                    "jwtKeys": { "algorithm": "ES256", "rotateEvery": "30d" },
                    "adminKey": { "rotateEvery": "90d", "overlap": "1h" },
                },
                "expose": {
                    "service": { "type": "LoadBalancer", "port": 443, "annotations": { "cloud/lb": "internal" } },
                    "gateway": { "parentRefs": [{ "name": "public", "namespace": "gateways", "sectionName": "https" }], "hostnames": ["api.example.com"] },
                },
                "resources": { "requests": { "cpu": "250m", "memory": "64Mi" }, "limits": { "memory": "256Mi" } },
                "podTemplate": {
                    "annotations": { "a/b": "c" },
                    "nodeSelector": { "kubernetes.io/arch": "arm64" },
                    "tolerations": [{ "key": "spot", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": -5 }],
                    "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [] } } },
                    "priorityClassName": "high",
                    "env": [{ "name": "HTTPS_PROXY", "value": "http://proxy:3128" }],
                    "imagePullSecrets": [{ "name": "registry" }],
                },
                "networkPolicy": {
                    "enabled": true,
                    "from": [{ "namespaceSelector": { "matchLabels": { "team": "web" } } }],
                    "metricsFrom": [{ "podSelector": {} }],
                    "egress": [{ "ports": [{ "port": 5432, "protocol": "TCP" }] }],
                },
                "monitoring": { "serviceMonitor": { "interval": "30s", "labels": { "release": "prometheus" } } },
                "suspend": false,
                "takeOverFrom": "old/demo",
            },
        })
    }

    #[test]
    fn a_whole_backend_is_read_and_nothing_of_it_is_lost() {
        let document = whole();
        let spec = check_backend(&document).unwrap();
        assert_eq!(serde_json::to_value(&spec).unwrap(), document["spec"]);
        assert_eq!(spec.resources.unwrap().requests["cpu"], "250m");
        assert_eq!(spec.pod_template.unwrap().tolerations[0].toleration_seconds, Some(-5));
    }

    #[test]
    fn problems_deep_inside_are_found_where_they_are() {
        let long = "x".repeat(64);
        let many: serde_json::Map<String, Json> = (0..17).map(|n| (format!("r{n}"), json!("1"))).collect();
        let cases = [
            ("/resources/requests", json!({ "cpu": 1 }), "/spec/resources/requests/cpu wrong_type"),
            ("/resources/requests", json!(many), "/spec/resources/requests too_many"),
            ("/resources/request", json!({}), "/spec/resources/request unknown_key"),
            ("/podTemplate/nodeSelector", json!({ "a/b": long }), "/spec/podTemplate/nodeSelector/a~1b too_long"),
            ("/podTemplate/tolerations/0/seconds", json!(1), "/spec/podTemplate/tolerations/0/seconds unknown_key"),
            ("/podTemplate/env/0/value", json!(true), "/spec/podTemplate/env/0/value wrong_type"),
            (
                "/podTemplate/env",
                json!([{ "name": "A", "value": "1" }, { "name": "B", "value": "1" }, { "name": "A", "value": "2" }]),
                "/spec/podTemplate/env/2 duplicate",
            ),
            ("/podTemplate/affinity", json!("near"), "/spec/podTemplate/affinity wrong_type"),
            ("/networkPolicy/from", json!(["all"]), "/spec/networkPolicy/from/0 wrong_type"),
            ("/networkPolicy/from", json!([{ "podSelector": "web" }]), "/spec wrong_type"),
            ("/expose/service/port", json!(70_000), "/spec/expose/service/port out_of_range"),
            ("/expose/service/type", json!("Headless"), "/spec/expose/service/type not_allowed"),
            ("/expose/gateway/parentRefs", json!([]), "/spec/expose/gateway/parentRefs too_few"),
            ("/migrations/window/days", json!(["Sat", "Sat"]), "/spec/migrations/window/days/1 duplicate"),
            ("/migrations/policy/safe", json!("Never"), "/spec/migrations/policy/safe not_allowed"),
            ("/autoscaling/max", json!(0), "/spec/autoscaling/max out_of_range"),
            ("/autoscaling/metrics", json!([1]), "/spec/autoscaling/metrics/0 wrong_type"),
            ("/database/urlFrom/secretKeyRef/nam", json!("x"), "/spec/database/urlFrom/secretKeyRef/nam unknown_key"),
            (
                "/monitoring/serviceMonitor/labels/release",
                json!(1),
                "/spec/monitoring/serviceMonitor/labels/release wrong_type",
            ),
        ];
        for (at, value, expected) in cases {
            let mut document = whole();
            let (parent, key) = at.rsplit_once('/').unwrap();
            let parent = document.pointer_mut(&format!("/spec{parent}")).unwrap();
            parent.as_object_mut().unwrap().insert(key.to_owned(), value);
            assert_eq!(found(&document), [expected], "{at}");
        }
    }

    #[test]
    fn no_document_at_all_is_a_problem() {
        for document in [json!(null), json!([]), json!("Backend"), json!({})] {
            assert!(!check_backend(&document).unwrap_err().is_empty(), "{document}");
        }
    }
}
