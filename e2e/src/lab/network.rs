//! The network namespace of a lab: one address for the node and all that runs beside it, a route to the Services, and
//! no way out. Made and deleted by the lab.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::process::succeed;

/// The node's address. The API server listens here, and whatever a test wants pods to reach.
pub const ADDRESS: &str = "10.88.0.1";

/// What is done inside a new namespace.
const SETUP: &str = "
set -e
ip link set lo up
ip link add lab0 type bridge
ip address add 10.88.0.1/16 dev lab0
ip link set lab0 up
ip route add 10.96.0.0/16 dev lab0
echo 1 >/proc/sys/net/ipv4/ip_forward
";

/// A namespace, by its name.
pub struct Network {
    pub name: String,
}

impl Network {
    pub fn path(&self) -> String {
        format!("/run/netns/{}", self.name)
    }

    pub fn create(&self) {
        succeed(Command::new("ip").args(["netns", "add", &self.name]));
        // Not `ip netns exec`: that hides /sys/fs/cgroup. /proc/sys/net shows the namespace of the process.
        succeed(Command::new("nsenter").arg(format!("--net={}", self.path())).args(["sh", "-c", SETUP]));
    }

    pub fn delete(&self) {
        if Path::new(&self.path()).exists() {
            succeed(Command::new("ip").args(["netns", "delete", &self.name]));
        }
    }
}

/// Removes what the network plugins remember of pods that were killed; they have one place for the whole machine.
pub fn forget_pods(name: &str) {
    let results = Path::new("/var/lib/cni/results");
    let prefix = format!("{name}-");
    for entry in fs::read_dir(results).into_iter().flatten().flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(pod) = file.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix("-eth0")) else { continue };
        for note in [file.clone(), format!("cni-loopback-{pod}-lo")].map(|note| results.join(note)) {
            if note.exists() {
                fs::remove_file(note).expect("a note of a network plugin can be removed");
            }
        }
    }
}
