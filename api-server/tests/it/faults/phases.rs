//! Migrations as Jobs run them: a plan that is read from a log, phases apart, bound to a hash, beside running servers.

use sha2::{Digest, Sha256};

use super::*;

const UNIQUE: &str = "  unique: [ { fields: [title] } ]\n";

/// The last line of standard output, its hash checked.
fn report(out: &str) -> Json {
    let line = out.lines().last().unwrap();
    let (hash, text) = line.strip_prefix("mainstay-report ").unwrap().split_once(' ').unwrap();
    let real: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, real);
    serde_json::from_str(text).unwrap()
}

impl Documents {
    /// `mainstay migrate … --report`: exit status and the report.
    fn job(&self, url: &str, line: &str) -> (i32, Json) {
        let output = migrate(self.path(), url, &format!("{line} --report")).output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), report(&out))
    }
}

#[track_caller]
fn failed((status, report): (i32, Json), expected: i32, reason: &str) -> String {
    assert_eq!(
        (status, &report["outcome"], &report["reason"]),
        (expected, &json!("failed"), &json!(reason)),
        "{report}"
    );
    report["message"].as_str().unwrap().to_owned()
}

#[track_caller]
fn applied((status, report): (i32, Json), revision: i64, compatible_from: i64) -> Json {
    assert_eq!((status, &report["outcome"]), (0, &json!("applied")), "{report}");
    assert_eq!(report["applied"]["revision"], revision);
    assert_eq!(report["compatibleFrom"], compatible_from);
    report
}

#[test]
fn phases_run_apart_beside_servers() {
    let (old, new) = (Documents::new(), Documents::new());
    let url = Postgres::shared().database();
    applied(old.job(&url, "up"), 1, 1);
    new.write("{ name: n, type: integer }", UNIQUE);
    let (status, planned) = new.job(&url, "plan");
    assert_eq!((status, &planned["outcome"], &planned["version"]), (0, &json!("planned"), &json!(1)));
    assert_eq!((&planned["applied"]["revision"], &planned["server"]), (&json!(1), &json!(env!("CARGO_PKG_VERSION"))));
    let hash = planned["plan"]["planHash"].as_str().unwrap();
    assert!(planned["plan"]["approvalHash"].is_string() && planned.get("reason").is_none(), "{planned}");

    let server = old.serve(&url, &["--migrate", "verify", "--instance", "pod-old"]);
    let expand = format!("up --phase expand,backfill --expect-hash {hash}");
    let contract = format!("up --phase contract --expect-hash {hash}");
    let allowed = format!("{contract} --allow dataDependent,destructive");
    failed(new.job(&url, &allowed), 65, "PlanRefused");
    applied(new.job(&url, &expand), 2, 1);
    applied(new.job(&url, &expand), 2, 1);
    make(&server, "by the old one");
    failed(new.job(&url, &contract), 3, "ApprovalRequired");
    let message = failed(new.job(&url, &allowed), 75, "OldInstances");
    assert!(message.contains("pod-old (revision 1, "), "{message}");
    let status = new.migrate(&url, "status").1;
    assert!(status.contains("Servers running  pod-old (revision 1)\n"), "{status}");
    assert!(status.contains("Contract         open\n"), "{status}");

    let beside = new.serve(&url, &["--migrate", "verify", "--instance", "pod-new"]);
    assert!(server.stop().success());
    applied(new.job(&url, &allowed), 2, 2);
    applied(new.job(&url, &allowed), 2, 2);
    applied(new.job(&url, &expand), 2, 2);
    failed(new.job(&url, "up --expect-hash 00"), 42, "PlanStale");
    make(&beside, "by the new one");
    let late = old.launch(&url, &["--migrate", "verify"]);
    assert_eq!(readiness(&late).status, 503, "a rollback past a contract serves nothing");
    assert!(beside.stop().success());
    assert!(new.migrate(&url, "status").1.contains("Servers running  none\n"));
}

