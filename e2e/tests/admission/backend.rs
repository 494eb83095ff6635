//! Backends.

use serde_json::{Value as Json, json};

use super::table::{Bad, Change, Table, bad};

mod config;

fn secret(name: &str) -> Json {
    json!({ "secretKeyRef": { "name": name, "key": "url" } })
}

/// Over PostgreSQL.
fn backends() -> Table {
    let good = json!({
        "apiVersion": "mainstay.dev/v1alpha1", "kind": "Backend", "metadata": { "name": "demo" },
        "spec": { "database": { "urlFrom": secret("pg") } },
    });
    Table { plural: "backends", good }
}

fn embedded() -> (&'static str, Json) {
    ("/spec/database", json!({ "embedded": { "size": "1Gi" } }))
}

const CPU: &str = "/spec/resources/requests/cpu";
const AUTOSCALING: &str = "/spec/autoscaling";

#[test]
fn good_backends_are_admitted() {
    let name = "a".repeat(40);
    backends().admits(&[
        vec![],
        vec![("/metadata/name", json!(name))],
        vec![embedded()],
        vec![embedded(), ("/spec/replicas", json!(1))],
        vec![embedded(), ("/spec/replicas", json!(0))],
        vec![("/spec/replicas", json!(3)), (AUTOSCALING, json!(null))],
        vec![(AUTOSCALING, json!({ "max": 5, "targetCPU": 70 })), (CPU, json!("250m"))],
        vec![(AUTOSCALING, json!({ "min": 5, "max": 5 })), ("/spec/resources/limits/cpu", json!("1"))],
        vec![(AUTOSCALING, json!({ "max": 5, "metrics": [{ "type": "Pods" }] }))],
        vec![("/spec/takeOverFrom", json!("old-shop/demo"))],
        vec![("/spec/database/schema", json!("shop_2")), ("/spec/database/directUrlFrom", secret("direct"))],
        vec![(
            "/spec/resources",
            json!({ "requests": { "cpu": "1", "memory": "1e3" }, "limits": { "cpu": "1.5", "nvidia.com/gpu": "1" } }),
        )],
        vec![("/spec/expose", json!({ "ingress": { "host": "*.example.com", "tlsSecretName": "tls" } }))],
        vec![(
            "/spec/expose",
            json!({ "gateway": { "parentRefs": [{ "name": "gw", "namespace": "infra", "sectionName": "https" }] } }),
        )],
        vec![("/spec/image", json!("registry.example.com:5000/team/Mainstay@sha256:0123456789abcdef"))],
        vec![("/spec/redis", json!({ "urlFrom": secret("redis") }))],
        vec![("/spec/config/rateLimits", json!([
            { "name": "default", "by": "ip", "limit": 100, "window": "60s", "algorithm": "tokenBucket", "burst": 50 },
            { "name": "writes", "by": "key", "routes": ["write", "batch"], "limit": 10, "window": "24h" },
        ]))],
        vec![("/spec/config/telemetry", json!({ "otlpEndpoint": "https://otel:4318/a", "sampleRatio": "0.01" }))],
        vec![("/spec/config/proxies", json!({ "trusted": ["10.0.0.0/8", "fd00::/8", "192.0.2.1"], "header": "forwarded" }))],
    ]);
}

