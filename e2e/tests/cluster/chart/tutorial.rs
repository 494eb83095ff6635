//! `docs/tutorial-kubernetes.md`, pasted into a shell block by block: every command succeeds, and every answer that the
//! text promises comes.
//!
//! `bash` blocks run in one shell; the `text` block after one names lines of its output, in order, with `…` for what
//! differs. The operator runs from its image, by the chart.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use mainstay_e2e::cluster::{BUSYBOX_IMAGE, Cluster, OPERATOR_IMAGE};
use mainstay_e2e::lab;
use mainstay_e2e::server::repository;

/// A line between the outputs of two blocks.
const MARK: &str = "=== the next block ===";

/// Commands, and what their output has to show.
struct Block {
    commands: String,
    promised: Vec<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut fences = text.split("\n```");
    while let (Some(_), Some(fence)) = (fences.next(), fences.next()) {
        let (language, content) = fence.split_once('\n').expect("a block has lines");
        match (language, blocks.last_mut()) {
            ("bash", _) => blocks.push(Block { commands: content.to_owned(), promised: Vec::new() }),
            ("text", Some(last)) => last.promised.extend(content.lines().map(str::to_owned)),
            _ => {}
        }
    }
    blocks
}

/// The first promised line that does not follow in the output.
fn broken<'a>(promised: &'a [String], output: &str) -> Option<&'a str> {
    let mut lines = output.lines();
    promised.iter().map(String::as_str).find(|promise| !lines.any(|line| shows(line, promise)))
}

/// Whether the parts of a promise between `…` stand in the line, in order. Columns may be wider.
fn shows(line: &str, promise: &str) -> bool {
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = squeeze(line);
    let mut rest = line.as_str();
    squeeze(promise).split('…').map(str::trim).all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

#[test]
fn the_tutorial_works_when_pasted() {
    let text = fs::read_to_string(repository().join("docs/tutorial-kubernetes.md")).unwrap();
    let blocks = blocks(&text);
    assert!(blocks.len() >= 9, "{} blocks", blocks.len());
    let script: Vec<String> = blocks.iter().map(|block| format!("{}\necho '{MARK}'\n", block.commands)).collect();
    let cluster = Cluster::get();
    // After the report of a failure.
    let _cleaner = Cleaner(cluster);
    cluster.with_namespace("tutorial", |here| {
        let programs = tempfile::tempdir().unwrap();
        let path = programs_path(programs.path());
        let (registry, tag) = OPERATOR_IMAGE.split_once("/mainstay-operator:").unwrap();
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script.concat()])
            .current_dir(repository())
            .env("PATH", path)
            .env("KUBECONFIG", cluster.kubeconfig())
            .envs([("REGISTRY", registry), ("TAG", tag), ("TOOLS", BUSYBOX_IMAGE)])
            .env("DATABASE_URL", here.database("database"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        let mut problems = String::new();
        for (Block { commands, promised }, said) in blocks.iter().zip(said.split(MARK)) {
            if let Some(promise) = broken(promised, said) {
                problems += &format!("`{promise}` does not follow in\n{said}\nafter\n{commands}\n");
            }
        }
        assert!(problems.is_empty(), "{problems}\n{complaint}");
        assert!(output.status.success(), "{said}\n{complaint}");
    });
}

/// `kubectl` and `helm` before all else.
fn programs_path(folder: &Path) -> String {
    for (name, words) in [("kubectl", "kubelab kubectl"), ("helm", "helm")] {
        let (program, rest) = words.split_once(' ').unwrap_or((words, ""));
        let script = folder.join(name);
        fs::write(&script, format!("#!/bin/sh\nexec {} {rest} \"$@\"\n", lab::program(program).display())).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = std::env::vars().find(|(name, _)| name == "PATH").map(|(_, path)| path).unwrap_or_default();
    format!("{}:{path}", folder.display())
}

/// Takes away what the tutorial left behind, when it stopped half-way.
struct Cleaner<'a>(&'a Cluster);

impl Drop for Cleaner<'_> {
    fn drop(&mut self) {
        for namespace in ["shop", "mainstay-system"] {
            drop(self.0.try_kubectl(&["delete", "namespace", namespace, "--ignore-not-found", "--timeout=2m"]));
        }
        let selector = "--selector=app.kubernetes.io/part-of=mainstay";
        drop(self.0.try_kubectl(&["delete", "clusterroles,clusterrolebindings", selector]));
    }
}

#[test]
fn promises_can_be_broken() {
    let text = "\n```sh\nnot run\n```\n\n```bash\nfirst\n```\n\n```text\na … c\nd\n```\n\n```bash\nsecond\n```\n";
    let blocks = blocks(text);
    assert_eq!(blocks.iter().map(|block| block.commands.as_str()).collect::<Vec<_>>(), ["first", "second"]);
    let promised = &blocks[0].promised;
    for (output, missing) in [
        ("x\na  b   c\nd", None),
        ("a b c d", Some("d")),
        ("d\na b c", Some("d")),
        ("c b a\nd", Some("a … c")),
        ("", Some("a … c")),
    ] {
        assert_eq!(broken(promised, output), missing, "{output}");
    }
}
