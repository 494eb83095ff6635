//! Migration Jobs that fail, are late, are killed, deleted or never begin: the old servers serve on, the Backend says
//! what is wrong and when it is tried again, and it goes on by itself.

use std::fs;
use std::time::Instant;

use mainstay_e2e::cluster::{PATIENCE, condition, wait_for};
use mainstay_e2e::postgres::Hold;
use serde_json::{Value as Json, json};

use crate::faults::{TEXT, notes, serve};
use crate::fixture::{Fixture, says, with_operator};

/// The pods of migration Jobs.
const PODS: &str = "--selector=mainstay.dev/component=migration";

/// Adds a field while a transaction holds the table, so that the Job of the expand phase waits.
fn blocked_migration(its: &Fixture<'_>) -> Hold {
    let holder = its.here.cluster.postgres().hold(its.database(), "LOCK TABLE notes IN ACCESS SHARE MODE");
    its.here.apply(&notes("notes", &format!("{TEXT}\n    - {{name: mood, type: text}}")));
    holder
}

/// The one Job of the expand phase, once `check` accepts it.
fn expand_job(its: &Fixture<'_>, check: impl Fn(&Json) -> bool) -> Json {
    wait_for("the Job of the expand phase", PATIENCE, || {
        let jobs = its.here.objects("jobs", &["--selector=mainstay.dev/phase=expand"]);
        let found = jobs.iter().find(|job| check(job)).cloned();
        found.ok_or_else(|| format!("{:?}", jobs.iter().map(|job| &job["status"]).collect::<Vec<_>>()))
    })
}

fn runs(job: &Json) -> bool {
    job["status"]["active"] == 1 && job["status"]["ready"] == 1
}

/// What a condition of the Backend says.
fn message(backend: &Json, kind: &str) -> String {
    condition(backend, kind).and_then(|condition| condition["message"].as_str()).unwrap_or_default().to_owned()
}

/// Waits until SchemaReady is False and its message contains `words`.
fn schema_says(its: &Fixture<'_>, words: &str) -> Json {
    its.here.wait_for("backend/markets", PATIENCE, |backend| {
        let waits = condition(backend, "SchemaReady").is_some_and(|told| told["status"] == "False");
        let said = message(backend, "SchemaReady");
        if waits && said.contains(words) { Ok(()) } else { Err(said) }
    })
}

/// The servers answer, and are those of before.
fn serves_on(its: &Fixture<'_>) {
    let (_way, admin) = its.api();
    assert_eq!(admin.get("/api/v1/notes", &[]).status, 200);
    assert_eq!(admin.post("/api/v1/notes", &json!({"text": "meanwhile"})).status, 201);
    let backend = its.here.object("backend/markets").expect("it is there");
    says(&backend, "Available", "True", "Ready").unwrap();
    assert_eq!(backend["status"]["schema"]["revision"], 1);
}

/// The migration is done, and the new servers are there.
fn goes_on(its: &Fixture<'_>) {
    wait_for("the second revision", PATIENCE, || {
        let revision = its.value("backend/markets", ".status.schema.revision");
        if revision == "2" { Ok(()) } else { Err(revision) }
    });
    its.ready();
    let (_way, admin) = its.api();
    // The Service may lead to an old server for a moment, which serves until it is out of it.
    wait_for("the new field", PATIENCE, || {
        let answer = admin.post("/api/v1/notes", &json!({"text": "a", "mood": "good"}));
        if answer.status == 201 { Ok(()) } else { Err(format!("{answer:?}")) }
    });
}

#[test]
fn data_that_breaks_a_new_rule_is_named_and_once_it_is_corrected_the_rule_comes() {
    with_operator("data", |its| {
        its.here.apply(&notes("notes", "    - {name: text, type: text, maxLength: 20}"));
        its.backend("migrations: {soak: 1s, policy: {dataDependent: Auto}}");
        its.ready();
        let (_way, admin) = its.api();
        let made = [(); 2].map(|()| admin.post("/api/v1/notes", &json!({"text": "twice"})));
        let ids = made.map(|made| made.body["data"]["id"].as_str().expect("an id").to_owned());
        its.here.apply(&notes("notes", "    - {name: text, type: text, maxLength: 20, unique: true}"));
        let failed = |plan: &Json| plan["status"]["phase"] == "Failed";
        let plan = wait_for("the plan fails", PATIENCE, || {
            let plans = its.here.objects("migrationplans", &[]);
            plans.iter().find(|plan| failed(plan)).cloned().ok_or_else(|| format!("{plans:?}"))
        });
        let told = condition(&plan, "Complete").expect("a condition");
        assert_eq!(told["reason"], "PlanRefused", "{told}");
        let backend = its.here.object("backend/markets").unwrap();
        for said in [message(&backend, "SchemaReady"), told["message"].to_string()] {
            assert!(ids.iter().all(|id| said.contains(id)) && said.contains("2 records break this rule"), "{said}");
            assert!(said.contains("attempt 1; it is tried again"), "{said}");
        }
        // The servers of the new documents run, and the rule is not there yet.
        its.ready();
        assert_eq!(admin.get("/api/v1/notes", &[]).status, 200);
        let events = its.here.kubectl(&["get", "events", "--field-selector=reason=PlanFailed"]);
        assert!(events.contains("2 records break this rule"), "{events}");

        its.here.cluster.postgres().run(its.database(), &format!("DELETE FROM notes WHERE id = '{}'", ids[0]));
        its.told("SchemaReady", "True", "Ready");
        let (_way, admin) = its.api();
        assert_eq!(admin.post("/api/v1/notes", &json!({"text": "twice"})).status, 409);
    });
}