/// What a Helm chart prints of values that are not set: null is absence, for every rule too.
#[test]
fn null_is_absence() {
    let spec = json!({
        "image": null, "autoscaling": null, "config": null, "secrets": null, "resources": null,
        "migrations": { "soak": null, "policy": {} },
        "expose": { "ingress": null, "gateway": null }, "podTemplate": { "affinity": null, "priorityClassName": null },
        "networkPolicy": { "enabled": null }, "monitoring": null, "suspend": null, "takeOverFrom": null,
        "database": { "urlFrom": secret("pg"), "embedded": null, "schema": null, "directUrlFrom": null },
    });
    let object = backends().with(&vec![("/spec", spec), ("/metadata/name", json!("nulls"))]);
    let mut client_side = object.clone();
    // Where null is none of the values, or read as a number by the scale subresource, it is dropped; a server-side apply
    // refuses it.
    client_side["spec"]["replicas"] = json!(null);
    client_side["spec"]["migrations"]["policy"]["safe"] = json!(null);
    for server in super::table::servers() {
        let path = format!("{}/nulls", super::table::collection("backends"));
        let created = server.create(&super::table::collection("backends"), &client_side, true);
        assert_eq!(created.status, 201, "{}: {}", server.version(), created.body);
        assert!(created.body["spec"].as_object().unwrap().get("replicas").is_none(), "{}", created.body);
        assert_eq!(created.body["spec"]["migrations"]["policy"], json!({}), "{}", created.body);
        let applied = server.apply(&path, "a-test", &object);
        assert_eq!(applied.status, 201, "{}: {}", server.version(), applied.body);
        let refused = server.apply(&path, "a-test", &client_side);
        assert_eq!(refused.status, 422, "{}", refused.body);
        assert_eq!(server.call(reqwest::Method::DELETE, &path, "", None).status, 200);
    }
}

/// The examples of `kubectl explain`, and one of everything.
#[test]
fn a_whole_backend_is_admitted() {
    backends().admits(&[vec![
        (AUTOSCALING, json!({
            "min": 2, "max": 10, "targetCPU": 80, "metrics": [{ "type": "Resource" }],
            "behavior": { "scaleDown": { "stabilizationWindowSeconds": 300 } },
        })),
        (CPU, json!("250m")),
        ("/spec/config", json!({
            "limits": { "body": "4MiB", "url": "8KiB", "headers": "16KiB", "connections": 1000, "depth": 128, "page": { "default": 10, "max": 50 } },
            "timeouts": { "request": "500ms", "lock": "0s", "client": "10s" },
            "database": { "pool": { "size": 1000, "wait": "5s", "lifetime": "30m" } },
            "cors": {
                "allowedOrigins": ["*", "http://localhost:3000", "https://shop.example.com"],
                "allowedMethods": ["GET", "PATCH"], "allowedHeaders": ["X-API-Key"], "allowCredentials": false, "maxAge": "5m",
            },
        })),
        ("/spec/migrations", json!({
            "policy": { "safe": "Auto", "locking": "Approve", "dataDependent": "Approve", "destructive": "Forbid" },
            "approve": ["0123456789abcdef".repeat(4)],
            "window": { "start": "23:59", "duration": "2h", "days": ["Sat", "Sun"] },
            "timeout": "30m", "backoffLimit": 0, "soak": "1d", "backup": { "before": ["destructive", "dataDependent"] },
            "resources": { "requests": { "cpu": "50m", "memory": "64Mi" } },
        })),
        ("/spec/secrets", json!({
            "jwtKeys": { "algorithm": "ES256", "rotateEvery": "30d" },
            "adminKey": { "rotateEvery": "30d", "overlap": "0s" },
        })),
        ("/spec/expose", json!({
            "service": { "type": "NodePort", "port": 65535, "annotations": { "a/b": "c" } },
            "gateway": { "parentRefs": [{ "name": "gw" }], "hostnames": ["api.example.com"] },
        })),
        ("/spec/podTemplate", json!({
            "annotations": { "a/b": "c" }, "nodeSelector": { "kubernetes.io/arch": "arm64" },
            "tolerations": [{ "key": "spot", "operator": "Exists", "tolerationSeconds": -1 }],
            "affinity": { "nodeAffinity": { "anything": [1] } }, "priorityClassName": "high",
            "env": [{ "name": "HTTPS_PROXY", "value": "http://proxy:3128" }, { "name": "NOT_MAINSTAY_", "value": "" }],
            "imagePullSecrets": [{ "name": "registry" }],
        })),
        ("/spec/networkPolicy", json!({
            "enabled": true, "from": [{ "podSelector": {} }], "metricsFrom": [{ "podSelector": {} }], "egress": [],
        })),
        ("/spec/monitoring", json!({ "serviceMonitor": { "interval": "30s", "labels": { "release": "prometheus" } } })),
        ("/spec/suspend", json!(true)),
    ]]);
}

