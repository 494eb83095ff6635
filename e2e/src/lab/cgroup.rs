//! The cgroup of a lab: every process that it starts, with all their descendants, is a member, so that exactly these
//! can be ended. The kubelet makes the groups of its pods below it. Knows cgroup 1 (one tree a controller) and 2.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::wait_until;

const ROOT: &str = "/sys/fs/cgroup";
/// The group of the processes that are no pods: with cgroup 2 a group with children has no processes of its own.
const OWN: &str = "own";

/// A cgroup, by its name.
pub struct Cgroup {
    pub name: String,
}

impl Cgroup {
    pub fn create(&self) {
        if unified() {
            // Else the kubelet finds controllers missing in its root.
            let children = Path::new(ROOT).join("cgroup.subtree_control");
            fs::write(children, "+cpu +cpuset +memory +pids").expect("controllers can be given to the lab");
        }
        for tree in self.trees() {
            fs::create_dir_all(tree.join(OWN)).unwrap_or_else(|error| panic!("cgroup {}: {error}", tree.display()));
            for inherited in ["cpuset.cpus", "cpuset.mems"] {
                self.inherit(&tree, inherited);
            }
        }
    }

    /// With cgroup 1 a new group has no processor and no memory node, until it is given them.
    fn inherit(&self, tree: &Path, file: &str) {
        let parent = Path::new(ROOT).join("cpuset").join(file);
        if tree.ends_with(Path::new("cpuset").join(&self.name)) && parent.exists() {
            let all = fs::read_to_string(parent).expect("the parent's share can be read");
            fs::write(tree.join(file), all).expect("a share can be given");
        }
    }

    /// A shell command that joins the group, then becomes the command that follows as arguments.
    pub fn joining(&self) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ >\"$0\" && exec \"$@\""]).arg(self.trunk().join(OWN).join("cgroup.procs"));
        command
    }

    /// Ends every member, and returns when none is left.
    pub fn kill(&self) {
        wait_until(Duration::from_secs(30), "the lab's processes end", || {
            let members = self.members();
            if members.is_empty() {
                return Ok(());
            }
            // One that ended meanwhile makes kill complain; the next look tells.
            drop(Command::new("kill").arg("-KILL").args(&members).stderr(std::process::Stdio::null()).status());
            Err(format!("{} live on", members.join(", ")))
        });
    }

    pub fn delete(&self) {
        for tree in self.trees().iter().filter(|tree| tree.exists()) {
            for group in groups(tree).iter().rev() {
                // Busy for a moment after its last process.
                wait_until(Duration::from_secs(10), "a cgroup is removed", || {
                    fs::remove_dir(group).map_err(|error| format!("{}: {error}", group.display()))
                });
            }
        }
    }

    /// Whether a process, by its id, is a member of the group of what is no pod.
    pub fn has(&self, id: &str) -> bool {
        let processes = fs::read_to_string(self.trunk().join(OWN).join("cgroup.procs")).unwrap_or_default();
        processes.lines().any(|member| member == id)
    }

    fn members(&self) -> Vec<String> {
        let mut members = Vec::new();
        for group in groups(&self.trunk()) {
            let processes = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            members.extend(processes.lines().map(str::to_owned));
        }
        members
    }

    /// The tree that tells whose processes are whose.
    fn trunk(&self) -> PathBuf {
        let trees = self.trees();
        let pids = trees.iter().find(|tree| tree.starts_with(Path::new(ROOT).join("pids")));
        pids.or(trees.first()).expect("a cgroup tree").clone()
    }

    /// Its group in each tree. With cgroup 1 a kubelet looks for its root in the tree of every controller.
    fn trees(&self) -> Vec<PathBuf> {
        if unified() {
            return vec![Path::new(ROOT).join(&self.name)];
        }
        let entries = fs::read_dir(ROOT).expect("cgroups are mounted").flatten();
        // Links are other names of the same trees.
        let real = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path());
        real.filter(|tree| tree.join("cgroup.procs").exists()).map(|tree| tree.join(&self.name)).collect()
    }
}

/// Whether the machine has cgroup 2 alone.
fn unified() -> bool {
    Path::new(ROOT).join("cgroup.procs").exists()
}

/// A group and all below it, parents first.
fn groups(group: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if group.is_dir() {
        found.push(group.to_owned());
        let inside = fs::read_dir(group).into_iter().flatten().flatten();
        for entry in inside.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            found.extend(groups(&entry.path()));
        }
    }
    found
}
