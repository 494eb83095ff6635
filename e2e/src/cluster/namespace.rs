//! A namespace for one test: what is applied in it, what is seen in it, and how the test talks to its Services.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value as Json;

use super::{Cluster, PATIENCE, condition, report, wait_for};

/// A namespace that exists as long as its test runs.
pub struct Namespace<'a> {
    /// The cluster that it is in.
    pub cluster: &'a Cluster,
    /// Its name.
    pub name: String,
}

/// The way to a Service, open as long as this lives.
pub struct Way {
    /// Such as `http://10.96.12.34:80`.
    pub url: String,
    /// What forwards, when Services cannot be reached from here.
    forward: Option<Child>,
}

impl Namespace<'_> {
    pub(super) fn run<T>(cluster: &Cluster, purpose: &str, test: impl FnOnce(&Namespace) -> T) -> T {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = Namespace { cluster, name: format!("{purpose}-{}-{count}", std::process::id()) };
        cluster.apply(&format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {}, labels: {{\
             pod-security.kubernetes.io/enforce: restricted}}}}}}",
            namespace.name
        ));
        // Pods are refused until their account is there.
        wait_for("the namespace's service account", PATIENCE, || namespace.object("serviceaccount/default"));
        let outcome = catch_unwind(AssertUnwindSafe(|| test(&namespace)));
        if outcome.is_err() {
            report::print(cluster, &namespace.name);
        }
        let delete = ["delete", "namespace", &namespace.name, "--wait=false", "--ignore-not-found"];
        let deleted = cluster.try_kubectl(&delete);
        match outcome {
            Ok(answer) => {
                deleted.expect("the namespace is deleted");
                answer
            }
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Runs `kubectl` in this namespace and answers what it prints, or what it complains of.
    pub fn try_kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        self.cluster.try_kubectl(&[&["--namespace", self.name.as_str()], arguments].concat())
    }

    /// Runs `kubectl` in this namespace, which has to succeed, and answers what it prints.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments).unwrap_or_else(|complaint| panic!("{complaint}"))
    }

    /// Applies the objects of a YAML text in this namespace.
    pub fn apply(&self, yaml: &str) {
        self.try_apply(yaml).unwrap_or_else(|complaint| panic!("{complaint}\n{yaml}"));
    }

    /// Applies the objects of a YAML text in this namespace, or answers why the cluster refuses them.
    pub fn try_apply(&self, yaml: &str) -> Result<String, String> {
        self.cluster.pipe(&["--namespace", &self.name, "apply", "-f", "-"], yaml)
    }

    /// An object such as `deployment/web`, or why it cannot be had.
    pub fn object(&self, name: &str) -> Result<Json, String> {
        if let Some(seen) = self.cluster.looks().object(&self.name, name) {
            return seen;
        }
        let text = self.try_kubectl(&["get", name, "--output=json"])?;
        serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))
    }

    /// All objects of a kind, such as `pods`, with more words of `kubectl get` such as `--selector=app=web`.
    pub fn objects(&self, kind: &str, more: &[&str]) -> Vec<Json> {
        let mut list = match self.cluster.looks().objects(&self.name, kind, more) {
            Some(list) => list.unwrap_or_else(|complaint| panic!("{complaint}")),
            None => {
                let text = self.kubectl(&[&["get", kind, "--output=json"], more].concat());
                serde_json::from_str(&text).expect("kubectl prints JSON")
            }
        };
        match list["items"].take() {
            Json::Array(items) => items,
            other => panic!("{kind}: a list was expected, not {other}"),
        }
    }

    /// Looks until `check` accepts an object, and answers it; panics with the last reason after `patience`.
    pub fn wait_for(&self, name: &str, patience: Duration, check: impl Fn(&Json) -> Result<(), String>) -> Json {
        wait_for(name, patience, || {
            let object = self.object(name)?;
            check(&object).map(|()| object)
        })
    }

    /// Looks until a condition of an object such as `deployment/web` is `True`, and answers the object.
    pub fn wait_until(&self, name: &str, wanted: &str, patience: Duration) -> Json {
        self.wait_for(name, patience, |object| match condition(object, wanted) {
            Some(condition) if condition["status"] == "True" => Ok(()),
            Some(condition) => Err(format!("{wanted} is {condition}")),
            None => Err(format!("it has no condition {wanted}")),
        })
    }

    /// What a pod wrote, named as `pod/x`, `job/x` or `deployment/x`.
    pub fn logs(&self, name: &str) -> String {
        self.kubectl(&["logs", name, "--all-containers", "--tail=-1"])
    }

    /// Runs a program in a container of a pod and answers what it prints.
    pub fn exec(&self, pod: &str, program: &[&str]) -> Result<String, String> {
        self.try_kubectl(&[&["exec", pod, "--"], program].concat())
    }

    /// A fresh database on the PostgreSQL of the tests, its URL in a Secret under the key `url`. Answers the URL.
    pub fn database(&self, secret: &str) -> String {
        let url = self.cluster.postgres().database();
        self.kubectl(&["create", "secret", "generic", secret, &format!("--from-literal=url={url}")]);
        url
    }

    /// The way to a port of a Service, once it accepts a connection: a pod is ready a moment before its Service leads
    /// to it. In the lab that is the Service's own address, with all that is balanced behind it; in another cluster it
    /// leads through the API server to one pod, and ends with it.
    pub fn way(&self, service: &str, port: u16) -> Way {
        if self.cluster.lab().is_some() {
            let address = self.kubectl(&["get", "service", service, "--output=jsonpath={.spec.clusterIP}"]);
            let address = format!("{address}:{port}");
            wait_for(&address, PATIENCE, || TcpStream::connect(&address).map_err(|error| error.to_string()));
            return Way { url: format!("http://{address}"), forward: None };
        }
        let mut command = self.cluster.kubectl_command();
        command.args(["--namespace", &self.name, "port-forward"]);
        command.args([format!("service/{service}"), format!(":{port}")]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("kubectl starts");
        let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        said.read_line(&mut line).expect("kubectl says where");
        // It prints a line for each connection, and ends when nobody reads them.
        std::thread::spawn(move || drop(std::io::copy(&mut said, &mut std::io::sink())));
        let address = line.split_whitespace().nth(2).unwrap_or_else(|| panic!("kubectl port-forward says {line:?}"));
        Way { url: format!("http://{address}"), forward: Some(child) }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        if let Some(mut child) = self.forward.take() {
            child.kill().and_then(|()| child.wait()).expect("kubectl ends");
        }
    }
}
