//! What goes wrong in clusters: each time the Backend says what and what to do, the rest goes on, and it heals itself.

use std::time::Duration;

use mainstay_e2e::cluster::{Cluster, PATIENCE, wait_for};
use mainstay_e2e::lab;
use mainstay_e2e::operator::Operator;
use mainstay_e2e::postgres::Postgres;
use serde_json::{Value as Json, json};

use crate::fixture::{Fixture, backend, says, with_operator};

/// A collection with fields in flow style.
pub fn notes(name: &str, fields: &str) -> String {
    format!(
        "apiVersion: mainstay.dev/v1alpha1\nkind: Collection\nmetadata: {{name: {name}}}\nspec:\n  \
         backendRef: {{name: markets}}\n  fields:\n{fields}\n"
    )
}

/// The field of plain notes.
pub const TEXT: &str = "    - {name: text, type: text}";

/// Serves one plain collection.
pub fn serve(its: &Fixture<'_>) {
    its.here.apply(&notes("notes", TEXT));
    its.backend("");
    its.ready();
}

#[test]
fn a_bad_collection_beside_good_ones_harms_only_itself() {
    with_operator("bad-collection", |its| {
        its.here.apply(&notes("bad", "    - {name: size, type: text, maximum: 3}"));
        its.here.apply(&notes("pointing", "    - {name: to, type: ref, collection: bad, onDelete: restrict}"));
        serve(its);
        let told = |name: &str, status: &str, reason: &str| {
            its.here
                .wait_for(&format!("collection/{name}"), PATIENCE, |object| says(object, "Accepted", status, reason))
        };
        let bad = told("bad", "False", "Invalid");
        assert!(bad["status"]["problems"][0]["path"].as_str().unwrap().starts_with("/spec/fields/0"), "{bad}");
        told("pointing", "False", "RefNotAccepted");
        told("notes", "True", "Accepted");
        let (_way, admin) = its.api();
        assert_eq!(admin.get("/api/v1/notes", &[]).status, 200);
        assert_eq!(admin.get("/api/v1/bad", &[]).status, 404);

        // One that was accepted and becomes invalid is served as it was.
        its.here.apply(&notes("notes", "    - {name: text, type: text, maximum: 3}"));
        told("notes", "False", "Invalid");
        assert_eq!(admin.get("/api/v1/notes", &[]).status, 200);
        its.ready();

        its.here.apply(&notes("bad", "    - {name: size, type: integer, maximum: 3}"));
        its.here.apply(&notes("notes", TEXT));
        for name in ["bad", "pointing", "notes"] {
            told(name, "True", "Accepted");
        }
        wait_for("both are served", PATIENCE, || {
            let (_way, admin) = its.api();
            let statuses = ["bad", "pointing"].map(|name| admin.get(&format!("/api/v1/{name}"), &[]).status);
            if statuses == [200, 200] { Ok(()) } else { Err(format!("{statuses:?}")) }
        });
    });
}

#[test]
fn a_database_secret_is_missing_then_wrong_then_right() {
    Cluster::get().with_namespace("secret", |here| {
        let url = here.cluster.postgres().database();
        let its = Fixture { here, operator: Some(Operator::start(here)), url };
        its.here.apply(&notes("notes", TEXT));
        its.backend("");
        let missing = its.told("Stalled", "True", "SecretMissing");
        assert!(missing["status"].to_string().contains("there is no Secret `database`"), "{missing}");
        let put = |key: &str, value: &str| {
            let literal = format!("--from-literal={key}={value}");
            let made = ["create", "secret", "generic", "database", &literal, "--dry-run=client", "--output=json"];
            its.here.apply(&its.here.kubectl(&made));
        };
        put("uri", &its.url);
        wait_for("the key is named", PATIENCE, || {
            let backend = its.here.object("backend/markets")?;
            if backend["status"].to_string().contains("has no key `url`") { Ok(()) } else { Err(backend.to_string()) }
        });
        put("url", "mysql://me:a-secret-password@host/db");
        let wrong = its.told("Stalled", "True", "SecretInvalid");
        put("url", &its.url);
        its.ready();
        let said = format!("{wrong}{}{}", its.here.kubectl(&["get", "events"]), its.operator.as_ref().unwrap().log());
        assert!(!said.contains("a-secret-password"), "the URL is told");
    });
}

