//! Who may name whom, one way: main → cli → http → app → service → store → query → mainstay-crds.
//!
//! `app` is the shared state that the command line builds and hands to `http`.

use super::source::code;
use super::{Breaches, assert_none, check, is_test, rust};

/// The layers of the server, outermost first. A layer names only those after it.
const LAYERS: [&str; 7] = ["main", "cli", "http", "app", "service", "store", "query"];

/// Layers that may not be named from a layer, though they come after it.
const HIDDEN: [(&str, &[&str]); 1] = [("http", &["store"])];

/// Libraries with the layers that may name them: in no other layer, nor in the crates of the contract and the operator.
/// Modules beside the layers (config, telemetry …) are free, but for diesel, which is the store's alone.
const LIBRARIES: [(&str, &[&str]); 6] = [
    ("diesel", &["store"]),
    ("deadpool_diesel", &["store"]),
    ("actix_web", &["main", "cli", "http", "app"]),
    ("utoipa", &["cli", "http", "app"]),
    ("tonic", &["app", "grpc"]),
    ("libsqlite3_sys", &["store"]),
];

/// What the contract never touches: it is pure.
const IMPURE: [&str; 8] = ["tokio", "diesel", "actix_web", "std::fs", "std::net", "std::env", "SystemTime", "Instant"];

#[test]
fn the_server_keeps_its_arrows() {
    let all = rust().into_iter().filter(|(path, _)| path.starts_with("api-server/src/") && !is_test(path));
    check(all.collect(), arrows);
}

#[test]
fn the_contract_is_pure() {
    check(rust().into_iter().filter(|(path, _)| path.starts_with("crds/src/") && !is_test(path)).collect(), pure);
}

fn arrows(path: &str, text: &str) -> Breaches {
    let code = without_tests(&code(text));
    let inside = path.trim_start_matches("api-server/src/").trim_end_matches(".rs");
    let layer = inside.split('/').next().unwrap_or_default();
    let place = LAYERS.iter().position(|name| *name == layer);
    let hidden = HIDDEN.iter().find(|(name, _)| *name == layer).map_or(&[][..], |(_, hidden)| hidden);
    let mut breaches = Breaches::new();
    for named in modules(&code, inside.split('/').count()) {
        let back = LAYERS.iter().position(|name| *name == named).zip(place).is_some_and(|(to, from)| to < from);
        if back || hidden.contains(&named.as_str()) {
            breaches.push(format!("{path}: {layer} names {named}: arrows go one way, {}", LAYERS.join(" → ")));
        }
    }
    for (library, users) in LIBRARIES {
        let concerned = place.is_some() || users == ["store"];
        if concerned && layer != "lib" && !users.contains(&layer) && names(&code, library) {
            breaches.push(format!("{path}: {layer} names {library}; only {} may", users.join(", ")));
        }
    }
    breaches
}

fn pure(path: &str, text: &str) -> Breaches {
    let code = without_tests(&code(text));
    let found = IMPURE.iter().filter(|word| names(&code, word));
    found.map(|word| format!("{path}: names {word}; the contract has no I/O, no clock and no runtime")).collect()
}

/// Tests may reach for anything.
fn without_tests(code: &str) -> String {
    code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

/// The modules at the crate's root that the code names: by `crate::x`, `mainstay::x`, groups of them in `use`, and `super`
/// from a file that lies `depth` deep.
fn modules(code: &str, depth: usize) -> Vec<String> {
    let squeezed: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found = Vec::new();
    for root in ["crate::".to_owned(), "mainstay::".to_owned(), "super::".repeat(depth)] {
        for (at, _) in squeezed.match_indices(&root) {
            if squeezed[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let after = &squeezed[at + root.len()..];
            match after.strip_prefix('{') {
                Some(group) => found.extend(members(group)),
                None => found.push(word(after)),
            }
        }
    }
    found
}

/// The first words of the members of a `{…}` group, which begins after its brace.
fn members(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut found) = (0, true, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            ' ' => {}
            _ if start => {
                found.push(word(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Whether the name stands in the code as a word of its own, or begins one of its family (`diesel` in `diesel_migrations`).
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + name.len()..];
        let whole = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.');
        whole && (after.starts_with('_') || !after.starts_with(|c: char| c.is_alphanumeric()))
    })
}

#[test]
fn the_arrows_can_fail() {
    let good = [
        ("http.rs", "use super::app::App;"),
        ("http/records.rs", "use crate::service::records;\nuse actix_web::web;"),
        ("service.rs", "use crate::{query::Sort, store::Store};"),
        ("service/records.rs", "// actix_web and diesel are elsewhere\nlet x = \"diesel::sql\";"),
        ("service/records.rs", "use super::access;\n#[cfg(test)]\nmod tests {\n    use diesel::prelude::*;\n}"),
        ("store/pool.rs", "use diesel::prelude::*;\nuse crate::query::Page;"),
        ("config.rs", "let actix_web = 1;"),
        ("lib.rs", "pub mod http;"),
        ("main.rs", "mainstay::cli::main()"),
    ];
    for (path, text) in good {
        assert_none(arrows(&format!("api-server/src/{path}"), text));
    }
    let bad = [
        ("http/records.rs", "use crate::store::Store;"),
        ("http/records.rs", "use diesel_migrations::x;"),
        ("http.rs", "use super::store;"),
        ("app.rs", "use super::http::serve;"),
        ("service/records.rs", "use super::super::app::App;"),
        ("service.rs", "use crate::{\n    query::{Sort, http},\n    http::x,\n};"),
        ("service/records.rs", "fn f(x: actix_web::HttpRequest) {}"),
        ("service/error.rs", "#[derive(utoipa::ToSchema)]"),
        ("store/pool.rs", "crate::service::Error"),
        ("query/page.rs", "use crate::store;"),
        ("config.rs", "use diesel::Connection;"),
        ("telemetry.rs", "use deadpool_diesel::Pool;"),
    ];
    for (path, text) in bad {
        assert_eq!(arrows(&format!("api-server/src/{path}"), text).len(), 1, "{path}: {text}");
    }
}

#[test]
fn purity_can_fail() {
    assert_none(pure("crds/src/x.rs", "/// Without tokio.\nfn instant() {}"));
    for text in ["use tokio::spawn;", "std::time::Instant::now()", "use std::fs;"] {
        assert_eq!(pure("crds/src/x.rs", text).len(), 1, "{text}");
    }
}
