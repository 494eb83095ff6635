//! The processes of a lab: what each is started with, and how it is known to be ready. Started by the lab, in waves.
//! Flags that are not explained here are those that every cluster has.

use std::fs::{self, File};
use std::process::Stdio;
use std::time::Duration;

use super::process::wait_until;
use super::{Lab, program};

/// The name of the only node.
pub const NODE: &str = "node-1";
/// How long a component may take to be ready, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Files that are written before the start. `LAB` in them is the lab's folder, `NAME` its name.
pub const FILES: &[(&str, &str)] = &[
    ("containerd.toml", include_str!("../../kubelab/config/containerd.toml")),
    ("cni/conf/10-lab.conflist", include_str!("../../kubelab/config/cni.conflist")),
    ("kubelet.yaml", include_str!("../../kubelab/config/kubelet.yaml")),
    ("kubeconfig", include_str!("../../kubelab/config/kubeconfig.yaml")),
    ("Corefile", include_str!("../../kubelab/config/Corefile")),
    ("addons.yaml", include_str!("../../kubelab/config/addons.yaml")),
    ("resolv.conf", "nameserver 10.88.0.1\n"),
];

/// One process.
#[derive(Debug)]
pub struct Component {
    name: &'static str,
    /// The program and its flags, by words. `LAB` is the lab's folder.
    command: &'static str,
    ready: Ready,
}

/// What shows that a component works.
#[derive(Debug)]
enum Ready {
    /// `ctr` gets an answer.
    Containerd,
    /// `kubectl` with these words prints the last.
    Prints(&'static [&'static str], &'static str),
    /// What waits for another component, or for its own effect, shows it.
    Alive,
}

/// Components that start together, and objects that the API server has to have by then.
#[derive(Debug)]
pub struct Wave {
    pub components: &'static [Component],
    objects: Option<&'static str>,
}

/// All of them. A wave starts when the one before it is ready.
pub const WAVES: &[Wave] = &[
    Wave { components: STORES, objects: None },
    Wave { components: API, objects: None },
    Wave { components: REST, objects: Some("addons.yaml") },
];

const STORES: &[Component] = &[
    Component { name: "containerd", command: "containerd --config LAB/containerd.toml", ready: Ready::Containerd },
    Component {
        name: "etcd",
        command: "kubelab etcd --dir LAB/etcd --listen http://127.0.0.1:2379",
        ready: Ready::Alive,
    },
];

const API: &[Component] = &[Component {
    name: "apiserver",
    command: "kubelab apiserver --etcd-servers=http://127.0.0.1:2379 --bind-address=10.88.0.1 --secure-port=6443 \
            --advertise-address=10.88.0.1 --cert-dir=LAB/pki --tls-cert-file=LAB/pki/apiserver.crt \
            --tls-private-key-file=LAB/pki/apiserver.key --client-ca-file=LAB/pki/ca.crt \
            --allow-privileged=true --authorization-mode=Node,RBAC --service-cluster-ip-range=10.96.0.0/16 \
            --service-account-issuer=https://kubernetes.default.svc.cluster.local \
            --service-account-key-file=LAB/pki/service-account.pub \
            --service-account-signing-key-file=LAB/pki/service-account.key \
            --kubelet-preferred-address-types=InternalIP \
            --kubelet-client-certificate=LAB/pki/kubelet-client.crt \
            --kubelet-client-key=LAB/pki/kubelet-client.key \
            --requestheader-client-ca-file=LAB/pki/front-proxy-ca.crt \
            --requestheader-allowed-names=front-proxy-client \
            --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
            --requestheader-extra-headers-prefix=X-Remote-Extra- \
            --proxy-client-cert-file=LAB/pki/front-proxy.crt --proxy-client-key-file=LAB/pki/front-proxy.key \
            --enable-aggregator-routing=true",
    ready: Ready::Prints(&["get", "--raw", "/readyz"], "ok"),
}];