#[test]
fn good_changes_are_admitted() {
    let schema = "/spec/database/schema";
    backends().admits_updates(&[
        (vec![], vec![("/spec/replicas", json!(5))]),
        (vec![("/spec/replicas", json!(5))], vec![(AUTOSCALING, json!({ "max": 9 })), (CPU, json!("1"))]),
        (vec![], vec![("/spec/database/urlFrom", secret("other"))]),
        // Absence is public.
        (vec![], vec![(schema, json!("public"))]),
        (vec![(schema, json!("public"))], vec![]),
        (vec![(schema, json!("shop"))], vec![(schema, json!("shop")), ("/spec/suspend", json!(true))]),
        (vec![embedded()], vec![embedded(), ("/spec/config/limits/body", json!("2MiB"))]),
    ]);
}

#[test]
fn bad_backends_are_refused_by_their_rule() {
    let all = [spec(), config::config(), migrations(), exposure(), pods()].into_iter().flatten().collect::<Vec<_>>();
    backends().refuses(&all, &transitions());
}

fn transitions() -> Vec<(Change, Bad)> {
    let schema = |name: Json| vec![("/spec/database/schema", name)];
    let volume = |size: &str, class: Json| {
        vec![("/spec/database", json!({ "embedded": { "size": size, "storageClassName": class } }))]
    };
    vec![
        (vec![], bad([embedded()], "spec.database", "does not move between `embedded` and `urlFrom`")),
        (vec![embedded()], bad([], "spec.database", "does not move between `embedded` and `urlFrom`")),
        (schema(json!("shop")), bad(schema(json!("other")), "spec.database", "`schema` cannot be changed")),
        (schema(json!("shop")), bad(schema(json!(null)), "spec.database", "`schema` cannot be changed")),
        (vec![], bad(schema(json!("shop")), "spec.database", "`schema` cannot be changed")),
        (volume("1Gi", json!(null)), bad(volume("2Gi", json!(null)), "spec.database.embedded", "`size` cannot be")),
        (
            volume("1Gi", json!("fast")),
            bad(volume("1Gi", json!("slow")), "spec.database.embedded", "`storageClassName` cannot be changed"),
        ),
        (
            volume("1Gi", json!("fast")),
            bad(volume("1Gi", json!(null)), "spec.database.embedded", "`storageClassName` cannot be changed"),
        ),
    ]
}

