//! The lab itself: it stays apart from another, is cleared after being killed, and leaves nothing behind. `make e2e`
//! leaves these out, by name, when it is told of another cluster.

use std::fs;
use std::path::Path;
use std::process::Command;

use mainstay_e2e::cluster::{BUSYBOX_IMAGE, Cluster, PATIENCE, wait_for};
use mainstay_e2e::lab::Lab;

#[test]
fn a_killed_lab_is_cleared_and_leaves_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("lab");
    let lab = Lab::at(folder.clone());
    lab.up();
    lab.kubectl(&["create", "deployment", "a", "--image", BUSYBOX_IMAGE, "--", "/bin/busybox", "sleep", "1000"])
        .unwrap();
    let pods = ["get", "pods", "--output=jsonpath={.items[*].status.phase}"];
    wait_for("a pod", PATIENCE, || lab.kubectl(&pods).and_then(|phases| expect(&phases, "Running")));
    assert_ne!(remains(&lab, &folder), Vec::<String>::new());

    for name in ["containerd", "apiserver", "kubelet"] {
        let id = fs::read_to_string(folder.join("pids").join(name)).unwrap();
        assert!(Command::new("kill").args(["-KILL", &id]).status().unwrap().success());
    }
    lab.up();
    assert_eq!(lab.kubectl(&pods).unwrap(), "", "the pod of the killed lab is forgotten");
    let deployments = lab.kubectl(&["get", "deployments", "--output=name"]).unwrap();
    assert_eq!(deployments, "");
    let before = fs::read_to_string(folder.join("pids/etcd")).unwrap();
    lab.up();
    assert_eq!(fs::read_to_string(folder.join("pids/etcd")).unwrap(), before, "one that runs is left alone");

    lab.down();
    assert_eq!(remains(&lab, &folder), Vec::<String>::new());
    assert!(Cluster::get().kubectl(&["get", "nodes"]).contains(" Ready "), "the other lab goes on");
}

fn expect(found: &str, wanted: &str) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
}

/// All that the machine has of a lab.
fn remains(lab: &Lab, folder: &Path) -> Vec<String> {
    let path = folder.to_str().unwrap();
    let mut found = Vec::new();
    for place in
        ["/run/netns", "/var/lib/cni/results"].into_iter().map(Path::new).chain(cgroups().iter().map(AsRef::as_ref))
    {
        let names = fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path());
        found.extend(
            names.filter(|name| name.to_string_lossy().contains(&lab.name())).map(|name| name.display().to_string()),
        );
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    found.extend(mounts.lines().filter(|line| line.contains(path)).map(str::to_owned));
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(path) {
            found.push(String::from_utf8_lossy(&command).replace('\0', " "));
        }
    }
    found.extend(folder.exists().then(|| path.to_owned()));
    found
}

fn cgroups() -> Vec<std::path::PathBuf> {
    let below =
        fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    below.chain([Path::new("/sys/fs/cgroup").to_owned()]).collect()
}
