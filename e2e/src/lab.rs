//! The lab: a whole Kubernetes with one node, in a network namespace, a cgroup and a folder of its own.
//!
//! Started and stopped by `mainstay-e2e lab`; the tests of the cluster run inside it, through [`crate::cluster`]. It
//! outlives the process that starts it, so that many share it. There is no way out of its network, and nothing of the
//! machine's own containers, firewall rules and processes is touched: whatever ends here is a member of our cgroup.

mod cgroup;
mod components;
mod image;
mod network;
mod process;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

pub use components::NODE;
use components::WAVES;
pub use network::ADDRESS;

use crate::server::repository;

use self::cgroup::Cgroup;
use self::network::Network;
use self::process::succeed;

/// Names the folder of the lab to use. What runs inside a lab finds it set.
pub const VARIABLE: &str = "MAINSTAY_LAB";

/// The file that is written last, and says what was started.
const READY: &str = "ready";
/// The file that says that somebody started it by hand, to keep it.
const KEPT: &str = "kept";

/// A lab, running or not. All that is known of it is in its folder.
pub struct Lab {
    folder: PathBuf,
}

impl Lab {
    /// The lab that is kept in `folder`.
    pub fn at(folder: PathBuf) -> Lab {
        Lab { folder }
    }

    /// The lab of `MAINSTAY_LAB`, else of this clone: `~/.cache/mainstay/labs/NAME`.
    pub fn usual() -> Lab {
        #[expect(clippy::disallowed_methods, reason = "the one setting of the lab")]
        let named = std::env::var_os(VARIABLE).map(PathBuf::from);
        Lab::at(named.unwrap_or_else(|| cache().join("labs").join(short_hash(repository()))))
    }

    /// Starts it unless it runs, returns once its node is ready, and keeps it until [`Lab::down`].
    pub fn up(&self) {
        let _one_at_a_time = self.lock();
        if !self.lives() || !self.is_current() {
            self.start();
        }
        fs::write(self.path(KEPT), "").expect("the lab's folder can be written");
    }

    /// Does `work` in a lab that is kept, or else in a new one that ends with it. A second one waits for the first.
    pub fn with<T>(&self, work: impl FnOnce() -> T) -> T {
        let one_at_a_time = self.lock();
        if self.path(KEPT).exists() && self.lives() {
            assert!(self.is_current(), "the lab that is up is of another version: end it by `mainstay-e2e lab down`");
            drop(one_at_a_time);
            return work();
        }
        self.start();
        let outcome = work();
        self.clear();
        outcome
    }

    /// Ends it with all its pods, and removes everything of it.
    pub fn down(&self) {
        let _one_at_a_time = self.lock();
        self.clear();
    }

    /// A command that runs inside its network, with its `KUBECONFIG`, and `kubectl` first on the path.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        #[expect(clippy::disallowed_methods, reason = "where programs are, not a setting")]
        let path = std::env::var_os("PATH").unwrap_or_default();
        let more = [self.path("bin"), cache().join("bin")].into_iter().chain(std::env::split_paths(&path));
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.network().path()))
            .arg("--")
            .arg(program.as_ref())
            .env("PATH", std::env::join_paths(more).expect("folders without a colon"))
            .env("KUBECONFIG", self.kubeconfig())
            .env(VARIABLE, &self.folder);
        command
    }

    /// Runs the lab's `kubectl` and answers what it prints.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        process::output(self.command(self.path("bin/kubectl")).args(arguments))
    }

    /// Makes the images of an archive (OCI or Docker) known to the node.
    pub fn load(&self, archive: &Path) {
        image::load(self, archive);
    }

    /// Gives an image of the node one more name, such as that of a newer version.
    pub fn tag(&self, image: &str, name: &str) {
        image::ctr(self, &["images", "tag", "--force", image, name]).unwrap_or_else(|complaint| panic!("{complaint}"));
    }

    /// What clients of the cluster read.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path("kubeconfig")
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.join(below)
    }

    /// The name of its namespace and cgroup: of this folder alone, so that two labs stay apart.
    pub fn name(&self) -> String {
        format!("mainstay-lab-{}", short_hash(&self.folder))
    }

    fn network(&self) -> Network {
        Network { name: self.name() }
    }

    fn cgroup(&self) -> Cgroup {
        Cgroup { name: self.name() }
    }

    fn lock(&self) -> File {
        fs::create_dir_all(self.folder.parent().expect("a folder below another")).expect("a folder can be made");
        let lock = File::create(self.folder.with_extension("lock")).expect("a lock file can be made");
        lock.lock().expect("the lock can be had");
        lock
    }

    /// Whether every process of it lives, and it answers.
    fn lives(&self) -> bool {
        WAVES.iter().flat_map(|wave| wave.components).all(|component| component.lives(self))
            && self.kubectl(&["get", "--raw", "/readyz", "--request-timeout=5s"]).is_ok()
    }

    /// Whether it was started to the end, by what would be started now.
    fn is_current(&self) -> bool {
        fs::read_to_string(self.path(READY)).is_ok_and(|made_by| made_by == version())
    }

    /// Starts it anew. What a killed run left is removed first.
    fn start(&self) {
        let root = fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
        assert!(root, "the lab needs root: it makes a network namespace and runs containers");
        self.clear();
        self.prepare();
        for wave in WAVES {
            wave.start(self);
        }
        image::load_own(self);
        fs::write(self.path(READY), version()).expect("the lab's folder can be written");
    }

    fn clear(&self) {
        self.cgroup().kill();
        process::unmount_below(&self.folder);
        self.network().delete();
        self.cgroup().delete();
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).expect("the lab's folder can be removed");
        }
        network::forget_pods(&self.name());
    }

    fn prepare(&self) {
        for folder in ["bin", "log", "pki", "pids", "pods", "cni/conf", "kubelet/plugins"] {
            fs::create_dir_all(self.path(folder)).expect("the lab's folder can be written");
        }
        self.cgroup().create();
        self.network().create();
        let kubelab = program("kubelab");
        std::os::unix::fs::symlink(&kubelab, self.path("bin/kubectl")).expect("a link can be made");
        succeed(Command::new(&kubelab).args(["certificates", "--address", ADDRESS, "--dir"]).arg(self.path("pki")));
        for (file, text) in components::FILES {
            let text = text.replace("LAB", &self.folder.display().to_string()).replace("NAME", &self.name());
            fs::write(self.path(file), text).expect("the lab's folder can be written");
        }
    }
}

/// FNV-1a: short enough for the name of a network interface, and the same in every build.
fn short_hash(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

/// Where programs and built things are kept, outside every clone: `~/.cache/mainstay`.
pub fn cache() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "where the user's folder is, not a setting")]
    let home = std::env::var_os("HOME").expect("HOME is set");
    PathBuf::from(home).join(".cache/mainstay")
}

/// A program that `e2e/tools.sh` brought.
pub fn program(name: &str) -> PathBuf {
    let program = cache().join("bin").join(name);
    assert!(program.is_file(), "{name} is missing: run e2e/tools.sh cluster");
    program
}

/// What a running lab has to be made of, to be used: another kubelab or another configuration starts a new one.
fn version() -> String {
    let made = fs::metadata(program("kubelab")).and_then(|file| file.modified()).expect("kubelab is there");
    format!("{made:?}\n{:?}\n{:?}", components::FILES, WAVES)
}
