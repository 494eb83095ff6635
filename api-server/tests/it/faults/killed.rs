//! `migrate up`, killed after every change that it makes to a database, for each kind of step: started again it ends where an
//! undisturbed run ends, with the same tables, the same records and nothing cut short.
//!
//! On PostgreSQL a proxy holds back the answer to the chosen change until the process is dead; files of SQLite are in `files`.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};

use mainstay_crds::collection::{Document, check};
use mainstay_crds::schema::evolve::{KINDS, evolve, kind};
use mainstay_crds::schema::stored::Stored;
use mainstay_crds::sql::{ColumnType, Sql};
use mainstay_e2e::gate::{Counted, Gate};

use super::*;
use cases::{Case, WHOLE, all, other};

mod cases;
mod files;

const POSTGRES: &str = "SELECT format('%s.%s %s %s %s %s', table_name, column_name, data_type, numeric_precision, is_nullable, column_default) \
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name !~ 'mainstay|diesel' \
    UNION ALL SELECT pg_get_indexdef(indexrelid) || indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indrelid \
    WHERE relnamespace = 'public'::regnamespace AND relname !~ 'mainstay|diesel' \
    UNION ALL SELECT conrelid::regclass || conname || pg_get_constraintdef(oid) || convalidated FROM pg_constraint \
    WHERE connamespace = 'public'::regnamespace \
    UNION ALL SELECT format('%s of %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE NOT tgisinternal \
    UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1";
const SQLITE: &str =
    "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name NOT LIKE '%mainstay%' ORDER BY 1";
const LEDGER: &str = "SELECT revision || ' ' || compatible_from || CAST(schema AS text) FROM mainstay_schema \
    UNION ALL SELECT 'cut short: ' || effect FROM mainstay_steps WHERE state <> 'done' ORDER BY 1";
/// A query for each table, for all that is in it.
const POSTGRES_ROWS: &str = "SELECT format('SELECT %L || t::text FROM %I t ORDER BY 1', relname, relname) FROM pg_class \
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname !~ 'mainstay|diesel' ORDER BY 1";
const SQLITE_ROWS: &str = "SELECT 'SELECT ' || (SELECT group_concat('quote(\"' || name || '\")', ' || '','' || ') \
    FROM pragma_table_info(t.name)) || ' FROM \"' || name || '\" ORDER BY 1' FROM sqlite_master t WHERE type = 'table' \
    AND name NOT LIKE '%mainstay%' AND name NOT LIKE '%diesel%' ORDER BY 1";

/// A case with its documents as files.
struct Life {
    case: Case,
    folder: TempDir,
}

impl Life {
    fn new(case: Case) -> Life {
        let life = Life { case, folder: tempfile::tempdir().unwrap() };
        let states = life.case.before.iter().map(|(documents, _)| documents).chain([&life.case.after]);
        for (at, documents) in states.enumerate() {
            std::fs::create_dir(life.folder.path().join(at.to_string())).unwrap();
            for document in documents {
                let name = format!("{at}/{}.json", document["metadata"]["name"].as_str().unwrap());
                std::fs::write(life.folder.path().join(name), document.to_string()).unwrap();
            }
        }
        life
    }

    fn documents(&self, at: usize) -> String {
        self.folder.path().join(at.to_string()).to_str().unwrap().to_owned()
    }

    /// Everything that comes before.
    fn prepare(&self, url: &str) {
        for (at, (_, phases)) in self.case.before.iter().enumerate() {
            let (status, text) = told(migrate(&self.documents(at), url, &self.words(at, url, phases)));
            assert_eq!(status, 0, "{}: {text}", self.case.name);
            if at == 0 {
                let id = |n: usize| format!("00000000-0000-7000-8000-{n:012}");
                let lines = (1..=self.case.records).map(|n| {
                    let mut record = (self.case.record)(n);
                    record["id"] = json!(id(n));
                    format!("{record}\n")
                });
                let others = format!("{}\n", json!({ "id": other(), "label": "one" }));
                self.import(url, "others", &others);
                self.import(url, "things", &lines.collect::<String>());
            }
        }
    }

    fn import(&self, url: &str, collection: &str, lines: &str) {
        let file = self.folder.path().join(format!("{collection}.ndjson"));
        std::fs::write(&file, lines).unwrap();
        let mut command = Command::new(binary());
        command.args(["import", collection]).arg(&file).args(["--database-url", url]);
        let (status, text) = told(command);
        assert_eq!(status, 0, "{}: {text}", self.case.name);
    }

    /// The words of `migrate up`, which are the same for each copy of a database.
    fn words(&self, at: usize, url: &str, phases: &str) -> String {
        format!("up --phase {phases} {}", terms(&self.documents(at), url))
    }

    /// `migrate up` to the last documents.
    fn command(&self, url: &str, words: &str) -> Command {
        migrate(&self.documents(self.case.before.len()), url, words)
    }

    /// As an undisturbed run, or one that goes on: by a look at the plan, and its hash.
    #[track_caller]
    fn up(&self, url: &str, what: &str) {
        let (status, text) = told(self.command(url, &self.last(url)));
        assert_eq!(status, 0, "{what}: {text}");
    }

    /// The words for the last documents.
    fn last(&self, url: &str) -> String {
        self.words(self.case.before.len(), url, WHOLE)
    }
}