#[test]
fn a_removed_field_goes_the_whole_way() {
    let (old, new, later) = (Documents::new(), Documents::new(), Documents::new());
    for url in [Postgres::shared().database(), format!("sqlite:{}/notes.db", old.path())] {
        let delete = "  deletionPolicy: Delete\n";
        old.write("{ name: legacy, type: text, maxLength: 20, required: true, unique: true }", delete);
        new.write("", delete);
        later.write("{ name: n, type: integer }", delete);
        applied(old.job(&url, "up"), 1, 1);
        let (status, planned) = new.job(&url, "plan");
        assert_eq!(status, 0);
        let approval = planned["plan"]["approvalHash"].as_str().unwrap().to_owned();
        // Without the database, as in CI: the same hash, and exit 3.
        let file = new.0.path().join("applied.json");
        std::fs::write(&file, planned["applied"].to_string()).unwrap();
        let other = tempfile::tempdir().unwrap();
        std::fs::rename(&file, other.path().join("applied.json")).unwrap();
        let offline = format!("plan --applied {}/applied.json", other.path().display());
        let (status, told) = new.migrate("sqlite:nowhere.db", &offline);
        assert!(status == 3 && told.contains(&approval) && told.contains("destructive"), "{status} {told}");

        let hash = planned["plan"]["planHash"].as_str().unwrap();
        applied(new.job(&url, &format!("up --phase expand,backfill --expect-hash {hash}")), 2, 1);
        // Old and new servers write, and read what the other wrote.
        let server = new.serve(&url, &["--migrate", "verify"]);
        let path = make(&server, "by the new one");
        assert!(server.stop().success());
        let server = old.serve(&url, &["--migrate", "verify"]);
        assert_eq!(server.admin.get(&path, &[]).body["data"]["legacy"], Json::Null);
        let body = json!({ "title": "by the old one", "legacy": "kept" });
        assert_eq!(server.admin.post(NOTES, &body).status, 201);
        assert_eq!(server.admin.post(NOTES, &body).status, 409, "its key still holds");
        assert!(server.stop().success());

        // Other documents need not wait for the approval; the next plan drops what this one left.
        let (_, planned) = later.job(&url, "plan");
        let hash = planned["plan"]["planHash"].as_str().unwrap();
        let effects: Vec<_> = planned["plan"]["steps"].as_array().unwrap().iter().map(|step| &step["effect"]).collect();
        assert_eq!(effects, ["add field notes.n", "drop field notes.legacy"]);
        applied(later.job(&url, &format!("up --phase expand,backfill --expect-hash {hash}")), 3, 1);
        failed(later.job(&url, &format!("up --phase contract --expect-hash {hash}")), 3, "ApprovalRequired");
        let contract = format!("up --phase contract --expect-hash {hash} --allow destructive");
        let report = applied(later.job(&url, &contract), 3, 3);
        assert!(!report["applied"].to_string().contains("legacy"), "{report}");
        applied(later.job(&url, &contract), 3, 3);
        assert_eq!(total(&later.serve(&url, &[])), 2);
    }
}

#[test]
fn a_start_leaves_the_contract_while_older_servers_run() {
    let (old, new) = (Documents::new(), Documents::new());
    let url = Postgres::shared().database();
    old.write("", "  indexes: [ { fields: [title] } ]\n");
    let server = old.serve(&url, &["--instance", "one"]);
    let second = new.serve(&url, &["--instance", "two"]);
    assert!(new.migrate(&url, "status").1.contains("Contract         open\n"));
    make(&server, "old");
    make(&second, "new");
    assert!(server.stop().success() && second.stop().success());
    drop(new.serve(&url, &[]));
    let status = new.migrate(&url, "status").1;
    assert!(!status.contains("Contract         open\n") && status.contains("Revision         2\n"), "{status}");
}

