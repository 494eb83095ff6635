//! Keys are made, rotated with an overlap, and revoked, while servers run on.

use std::time::Duration;

use mainstay_e2e::cluster::{PATIENCE, wait_for};
use mainstay_e2e::http::Caller;

use crate::fixture::with_operator;
use crate::load::{Load, NOTES, USERS};

/// The kubelet brings a changed Secret to its pods within about a minute and a half.
const MOUNTED: Duration = Duration::from_secs(150);

#[test]
fn the_admin_key_rotates_with_the_old_one_valid() {
    with_operator("admin-key", |its| {
        its.backend("replicas: 1");
        its.ready();
        let pods = its.here.kubectl(&["get", "pods", "--output=name"]);
        let old = its.admin_key();
        let (way, admin) = its.api();
        assert_eq!(admin.get("/api/v1/users", &[]).status, 200);
        let load = Load::start(&way.url, &old, USERS);
        load.some_more();
        its.here.kubectl(&["annotate", "backend", "markets", "mainstay.dev/rotate-admin-key=once"]);
        wait_for("a new key", PATIENCE, || {
            let new = its.admin_key();
            if new == old { Err("still the old one".to_owned()) } else { Ok(()) }
        });
        let new = Caller::new(&way.url, Some(&its.admin_key()));
        accepted(&new, MOUNTED, 200);
        load.some_more();
        load.without_failure("the admin key is rotated, and the old one used");
        let status = its.here.object("backend/markets").unwrap()["status"].to_string();
        assert!(!status.contains(&old) && !status.contains(&its.admin_key()), "a key is told");
        assert_eq!(its.here.kubectl(&["get", "pods", "--output=name"]), pods, "no pod was replaced");
        let log = its.operator.as_ref().unwrap().log();
        assert!(!log.contains(&old) && !log.contains(&its.admin_key()), "a key is logged");
    });
}

#[test]
fn an_api_key_rotates_with_the_old_one_valid_and_ends_when_it_is_deleted() {
    with_operator("api-key", |its| {
        its.here.apply(
            "apiVersion: mainstay.dev/v1alpha1\nkind: Collection\nmetadata: {name: notes}\nspec:\n  \
             backendRef: {name: markets}\n  fields: [{name: text, type: text}]\n  \
             access: {read: [{roles: [clerk]}], create: [{roles: [clerk]}]}\n",
        );
        its.backend("replicas: 1");
        its.here.apply(
            "apiVersion: mainstay.dev/v1alpha1\nkind: ApiKey\nmetadata: {name: reports}\nspec:\n  \
             backendRef: {name: markets}\n  roles: [clerk]\n",
        );
        its.ready();
        its.here.wait_until("apikey/reports", "Ready", PATIENCE);
        let template = "--template={{.data.key | base64decode}}";
        let key = its.here.kubectl(&["get", "secret", "reports", template]);
        let (way, _admin) = its.api();
        let machine = Caller::new(&way.url, Some(&key));
        accepted_at(&machine, "/api/v1/notes", MOUNTED, 200);
        let load = Load::start(&way.url, &key, NOTES);
        load.some_more();
        its.here.kubectl(&["annotate", "apikey", "reports", "mainstay.dev/rotate-key=once"]);
        let next = wait_for("a new key", PATIENCE, || {
            let next = its.here.kubectl(&["get", "secret", "reports", template]);
            if next == key { Err("still the old one".to_owned()) } else { Ok(next) }
        });
        let other = Caller::new(&way.url, Some(&next));
        accepted_at(&other, "/api/v1/notes", MOUNTED, 200);
        load.some_more();
        load.without_failure("an ApiKey is rotated, and its old key used");
        its.here.kubectl(&["delete", "apikey", "reports"]);
        accepted_at(&machine, "/api/v1/notes", MOUNTED, 401);
        accepted_at(&other, "/api/v1/notes", MOUNTED, 401);
    });
}

/// A new key signs once each pod has had it for three minutes.
const SPREAD: Duration = Duration::from_secs(300);

#[test]
fn a_signing_key_is_published_before_it_signs_and_verifies_after() {
    with_operator("jwt", |its| {
        its.backend("replicas: 2\nsecrets: {jwtKeys: {algorithm: ES256}}");
        its.ready();
        let old = its.value("backend/markets", ".status.keys.jwt[0].id");
        let pods = its.here.kubectl(&["get", "pods", "--output=name"]);
        let (_way, admin) = its.api();
        let published = || {
            let answer = admin.get("/.well-known/jwks.json", &[]);
            assert!(answer.body["keys"][0].get("d").is_none(), "the private half is published");
            let keys = answer.body["keys"].as_array().cloned().unwrap_or_default();
            keys.iter().map(|key| format!("{} {}", key["alg"], key["kid"]).replace('"', "")).collect::<Vec<_>>()
        };
        assert_eq!(published(), [format!("ES256 {old}")]);
        its.here.kubectl(&["annotate", "backend", "markets", "mainstay.dev/rotate-jwt-keys=once"]);
        let states = |wanted: [&str; 2], patience| {
            its.here.wait_for("backend/markets", patience, |backend| {
                let keys = backend["status"]["keys"]["jwt"].as_array().cloned().unwrap_or_default();
                let states: Vec<&str> = keys.iter().filter_map(|key| key["state"].as_str()).collect();
                if states == wanted { Ok(()) } else { Err(format!("{keys:?}")) }
            })
        };
        let told = states(["signing", "published"], PATIENCE);
        let new = told["status"]["keys"]["jwt"][1]["id"].as_str().expect("an id").to_owned();
        let began = told["status"]["keys"]["jwt"][1]["since"].to_string();
        states(["retiring", "signing"], SPREAD);
        let both = [format!("ES256 {old}"), format!("ES256 {new}")];
        assert_eq!(published(), both, "tokens of the old key are verified until they end");
        let since = its.value("backend/markets", ".status.keys.jwt[1].since");
        assert!(
            (seconds(&since) - seconds(&began)).rem_euclid(86_400) >= 180,
            "published at {began}, signing at {since}"
        );
        assert_eq!(its.here.kubectl(&["get", "pods", "--output=name"]), pods, "no pod was replaced");
    });
}

/// Seconds of the day of an RFC 3339 time.
fn seconds(time: &str) -> i64 {
    let time = time.trim_matches('"').split(['T', '.', 'Z']).nth(1).expect("a time");
    time.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().expect("a number"))
}

fn accepted(caller: &Caller, patience: Duration, status: u16) {
    accepted_at(caller, "/api/v1/users", patience, status);
}

fn accepted_at(caller: &Caller, path: &str, patience: Duration, status: u16) {
    wait_for("the servers have the keys", patience, || {
        let answer = caller.get(path, &[]);
        if answer.status == status { Ok(()) } else { Err(format!("{answer:?}")) }
    });
}
