//! A Kubernetes API server and nothing else: etcd, kube-apiserver and a plain HTTP door, on free ports of the loopback.
//! What it admits and refuses is what a cluster of its version would.
//!
//! Used by the admission tests, `make admission`. The processes run under a shell that ends them, and removes their
//! folder, when this process's end of a pipe closes: also after a panic or a SIGKILL.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use reqwest::Method;
use reqwest::blocking::Client;
use serde_json::{Value as Json, json};

use crate::cluster::wait_for;
use crate::lab;

/// How long a server may take to start, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// Starts all three and ends them with its input. Only the door speaks to our output: it says its port.
const KEEPER: &str = r#"
folder=$1 kubelab=$2 etcd=$3 port=$4; shift 4
cd "$folder"
"$kubelab" etcd --dir etcd --listen "http://127.0.0.1:$etcd" <&- >etcd.log 2>&1 & all=$!
"$@" --etcd-servers="http://127.0.0.1:$etcd" --secure-port="$port" --bind-address=127.0.0.1 \
  --advertise-address=127.0.0.1 --endpoint-reconciler-type=none --service-cluster-ip-range=10.96.0.0/16 \
  --cert-dir=pki --tls-cert-file=pki/apiserver.crt --tls-private-key-file=pki/apiserver.key \
  --client-ca-file=pki/ca.crt --service-account-issuer=https://kubernetes.default.svc \
  --service-account-key-file=pki/service-account.pub \
  --service-account-signing-key-file=pki/service-account.key <&- >apiserver.log 2>&1 & all="$all $!"
"$kubelab" kubectl --kubeconfig kubeconfig proxy --port=0 <&- 2>proxy.log & all="$all $!"
while read -r _; do :; done
# At once: an API server that lost its etcd would wait for it, and nothing of this is kept.
kill -KILL $all
wait
rm -rf "$folder"
"#;

/// A version of Kubernetes that Mainstay is tested with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kubernetes {
    /// That of the lab.
    Lab,
    /// The newest that is supported.
    Next,
}

/// A running API server.
pub struct ApiServer {
    folder: PathBuf,
    /// Where it answers, such as `http://127.0.0.1:41234`: as an administrator.
    url: String,
    client: Client,
    keeper: Mutex<(Child, Option<ChildStdin>)>,
}

/// What the server says to a request.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The object, or a `Status`.
    pub body: Json,
    /// What it warns of, whether it obeys or not.
    pub warnings: Vec<String>,
}

impl ApiServer {
    /// The servers of this test process, one of each version, started by the first who asks.
    pub fn all() -> [&'static ApiServer; 2] {
        static LAB: OnceLock<ApiServer> = OnceLock::new();
        static NEXT: OnceLock<ApiServer> = OnceLock::new();
        let started = |place: &'static OnceLock<ApiServer>, version| place.get_or_init(|| ApiServer::start(version));
        [started(&LAB, Kubernetes::Lab), started(&NEXT, Kubernetes::Next)]
    }

    /// Starts one, and returns once it is ready.
    pub fn start(version: Kubernetes) -> ApiServer {
        let kubelab = lab::program("kubelab");
        let folder = tempfile::Builder::new().prefix("mainstay-apiserver-").tempdir().expect("a folder").keep();
        let [etcd, port] = free_ports();
        let pki = folder.join("pki");
        fs::create_dir(&pki).expect("a folder can be made");
        let made = Command::new(&kubelab).args(["certificates", "--dir"]).arg(&pki).status();
        assert!(made.expect("kubelab runs").success(), "kubelab makes certificates");
        fs::write(folder.join("kubeconfig"), kubeconfig(port)).expect("a file can be written");

        let mut shell = Command::new("sh");
        shell.args(["-c", KEEPER, "sh"]).arg(&folder).arg(&kubelab).args([etcd.to_string(), port.to_string()]);
        match version {
            Kubernetes::Lab => shell.arg(&kubelab).arg("apiserver"),
            Kubernetes::Next => shell.arg(lab::program("apiserver-next")),
        };
        shell.env_remove("KUBECONFIG").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keeper = shell.spawn().expect("a shell that runs an API server");
        let pipe = keeper.stdin.take();
        let mut says = String::new();
        let said = BufReader::new(keeper.stdout.take().expect("its output")).read_line(&mut says);
        let door = said.ok().and_then(|_| says.trim_end().rsplit(' ').next()).unwrap_or_default().to_owned();
        assert!(door.starts_with("127.0.0.1:"), "the door says its address: {says}\n{}", log(&folder, "proxy"));
        let url = format!("http://{door}");
        let server = ApiServer { folder, url, client: Client::new(), keeper: Mutex::new((keeper, pipe)) };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&self) {
        wait_for("an API server is ready", PATIENCE, || {
            let answer = self.client.get(format!("{}/readyz", self.url)).send();
            match answer.map(|answer| answer.status().as_u16()) {
                Ok(200) => Ok(()),
                other => Err(format!("{other:?}\n{}\n{}", log(&self.folder, "etcd"), log(&self.folder, "apiserver"))),
            }
        });
    }