#[test]
fn a_server_beats_and_notices_that_it_was_left_behind() {
    let documents = Documents::new();
    let postgres = Postgres::shared();
    let url = postgres.database();
    let server = documents.serve(&url, &["--instance", "one"]);
    let live = "SELECT count(*) FROM mainstay_instances WHERE seen_at > now() - interval '30 s' AND revision = 1";
    assert_eq!(count(postgres, &url, live), 1, "from the first moment on");
    postgres.run(name(&url), "UPDATE mainstay_instances SET seen_at = now() - interval '1 h'");
    wait_until("the next beat", || count(postgres, &url, live) == 1);
    assert_eq!(readiness(&server).status, 200);
    // As a contract leaves it that saw no sign of the server.
    postgres.run(name(&url), "UPDATE mainstay_schema SET compatible_from = 2");
    wait_until("not ready", || readiness(&server).status == 503);
    assert_unavailable(&server.admin.get(NOTES, &[]));
    assert_eq!(count(postgres, &url, "SELECT count(*) FROM mainstay_instances"), 0);
    assert!(readiness(&server).body.to_string().contains("revision 1 may not run"));
    assert!(server.stop().success());
}

#[test]
fn another_owner_is_refused_and_takes_over_when_told() {
    let documents = Documents::new();
    for url in [Postgres::shared().database(), format!("sqlite:{}/notes.db", documents.path())] {
        documents.write("", "");
        applied(documents.job(&url, "up --owner team/one/1"), 1, 1);
        for line in ["plan --owner team/two/2", "up --owner team/two/2", "plan --owner team/two/2 --take-over-from x/y"]
        {
            let message = failed(documents.job(&url, line), 65, "DatabaseInUse");
            assert!(message.contains("team/one/1") && message.contains("takeOverFrom team/one"), "{message}");
        }
        for policy in ["auto", "verify"] {
            let server = documents.launch(&url, &["--owner", "team/two/2", "--migrate", policy]);
            let ready = readiness(&server);
            assert!(ready.status == 503 && ready.body.to_string().contains("team/one/1"), "{}", ready.body);
            assert_unavailable(&server.admin.get(NOTES, &[]));
            assert!(server.stop().success());
        }
        let take_over = "--owner team/two/2 --take-over-from team/one";
        let (status, planned) = documents.job(&url, &format!("plan {take_over}"));
        // Nothing else is to be done, and still it is no plan of nothing: whoever takes over has to run it.
        let owner = json!(["owner team/two/2 in place of team/one/1"]);
        assert_eq!((status, &planned["plan"]["steps"], &planned["plan"]["system"]), (0, &json!([]), &owner));
        assert!(documents.migrate(&url, "status").1.contains("Owner            team/one/1\n"), "a plan claims nothing");
        applied(documents.job(&url, &format!("up {take_over}")), 1, 1);
        assert!(documents.migrate(&url, "status").1.contains("Owner            team/two/2\n"));
        assert!(documents.job(&url, &format!("plan {take_over}")).1["plan"]["system"].is_null());
        assert!(documents.serve(&url, &["--owner", "team/two/2"]).stop().success());
        assert!(documents.serve(&url, &[]).stop().success(), "who names no owner is not asked");
    }
}

#[test]
fn a_newer_program_plans_its_system_tables() {
    let documents = Documents::new();
    let postgres = Postgres::shared();
    let url = postgres.database();
    applied(documents.job(&url, "up"), 1, 1);
    // As the program before it left the database.
    let older = "DROP TABLE mainstay_owner, mainstay_instances, mainstay_system; \
        DELETE FROM __diesel_schema_migrations WHERE version = '0002'";
    postgres.run(name(&url), older);
    let server = documents.launch(&url, &["--migrate", "verify"]);
    let ready = readiness(&server);
    assert!(ready.status == 503 && ready.body.to_string().contains("0002_instances"), "{}", ready.body);
    let (status, planned) = documents.job(&url, "plan");
    assert_eq!((status, &planned["plan"]["system"]), (0, &json!(["0002_instances"])));
    assert_eq!(planned["plan"]["steps"], json!([]));
    let told = documents.migrate(&url, "plan").1;
    assert!(told.starts_with("System tables first: 0002_instances\n"), "{told}");
    let up = format!("up --expect-hash {}", planned["plan"]["planHash"].as_str().unwrap());
    applied(documents.job(&url, &up), 1, 1);
    applied(documents.job(&url, &up), 1, 1);
    server.wait_until_ready();
}

