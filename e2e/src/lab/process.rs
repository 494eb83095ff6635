//! Running programs and waiting for what they do. Used by the lab's other files.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(50);

/// Runs a command and answers what it prints, or what it complains of.
pub fn output(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr))),
    }
}

/// Runs a command that has to succeed.
pub fn succeed(command: &mut Command) -> String {
    output(command).unwrap_or_else(|complaint| panic!("{complaint}"))
}

/// Looks until `condition` holds; panics with its last words after `patience`.
pub fn wait_until(patience: Duration, what: &str, mut condition: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    while let Err(why) = condition() {
        assert!(start.elapsed() < patience, "{what}: not after {patience:?}: {why}");
        thread::sleep(LOOK);
    }
}

/// Unmounts what is mounted below a folder, the innermost first.
pub fn unmount_below(folder: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("/proc lists what is mounted");
    // The kernel writes a space in a path as \040.
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(|point| point.replace("\\040", " "));
    let below: Vec<String> = points.filter(|point| Path::new(point).starts_with(folder)).collect();
    for point in below.iter().rev() {
        // Lazily: a killed process may hold a file there for a moment longer.
        succeed(Command::new("umount").args(["--lazy", point]));
    }
}
