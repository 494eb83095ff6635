//! A running cluster, for tests: its `kubectl`, namespaces that come and go, waiting for conditions, and a report of
//! what was there when a test fails.
//!
//! Used by the tests in `e2e/tests/cluster`, which `make e2e` runs inside the lab. `MAINSTAY_TEST_KUBECONFIG` names any
//! other cluster instead (`KUBECONFIG` alone never does: it may lead to one that matters); its nodes have to know the
//! images, and `MAINSTAY_TEST_POSTGRES_URL` a PostgreSQL that its pods reach.

mod look;
mod namespace;
mod report;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use look::Looks;
pub use namespace::{Namespace, Way};
use serde_json::Value as Json;

use crate::lab::{self, Lab};
use crate::postgres::Postgres;

/// The image of the server, as `make e2e` builds it.
pub const SERVER_IMAGE: &str = "kubelab.local/mainstay-server:e2e";
/// The image of the operator, as `make e2e` builds it.
pub const OPERATOR_IMAGE: &str = "kubelab.local/mainstay-operator:e2e";
/// A shell and small tools: `/bin/sh`, `/bin/busybox TOOL`. Runs as user 65532 unless told otherwise.
pub const BUSYBOX_IMAGE: &str = "kubelab.local/busybox:1";
/// How long a test waits for what takes seconds, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at a condition: more often would slow down what is waited for.
const LOOK: Duration = Duration::from_millis(200);

/// A `kubectl proxy`, which ends with its owner, even when that is killed: it reads its input to the end.
pub struct Proxy {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().expect("kubectl ends");
    }
}

/// Runs a program until the input ends.
const UNTIL_THE_INPUT_ENDS: &str = r#""$@" & program=$!; cat >/dev/null; kill $program; wait"#;

/// A cluster that answers.
pub struct Cluster {
    kubeconfig: PathBuf,
    /// None when it is not ours.
    lab: Option<Lab>,
    postgres: OnceLock<Postgres>,
    looks: OnceLock<Looks>,
}

impl Cluster {
    /// The cluster of this test process. Panics when there is none: a test of the cluster is never skipped.
    pub fn get() -> &'static Cluster {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(|| {
            let (kubeconfig, lab) = match (variable("MAINSTAY_TEST_KUBECONFIG"), variable(lab::VARIABLE)) {
                (Some(other), _) => (PathBuf::from(other), None),
                (None, Some(folder)) => {
                    let lab = Lab::at(PathBuf::from(folder));
                    (lab.kubeconfig(), Some(lab))
                }
                (None, None) => panic!("no cluster: run `make e2e`"),
            };
            Cluster { kubeconfig, lab, postgres: OnceLock::new(), looks: OnceLock::new() }
        })
    }

    /// The lab, when this cluster is one: what only a machine of ours can do.
    pub fn lab(&self) -> Option<&Lab> {
        self.lab.as_ref()
    }

    /// The file that tells clients where it is, and who they are: an administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs `kubectl` and answers what it prints, or what it complains of.
    pub fn try_kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        self.pipe(arguments, "")
    }

    /// Runs `kubectl`, which has to succeed, and answers what it prints.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments).unwrap_or_else(|complaint| panic!("{complaint}"))
    }

    /// Runs `kubectl` with text as its input.
    pub fn pipe(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut command = self.kubectl_command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("kubectl: {error}"))?;
        // It may end without reading: then its own complaint says why.
        drop(child.stdin.take().map(|mut pipe| pipe.write_all(input.as_bytes())));
        let output = child.wait_with_output().map_err(|error| format!("kubectl: {error}"))?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => {
                let complaint = String::from_utf8_lossy(&output.stderr);
                Err(format!("kubectl {}: {}", arguments.join(" "), complaint.trim_end()))
            }
        }
    }

    /// A `kubectl` for this cluster, to be given its arguments: for what goes on beside a test.
    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new(lab::program("kubelab"));
        command.arg("kubectl").env("KUBECONFIG", &self.kubeconfig);
        command
    }

    /// A plain HTTP way to the API server, as an administrator, open as long as the answer lives.
    pub fn proxy(&self) -> Proxy {
        let mut command = Command::new("sh");
        command.args(["-c", UNTIL_THE_INPUT_ENDS, "sh"]).arg(lab::program("kubelab"));
        command.args(["kubectl", "proxy", "--port=0", "--disable-filter"]).env("KUBECONFIG", &self.kubeconfig);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("kubectl starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("kubectl says where");
        let address = line.trim().rsplit(' ').next().and_then(|address| address.parse().ok());
        Proxy { child, address: address.unwrap_or_else(|| panic!("kubectl proxy says {line:?}")) }
    }

    fn looks(&self) -> &Looks {
        self.looks.get_or_init(|| Looks::new(self.proxy()))
    }

    /// Applies the objects of a YAML text that say their own namespace or have none.
    pub fn apply(&self, yaml: &str) -> String {
        self.pipe(&["apply", "-f", "-"], yaml).unwrap_or_else(|complaint| panic!("{complaint}\n{yaml}"))
    }

    /// Runs a test in a namespace of its own, where Pod Security `restricted` is enforced. Afterwards the namespace
    /// goes; when the test fails, a report of all that was in it is printed first.
    pub fn with_namespace<T>(&self, purpose: &str, test: impl FnOnce(&Namespace) -> T) -> T {
        Namespace::run(self, purpose, test)
    }

    /// A PostgreSQL that pods can reach, with a password.
    pub fn postgres(&self) -> &Postgres {
        self.postgres.get_or_init(|| match self.lab {
            Some(_) => Postgres::reachable(lab::ADDRESS),
            None => {
                let named = variable("MAINSTAY_TEST_POSTGRES_URL").is_some();
                assert!(
                    named,
                    "MAINSTAY_TEST_POSTGRES_URL has to name a PostgreSQL that the pods of this cluster reach"
                );
                Postgres::start()
            }
        })
    }
}

/// Looks until `condition` holds and answers its answer; panics with its last words after `patience`.
pub fn wait_for<T>(what: &str, patience: Duration, mut condition: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match condition() {
            Ok(answer) => return answer,
            Err(why) => assert!(start.elapsed() < patience, "{what}: not after {patience:?}: {why}"),
        }
        thread::sleep(LOOK);
    }
}

/// A condition of an object, such as `Ready`: an object with `status`, `reason` and `message`.
pub fn condition<'a>(object: &'a Json, kind: &str) -> Option<&'a Json> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "how `make e2e` names the cluster")]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