#[test]
fn the_last_plan_is_undone_when_it_can_be() {
    let (old, new) = (Documents::new(), Documents::new());
    for url in [Postgres::shared().database(), format!("sqlite:{}/notes.db", old.path())] {
        let empty = old.migrate(&url, "down");
        assert_ne!(empty.0, 0, "{}", empty.1);
        old.write("", "");
        applied(old.job(&url, "up"), 1, 1);
        new.write("{ name: n, type: integer, required: true, default: 7 }", "  indexes: [ { fields: [n] } ]\n");
        let (_, planned) = new.job(&url, "up");
        let hash = planned["plan"]["planHash"].as_str().unwrap();
        let server = new.serve(&url, &["--instance", "pod-new"]);
        make(&server, "one");
        let undo = format!("down --expect-hash {hash} --allow destructive");
        if url.starts_with("postgres") {
            let (status, told) = new.migrate(&url, &undo);
            assert!(status == 75 && told.contains("pod-new (revision 2, "), "{status} {told}");
        }
        assert!(server.stop().success());
        let (status, told) = new.migrate(&url, "down");
        assert!(status == 3 && told.contains(&format!("mainstay migrate {undo}")), "{status} {told}");
        assert!(told.contains("add field notes.n") && !told.contains("add index"), "{told}");
        assert_eq!(new.migrate(&url, "down --expect-hash 00 --allow destructive").0, 42);
        assert!(new.migrate(&url, "status").1.contains("Revision         2\n"), "nothing was changed");
        let (status, told) = new.migrate(&url, &undo);
        assert!(status == 0 && told.contains("2 steps") && told.contains("at revision 1"), "{status} {told}");
        assert_eq!(total(&old.serve(&url, &["--migrate", "verify"])), 1);
        assert!(old.migrate(&url, "plan").1.starts_with("Nothing to do"));

        // And forth again; then what was lost for good stays lost.
        applied(new.job(&url, "up"), 2, 1);
        new.write("{ name: n, type: integer, default: 7 }", "  indexes: [ { fields: [n] } ]\n");
        applied(new.job(&url, "up"), 3, 1);
        let (status, told) = new.migrate(&url, "down");
        assert!(status == 65 && told.contains("no longer require notes.n"), "{status} {told}");
    }
}

#[test]
fn the_system_tables_go_back_to_an_older_server() {
    let documents = Documents::new();
    for url in [Postgres::shared().database(), format!("sqlite:{}/notes.db", documents.path())] {
        let down = |name: &str| documents.migrate(&url, &format!("down --system {name} --allow destructive"));
        assert_ne!(down("0001_system").0, 0, "there is nothing yet");
        applied(documents.job(&url, "up"), 1, 1);
        let (status, told) = down("0001_system");
        let (_, last) = told.trim().rsplit_once(' ').unwrap();
        assert!(
            status == 42 && told.contains("nothing was changed; the last system migration is 0"),
            "{status} {told}"
        );
        let (status, asked) = documents.migrate(&url, &format!("down --system {last}"));
        assert!(
            status == 3 && asked.contains(&format!("mainstay migrate down --system {last} --allow destructive")),
            "{asked}"
        );
        let server = documents.serve(&url, &["--instance", "one"]);
        make(&server, "one");
        if url.starts_with("postgres") {
            let (status, told) = down(last);
            assert!(status == 75 && told.contains("one (revision 1, "), "{status} {told}");
        }
        assert!(server.stop().success());
        let mut undone = Vec::new();
        let mut next = last.to_owned();
        let held = loop {
            let (status, told) = down(&next);
            if status != 0 {
                break told;
            }
            assert!(told.contains(&format!("system migration {next}")), "{told}");
            undone.push(next);
            let (_, told) = down("none");
            next = told.trim().rsplit_once(' ').unwrap().1.to_owned();
        };
        assert!(next == "0001_system" && held.contains("it holds the applied schema"), "{held}");
        let (_, planned) = documents.job(&url, "plan");
        undone.reverse();
        assert_eq!((undone.len() > 1, &planned["plan"]["system"]), (true, &json!(undone)));
        // This server makes them anew, and its records are there.
        assert_eq!(total(&documents.serve(&url, &[])), 1);
    }
}

