//! What the README shows of a cluster is what a cluster prints.
//!
//! In a `console` block each line after a `$ command` follows in the command's output, in order, but for times, ages,
//! hashes and the namespace; `…` leaves lines out.

use std::fs;

use mainstay_e2e::server::repository;

use crate::fixture::with_operator;
use crate::killed::settled;

/// What `kubectl` is asked, with the lines that it prints. What a laptop shows has tests of its own.
fn shown(text: &str) -> Vec<(String, Vec<String>)> {
    let blocks = text.split("\n```console\n").skip(1).filter_map(|rest| rest.split_once("\n```"));
    let blocks = blocks.filter_map(|(block, _)| {
        let (command, lines) = block.split_once('\n').expect("a command and its output");
        let words = command.strip_prefix("$ kubectl ")?;
        Some((words.to_owned(), lines.lines().map(str::to_owned).collect()))
    });
    blocks.collect()
}

/// The line without what differs from run to run.
fn essence(line: &str, namespace: &str) -> String {
    let line = line.replace(namespace, "NAMESPACE").replace("team-a", "NAMESPACE");
    let words = line.split_whitespace().map(|word| {
        let bare = word.trim_matches(['`', ',']);
        let time = bare.ends_with('Z') && bare.contains("T") && bare.starts_with("20");
        let age = bare.ends_with(['s', 'm']) && bare.starts_with(|first: char| first.is_ascii_digit());
        let hash = bare.rsplit('-').next().is_some_and(|tail| tail.len() >= 8 && is_hex(tail));
        match (time, age, hash) {
            (true, ..) => "TIME".to_owned(),
            (_, true, _) => "AGE".to_owned(),
            (.., true) => word.rsplit_once('-').map_or("HASH".to_owned(), |(name, _)| format!("{name}-HASH")),
            _ => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn is_hex(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_hexdigit())
}

/// The first line that the output lacks.
fn missing<'a>(lines: &'a [String], output: &str, namespace: &str) -> Option<&'a str> {
    let mut printed = output.lines().map(|line| essence(line, namespace));
    let wanted = lines.iter().map(String::as_str).filter(|line| *line != "…");
    wanted.into_iter().find(|line| !printed.any(|printed| printed == essence(line, namespace)))
}

#[test]
fn the_readme_shows_what_is_printed() {
    let text = fs::read_to_string(repository().join("README.md")).unwrap();
    let shown = shown(&text);
    assert!(shown.len() >= 3, "{} commands", shown.len());
    with_operator("readme", |its| {
        its.markets();
        its.backend("replicas: 2");
        its.ready();
        settled(its.here);
        for (command, lines) in &shown {
            let output = its.here.kubectl(&command.split(' ').collect::<Vec<_>>());
            let missing = missing(lines, &output, &its.here.name);
            assert_eq!(missing, None, "`kubectl {command}` does not print this; it prints\n{output}");
        }
    });
}

#[test]
fn a_line_that_is_not_printed_is_found() {
    let lines = ["a  b 12s".to_owned(), "…".to_owned(), "at 2026-01-01T00:00:00Z x-0-0123abcd".to_owned()];
    assert_eq!(missing(&lines, "a b 5m\nc\nat 2027-01-01T00:00:00Z x-0-99999999", "ns"), None);
    assert_eq!(missing(&lines, "a b 5m\nat 2027-01-01T00:00:00Z y-0-99999999", "ns"), Some(lines[2].as_str()));
    assert_eq!(missing(&lines, "at 2027-01-01T00:00:00Z x-0-99999999\na b 5m", "ns"), Some(lines[2].as_str()));
}