const REST: &[Component] = &[
    Component {
        name: "manager",
        // The autoscaler looks often and believes new pods soon: its tests wait for what it does.
        command: "kubelab manager --kubeconfig=LAB/kubeconfig --authentication-kubeconfig=LAB/kubeconfig \
            --authorization-kubeconfig=LAB/kubeconfig --leader-elect=false --bind-address=127.0.0.1 \
            --service-account-private-key-file=LAB/pki/service-account.key --root-ca-file=LAB/pki/ca.crt \
            --use-service-account-credentials --horizontal-pod-autoscaler-sync-period=3s \
            --horizontal-pod-autoscaler-cpu-initialization-period=10s \
            --horizontal-pod-autoscaler-initial-readiness-delay=5s",
        ready: Ready::Prints(&["get", "serviceaccount", "default", "-o", "name"], "serviceaccount/default"),
    },
    Component {
        name: "scheduler",
        command: "kubelab scheduler --kubeconfig=LAB/kubeconfig --authentication-kubeconfig=LAB/kubeconfig \
            --authorization-kubeconfig=LAB/kubeconfig --leader-elect=false --bind-address=127.0.0.1",
        ready: Ready::Alive,
    },
    Component {
        name: "kubelet",
        command: "kubelab kubelet --config=LAB/kubelet.yaml --kubeconfig=LAB/kubeconfig --root-dir=LAB/kubelet \
            --cert-dir=LAB/kubelet/pki --hostname-override=node-1 --node-ip=10.88.0.1",
        ready: Ready::Prints(
            &["get", "node", NODE, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}"],
            "True",
        ),
    },
    Component {
        name: "proxy",
        // Without --conntrack-max-per-core 0 it would set a limit of the machine.
        command: "kubelab proxy --kubeconfig=LAB/kubeconfig --hostname-override=node-1 \
            --cluster-cidr=10.88.0.0/16 --bind-address=127.0.0.1 --conntrack-max-per-core=0",
        ready: Ready::Alive,
    },
    Component {
        name: "coredns",
        command: "coredns -conf LAB/Corefile",
        ready: Ready::Prints(&["get", "--raw", "/ready", "--server=http://10.88.0.1:8181"], "OK"),
    },
    Component {
        name: "metrics-server",
        // Ten seconds is the shortest that it allows.
        command: "metrics-server --kubeconfig=LAB/kubeconfig --authentication-kubeconfig=LAB/kubeconfig \
            --authorization-kubeconfig=LAB/kubeconfig --bind-address=10.88.0.1 --secure-port=4443 \
            --cert-dir=LAB/metrics-server --kubelet-insecure-tls --kubelet-preferred-address-types=InternalIP \
            --metric-resolution=10s --kubelet-request-timeout=5s",
        ready: Ready::Prints(
            &["get", "apiservice", "v1beta1.metrics.k8s.io", "-o", "jsonpath={.status.conditions[0].status}"],
            "True",
        ),
    },
];

impl Wave {
    pub fn start(&self, lab: &Lab) {
        if let Some(file) = self.objects {
            let file = lab.path(file).display().to_string();
            lab.kubectl(&["apply", "-f", &file]).unwrap_or_else(|complaint| panic!("{complaint}"));
        }
        self.components.iter().for_each(|component| component.start(lab));
        self.components.iter().for_each(|component| component.wait(lab));
    }
}

impl Component {
    fn start(&self, lab: &Lab) {
        let log = File::create(lab.path("log").join(self.name).with_extension("log")).expect("a log can be written");
        let words = self.command.replace("LAB", &lab.folder.display().to_string());
        let mut words = words.split_whitespace();
        let named = words.next().unwrap_or_default();
        let program = if named == "containerd" { named.into() } else { program(named) };
        let mut command = lab.cgroup().joining();
        command.arg("nsenter").arg(format!("--net={}", lab.network().path())).arg("--").arg(program).args(words);
        command
            .current_dir(&lab.folder)
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("two names of one file"))
            .stdout(log);
        // A group of its own: an interrupt at the terminal ends the tests, not the lab.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.name));
        fs::write(self.pid_file(lab), child.id().to_string()).expect("the lab's folder can be written");
        wait_until(PATIENCE, "a process joins the lab's cgroup", || {
            let ended = child.try_wait().expect("a child can be asked for");
            assert!(ended.is_none(), "{} ended at once:\n{}", self.name, self.last_words(lab));
            self.lives(lab).then_some(()).ok_or_else(|| self.name.to_owned())
        });
    }

    /// Returns once it works.
    fn wait(&self, lab: &Lab) {
        wait_until(PATIENCE, self.name, || {
            assert!(self.lives(lab), "{} ended early:\n{}", self.name, self.last_words(lab));
            match &self.ready {
                Ready::Alive => Ok(()),
                Ready::Containerd => super::image::ctr(lab, &["version"]).map(drop),
                Ready::Prints(arguments, wanted) => match lab.kubectl(arguments)?.trim() {
                    text if text == *wanted => Ok(()),
                    text => Err(format!("kubectl {} prints {text}", arguments.join(" "))),
                },
            }
        });
    }

    /// Whether its process is there, as a member of the lab's cgroup: a number alone could be another's by now.
    pub fn lives(&self, lab: &Lab) -> bool {
        fs::read_to_string(self.pid_file(lab)).is_ok_and(|id| lab.cgroup().has(&id))
    }

    fn pid_file(&self, lab: &Lab) -> std::path::PathBuf {
        lab.path("pids").join(self.name)
    }

    fn last_words(&self, lab: &Lab) -> String {
        let log = fs::read_to_string(lab.path("log").join(self.name).with_extension("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}
