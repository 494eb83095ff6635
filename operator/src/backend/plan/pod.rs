//! What the pods of servers and of migration Jobs share: volumes, variables, security. Pure.
//!
//! The one place that knows the paths and variables of the server image. Nothing here depends on the operator's
//! version or settings, so that an upgrade of the operator restarts no server whose Backend names an image.

use kube::ResourceExt;
use mainstay_crds::backend::{Backend, DatabaseSpec, PodTemplateSpec, RedisSpec, ResourcesSpec, SecretSource};
use serde_json::{Value as Json, json};

use super::{Inputs, config, quantity};
use crate::backend::release::Release;
use crate::desired::{BACKEND_LABEL, labels};

/// The annotation that says which documents a pod serves.
pub const DOCUMENTS_ANNOTATION: &str = "mainstay.dev/documents";

/// The label that tells servers from Jobs.
pub const COMPONENT_LABEL: &str = "mainstay.dev/component";

/// Where records live in the volume of an embedded database.
const DATA: &str = "/data";

/// Where documents, the database's URL and the keys are mounted, each as a folder: only so a change arrives.
const ETC: &str = "/etc/mainstay";

/// Which program a pod runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// `mainstay serve`, with ports, probes and keys.
    Server,
    /// `mainstay migrate` with these arguments, past any pooler.
    Migration(Vec<String>),
}

/// The labels by which the servers' pods are found.
pub fn selector(backend: &str) -> Json {
    json!({ BACKEND_LABEL: backend, COMPONENT_LABEL: "server" })
}

/// The template of the servers' pods.
pub fn template(inputs: &Inputs<'_>, release: &Release) -> Json {
    let annotations = annotations(inputs.backend, release);
    let mut metadata = json!({ "annotations": annotations, "labels": selector(&inputs.name()) });
    for (key, value) in labels(&inputs.name()) {
        metadata["labels"][key] = json!(value);
    }
    json!({ "metadata": metadata, "spec": spec(inputs, release, &Role::Server) })
}

/// The annotations of a pod: the user's, which steer what else the cluster puts into pods, and ours.
pub fn annotations(backend: &Backend, release: &Release) -> Json {
    let mut annotations = json!(pods(backend).annotations);
    annotations[DOCUMENTS_ANNOTATION] = json!(release.documents);
    annotations
}

/// The `spec` of a pod. Members that are null or empty mean absent.
pub fn spec(inputs: &Inputs<'_>, release: &Release, role: &Role) -> Json {
    let server = *role == Role::Server;
    let embedded = inputs.embedded();
    let PodTemplateSpec {
        annotations: _,
        node_selector,
        tolerations,
        affinity,
        priority_class_name,
        env: _,
        image_pull_secrets,
    } = pods(inputs.backend);
    let mut affinity = json!(affinity);
    if !server && affinity.is_object() {
        // A Job goes where servers may go, and neither seeks nor flees their pods.
        affinity = json!({ "nodeAffinity": affinity["nodeAffinity"] });
    }
    json!({
        "serviceAccountName": inputs.name(),
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "restartPolicy": if server { "Always" } else { "Never" },
        "terminationGracePeriodSeconds": if server { json!(40) } else { Json::Null },
        "securityContext": {
            "runAsNonRoot": true,
            "seccompProfile": { "type": "RuntimeDefault" },
            // A volume belongs to root; the image's user reaches it as a member of this group.
            "fsGroup": if embedded { json!(65532) } else { Json::Null },
            "fsGroupChangePolicy": if embedded { json!("OnRootMismatch") } else { Json::Null },
        },
        "imagePullSecrets": image_pull_secrets,
        "nodeSelector": node_selector,
        "tolerations": tolerations,
        "affinity": affinity,
        "priorityClassName": priority_class_name,
        "topologySpreadConstraints": if server && !embedded { spread(&inputs.name()) } else { Json::Null },
        "containers": [container(inputs, release, role)],
        "volumes": volumes(inputs, release, role),
    })
}

/// As even as zones and nodes allow; a pod that cannot be placed evenly runs all the same.
fn spread(backend: &str) -> Json {
    let over = |key: &str| {
        json!({
            "maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": selector(backend) }, "matchLabelKeys": ["pod-template-hash"],
        })
    };
    json!([over("topology.kubernetes.io/zone"), over("kubernetes.io/hostname")])
}

