//! The operator under test, as a process beside the cluster: one for each test, for the test's namespace alone.
//!
//! The binary is the one beside the running test. Dropping kills it. How it runs inside of the cluster, from its image
//! and by the chart, is what the tutorial's test shows.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::cluster::{Namespace, PATIENCE, SERVER_IMAGE, wait_for};

/// A killed one would hold its lease for fifteen seconds, so that most do without.
const ALONE: [&str; 2] = ["--leader-election", "false"];

/// A running operator.
pub struct Operator {
    child: Child,
    log: Arc<Mutex<String>>,
    /// Where `/metrics`, `/livez` and `/readyz` are.
    pub url: String,
    /// Holds its kubeconfig.
    _folder: tempfile::TempDir,
}

impl Operator {
    /// Starts one for the namespace, and returns once it leads.
    pub fn start(here: &Namespace) -> Operator {
        Operator::launch(here, None, &ALONE)
    }

    /// Starts one that reaches the API server through `proxy`.
    pub fn behind(here: &Namespace, proxy: SocketAddr) -> Operator {
        Operator::launch(here, Some(proxy), &ALONE)
    }

    /// Starts one that reaches the API server through `proxy` and works when it is elected: as `name` in the Lease.
    pub fn candidate(here: &Namespace, proxy: SocketAddr, name: &str) -> Operator {
        Operator::launch(here, Some(proxy), &["--identity", name])
    }

    /// Starts one that reaches the API server through `proxy`, with flags of its own.
    pub fn with(here: &Namespace, proxy: SocketAddr, flags: &[&str]) -> Operator {
        Operator::launch(here, Some(proxy), &[&ALONE[..], flags].concat())
    }

    fn launch(here: &Namespace, proxy: Option<SocketAddr>, flags: &[&str]) -> Operator {
        let folder = tempfile::tempdir().expect("a folder");
        let kubeconfig = match proxy {
            None => here.cluster.kubeconfig().to_owned(),
            Some(proxy) => {
                let path = folder.path().join("kubeconfig");
                fs::write(&path, plain(proxy)).expect("a file");
                path
            }
        };
        let mut command = Command::new(program());
        command
            .arg("run")
            .args(["--namespaces", &here.name, "--class", &here.name, "--own-namespace", &here.name])
            .args(["--server-image", SERVER_IMAGE, "--listen", "127.0.0.1:0", "--log-format", "json"])
            .args(flags)
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the operator starts");
        let log = Arc::<Mutex<String>>::default();
        keep(child.stdout.take().expect("a pipe"), Arc::clone(&log));
        keep(child.stderr.take().expect("a pipe"), Arc::clone(&log));
        let mut operator = Operator { child, log, url: String::new(), _folder: folder };
        operator.url = wait_for("the operator's address", PATIENCE, || {
            let log = operator.log();
            let said = log.lines().find_map(|line| line.split_once("\"listen\":\"")).map(|(_, rest)| rest);
            let address = said.and_then(|rest| rest.split('"').next());
            address.map(|address| format!("http://{address}")).ok_or(log)
        });
        operator
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }

    /// Sends it a signal such as `STOP`, `CONT` or `TERM`.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([format!("-{signal}"), self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "the operator has ended");
    }

    /// Waits until it has ended, and answers its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        wait_for("the operator ends", PATIENCE, || match self.child.try_wait().expect("it can be asked") {
            Some(status) => Ok(status.code()),
            None => Err("it runs".to_owned()),
        })
    }

    /// Ends it at once, as a crash would.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Operator {
    #[expect(clippy::print_stderr, reason = "what a failed test needs")]
    fn drop(&mut self) {
        // One that has ended already is as good as killed.
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            eprintln!("the operator's log:\n{}", self.log());
        }
    }
}

fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    test.ancestors().nth(2).expect("target/debug/deps/test").join("mainstay-operator")
}

fn keep(pipe: impl Read + Send + 'static, log: Arc<Mutex<String>>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut log = log.lock().expect("no panic");
            log.push_str(&line);
            log.push('\n');
        }
    });
}

fn plain(proxy: SocketAddr) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: \"http://{proxy}\"}}}}]\nusers: []\n\
         contexts: [{{name: c, context: {{cluster: c, user: \"\"}}}}]\ncurrent-context: c\n"
    )
}
