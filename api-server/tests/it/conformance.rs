//! Every scenario on both databases: the answers are equal to the byte, and equal to what was reviewed.

use std::path::Path;

use mainstay_e2e::database::Database;
use mainstay_e2e::server::{Server, program};
use reqwest::blocking::Client;

use super::transcript;

fn scenario(name: &str) {
    scenario_with(name, &[]);
}

fn scenario_with(name: &str, flags: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let text = std::fs::read_to_string(folder.join(format!("{name}.http"))).unwrap();
    let documents = folder.join("collections.yaml");
    let client = Client::new();
    let on = |kind: &str| {
        let database = Database::new(kind);
        let server = Server::launch(program(), documents.to_str().unwrap(), database.url(), flags);
        server.wait_until_ready();
        transcript::run(&client, &server.url, &text)
    };
    let sqlite = on("sqlite");
    let postgres = on("postgres");
    for (sqlite, postgres) in sqlite.lines().zip(postgres.lines()) {
        assert_eq!(sqlite, postgres, "SQLite (left) and PostgreSQL (right) differ");
    }
    assert_eq!(sqlite, postgres, "one transcript is longer");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, sqlite);
    });
}

#[test]
fn create() {
    scenario("create");
}

#[test]
fn update() {
    scenario("update");
}

#[test]
fn delete() {
    scenario("delete");
}

#[test]
fn list() {
    scenario("list");
}

#[test]
fn access() {
    scenario("access");
}

#[test]
fn references() {
    scenario("references");
}

#[test]
fn hidden() {
    scenario("hidden");
}

#[test]
fn http() {
    scenario("http");
}

#[test]
fn batch() {
    scenario("batch");
}

#[test]
fn upsert() {
    scenario("upsert");
}

#[test]
fn bulk() {
    scenario("bulk");
}

#[test]
fn prefer() {
    scenario("prefer");
}

#[test]
fn idempotency() {
    scenario("idempotency");
}

#[test]
fn json_patch() {
    scenario("json_patch");
}

#[test]
fn search() {
    scenario("search");
}

#[test]
fn words() {
    scenario("words");
}

#[test]
fn include() {
    scenario("include");
}

#[test]
fn history() {
    scenario("history");
}

#[test]
fn aggregate() {
    scenario("aggregate");
}

#[test]
fn rules() {
    scenario("rules");
}

#[test]
fn sign_in() {
    let secret = "a-secret-that-only-the-tests-know-of";
    scenario_with("sign_in", &["--jwt-secret", secret, "--auth-registration-enabled", "true"]);
}