fn container(inputs: &Inputs<'_>, release: &Release, role: &Role) -> Json {
    let spec = &inputs.backend.spec;
    let mut container = json!({
        "image": release.image,
        "env": environment(inputs, role),
        "volumeMounts": mounts(inputs.backend, role),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    });
    let own = match role {
        Role::Migration(arguments) => {
            let resources = spec.migrations.as_ref().and_then(|migrations| migrations.resources.as_ref());
            json!({ "name": "migrate", "args": arguments, "resources": resources_of(resources, ("50m", "64Mi")) })
        }
        Role::Server => {
            let migrate = if inputs.embedded() { "auto" } else { "verify" };
            let probe = |path: &str| json!({ "path": path, "port": "admin", "scheme": "HTTP" });
            json!({
                "name": "server",
                "args": ["serve", "-f", documents_folder(), "--migrate", migrate],
                "resources": resources_of(spec.resources.as_ref(), ("100m", "64Mi")),
                "ports": [
                    { "name": "http", "containerPort": 8080, "protocol": "TCP" },
                    { "name": "admin", "containerPort": 9090, "protocol": "TCP" },
                ],
                // Ten minutes: an embedded database migrates before it answers.
                "startupProbe": {
                    "httpGet": probe("/health"), "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 600,
                },
                "livenessProbe": {
                    "httpGet": probe("/health"), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6,
                },
                "readinessProbe": {
                    "httpGet": probe("/health/ready"), "periodSeconds": 5, "timeoutSeconds": 3, "failureThreshold": 3,
                },
            })
        }
    };
    if let (Json::Object(container), Json::Object(own)) = (&mut container, own) {
        container.extend(own);
    }
    container
}

/// What the spec asks for. What it says nothing of is requested as `(cpu, memory)`: an autoscaler divides by requests.
fn resources_of(spec: Option<&ResourcesSpec>, (cpu, memory): (&str, &str)) -> Json {
    let ResourcesSpec { mut requests, limits } = spec.cloned().unwrap_or_default();
    for (name, quantity) in [("cpu", cpu), ("memory", memory)] {
        let wanted = limits.get(name).cloned().unwrap_or_else(|| quantity.to_owned());
        requests.entry(name.to_owned()).or_insert(wanted);
    }
    json!({ "requests": quantity::resources(&requests), "limits": quantity::resources(&limits) })
}

/// The variables of the server image, then the user's.
fn environment(inputs: &Inputs<'_>, role: &Role) -> Vec<Json> {
    let backend = inputs.backend;
    let server = *role == Role::Server;
    let DatabaseSpec { url_from, direct_url_from, schema, embedded } = database(backend);
    let namespace = backend.namespace().unwrap_or_default();
    // Not the Backend's own uid: one that is deleted and applied again finds its data.
    let owner = format!("{namespace}/{}/{}", backend.name_any(), inputs.seen.namespace_uid);
    // A volume has one user by itself.
    let owner = embedded.is_none().then_some(owner);
    let file = |wanted: bool, path: &str| wanted.then(|| format!("{ETC}/{path}"));
    let fixed = |wanted: bool, value: &str| wanted.then(|| value.to_owned());
    let own = [
        ("MAINSTAY_DATABASE_URL", embedded.map(|_| format!("sqlite:{DATA}/mainstay.db"))),
        ("MAINSTAY_DATABASE_URL_FILE", file(url_from.is_some(), "database/url")),
        ("MAINSTAY_DATABASE_DIRECT_URL_FILE", file(direct_url_from.is_some(), "database/direct-url")),
        ("MAINSTAY_DATABASE_SCHEMA", schema),
        ("MAINSTAY_REDIS_URL_FILE", file(server && redis(backend).is_some(), "redis/url")),
        ("MAINSTAY_OWNER", owner),
        ("MAINSTAY_TAKE_OVER_FROM", backend.spec.take_over_from.clone()),
        ("MAINSTAY_LISTEN", fixed(server, "0.0.0.0:8080")),
        ("MAINSTAY_ADMIN_LISTEN", fixed(server, "0.0.0.0:9090")),
        ("MAINSTAY_DRAIN_DELAY", fixed(server, "5s")),
        ("MAINSTAY_SHUTDOWN_GRACE", fixed(server, "25s")),
        ("MAINSTAY_ADMIN_KEY_FILE", file(server, "admin-key/keys")),
        ("MAINSTAY_JWT_KEYS_FILE", file(server && jwt(backend), "jwt-keys/keys.json")),
        ("MAINSTAY_API_KEYS_FILE", file(server, "api-keys/keys.yaml")),
    ];
    let own = own.into_iter().filter_map(|(name, value)| Some(json!({ "name": name, "value": value? })));
    let instance = json!({
        "name": "MAINSTAY_INSTANCE",
        "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.name" } },
    });
    let theirs = pods(backend).env.into_iter().filter(|variable| !variable.name.starts_with("MAINSTAY_"));
    own.chain([instance]).chain(theirs.map(|variable| json!(variable))).collect()
}

