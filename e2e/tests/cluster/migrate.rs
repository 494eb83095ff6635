//! Changes of the schema: under load, gated by a hash, in two phases.

use mainstay_e2e::cluster::{PATIENCE, condition, wait_for};
use mainstay_e2e::http::Caller;
use reqwest::Method;
use serde_json::json;

use crate::fixture::{Fixture, says, with_operator};
use crate::load::{Load, NOTES, USERS};

/// A collection with fields in flow style, whose removed fields are kept or not.
fn notes(removed: &str, fields: &[&str]) -> String {
    format!(
        "apiVersion: mainstay.dev/v1alpha1\nkind: Collection\nmetadata: {{name: notes}}\nspec:\n  \
         backendRef: {{name: markets}}\n  deletionPolicy: {removed}\n  fields: [{}]\n",
        fields.join(", ")
    )
}

fn revision(its: &Fixture<'_>, wanted: &str) {
    wait_for("the revision", PATIENCE, || {
        let found = its.value("backend/markets", ".status.schema.revision");
        if found == wanted { Ok(()) } else { Err(format!("{found}, not {wanted}")) }
    });
}

#[test]
fn a_field_is_added_under_load_without_a_failed_request() {
    with_operator("add-field", |its| {
        let text = "{name: text, type: text}";
        its.here.apply(&notes("Delete", &[text]));
        its.backend("replicas: 2");
        its.ready();
        let (way, _admin) = its.api();
        let load = Load::start(&way.url, &its.admin_key(), USERS);
        load.some_more();
        its.here.apply(&notes("Delete", &[text, "{name: mood, type: enum, values: [good, bad]}"]));
        revision(its, "2");
        its.ready();
        load.some_more();
        load.without_failure("add a field");
    });
}

/// Old and new servers write side by side through each change. What the old ones wrote is found by the new name, in the
/// new type and by the new rule.
#[test]
fn a_field_is_renamed_one_retyped_and_one_tightened_under_load() {
    let text = "{name: text, type: text, default: hello}";
    let body = "{name: body, renamedFrom: text, type: text, default: hello}";
    let whole = "{name: amount, type: integer, default: 5}";
    let exact = "{name: amount, type: decimal, precision: 18, scale: 2, default: '5'}";
    let loose = "{name: mood, type: text, default: fine}";
    let strict = "{name: mood, type: text, default: fine, required: true, maxLength: 9}";
    with_operator("change-fields", |its| {
        its.here.apply(&notes("Retain", &[text, whole, loose]));
        its.backend("replicas: 2\nmigrations: {soak: 1s}");
        its.ready();
        let (way, admin) = its.api();
        let moody = admin.send(Method::POST, NOTES.path, &[], Some(&json!({ "mood": null }))).expect("an answer");
        assert_eq!(moody.status, 201, "{moody:?}");

        let load = Load::start(&way.url, &its.admin_key(), NOTES);
        let changes = [("2", [body, whole, loose]), ("3", [body, exact, loose]), ("4", [body, exact, strict])];
        for (number, fields) in changes {
            load.some_more();
            its.here.apply(&notes("Retain", &fields));
            approved(its, number);
        }
        its.ready();
        load.some_more();
        load.without_failure("rename, retype, tighten");

        let all = count(&admin, &[]);
        assert!(all > 200, "{all} notes");
        assert_eq!(count(&admin, &[("body", "hello")]), all, "the renamed field");
        assert_eq!(count(&admin, &[("amount", "5.00")]), all, "the field of another type");
        assert_eq!(count(&admin, &[("mood", "fine")]), all, "the tightened field");
        assert!(columns(its).contains("mood NO"), "{}", columns(its));
    });
}

#[test]
fn a_destructive_change_waits_for_its_hash_and_contracts_after_the_soak() {
    with_operator("destructive", |its| {
        let text = "{name: text, type: text}";
        its.here.apply(&notes("Delete", &[text, "{name: legacy, type: text}"]));
        its.backend("replicas: 1\nmigrations: {soak: 3s}");
        its.ready();
        its.here.apply(&notes("Delete", &[text]));
        revision(its, "2");
        its.ready();
        let backend = its.told("SchemaReady", "True", "ContractPending");
        let hash = backend["status"]["plan"]["approvalHash"].as_str().expect("an approval hash").to_owned();
        let effects = backend["status"]["plan"]["effects"].to_string();
        assert!(effects.contains("notes.legacy"), "{effects}");
        assert!(columns(its).contains("legacy"), "nothing is dropped before the approval");

        approve(its, &"0".repeat(64));
        its.told("SchemaReady", "True", "ContractPending");
        assert!(columns(its).contains("legacy"), "another hash approves nothing");
        approve(its, &hash);
        its.told("SchemaReady", "True", "Ready");
        assert!(!columns(its).contains("legacy"), "{}", columns(its));
        let plans = its.here.objects("migrationplans", &[]);
        assert!(plans.iter().all(|plan| plan["status"]["phase"] == "Complete"), "{plans:#?}");
        assert!(plans.iter().all(|plan| condition(plan, "Complete").is_some_and(|c| c["status"] == "True")));
    });
}

/// Waits until a revision has nothing left to do, and approves what it waits for.
fn approved(its: &Fixture<'_>, revision: &str) {
    its.here.wait_for("backend/markets", PATIENCE, |backend| {
        if let Some(hash) = backend["status"]["plan"]["approvalHash"].as_str()
            && backend["spec"]["migrations"]["approve"] != json!([hash])
        {
            approve(its, hash);
        }
        match backend["status"]["schema"]["revision"].to_string() == revision {
            true => says(backend, "SchemaReady", "True", "Ready"),
            false => Err(format!("another revision: {}", backend["status"])),
        }
    });
}

fn approve(its: &Fixture<'_>, hash: &str) {
    let patch = json!({ "spec": { "migrations": { "approve": [hash] } } }).to_string();
    its.here.kubectl(&["patch", "backend", "markets", "--type=merge", "--patch", &patch]);
}

/// How many notes a filter finds.
fn count(caller: &Caller, filter: &[(&str, &str)]) -> u64 {
    let parameters: Vec<_> = filter.iter().copied().chain([("count", "exact"), ("limit", "1")]).collect();
    let answer = caller.send(Method::GET, NOTES.path, &parameters, None).expect("an answer");
    answer.body["meta"]["total"].as_u64().unwrap_or_else(|| panic!("{answer:?}"))
}

/// The columns of `notes`, each with whether it may be null.
fn columns(its: &Fixture<'_>) -> String {
    let sql = "SELECT string_agg(column_name || ' ' || is_nullable, ',') FROM information_schema.columns \
               WHERE table_name = 'notes'";
    its.here.cluster.postgres().run(its.database(), sql)
}