fn spec() -> Vec<Bad> {
    let url = "/spec/database/urlFrom/secretKeyRef";
    let by_cpu = "set `resources.requests.cpu`";
    vec![
        bad([("/metadata/name", json!("a".repeat(41)))], "<nil>", "choose a shorter or plainer name"),
        bad([("/metadata/name", json!("1a"))], "<nil>", "beginning with a letter"),
        bad([("/metadata/name", json!("a.b"))], "<nil>", "a Backend's name is at most 40"),
        bad([("/spec/database", json!(null))], "spec", "`database` is missing: set `database.urlFrom`"),
        bad(
            [("/spec/replicas", json!(2)), (AUTOSCALING, json!({ "max": 3 })), (CPU, json!("1"))],
            "spec",
            "exclude each other",
        ),
        bad([("/spec/replicas", json!(1001))], "spec.replicas", "less than or equal to 1000"),
        bad([embedded(), ("/spec/replicas", json!(2))], "spec", "set `replicas` to 1"),
        bad([embedded(), (AUTOSCALING, json!({ "max": 3 })), (CPU, json!("1"))], "spec", "remove `autoscaling`"),
        bad([embedded(), ("/spec/takeOverFrom", json!("a/b"))], "spec", "`takeOverFrom` moves a PostgreSQL database"),
        bad([("/spec/takeOverFrom", json!("b"))], "spec.takeOverFrom", "write it as namespace/name"),
        bad([("/spec/takeOverFrom", json!("a/b/c"))], "spec.takeOverFrom", "this names no Backend"),
        bad([(AUTOSCALING, json!({ "max": 3, "targetCPU": 80 }))], "spec", by_cpu),
        bad([(AUTOSCALING, json!({ "max": 3 })), ("/spec/resources/requests/memory", json!("1Gi"))], "spec", by_cpu),
        bad([(AUTOSCALING, json!({ "max": 3, "metrics": [] }))], "spec", by_cpu),
        bad([(AUTOSCALING, json!({ "max": 3, "targetCPU": 80, "metrics": [{}] }))], "spec", by_cpu),
        bad(
            [(AUTOSCALING, json!({ "min": 4, "max": 3 })), (CPU, json!("1"))],
            "spec.autoscaling",
            "`min` is larger than `max`",
        ),
        bad(
            [(AUTOSCALING, json!({ "max": 0 })), (CPU, json!("1"))],
            "spec.autoscaling.max",
            "greater than or equal to 1",
        ),
        bad(
            [(AUTOSCALING, json!({ "max": 1, "targetCPU": 0 })), (CPU, json!("1"))],
            "spec.autoscaling.targetCPU",
            "to 1",
        ),
        bad([("/spec/image", json!("my image"))], "spec.image", "this is no image"),
        bad([("/spec/image", json!(""))], "spec.image", "this is no image"),
        bad(
            [("/spec/database/embedded", json!({ "size": "1Gi" }))],
            "spec.database",
            "exactly one of `urlFrom` and `embedded`",
        ),
        bad([("/spec/database", json!({}))], "spec.database", "exactly one of `urlFrom` and `embedded`"),
        bad(
            [embedded(), ("/spec/database/directUrlFrom", secret("a"))],
            "spec.database",
            "`directUrlFrom` is PostgreSQL past",
        ),
        bad([embedded(), ("/spec/database/schema", json!("a"))], "spec.database", "`schema` is a schema of PostgreSQL"),
        bad([("/spec/database/schema", json!("My"))], "spec.database.schema", "this is no schema's name"),
        bad([("/spec/database/schema", json!("pg_temp"))], "spec.database.schema", "PostgreSQL's own"),
        bad(
            [("/spec/database/embedded", json!({ "size": "big" })), ("/spec/database/urlFrom", json!(null))],
            "spec.database.embedded.size",
            "this is no quantity",
        ),
        bad([embedded(), ("/spec/database/embedded/size", json!("0"))], "spec.database.embedded.size", "above zero"),
        bad(
            [embedded(), ("/spec/database/embedded/storageClassName", json!("A"))],
            "spec.database.embedded.storageClassName",
            "no object's name",
        ),
        bad(
            [("/spec/database/urlFrom/secretKeyRef/name", json!("PG"))],
            "spec.database.urlFrom.secretKeyRef.name",
            "no object's name",
        ),
        bad(
            [(url, json!({ "name": "a", "key": "a/b" }))],
            "spec.database.urlFrom.secretKeyRef.key",
            "no key of a Secret",
        ),
        bad(
            [("/spec/redis/urlFrom", json!({ "secretKeyRef": { "name": "PG", "key": "k" } }))],
            "spec.redis.urlFrom.secretKeyRef.name",
            "no object's name",
        ),
        bad(
            [("/spec/redis/urlFrom", json!({ "secretKeyRef": { "name": "a", "key": "a/b" } }))],
            "spec.redis.urlFrom.secretKeyRef.key",
            "no key of a Secret",
        ),
        bad(
            [("/spec/database/directUrlFrom", json!({ "secretKeyRef": { "name": "-", "key": "k" } }))],
            "spec.database.directUrlFrom.secretKeyRef.name",
            "no object's name",
        ),
        bad(
            [("/spec/database/directUrlFrom", json!({ "secretKeyRef": { "name": "a", "key": "" } }))],
            "spec.database.directUrlFrom.secretKeyRef.key",
            "no key of a Secret",
        ),
    ]
}

