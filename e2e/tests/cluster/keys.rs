//! Keys are made, rotated with an overlap, and revoked, while servers run on.

use std::time::Duration;

use mainstay_e2e::cluster::{PATIENCE, wait_for};
use mainstay_e2e::http::Caller;

use crate::fixture::{Fixture, with_operator};

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
        its.here.kubectl(&["annotate", "backend", "markets", "mainstay.dev/rotate-admin-key=once"]);
        wait_for("a new key", PATIENCE, || {
            let new = its.admin_key();
            if new == old { Err("still the old one".to_owned()) } else { Ok(()) }
        });
        let new = Caller::new(&way.url, Some(&its.admin_key()));
        accepted(&new, MOUNTED, 200);
        assert_eq!(admin.get("/api/v1/users", &[]).status, 200, "the old key is valid for a while");
        let status = its.here.object("backend/markets").unwrap()["status"].to_string();
        assert!(!status.contains(&old) && !status.contains(&its.admin_key()), "a key is told");
        assert_eq!(its.here.kubectl(&["get", "pods", "--output=name"]), pods, "no pod was replaced");
        let log = its.operator.as_ref().unwrap().log();
        assert!(!log.contains(&old) && !log.contains(&its.admin_key()), "a key is logged");
    });
}

#[test]
fn an_api_key_opens_the_api_until_it_is_deleted() {
    with_operator("api-key", |its| {
        its.here.apply(
            "apiVersion: mainstay.dev/v1alpha1\nkind: Collection\nmetadata: {name: notes}\nspec:\n  \
             backendRef: {name: markets}\n  fields: [{name: text, type: text}]\n  \
             access: {read: [{roles: [reader]}]}\n",
        );
        its.backend("replicas: 1");
        its.here.apply(
            "apiVersion: mainstay.dev/v1alpha1\nkind: ApiKey\nmetadata: {name: reports}\nspec:\n  \
             backendRef: {name: markets}\n  roles: [reader]\n",
        );
        its.ready();
        its.here.wait_until("apikey/reports", "Ready", PATIENCE);
        let template = "--template={{.data.key | base64decode}}";
        let key = its.here.kubectl(&["get", "secret", "reports", template]);
        let (way, _admin) = its.api();
        let machine = Caller::new(&way.url, Some(&key));
        accepted_at(&machine, "/api/v1/notes", MOUNTED, 200);
        its.here.kubectl(&["delete", "apikey", "reports"]);
        accepted_at(&machine, "/api/v1/notes", MOUNTED, 401);
    });
}

#[test]
fn signing_keys_are_published() {
    with_operator("jwt", |its| {
        its.backend("replicas: 1\nsecrets: {jwtKeys: {algorithm: ES256}}");
        its.ready();
        let id = key_id(its);
        let (_way, admin) = its.api();
        let answer = admin.get("/.well-known/jwks.json", &[]);
        let key = &answer.body["keys"][0];
        assert_eq!((key["kid"].as_str(), key["alg"].as_str()), (Some(id.as_str()), Some("ES256")), "{answer:?}");
        assert!(key.get("d").is_none(), "the private half is published");
    });
}

fn key_id(its: &Fixture<'_>) -> String {
    its.value("backend/markets", ".status.keys.jwt[0].id")
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