#[test]
fn each_difference_of_the_tables_is_named() {
    let documents = Documents::new();
    let fields =
        "{ name: n, type: integer }\n{ name: at, type: timestamp }\n{ name: by, type: ref, collection: users }";
    documents.write(fields, "  indexes: [ { fields: [n] } ]\n");
    for url in [Postgres::shared().database(), format!("sqlite:{}/notes.db", documents.path())] {
        applied(documents.job(&url, "up"), 1, 1);
        assert!(documents.migrate(&url, "status").1.contains("Drift            none\n"));
        let sql = "ALTER TABLE notes ADD COLUMN own text; ALTER TABLE notes DROP COLUMN at";
        let store = Store::open(&DatabaseUrl::parse(&url).unwrap(), PoolOptions::default()).unwrap();
        actix_web::rt::System::new().block_on(store.session(move |conn| conn.batch(sql))).unwrap();
        drop(store);
        let (_, told) = documents.migrate(&url, "status");
        let expected = "Drift            2 differences:\n  column notes.at is missing\n  column notes.own was not made by Mainstay\n";
        assert!(told.contains(expected), "{told}");
        let (_, json) = documents.migrate(&url, "status --output json");
        assert_eq!(serde_json::from_str::<Json>(&json).unwrap()["drift"][0], "column notes.at is missing");
    }
    let url = Postgres::shared().database();
    applied(documents.job(&url, "up"), 1, 1);
    let sql = "ALTER TABLE notes ALTER COLUMN n TYPE text; ALTER TABLE notes DROP CONSTRAINT notes_by_fkey; \
        DO $$ BEGIN EXECUTE (SELECT 'DROP INDEX ' || indexname FROM pg_indexes WHERE indexname LIKE 'notes_by_%'); END $$";
    Postgres::shared().run(name(&url), sql);
    let (_, told) = documents.migrate(&url, "status");
    for difference in ["column notes.n is text, not bigint", "constraint notes_by_fkey is missing", "index notes_by_"] {
        assert!(told.contains(difference), "{difference}: {told}");
    }
}

#[test]
fn whatever_happens_is_reported() {
    let documents = Documents::new();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = format!("postgres://ann:s3cret@{nobody}/d");
    for line in ["plan", "up"] {
        let message = failed(documents.job(&away, line), 69, "DatabaseUnavailable");
        assert!(!message.contains("s3cret"), "{message}");
        failed(documents.job(&away, &format!("{line} --database-pool-size 0")), 64, "SettingsInvalid");
        failed(documents.job("mysql://h/d", line), 64, "SettingsInvalid");
    }
    let url = format!("sqlite:{}/notes.db", documents.path());
    applied(documents.job(&url, "up"), 1, 1);
    documents.write("{ name: title, type: date }", "");
    let message = failed(documents.job(&url, "plan"), 65, "DocumentsInvalid");
    assert!(!message.contains('\n'), "{message}");
    documents.write("{ name: n, type: decimal, scale: 2 }", "");
    applied(documents.job(&url, "up"), 2, 1);
    documents.write("{ name: n, type: json }", "");
    failed(documents.job(&url, "plan"), 65, "PlanRefused");
    std::fs::remove_file(documents.0.path().join("notes.yaml")).unwrap();
    failed(documents.job(&url, "up"), 65, "DocumentsInvalid");
}