fn migrations() -> Vec<Bad> {
    let window = |start: &str, duration: &str| json!({ "start": start, "duration": duration });
    let hash = "a".repeat(64);
    vec![
        bad(
            [("/spec/migrations/approve", json!([hash.to_uppercase()]))],
            "spec.migrations.approve[0]",
            "this is no approval hash",
        ),
        bad(
            [("/spec/migrations/approve", json!([hash, "abc"]))],
            "spec.migrations.approve[1]",
            "copy the 64 lower-case hex digits",
        ),
        bad([("/spec/migrations/approve", json!([hash, hash]))], "spec.migrations.approve[1]", "Duplicate value"),
        bad(
            [("/spec/migrations/policy", json!({ "safe": "Never" }))],
            "spec.migrations.policy.safe",
            "Unsupported value",
        ),
        bad(
            [("/spec/migrations/window", window("24:00", "2h"))],
            "spec.migrations.window.start",
            "this is no time of the day",
        ),
        bad([("/spec/migrations/window", window("2:00", "2h"))], "spec.migrations.window.start", "such as \"02:00\""),
        bad([("/spec/migrations/window", window("02:00", "0h"))], "spec.migrations.window.duration", "above zero"),
        bad(
            [("/spec/migrations/window", json!({ "start": "02:00", "duration": "1h", "days": ["Mon", "Mon"] }))],
            "spec.migrations.window.days[1]",
            "Duplicate value",
        ),
        bad([("/spec/migrations/timeout", json!("0s"))], "spec.migrations.timeout", "above zero"),
        bad([("/spec/migrations/backoffLimit", json!(21))], "spec.migrations.backoffLimit", "less than or equal to 20"),
        bad([("/spec/migrations/soak", json!("10 m"))], "spec.migrations.soak", "such as 90s, 10m, 24h or 30d"),
        bad([("/spec/migrations/backup", json!({ "before": [] }))], "spec.migrations.backup.before", "at least 1"),
        bad(
            [("/spec/migrations/resources/requests", json!({ "cpu": "much" }))],
            "spec.migrations.resources.requests[cpu]",
            "this is no quantity",
        ),
        bad(
            [("/spec/migrations/resources/limits", json!({ "cpu": "-1" }))],
            "spec.migrations.resources.limits[cpu]",
            "above zero",
        ),
        bad(
            [("/spec/migrations/resources", json!({ "requests": { "cpu": "2" }, "limits": { "cpu": "1" } }))],
            "spec.migrations.resources",
            "a request is larger than its limit",
        ),
        bad([("/spec/secrets/jwtKeys/rotateEvery", json!("0d"))], "spec.secrets.jwtKeys.rotateEvery", "above zero"),
        bad([("/spec/secrets/adminKey/rotateEvery", json!("1y"))], "spec.secrets.adminKey.rotateEvery", "above zero"),
        bad([("/spec/secrets/adminKey/overlap", json!(""))], "spec.secrets.adminKey.overlap", "this is no duration"),
    ]
}

