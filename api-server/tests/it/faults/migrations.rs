//! Migrations that are killed, meet each other, or were left half way.

use std::process::{Child, Stdio};

use super::*;

const INVALID: &str = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
const INDEXES: &str = "SELECT count(*) FROM pg_indexes WHERE tablename = 'notes'";
const COLUMN: &str = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'notes' AND column_name = 'n'";
const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity \
    WHERE datname = current_database() AND application_name = 'mainstay'";
const N: &str = "{ name: n, type: integer }";
const UNIQUE: &str = "  unique: [ { fields: [title] } ]\n";

fn spawn(documents: &Documents, url: &str) -> Child {
    let mut command = migrate(documents.path(), url, "up");
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Starts `migrate up`, waits until one of its statements waits for a lock, and kills it.
fn kill_while_it_waits(documents: &Documents, url: &str) {
    let mut run = spawn(documents, url);
    wait_for_waiters(Postgres::shared(), url, 1);
    assert_eq!(run.try_wait().unwrap(), None, "it ended");
    run.kill().unwrap();
    run.wait().unwrap();
}

#[track_caller]
fn up(documents: &Documents, url: &str) -> String {
    let (status, told) = documents.migrate(url, "up");
    assert_eq!(status, 0, "{told}");
    told
}

#[test]
fn a_killed_migration_goes_on() {
    let documents = Documents::new();
    let postgres = Postgres::shared();
    let url = postgres.database();
    up(&documents, &url);
    let rows = "INSERT INTO notes (id, version, created_at, updated_at, title) \
        SELECT gen_random_uuid(), 1, now(), now(), 't' || i FROM generate_series(1, 50) i";
    postgres.run(name(&url), rows);

    // In a step that is one transaction.
    documents.write(N, "");
    let lock = Held::lock(&url);
    kill_while_it_waits(&documents, &url);
    drop(lock);
    assert_eq!(count(postgres, &url, COLUMN), 0);
    up(&documents, &url);
    assert_eq!(count(postgres, &url, COLUMN), 1);

    // In an index that is built beside writers, of whom one is not done.
    documents.write(N, "  indexes: [ { fields: [n] }, { fields: [title, n] } ]\n");
    let before = count(postgres, &url, INDEXES);
    let writer = Held::new(&url, "BEGIN; UPDATE notes SET n = 1 WHERE title = 't1'").unwrap();
    kill_while_it_waits(&documents, &url);
    wait_until("the end of the killed session", || count(postgres, &url, SESSIONS) == 0);
    drop(writer);
    let told = documents.migrate(&url, "status").1;
    assert!(count(postgres, &url, INVALID) == 1 && told.contains("1 step;"), "{told}");
    up(&documents, &url);
    assert_eq!((count(postgres, &url, INVALID), count(postgres, &url, INDEXES)), (0, before + 2));
    let told = documents.migrate(&url, "status").1;
    assert!(told.contains("Revision         3\n") && told.contains("none"), "{told}");
    assert_eq!(total(&documents.serve(&url, &["--migrate", "verify"])), 50);
}

#[test]
fn a_killed_backfill_goes_on_where_it_stood() {
    let documents = Documents::new();
    let postgres = Postgres::shared();
    let url = postgres.database();
    documents.write("{ name: n, type: integer, default: 7 }", "");
    up(&documents, &url);
    let rows = "INSERT INTO notes (id, version, created_at, updated_at, title, n) \
        SELECT gen_random_uuid(), 1, now(), now(), 't' || i, NULL FROM generate_series(1, 2500) i";
    postgres.run(name(&url), rows);
    documents.write("{ name: n, type: integer, required: true, default: 7 }", "");
    // A writer that is not done has a record of the last batch.
    let last = "BEGIN; UPDATE notes SET title = 'held' WHERE id = (SELECT id FROM notes ORDER BY id DESC LIMIT 1)";
    let writer = Held::new(&url, last).unwrap();
    kill_while_it_waits(&documents, &url);
    let filled = "SELECT count(*) FROM notes WHERE n = 7";
    assert_eq!(count(postgres, &url, filled), 2000, "two batches are there to stay");
    let told = documents.migrate(&url, "status").1;
    assert!(told.contains("fill notes.n with its default"), "{told}");
    drop(writer);
    up(&documents, &url);
    assert_eq!(count(postgres, &url, filled), 2500);
    assert!(documents.migrate(&url, "status").1.contains("Steps cut short  none"));
    let required = format!("{COLUMN} AND is_nullable = 'NO'");
    assert_eq!(count(postgres, &url, &required), 1);
}

#[test]
fn a_migration_that_waits_for_a_lock_makes_nobody_else_wait() {
    let documents = Documents::new();
    let postgres = Postgres::shared();
    let url = postgres.database();
    documents.write("{ name: state, type: enum, values: [on, off] }", "");
    up(&documents, &url);
    documents.write("{ name: state, type: enum, values: [on, off, gone] }", "");
    let reader = Held::new(&url, "BEGIN; SELECT count(*) FROM notes").unwrap();
    let mut run = spawn(&documents, &url);
    wait_for_waiters(postgres, &url, 1);
    for _ in 0..5 {
        let read = "SET lock_timeout = '5s'; SELECT count(*) FROM notes";
        assert_eq!(postgres.run(name(&url), read).lines().last(), Some("0"));
    }
    assert_eq!(run.try_wait().unwrap(), None, "it asks again and again");
    drop(reader);
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

#[test]
fn a_first_migration_may_be_killed_at_any_step() {
    let postgres = Postgres::shared();
    let slow = "CREATE FUNCTION slow() RETURNS event_trigger AS 'BEGIN PERFORM pg_sleep(0.03); END' LANGUAGE plpgsql; \
        CREATE EVENT TRIGGER slow ON ddl_command_end EXECUTE FUNCTION slow()";
    let catalog = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' UNION ALL \
        SELECT conrelid::regclass || conname || pg_get_constraintdef(oid) || convalidated FROM pg_constraint UNION ALL \
        SELECT table_name || column_name || data_type || is_nullable FROM information_schema.columns \
        WHERE table_schema = 'public' ORDER BY 1";
    let markets = mainstay_e2e::server::repository().join("examples/markets");
    let markets = markets.to_str().unwrap();
    let clean = postgres.database();
    assert_eq!(told(migrate(markets, &clean, "up")).0, 0);
    let steps = count(postgres, &clean, "SELECT count(*) FROM mainstay_steps");
    let clean = postgres.run(name(&clean), catalog);
    for killed_after in [0, 1, steps / 2, steps - 1] {
        let url = postgres.database();
        postgres.run(name(&url), slow);
        let mut command = migrate(markets, &url, "up");
        let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("so many steps", || {
            let begun = count(postgres, &url, "SELECT count(*) FROM pg_class WHERE relname = 'mainstay_steps'") == 1;
            begun && count(postgres, &url, "SELECT count(*) FROM mainstay_steps") >= killed_after
        });
        run.kill().unwrap();
        run.wait().unwrap();
        let (status, told) = told(migrate(markets, &url, "up"));
        assert_eq!(status, 0, "{killed_after}: {told}");
        assert_eq!(postgres.run(name(&url), catalog), clean, "{killed_after}");
    }
}

#[test]
fn a_killed_migration_of_a_file_goes_on() {
    let markets = mainstay_e2e::server::repository().join("examples/markets");
    let markets = markets.to_str().unwrap();
    for bytes in [0, 1, 50_000, 100_000, 200_000] {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/a.db", folder.path().display());
        let mut command = migrate(markets, &url, "up");
        let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let written = || std::fs::metadata(folder.path().join("a.db-wal")).is_ok_and(|data| data.len() >= bytes);
        wait_until("so many bytes, or the end", || written() || run.try_wait().unwrap().is_some());
        run.kill().unwrap();
        run.wait().unwrap();
        let (status, text) = told(migrate(markets, &url, "up"));
        assert_eq!(status, 0, "{bytes}: {text}");
        assert!(told(migrate(markets, &url, "status")).1.contains("Steps cut short  none"));
        let server = Server::start("examples/markets", &url);
        assert_eq!(server.admin.get("/api/v1/markets", &[]).status, 200);
    }
}

#[test]
fn other_documents_take_back_what_a_killed_migration_did() {
    let documents = Documents::new();
    let postgres = Postgres::shared();
    let url = postgres.database();
    up(&documents, &url);
    documents.write(N, "  indexes: [ { fields: [n] }, { fields: [title] } ]\n");
    // A step that fails whenever it is tried.
    let refuse = "CREATE FUNCTION refuse() RETURNS event_trigger AS 'BEGIN RAISE ''no index today''; END' LANGUAGE plpgsql; \
        CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION refuse()";
    postgres.run(name(&url), refuse);
    let (status, told) = documents.migrate(&url, "up");
    assert!(status == 70 && told.contains("no index today"), "{status} {told}");
    assert_eq!(count(postgres, &url, COLUMN), 1);
    documents.write("{ name: n, type: text }", "");
    up(&documents, &url);
    let sql = format!("{COLUMN} AND data_type = 'text'");
    assert_eq!(count(postgres, &url, &sql), 1);
    assert!(documents.migrate(&url, "status").1.contains("Steps cut short  none"));
    make(&documents.serve(&url, &[]), "one");
}

#[test]
fn migrations_take_turns() {
    let documents = Documents::new();
    let postgres = Postgres::shared();
    let url = postgres.database();
    up(&documents, &url);
    documents.write(N, "  indexes: [ { fields: [n] } ]\n");
    let lock = Held::lock(&url);
    let mut runs = [spawn(&documents, &url), spawn(&documents, &url)];
    let advisory = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted";
    wait_until("one at work", || count(postgres, &url, advisory) == 1 && count(postgres, &url, SESSIONS) == 2);
    drop(lock);
    for run in &mut runs {
        assert_eq!(run.wait().unwrap().code(), Some(0));
    }
    assert!(documents.migrate(&url, "status").1.contains("Revision         2\n"));

    // Servers that start at once on an empty database.
    let url = postgres.database();
    let servers = at_once(3, |_| documents.serve(&url, &[]));
    servers.iter().enumerate().for_each(|(n, server)| drop(make(server, &n.to_string())));
    assert_eq!(total(&servers[0]), 3);
}

#[test]
fn an_open_contract_comes_before_other_documents() {
    let documents = Documents::new();
    for url in [Postgres::shared().database(), sqlite(&documents)] {
        documents.write("", "");
        up(&documents, &url);
        documents.write("", UNIQUE);
        assert_eq!(documents.migrate(&url, "plan").0, 3);
        let (status, told) = documents.migrate(&url, "up --phase expand,backfill");
        assert_eq!(status, 0, "{told}");
        assert!(documents.serve(&url, &[]).stop().success(), "it serves while the contract is open");

        documents.write(N, "");
        let (status, told) = documents.migrate(&url, "plan");
        assert!(status == 3 && told.contains("contract steps that are not done"), "{status} {told}");
        let (_, command) = told.trim().rsplit_once("mainstay migrate ").unwrap();
        let (command, _) = command.split_once(" -f ").unwrap();
        let (_, terms) = told.trim().rsplit_once(" --expect-hash ").unwrap();
        assert_eq!(documents.migrate(&url, "up").0, 3);
        let mut server = Command::new(binary());
        server.args([
            "serve",
            "-f",
            documents.path(),
            "--database-url",
            &url,
            "--admin-key",
            "a-key-for-nobody-at-all",
        ]);
        let (status, text) = told_of(server);
        assert!(status == 3 && text.contains(terms), "{status} {text}");

        let (status, text) = documents.migrate(&url, &format!("{command} --expect-hash {terms}"));
        assert_eq!(status, 0, "{text}");
        assert_eq!(documents.migrate(&url, "plan").0, 0);
        up(&documents, &url);
        assert!(documents.migrate(&url, "plan").1.starts_with("Nothing to do"));
        assert!(documents.migrate(&url, "status").1.contains("Revision         3\n"));
    }
}

fn told_of(mut server: Command) -> (i32, String) {
    server.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    told(server)
}

fn sqlite(documents: &Documents) -> String {
    format!("sqlite:{}/notes.db", documents.path())
}
