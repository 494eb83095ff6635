//! What a file may look like: its head, its name, its length, the length of its functions.

use super::source::{code, functions};
use super::{Breaches, assert_none, check, is_test, rust};

const FILE: usize = 500;
const USUAL_FILE: usize = 300;
const FUNCTION: usize = 60;
const HANDLER: usize = 15;

#[test]
fn every_file_opens_with_what_it_is() {
    check(rust(), head);
}

fn head(path: &str, text: &str) -> Breaches {
    let ok = text.starts_with("//! ") && text.lines().next().is_some_and(|line| line.len() > 10);
    broken(!ok, || format!("{path}: opens without `//!`: say what it is, who calls it, what it never does"))
}

#[test]
fn files_are_named_after_nouns() {
    check(rust(), name);
}

fn name(path: &str, _: &str) -> Breaches {
    let parts = path.trim_end_matches(".rs").split('/');
    let mut bad =
        parts.filter(|part| matches!(*part, "mod" | "util" | "utils" | "helper" | "helpers" | "common" | "misc"));
    broken(bad.next().is_some(), || format!("{path}: name it after its noun (`noun.rs` with `noun/`)"))
}

#[test]
fn files_are_short() {
    let files = rust();
    let long = files.iter().filter(|(_, text)| text.lines().count() > USUAL_FILE);
    let list =
        || long.clone().map(|(path, text)| format!("{path}: {}", text.lines().count())).collect::<Vec<_>>().join("\n");
    assert!(
        mostly_short(files.len(), long.clone().count()),
        "over {USUAL_FILE} lines, more than one in ten:\n{}",
        list()
    );
    check(files, length);
}

fn length(path: &str, text: &str) -> Breaches {
    let lines = text.lines().count();
    broken(lines > FILE, || format!("{path}: {lines} lines, at most {FILE}: split it by noun"))
}

fn mostly_short(files: usize, long: usize) -> bool {
    long * 10 <= files
}

#[test]
fn functions_are_short() {
    check(rust(), function_length);
}

fn function_length(path: &str, text: &str) -> Breaches {
    if is_test(path) {
        return Breaches::new();
    }
    let all = functions(&code(text)).into_iter();
    all.filter(|function| function.lines >= FUNCTION)
        .map(|f| format!("{path}:{}: {} has {} lines, under {FUNCTION}: split it", f.line, f.name, f.lines))
        .collect()
}

#[test]
fn handlers_are_thin() {
    let files = rust();
    let (_, routes) = files.iter().find(|(path, _)| path == "api-server/src/http.rs").expect("the routes");
    let handlers = handlers(&code(routes));
    assert!(handlers.len() > 5, "the routes name {handlers:?} alone");
    check(files, |path, text| handler_length(&handlers, path, text));
}

/// What the routes lead to, as (module, function): `.to(records::list)`.
fn handlers(routes: &str) -> Vec<(String, String)> {
    let targets = routes.split(".to(").skip(1).filter_map(|after| after.split_once(')'));
    targets
        .filter_map(|(target, _)| target.split_once("::"))
        .map(|(module, name)| (module.into(), name.into()))
        .collect()
}

fn handler_length(handlers: &[(String, String)], path: &str, text: &str) -> Breaches {
    let module = path.strip_prefix("api-server/src/http/").and_then(|path| path.strip_suffix(".rs"));
    let is_handler = |name: &str| handlers.iter().any(|(of, handler)| Some(of.as_str()) == module && handler == name);
    let all = functions(&code(text)).into_iter();
    all.filter(|function| function.body > HANDLER && is_handler(&function.name))
        .map(|f| format!("{path}:{}: {} has {} lines, at most {HANDLER}: the service decides", f.line, f.name, f.body))
        .collect()
}

fn broken(is_broken: bool, message: impl FnOnce() -> String) -> Breaches {
    is_broken.then(message).into_iter().collect()
}

#[test]
fn every_rule_can_fail() {
    let lines = |count: usize| "x;\n".repeat(count);
    let function = |count: usize| format!("fn f() {{\n{}}}\n", lines(count));
    type Rule = fn(&str, &str) -> Breaches;
    let cases: [(&str, Rule, &str, String, &str, String); 6] = [
        ("head", head, "a.rs", "//! What it is.\n".into(), "a.rs", "use x;\n".into()),
        ("empty head", head, "a.rs", "//! What it is.\n".into(), "a.rs", "//! x\n".into()),
        ("name", name, "api-server/src/store/pool.rs", String::new(), "api-server/src/utils/pool.rs", String::new()),
        ("mod", name, "crds/src/modern.rs", String::new(), "crds/src/field/mod.rs", String::new()),
        ("file", length, "a.rs", lines(500), "a.rs", lines(501)),
        ("function", function_length, "a.rs", function(57), "a.rs", function(58)),
    ];
    for (what, rule, good_path, good, bad_path, bad) in cases {
        assert_none(rule(good_path, &good));
        assert_eq!(rule(bad_path, &bad).len(), 1, "{what}");
    }
    assert!(mostly_short(20, 2) && !mostly_short(20, 3));
}

#[test]
fn the_handler_rule_can_fail() {
    let handlers = handlers("path().route(get().to(x::f)).route(head().to(y::g))");
    assert_eq!(handlers.len(), 2);
    let text = |name: &str, count: usize| format!("async fn {name}() {{\n{}}}\n", "x;\n".repeat(count));
    let rule = |name: &str, count: usize| handler_length(&handlers, "api-server/src/http/x.rs", &text(name, count));
    assert_none([rule("f", 15), rule("g", 16)].concat());
    assert_eq!(rule("f", 16).len(), 1);
}
