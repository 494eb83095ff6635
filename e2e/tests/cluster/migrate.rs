//! Changes of the schema: under load, gated by a hash, in two phases.

use mainstay_e2e::cluster::{PATIENCE, condition, wait_for};

use crate::fixture::{Fixture, with_operator};
use crate::load::Load;

/// A collection with fields in flow style.
fn notes(fields: &str) -> String {
    format!(
        "apiVersion: mainstay.dev/v1alpha1\nkind: Collection\nmetadata: {{name: notes}}\nspec:\n  \
         backendRef: {{name: markets}}\n  deletionPolicy: Delete\n  fields:\n    - {{name: text, type: text}}\n{fields}\n"
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
        its.here.apply(&notes(""));
        its.backend("replicas: 2");
        its.ready();
        let (way, _admin) = its.api();
        let load = Load::start(&way.url, &its.admin_key());
        wait_for("some load", PATIENCE, || if load.sent() > 100 { Ok(()) } else { Err("not yet".to_owned()) });
        its.here.apply(&notes("    - {name: mood, type: enum, values: [good, bad]}"));
        revision(its, "2");
        its.ready();
        let after = load.sent();
        wait_for("load on the new servers", PATIENCE, || {
            if load.sent() > after + 200 { Ok(()) } else { Err("not yet".to_owned()) }
        });
        let (sent, failed) = load.stop();
        println!("add a field: {sent} requests, {} failed", failed.len());
        assert!(failed.is_empty(), "{} of {sent}: {:#?}", failed.len(), &failed[..failed.len().min(20)]);
    });
}

#[test]
fn a_destructive_change_waits_for_its_hash_and_contracts_after_the_soak() {
    with_operator("destructive", |its| {
        its.here.apply(&notes("    - {name: legacy, type: text}"));
        its.backend("replicas: 1\nmigrations: {soak: 3s}");
        its.ready();
        its.here.apply(&notes(""));
        revision(its, "2");
        its.ready();
        let backend = its.told("SchemaReady", "True", "ContractPending");
        let hash = backend["status"]["plan"]["approvalHash"].as_str().expect("an approval hash").to_owned();
        let effects = backend["status"]["plan"]["effects"].to_string();
        assert!(effects.contains("notes.legacy"), "{effects}");
        assert!(columns(its).contains("legacy"), "nothing is dropped before the approval");

        let (wrong, right) = ("0".repeat(64), hash);
        its.here.kubectl(&["patch", "backend", "markets", "--type=merge", "--patch", &approve(&wrong)]);
        its.told("SchemaReady", "True", "ContractPending");
        assert!(columns(its).contains("legacy"), "another hash approves nothing");
        its.here.kubectl(&["patch", "backend", "markets", "--type=merge", "--patch", &approve(&right)]);
        its.told("SchemaReady", "True", "Ready");
        assert!(!columns(its).contains("legacy"), "{}", columns(its));
        let plans = its.here.objects("migrationplans", &[]);
        assert!(plans.iter().all(|plan| plan["status"]["phase"] == "Complete"), "{plans:#?}");
        assert!(plans.iter().all(|plan| condition(plan, "Complete").is_some_and(|c| c["status"] == "True")));
    });
}

fn approve(hash: &str) -> String {
    format!("{{\"spec\":{{\"migrations\":{{\"approve\":[\"{hash}\"]}}}}}}")
}

/// The columns of `notes`.
fn columns(its: &Fixture<'_>) -> String {
    let sql = "SELECT string_agg(column_name, ',') FROM information_schema.columns WHERE table_name = 'notes'";
    its.here.cluster.postgres().run(its.database(), sql)
}
