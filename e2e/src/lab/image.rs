//! Images: those of the lab itself, packed from programs of this machine, and those that tests load. Nothing is pulled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{output, succeed};
use super::{Lab, cache};

/// The process that holds a pod's namespaces. Compiled without a libc of its own, so it starts from an empty image.
const PAUSE: &str = include_str!("../../kubelab/images/pause.c");
/// Name of the image, and the file that makes it.
const OWN: &[(&str, &str)] = &[
    ("pause", include_str!("../../kubelab/images/pause.Dockerfile")),
    ("busybox", include_str!("../../kubelab/images/busybox.Dockerfile")),
];

/// Loads what every pod needs, and `kubelab.local/busybox:1` for tests.
pub fn load_own(lab: &Lab) {
    for (name, file) in OWN {
        load(lab, &archive(name, file));
    }
}

/// Makes the images of an archive known to the node.
pub fn load(lab: &Lab, archive: &Path) {
    let archive = archive.to_str().expect("a path of plain text");
    ctr(lab, &["images", "import", archive]).unwrap_or_else(|complaint| panic!("{complaint}"));
}

/// Asks the lab's containerd, in the kubelet's part of it.
pub fn ctr(lab: &Lab, arguments: &[&str]) -> Result<String, String> {
    output(Command::new("ctr").arg("--address").arg(lab.path("containerd.sock")).args(["-n", "k8s.io"]).args(arguments))
}

/// Builds an image `kubelab.local/NAME:1` unless that was done before, and answers its archive.
fn archive(name: &str, file: &str) -> PathBuf {
    let images = cache().join("images");
    let archive = images.join(format!("{name}.tar"));
    let made_from = images.join(format!("{name}.Dockerfile"));
    if archive.exists() && fs::read_to_string(&made_from).is_ok_and(|before| before == file) {
        return archive;
    }
    fs::create_dir_all(&images).expect("the cache can be written");
    let context = tempfile::tempdir().expect("a folder for the build");
    let inside = |file: &str| context.path().join(file);
    fs::write(inside("Dockerfile"), file).expect("the folder can be written");
    if name == "pause" {
        fs::write(inside("pause.c"), PAUSE).expect("the folder can be written");
        succeed(Command::new("cc").args(["-static", "-Os", "-s", "-o"]).arg(inside("pause")).arg(inside("pause.c")));
    } else {
        fs::copy("/bin/busybox", inside("busybox")).expect("busybox-static is installed: run e2e/tools.sh cluster");
    }
    build(&format!("kubelab.local/{name}:1"), context.path(), &[], &archive);
    fs::write(made_from, file).expect("the cache can be written");
    archive
}

/// Builds an image from a folder with a Dockerfile, without a registry, and writes it to an archive.
pub fn build(name: &str, context: &Path, flags: &[&str], archive: &Path) {
    let storage = tempfile::tempdir().expect("a folder for the layers");
    let buildah = || {
        let mut command = Command::new("buildah");
        command.args(["--storage-driver", "vfs", "--root"]).arg(storage.path().join("root"));
        command.arg("--runroot").arg(storage.path().join("run"));
        command
    };
    succeed(buildah().args(["bud", "--isolation", "chroot", "--tag", name]).args(flags).arg(context));
    if archive.exists() {
        fs::remove_file(archive).expect("the archive can be written anew");
    }
    let target = format!("oci-archive:{}:{name}", archive.display());
    succeed(buildah().args(["push", name, &target]));
}