#[test]
fn a_migration_that_takes_too_long_is_ended_and_tried_again_later_each_time() {
    with_operator("late", |its| {
        serve(its);
        its.backend("migrations: {timeout: 8s}");
        let holder = blocked_migration(its);
        let first = its
            .here
            .wait_for("backend/markets", PATIENCE, |backend| says(backend, "SchemaReady", "False", "MigrationFailed"));
        let said = message(&first, "SchemaReady");
        assert!(said.contains("longer than specified deadline") && said.contains("(attempt 1;"), "{said}");
        let failed = Instant::now();
        expand_job(its, |job| job["metadata"]["name"].as_str().is_some_and(|name| name.ends_with("-2")));
        assert!(failed.elapsed().as_secs() >= 5, "the second attempt comes after ten seconds: {:?}", failed.elapsed());
        serves_on(its);
        drop(holder);
        goes_on(its);
    });
}

#[test]
fn the_pod_of_a_migration_is_deleted_and_its_successor_killed() {
    with_operator("pod-killed", |its| {
        serve(its);
        let holder = blocked_migration(its);
        let job = expand_job(its, runs);
        its.here.kubectl(&["delete", "pods", PODS]);
        serves_on(its);
        let again = expand_job(its, |job| runs(job) && job["status"]["failed"] == 1);
        assert_eq!(again["metadata"]["uid"], job["metadata"]["uid"], "the Job tries again by itself");
        if its.here.cluster.lab().is_some() {
            kill(&job);
            serves_on(its);
            expand_job(its, |job| job["status"]["failed"] == 2);
        }
        drop(holder);
        goes_on(its);
    });
}

/// Kills the program of a migration Job, which is a process of this machine. Its plan's hash stands in its arguments.
fn kill(job: &Json) {
    let hash = job["metadata"]["annotations"]["mainstay.dev/plan-hash"].as_str().expect("a hash");
    let processes = fs::read_dir("/proc").expect("processes").flatten().map(|entry| entry.path());
    let found = processes.filter(|path| {
        let line = fs::read(path.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("migrate\0up\0") && line.contains(hash)
    });
    let found: Vec<_> = found.collect();
    assert_eq!(found.len(), 1, "{found:?}");
    let pid = found[0].file_name().expect("a pid");
    let killed = std::process::Command::new("kill").arg("-KILL").arg(pid).status();
    assert!(killed.expect("kill runs").success());
}

#[test]
fn a_job_that_is_deleted_by_hand_is_made_again() {
    with_operator("job-deleted", |its| {
        serve(its);
        let holder = blocked_migration(its);
        let job = expand_job(its, runs);
        let name = job["metadata"]["name"].as_str().expect("a name");
        its.here.kubectl(&["delete", "job", name]);
        let again = expand_job(its, runs);
        assert_ne!(again["metadata"]["uid"], job["metadata"]["uid"]);
        serves_on(its);
        drop(holder);
        goes_on(its);
    });
}

/// Sets the only quota, and waits until it is in force.
fn quota(its: &Fixture<'_>, what: &str, most: u32) {
    its.here.apply(&format!(
        "{{apiVersion: v1, kind: ResourceQuota, metadata: {{name: few}}, spec: {{hard: {{{what}: '{most}'}}}}}}"
    ));
    its.here.wait_for("resourcequota/few", PATIENCE, |quota| match quota["status"]["hard"][what] == most.to_string() {
        true => Ok(()),
        false => Err(quota["status"].to_string()),
    });
}

#[test]
fn a_quota_that_forbids_the_pod_of_a_job_is_told_and_once_it_is_raised_the_job_runs() {
    with_operator("quota", |its| {
        serve(its);
        // The only pod is the server's.
        quota(its, "pods", 1);
        its.here.apply(&notes("notes", &format!("{TEXT}\n    - {{name: mood, type: text}}")));
        let told = schema_says(its, "has no pod yet");
        says(&told, "SchemaReady", "False", "Planning").unwrap();
        assert!(message(&told, "SchemaReady").contains("kubectl describe job markets-plan-"), "{told}");
        serves_on(its);
        quota(its, "pods", 10);
        goes_on(its);
    });
}

#[test]
fn a_quota_that_forbids_the_documents_holds_the_job_that_would_read_them() {
    with_operator("no-documents", |its| {
        serve(its);
        quota(its, "count/configmaps", 0);
        its.here.apply(&notes("notes", &format!("{TEXT}\n    - {{name: mood, type: text}}")));
        let told = its.told("Stalled", "True", "Refused");
        assert!(message(&told, "Stalled").contains("exceeded quota"), "{told}");
        assert_eq!(its.here.kubectl(&["get", "jobs", "--output=name"]), "", "a Job waits for what is not there");
        serves_on(its);
        quota(its, "count/configmaps", 20);
        goes_on(its);
    });
}