#[test]
fn a_rotated_password_costs_no_more_than_a_moment() {
    with_operator("password", |its| {
        serve(its);
        let postgres = its.here.cluster.postgres();
        let user = format!("u{}", its.class().replace('-', "_"));
        let database = its.database().to_owned();
        let set = |password: &str| {
            let url = with_user(&its.url, &user, password);
            let patch = json!({"stringData": {"url": url}}).to_string();
            its.here.kubectl(&["patch", "secret", "database", "--type=merge", "--patch", &patch]);
        };
        postgres.run("postgres", &format!("CREATE ROLE {user} LOGIN SUPERUSER PASSWORD 'first'"));
        set("first");
        its.here.kubectl(&["rollout", "restart", "deployment/markets"]);
        its.here.kubectl(&["rollout", "status", "deployment/markets", "--timeout=120s"]);
        let (_way, admin) = its.api();
        assert_eq!(admin.get("/api/v1/notes", &[]).status, 200);
        let pods = || its.here.kubectl(&["get", "pods", "--selector=mainstay.dev/component=server", "--output=name"]);
        wait_for(
            "the replaced pod is gone",
            PATIENCE,
            || if pods().lines().count() == 1 { Ok(()) } else { Err(pods()) },
        );
        let before = pods();

        postgres.run("postgres", &format!("ALTER ROLE {user} PASSWORD 'second'"));
        set("second");
        let end = format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{user}'");
        postgres.run(&database, &end);
        wait_for("the new password is read", Duration::from_secs(180), || {
            let answer = admin.get("/api/v1/notes", &[]);
            if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
        });
        assert_eq!(pods(), before, "no pod was replaced");
    });
}

/// The URL with another user.
fn with_user(url: &str, user: &str, password: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    format!("{scheme}://{user}:{password}@{rest}")
}

#[test]
fn the_database_is_away_at_the_start_and_later() {
    Cluster::get().with_namespace("away", |here| {
        let postgres = Postgres::reachable(lab::ADDRESS);
        let url = postgres.database();
        here.kubectl(&["create", "secret", "generic", "database", &format!("--from-literal=url={url}")]);
        postgres.stop();
        let its = Fixture { here, operator: Some(Operator::start(here)), url };
        its.here.apply(&notes("notes", TEXT));
        its.backend("");
        its.told("Ready", "False", "DatabaseUnavailable");
        postgres.start_again();
        its.ready();
        let (_way, admin) = its.api();
        assert_eq!(admin.get("/api/v1/notes", &[]).status, 200);

        postgres.stop();
        wait_for("clients are told", PATIENCE, || {
            let answer = admin.get("/api/v1/notes", &[]);
            let told = answer.status == 503 && answer.headers.contains_key("retry-after");
            if told { Ok(()) } else { Err(format!("{answer:?}")) }
        });
        assert_eq!(its.value("deployment/markets", ".status.readyReplicas"), "1", "the Service has its pod still");
        postgres.start_again();
        wait_for("it serves again", PATIENCE, || {
            let answer = admin.get("/api/v1/notes", &[]);
            if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
        });
    });
}

#[test]
fn an_image_that_does_not_exist_leaves_the_old_servers() {
    with_operator("image", |its| {
        serve(its);
        let wrong = json!({"spec": {"image": "kubelab.local/mainstay-server:nowhere"}}).to_string();
        its.here.kubectl(&["patch", "backend", "markets", "--type=merge", "--patch", &wrong]);
        its.told("Ready", "False", "ImageUnavailable");
        its.told("Available", "True", "Ready");
        let (_way, admin) = its.api();
        assert_eq!(admin.get("/api/v1/notes", &[]).status, 200);
        its.backend("");
        its.ready();
    });
}

#[test]
fn a_second_backend_on_one_database_is_refused() {
    with_operator("two", |its| {
        serve(its);
        its.here.apply(&backend("other", its.class(), ""));
        let refused = |other: &Json| says(other, "Stalled", "True", "DatabaseInUse");
        its.here.wait_for("backend/other", PATIENCE, refused);
        its.ready();
        its.here.kubectl(&["delete", "backend", "markets"]);
        let take = format!("takeOverFrom: {}/markets", its.class());
        its.here.apply(&backend("other", its.class(), &take));
        its.here.wait_for("backend/other", PATIENCE, crate::fixture::is_ready);
    });
}

