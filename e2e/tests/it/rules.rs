//! The rules of docs/architecture.md that a program can check, over every file of the repository.
//!
//! Each rule is a pure function from text to what breaks it; its own small test proves that it can fail.

use std::fs;
use std::path::{Path, PathBuf};

use mainstay_e2e::server::repository;

mod arrows;
mod shape;
mod source;

/// What breaks a rule, one line each: file, place, rule, next step.
type Breaches = Vec<String>;

/// Every file below `folder` (relative to the repository), with its path relative to the repository and its text.
/// Build output and what git ignores lie elsewhere or in hidden folders; binary files are left out.
fn files(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![repository().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            match path.is_dir() {
                _ if matches!(name, "target" | ".git" | "node_modules") => {}
                true => folders.push(path),
                false => found.extend(fs::read_to_string(&path).ok().map(|text| (relative(&path), text))),
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(repository()).unwrap().to_str().unwrap().to_owned()
}

/// The Rust sources of every crate.
fn rust() -> Vec<(String, String)> {
    let crates = ["api-server", "crds", "e2e", "operator"];
    let all = crates.iter().flat_map(|folder| files(folder));
    all.filter(|(path, _)| path.ends_with(".rs")).collect()
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.contains("/benches/")
}

fn assert_none(breaches: Breaches) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

/// Rules of one file, over all of them.
fn check(files: Vec<(String, String)>, rule: impl Fn(&str, &str) -> Breaches) {
    assert!(!files.is_empty(), "no file was found");
    assert_none(files.iter().flat_map(|(path, text)| rule(path, text)).collect());
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |kind: &str| -> Vec<String> {
        let folder = format!("migrations/{kind}/");
        files(&folder).into_iter().map(|(path, _)| path.trim_start_matches(&folder).to_owned()).collect()
    };
    let (postgres, sqlite) = (names("postgres"), names("sqlite"));
    assert!(!postgres.is_empty(), "no migration was found");
    assert_none(migrations(&postgres, &sqlite));
}

/// Both lists hold the same files: an `up.sql` and a `down.sql` in each folder, and nothing else.
fn migrations(postgres: &[String], sqlite: &[String]) -> Breaches {
    let mut breaches = Breaches::new();
    for (here, there, other) in [(postgres, sqlite, "sqlite"), (sqlite, postgres, "postgres")] {
        for path in here {
            let (folder, file) = path.split_once('/').unwrap_or(("", path));
            if !there.contains(path) {
                breaches.push(format!("{path}: migrations/{other} lacks it; both databases take the same steps"));
            }
            if !matches!(file, "up.sql" | "down.sql") || folder.is_empty() {
                breaches.push(format!("{path}: a migration is <n>_<what>/up.sql and <n>_<what>/down.sql"));
            }
            if !here.contains(&format!("{folder}/down.sql")) || !here.contains(&format!("{folder}/up.sql")) {
                breaches.push(format!("{path}: its up.sql or down.sql is missing"));
            }
        }
    }
    breaches
}

#[test]
fn the_migrations_rule_can_fail() {
    let list = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    let good = list(&["1_a/up.sql", "1_a/down.sql"]);
    assert_none(migrations(&good, &good));
    for bad in [&["1_a/up.sql"][..], &["1_b/up.sql", "1_b/down.sql"], &["1_a/up.sql", "1_a/down.sql", "notes.md"]] {
        assert!(!migrations(&good, &list(bad)).is_empty(), "{bad:?}");
        assert!(bad.len() == 2 || !migrations(&list(bad), &list(bad)).is_empty(), "{bad:?}");
    }
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let mut all = files("");
    all.retain(|(path, _)| path != "Cargo.lock");
    check(all, machine);
}

/// No absolute path of somebody's home, no host of somebody's registry.
fn machine(path: &str, text: &str) -> Breaches {
    let forbidden = [
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/wo", "rk/"),
        concat!("/Us", "ers/"),
        concat!("artif", "actory"),
    ];
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(number, line)| Some((number, forbidden.iter().find(|word| line.contains(**word))?)))
        .map(|(number, word)| {
            format!("{path}:{}: {word} names one machine; use a relative path or a variable", number + 1)
        })
        .collect()
}

#[test]
fn the_machine_rule_can_fail() {
    assert_none(machine("a", "$HOME/.cache/x\nhttps://example.org/work\n"));
    assert_eq!(machine("a", concat!("\ncd /ro", "ot/x\n")).len(), 1);
}

#[test]
fn nothing_is_unfinished() {
    check(rust(), unfinished);
}

/// No file or function says that it is still to be written.
fn unfinished(path: &str, text: &str) -> Breaches {
    let marks = [
        concat!("ST", "UB"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
    ];
    let found = marks.iter().filter(|mark| text.contains(**mark));
    found.map(|mark| format!("{path}: says {mark}; finish it or take it out")).collect()
}

#[test]
fn the_unfinished_rule_can_fail() {
    assert_none(unfinished("a.rs", "//! Done.\n"));
    assert_eq!(unfinished("a.rs", concat!("//! ST", "UB\n")).len(), 1);
}