    /// Its version, such as `v1.36.3`.
    pub fn version(&self) -> String {
        let answer = self.call(Method::GET, "/version", "", None);
        answer.body["gitVersion"].as_str().expect("a version").to_owned()
    }

    /// A request. `path` begins with `/` and may hold a query; `kind` is the media type of the body.
    pub fn call(&self, method: Method, path: &str, kind: &str, body: Option<&Json>) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.header("Content-Type", kind).body(body.to_string());
        }
        let answer = request.send().expect("the API server answers");
        let status = answer.status().as_u16();
        // 299 - "text"
        let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let warnings = answer.headers().get_all("warning").iter().map(text).collect();
        let text = answer.text().expect("the answer is text");
        let body = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
        Answer { status, body, warnings }
    }

    /// Creates an object in a collection of objects, strictly: unknown fields are errors.
    pub fn create(&self, path: &str, object: &Json, dry: bool) -> Answer {
        self.call(Method::POST, &strictly(path, dry), "application/json", Some(object))
    }

    /// Replaces an object.
    pub fn replace(&self, path: &str, object: &Json, dry: bool) -> Answer {
        self.call(Method::PUT, &strictly(path, dry), "application/json", Some(object))
    }

    /// Applies an object by server-side apply, as `manager`.
    pub fn apply(&self, path: &str, manager: &str, object: &Json) -> Answer {
        let path = format!("{}&fieldManager={manager}", strictly(path, false));
        self.call(Method::PATCH, &path, "application/apply-patch+yaml", Some(object))
    }

    /// Where it keeps everything, until it ends.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What `kubectl` prints, on both outputs, and whether it succeeds.
    pub fn kubectl(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new(lab::program("kubelab"));
        command.arg("kubectl").args(arguments).env("KUBECONFIG", self.folder.join("kubeconfig"));
        let output = command.stdin(Stdio::null()).output().expect("kubectl runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        let (keeper, pipe) = self.keeper.get_mut().expect("nobody else has it");
        drop(pipe.take());
        keeper.wait().expect("its shell ends");
    }
}

fn strictly(path: &str, dry: bool) -> String {
    let dry = if dry { "&dryRun=All" } else { "" };
    format!("{path}?fieldValidation=Strict{dry}")
}

/// Two ports that nobody listens on.
fn free_ports() -> [u16; 2] {
    let listen = || TcpListener::bind("127.0.0.1:0").expect("a free port");
    [listen(), listen()].map(|listener| listener.local_addr().expect("its address").port())
}

/// Certificates are named from the kubeconfig's own folder.
fn kubeconfig(port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
         clusters: [{{name: here, cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority: pki/ca.crt}}}}]\n\
         users: [{{name: here, user: {{client-certificate: pki/admin.crt, client-key: pki/admin.key}}}}]\n\
         contexts: [{{name: here, context: {{cluster: here, user: here}}}}]\n"
    )
}

/// The end of a log.
fn log(folder: &Path, name: &str) -> String {
    let log = fs::read_to_string(folder.join(name).with_extension("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