fn exposure() -> Vec<Bad> {
    let gateway = |gateway: Json| [("/spec/expose/gateway", gateway)];
    let parent = |parent: Json| gateway(json!({ "parentRefs": [parent] }));
    let both = json!({ "ingress": { "host": "a.example" }, "gateway": { "parentRefs": [{ "name": "gw" }] } });
    let field = "spec.expose.gateway.parentRefs";
    vec![
        bad([("/spec/expose", both)], "spec.expose", "`ingress` and `gateway` exclude each other"),
        bad([("/spec/expose/service/port", json!(65_536))], "spec.expose.service.port", "less than or equal to 65535"),
        bad(
            [("/spec/expose/ingress", json!({ "host": "https://a.example" }))],
            "spec.expose.ingress.host",
            "this is no host name",
        ),
        bad(
            [("/spec/expose/ingress", json!({ "host": "a", "className": "A" }))],
            "spec.expose.ingress.className",
            "no object's name",
        ),
        bad(
            [("/spec/expose/ingress", json!({ "host": "a", "tlsSecretName": "" }))],
            "spec.expose.ingress.tlsSecretName",
            "no object's name",
        ),
        bad(gateway(json!({ "parentRefs": [] })), field, "at least 1"),
        bad(
            gateway(json!({ "parentRefs": [{ "name": "a" }], "hostnames": ["a:80"] })),
            "spec.expose.gateway.hostnames[0]",
            "without a scheme, port or path",
        ),
        bad(parent(json!({ "name": "A" })), "spec.expose.gateway.parentRefs[0].name", "no object's name"),
        bad(
            parent(json!({ "name": "a", "namespace": "a.b" })),
            "spec.expose.gateway.parentRefs[0].namespace",
            "this is no DNS label",
        ),
        bad(
            parent(json!({ "name": "a", "sectionName": "_" })),
            "spec.expose.gateway.parentRefs[0].sectionName",
            "no object's name",
        ),
    ]
}

fn pods() -> Vec<Bad> {
    let env = |name: &str| [("/spec/podTemplate/env", json!([{ "name": name, "value": "1" }]))];
    let twice = json!([{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }]);
    let many: Json = (0..65).map(|n| json!({ "name": format!("A{n}"), "value": "" })).collect();
    let labels: serde_json::Map<String, Json> = (0..33).map(|n| (format!("l{n}"), json!(""))).collect();
    vec![
        bad(
            [("/spec/resources/requests", json!({ "cpu": "1 core" }))],
            "spec.resources.requests[cpu]",
            "write it as 250m, 1.5 or 2",
        ),
        bad(
            [("/spec/resources/limits", json!({ "memory": "128MB" }))],
            "spec.resources.limits[memory]",
            "or 128Mi or 1Gi (bytes)",
        ),
        bad([("/spec/resources/requests", json!({ "cpu": 1 }))], "spec.resources.requests.cpu", "must be of type"),
        bad(
            [("/spec/resources", json!({ "requests": { "memory": "1Gi" }, "limits": { "memory": "1000Mi" } }))],
            "spec.resources",
            "lower the request or raise the limit",
        ),
        bad(env("1A"), "spec.podTemplate.env[0].name", "this is no variable's name"),
        bad(env("MAINSTAY_LISTEN"), "spec.podTemplate.env[0].name", "write them in `spec.config`"),
        bad([("/spec/podTemplate/env", twice)], "spec.podTemplate.env[1]", "Duplicate value"),
        bad([("/spec/podTemplate/env", many)], "spec.podTemplate.env", "Too many"),
        bad(
            [("/spec/podTemplate/imagePullSecrets", json!([{ "name": "_" }]))],
            "spec.podTemplate.imagePullSecrets[0].name",
            "no object's name",
        ),
        bad(
            [("/spec/podTemplate/priorityClassName", json!("High"))],
            "spec.podTemplate.priorityClassName",
            "no object's name",
        ),
        bad([("/spec/podTemplate/nodeSelector", json!(labels))], "spec.podTemplate.nodeSelector", "Too many"),
        bad(
            [("/spec/podTemplate/nodeSelector", json!({ "a": "b".repeat(64) }))],
            "spec.podTemplate.nodeSelector.a",
            "Too long",
        ),
        bad(
            [("/spec/monitoring/serviceMonitor/interval", json!("often"))],
            "spec.monitoring.serviceMonitor.interval",
            "this is no duration",
        ),
    ]
}