/// Where the documents are, of servers and of Jobs.
pub fn documents_folder() -> String {
    format!("{ETC}/documents")
}

/// Each volume's name and where it is mounted.
fn mounts(backend: &Backend, role: &Role) -> Vec<Json> {
    let database = database(backend);
    let server = *role == Role::Server;
    let folders = [
        ("documents", true),
        ("database", database.url_from.is_some()),
        ("redis", server && redis(backend).is_some()),
        ("admin-key", server),
        ("jwt-keys", server && jwt(backend)),
        ("api-keys", server),
    ];
    let folders = folders.into_iter().filter(|(_, wanted)| *wanted);
    let folders =
        folders.map(|(name, _)| json!({ "name": name, "mountPath": format!("{ETC}/{name}"), "readOnly": true }));
    let data = database.embedded.map(|_| json!({ "name": "data", "mountPath": DATA }));
    folders.chain(data).collect()
}

/// Volumes of what is mounted; `data` is the claim of the StatefulSet.
fn volumes(inputs: &Inputs<'_>, release: &Release, role: &Role) -> Vec<Json> {
    let (backend, name) = (inputs.backend, inputs.name());
    let server = *role == Role::Server;
    let database = database(backend);
    let parts = (0..release.parts).map(|part| json!({ "configMap": { "name": release.config_map(&name, part) } }));
    // No collection's name holds an underscore, so that no collection's file is in the way.
    let config = json!({
        "configMap": { "name": config::name(backend), "items": [{ "key": config::FILE, "path": "_backend.json" }] },
    });
    let documents = json!({ "sources": parts.chain([config]).collect::<Vec<_>>() });
    let urls = [(database.url_from, "url"), (database.direct_url_from, "direct-url")];
    let urls: Vec<Json> = urls.into_iter().filter_map(|(source, path)| Some(secret_file(source?, path))).collect();
    let keys = |kind: &str, file: &str| {
        let secret = json!({ "secretName": format!("{name}-{kind}"), "items": [{ "key": file, "path": file }] });
        json!({ "name": kind, "secret": secret })
    };
    let all = [
        Some(json!({ "name": "documents", "projected": documents })),
        (!urls.is_empty()).then(|| json!({ "name": "database", "projected": { "sources": urls } })),
        redis(backend)
            .filter(|_| server)
            .map(|redis| json!({ "name": "redis", "projected": { "sources": [secret_file(redis.url_from, "url")] } })),
        server.then(|| keys("admin-key", "keys")),
        (server && jwt(backend)).then(|| keys("jwt-keys", "keys.json")),
        // There whether there are ApiKeys or not.
        server.then(|| keys("api-keys", "keys.yaml")),
    ];
    all.into_iter().flatten().collect()
}

/// One key of a Secret as a file of a projected volume.
fn secret_file(source: SecretSource, path: &str) -> Json {
    let reference = source.secret_key_ref;
    json!({ "secret": { "name": reference.name, "items": [{ "key": reference.key, "path": path }] } })
}

fn database(backend: &Backend) -> DatabaseSpec {
    backend.spec.database.clone().unwrap_or_default()
}

fn redis(backend: &Backend) -> Option<RedisSpec> {
    backend.spec.redis.clone()
}

fn pods(backend: &Backend) -> PodTemplateSpec {
    backend.spec.pod_template.clone().unwrap_or_default()
}

/// Whether servers have keys to sign tokens with.
fn jwt(backend: &Backend) -> bool {
    backend.spec.secrets.as_ref().is_some_and(|secrets| secrets.jwt_keys.is_some())
}
