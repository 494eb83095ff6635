//! The walk of the README, pasted into a shell: every answer is the one that the text promises.

use std::process::Command;

use mainstay_e2e::database::Database;
use mainstay_e2e::server::{ADMIN_KEY, Server, repository};

/// The second `sh` block of the section "A walk": what the reader pastes.
fn walk() -> String {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let section = readme.split("## A walk").nth(1).expect("the README has a section A walk");
    let block = section.split("```sh\n").nth(2).expect("the walk has two blocks");
    block.split("```").next().unwrap().to_owned()
}

#[test]
fn the_walk_works_when_pasted() {
    for kind in ["sqlite", "postgres"] {
        let database = Database::new(kind);
        let server = Server::start("examples/markets", database.url());
        let script = walk().replace("walk-with-me-0123456789", ADMIN_KEY).replace("http://127.0.0.1:8080", &server.url);
        let output = Command::new("bash").args(["-eu", "-c", &script]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        let mut rest = text.as_str();
        for promised in [
            "HTTP/1.1 201 Created",
            "\"volume\":\"125.5000\"",
            "\"total\":1",
            "[{\"title\":\"Will it rain in Lisbon on Sunday?\",\"volume\":\"125.5000\"}]",
            "\"included\":{\"users\":{",
            "did you mean `status`?",
            "\"path\":\"/title\"",
            "\"path\":\"/slug\"",
            "\"path\":\"/volume\"",
            "\"status\":\"closed\"",
            "HTTP/1.1 412 Precondition Failed",
            "HTTP/1.1 200 OK",
            "{\"results\":[{\"status\":200,\"data\":{\"id\":",
            "\"balance\":\"15.00\"",
            "\"balance\":\"10.00\"",
            "{\"status\":201,\"data\":{\"id\":",
            "createMarket",
        ] {
            let at = rest.find(promised).unwrap_or_else(|| panic!("{kind}: `{promised}` does not follow:\n{text}"));
            rest = &rest[at + promised.len()..];
        }
    }
}