/// All that a database holds: tables, records, what is applied.
fn state(url: &str) -> Vec<String> {
    let (catalog, rows) = if url.starts_with("postgres") { (POSTGRES, POSTGRES_ROWS) } else { (SQLITE, SQLITE_ROWS) };
    let store =
        Store::open(&DatabaseUrl::parse(url).unwrap(), PoolOptions { size: 1, ..PoolOptions::default() }).unwrap();
    let read = store.session(move |conn| {
        let mut lines = |query: &str| {
            let mut sql = Sql::new();
            sql.push(query);
            let mut lines = Vec::new();
            conn.query(sql, |row| {
                if let mainstay_crds::Value::Text(line) = row.value(0, ColumnType::Text)? {
                    lines.push(line.into_owned());
                }
                Ok(())
            })?;
            Ok::<_, mainstay::store::Error>(lines)
        };
        let mut all = [lines(catalog)?, lines(LEDGER)?].concat();
        for query in lines(rows)? {
            all.extend(lines(&query)?);
        }
        Ok(all)
    });
    actix_web::rt::System::new().block_on(read).unwrap()
}

#[track_caller]
fn assert_same(found: &[String], expected: &[String], what: &str) {
    let lacks = |these: &[String], those: &[String]| {
        those.iter().filter(|line| !these.contains(line)).take(5).cloned().collect::<Vec<_>>()
    };
    let (missing, more) = (lacks(found, expected), lacks(expected, found));
    assert!(found == expected, "{what}: missing {missing:#?}, instead {more:#?}");
}

/// Kills the process once its chosen change is done. The session ends with it.
fn kill_at(mut run: Child, gate: &Gate, what: &str) {
    wait_until(what, || {
        assert!(gate.has_stopped() || run.try_wait().unwrap().is_none(), "{what}: it ended before");
        gate.has_stopped()
    });
    run.kill().unwrap();
    run.wait().unwrap();
}

fn quietly(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn every_change(life: &Life) {
    let (name, postgres) = (life.case.name, Postgres::shared());
    let start = postgres.database();
    life.prepare(&start);
    let (words, gate, clean) = (life.last(&start), Gate::new(&start), postgres.copy(&start));
    gate.arm(0, Counted::Kept);
    life.up(&gate.through(&clean), name);
    let (changes, expected) = (gate.changes(), state(&clean));
    assert!(changes > 2, "{name}: the proxy sees no change");
    for at in 1..=changes {
        let what = format!("{name}, killed after change {at} of {changes}");
        let url = postgres.copy(&start);
        gate.arm(at, Counted::Kept);
        kill_at(quietly(life.command(&gate.through(&url), &words)), &gate, &what);
        life.up(&url, &what);
        assert_same(&state(&url), &expected, &what);
    }
}

#[test]
fn after_every_change_of_postgresql() {
    let lives: Vec<Life> = all().into_iter().map(Life::new).collect();
    at_once(lives.len(), |at| every_change(&lives[at]));
}

/// Each run is killed two statements later than the one before, in transactions too, until one comes to its end.
#[test]
fn again_and_again() {
    let life = Life::new(all().into_iter().find(|case| case.name == "converted").unwrap());
    let postgres = Postgres::shared();
    let url = postgres.database();
    life.prepare(&url);
    let (words, gate, clean) = (life.last(&url), Gate::new(&url), postgres.copy(&url));
    life.up(&clean, "undisturbed");
    let mut stops = 0;
    for at in (1..).step_by(2) {
        gate.arm(at, Counted::Every);
        let mut run = quietly(life.command(&gate.through(&url), &words));
        wait_until("a stop or the end", || gate.has_stopped() || run.try_wait().unwrap().is_some());
        if !gate.has_stopped() {
            assert_eq!(run.wait().unwrap().code(), Some(0));
            break;
        }
        run.kill().unwrap();
        run.wait().unwrap();
        stops += 1;
    }
    assert!(stops > 3, "it was killed {stops} times");
    assert_same(&state(&url), &state(&clean), "killed again and again");
}

/// A drop beside writers leaves an index that is no longer valid.
#[test]
fn in_the_middle_of_a_drop_that_waits() {
    let documents = Documents::new();
    let postgres = Postgres::shared();
    let url = postgres.database();
    documents.write("", "  indexes: [ { fields: [title] } ]\n");
    assert_eq!(documents.migrate(&url, "up").0, 0);
    documents.write("", "");
    let writer = Held::new(
        &url,
        "BEGIN; INSERT INTO notes (id, version, created_at, updated_at) VALUES (gen_random_uuid(), 1, now(), now())",
    )
    .unwrap();
    let mut run = quietly(migrate(documents.path(), &url, "up"));
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    wait_until("an index that goes", || count(postgres, &url, invalid) == 1);
    run.kill().unwrap();
    run.wait().unwrap();
    let sessions = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'mainstay'";
    wait_until("the end of the killed session", || count(postgres, &url, sessions) == 0);
    drop(writer);
    let (status, text) = documents.migrate(&url, "up");
    assert_eq!(status, 0, "{text}");
    assert_eq!(
        count(postgres, &url, "SELECT count(*) FROM pg_indexes WHERE tablename = 'notes'"),
        1,
        "its primary key"
    );
    assert!(documents.migrate(&url, "status").1.contains("Steps cut short  none"));
}

#[test]
fn each_kind_of_step_has_a_case() {
    let schema_of = |documents: &[Json]| check(&documents.iter().cloned().map(Document).collect::<Vec<_>>()).unwrap();
    let mut kinds = BTreeSet::new();
    for case in all() {
        let mut stored = Stored::default();
        for (documents, phases) in &case.before {
            stored = evolve(&stored, &schema_of(documents)).unwrap().stored;
            if *phases == WHOLE {
                stored = stored.contracted();
            }
        }
        let steps = evolve(&stored, &schema_of(&case.after)).unwrap().plan.steps;
        kinds.extend(steps.iter().map(|step| kind(step).unwrap_or_else(|| panic!("KINDS lacks `{}`", step.effect))));
    }
    let lacking: Vec<_> = KINDS.into_iter().filter(|kind| !kinds.contains(kind)).collect();
    assert_eq!(lacking, [""; 0], "no case has these");
}