#[test]
fn owned_objects_that_are_edited_or_deleted_come_back() {
    with_operator("by-hand", |its| {
        serve(its);
        let image = ".spec.template.spec.containers[0].image";
        let right = its.value("deployment/markets", image);
        its.here.kubectl(&["set", "image", "deployment/markets", "server=kubelab.local/busybox:1"]);
        wait_for("the image is restored", PATIENCE, || {
            let found = its.value("deployment/markets", image);
            if found == right { Ok(()) } else { Err(found) }
        });
        its.here.kubectl(&["label", "service", "markets", "team=one"]);
        for object in ["service/markets", "serviceaccount/markets", "networkpolicy/markets", "deployment/markets"] {
            let uid = its.value(object, ".metadata.uid");
            its.here.kubectl(&["delete", object]);
            its.here.wait_for(object, PATIENCE, |new| match new["metadata"]["uid"] == Json::String(uid.clone()) {
                true => Err("the old one is there still".to_owned()),
                false => Ok(()),
            });
        }
        its.ready();
    });
}

#[test]
fn a_wiped_status_is_told_again_and_nothing_moves() {
    with_operator("wiped", |its| {
        serve(its);
        let seen = || {
            let objects = its.here.objects("deployments,replicasets,jobs,migrationplans,configmaps", &[]);
            let all = objects.iter().map(|object| {
                let metadata = &object["metadata"];
                format!("{} {} {}", object["kind"], metadata["name"], metadata["generation"])
            });
            all.collect::<Vec<_>>()
        };
        let before = seen();
        for object in ["backend/markets", "collection/notes"] {
            let wipe = ["patch", object, "--subresource=status", "--type=json"];
            let patch = "--patch=[{\"op\":\"remove\",\"path\":\"/status\"}]";
            its.here.kubectl(&[&wipe[..], &[patch]].concat());
        }
        its.ready();
        its.here.wait_until("collection/notes", "Accepted", PATIENCE);
        assert_eq!(seen(), before);
        assert_eq!(its.value("backend/markets", ".status.schema.revision"), "1");
    });
}

#[test]
fn the_data_and_nothing_else_is_left_of_a_deleted_backend() {
    with_operator("deleted", |its| {
        serve(its);
        its.here.kubectl(&["delete", "backend", "markets", "--wait=false"]);
        wait_for("what it owned is gone", PATIENCE, || {
            let kinds = "deployments,replicasets,pods,jobs,configmaps,secrets,services,serviceaccounts,\
                         networkpolicies,poddisruptionbudgets,horizontalpodautoscalers,migrationplans";
            let left = its.here.objects(kinds, &["--selector=mainstay.dev/backend=markets"]);
            let names = left.iter().map(|object| format!("{} {}", object["kind"], object["metadata"]["name"]));
            if left.is_empty() { Ok(()) } else { Err(names.collect::<Vec<_>>().join(", ")) }
        });
        let tables = its.here.cluster.postgres().run(its.database(), "SELECT count(*) FROM notes");
        assert_eq!(tables, "0", "the table is there");
        its.here.wait_for("collection/notes", PATIENCE, |told| says(told, "Accepted", "False", "BackendNotFound"));
    });
}

#[test]
fn a_backend_that_is_deleted_in_a_migration_goes_and_the_next_one_finishes_it() {
    with_operator("mid-way", |its| {
        serve(its);
        // A transaction that holds the table keeps the migration's statement waiting.
        let holder = its.here.cluster.postgres().hold(its.database(), "LOCK TABLE notes IN ACCESS SHARE MODE");
        its.here.apply(&notes("notes", &format!("{TEXT}\n    - {{name: mood, type: text}}")));
        wait_for("the migration runs", PATIENCE, || {
            let jobs = its.here.objects("jobs", &[]);
            let runs = jobs.iter().any(|job| {
                job["metadata"]["name"].as_str().unwrap_or_default().starts_with("markets-expand")
                    && job["status"]["active"] == 1
                    && job["status"]["ready"] == 1
            });
            if runs { Ok(()) } else { Err(format!("{} jobs", jobs.len())) }
        });
        its.here.kubectl(&["delete", "backend", "markets"]);
        wait_for("its pods are gone", PATIENCE, || {
            let pods = its.here.objects("pods", &[]);
            if pods.is_empty() { Ok(()) } else { Err(format!("{} pods", pods.len())) }
        });
        drop(holder);
        its.backend("");
        its.ready();
        let (_way, admin) = its.api();
        assert_eq!(admin.post("/api/v1/notes", &json!({"text": "a", "mood": "good"})).status, 201);
    });
}
