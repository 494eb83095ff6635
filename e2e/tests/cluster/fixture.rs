//! What most tests of the operator begin with: a namespace, a database, an operator, a Backend and its Collections.

use std::time::Duration;

use mainstay_e2e::cluster::{Cluster, Namespace, PATIENCE, SERVER_IMAGE, Way};
use mainstay_e2e::http::Caller;
use mainstay_e2e::operator::Operator;
use mainstay_e2e::server::repository;

/// A Backend with its operator.
pub struct Fixture<'a> {
    pub here: &'a Namespace<'a>,
    pub operator: Option<Operator>,
    pub url: String,
}

/// Runs a test in a namespace with a database's Secret, `database`, and an operator.
pub fn with_operator(purpose: &str, test: impl FnOnce(&mut Fixture<'_>)) {
    Cluster::get().with_namespace(purpose, |here| {
        let url = here.database("database");
        let operator = Some(Operator::start(here));
        test(&mut Fixture { here, operator, url });
    });
}

impl Fixture<'_> {
    /// The name of the namespace, which is the class as well.
    pub fn class(&self) -> &str {
        &self.here.name
    }

    /// The name of the database in its URL.
    pub fn database(&self) -> &str {
        let path = self.url.split('?').next().unwrap_or(&self.url);
        path.rsplit('/').next().expect("a database in the URL")
    }

    /// Applies a Backend named `markets`; `more` are lines of its spec, in flow style.
    pub fn backend(&self, more: &str) {
        self.here.apply(&backend("markets", self.class(), more));
    }

    /// Applies the Collections of `examples/markets`.
    pub fn markets(&self) {
        let folder = repository().join("examples/markets");
        self.here.kubectl(&["apply", "-f", &folder.display().to_string()]);
    }

    /// A volume of StorageClass `by-hand` for the first claim: a cluster without a provisioner has none.
    pub fn volume(&self) {
        let folder = tempfile::tempdir().expect("a folder").keep();
        std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("its mode");
        self.here.cluster.apply(&format!(
            "{{apiVersion: v1, kind: PersistentVolume, metadata: {{name: {}}}, spec: {{capacity: {{storage: 1Gi}}, \
             accessModes: [ReadWriteOnce], storageClassName: by-hand, persistentVolumeReclaimPolicy: Retain, \
             hostPath: {{path: {}}}}}}}",
            self.class(),
            folder.display()
        ));
    }

    /// Waits until the Backend serves what was applied last.
    pub fn ready(&self) {
        self.ready_within(PATIENCE);
    }

    /// The same, with another patience.
    pub fn ready_within(&self, patience: Duration) {
        self.here.wait_for("backend/markets", patience, is_ready);
    }

    /// Waits until a condition of the Backend has a status and a reason.
    pub fn told(&self, kind: &str, status: &str, reason: &str) -> serde_json::Value {
        self.here.wait_for("backend/markets", PATIENCE, |backend| says(backend, kind, status, reason))
    }

    /// The way to the API, and a caller with the admin key.
    pub fn api(&self) -> (Way, Caller) {
        let way = self.here.way("markets", 80);
        let caller = Caller::new(&way.url, Some(&self.admin_key()));
        (way, caller)
    }

    /// The current admin key.
    pub fn admin_key(&self) -> String {
        let template = "--template={{.data.key | base64decode}}";
        self.here.kubectl(&["get", "secret", "markets-admin-key", template])
    }

    /// The number of an object's generation, its resourceVersion, or whatever else `path` leads to.
    pub fn value(&self, object: &str, path: &str) -> String {
        self.here.kubectl(&["get", object, &format!("--output=jsonpath={{{path}}}")])
    }
}

/// A Backend over the database in Secret `database`.
pub fn backend(name: &str, class: &str, more: &str) -> String {
    format!(
        "apiVersion: mainstay.dev/v1alpha1\nkind: Backend\nmetadata: {{name: {name}, labels: {{mainstay.dev/class: {class}}}}}\n\
         spec:\n  image: {SERVER_IMAGE}\n  database: {{urlFrom: {{secretKeyRef: {{name: database, key: url}}}}}}\n{}\n",
        more.lines().map(|line| format!("  {line}\n")).collect::<String>()
    )
}

/// Whether the Backend is ready, judged by the newest generation.
pub fn is_ready(backend: &serde_json::Value) -> Result<(), String> {
    if backend["status"]["observedGeneration"] != backend["metadata"]["generation"] {
        return Err(format!("not observed yet: {}", backend["status"]));
    }
    says(backend, "Ready", "True", "Ready")
}

/// Whether a condition has a status and a reason.
pub fn says(object: &serde_json::Value, kind: &str, status: &str, reason: &str) -> Result<(), String> {
    let found = mainstay_e2e::cluster::condition(object, kind);
    match found {
        Some(found) if found["status"] == status && found["reason"] == reason => Ok(()),
        _ => Err(format!("{kind} is not {status} {reason}: {}", object["status"])),
    }
}
