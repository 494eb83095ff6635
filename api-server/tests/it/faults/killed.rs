//! `migrate up`, killed after every change that it makes to a database, for each kind of step: started again it ends where an
//! undisturbed run ends, with the same tables, the same records and nothing cut short.
//!
//! On PostgreSQL a proxy holds back the answer to the chosen change until the process is dead. On SQLite the kernel ends the
//! process in the first write behind the chosen commit, for it would make a file larger than it may be.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use mainstay_crds::collection::{Document, check};
use mainstay_crds::schema::evolve::{KINDS, evolve, kind};
use mainstay_crds::schema::stored::Stored;
use mainstay_crds::sql::{ColumnType, Sql};
use mainstay_e2e::gate::{Counted, Gate};

use super::*;
use cases::{Case, WHOLE, all, other};

mod cases;

/// What the kernel ends a process with whose file becomes too large.
const SIGXFSZ: i32 = 25;

const POSTGRES: &str = "SELECT format('%s.%s %s %s %s %s', table_name, column_name, data_type, numeric_precision, is_nullable, column_default) \
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name !~ 'mainstay|diesel' \
    UNION ALL SELECT indexdef || indisvalid FROM pg_indexes JOIN pg_index ON indexrelid = indexname::regclass \
    WHERE schemaname = 'public' AND tablename !~ 'mainstay|diesel' \
    UNION ALL SELECT conrelid::regclass || conname || pg_get_constraintdef(oid) || convalidated FROM pg_constraint \
    WHERE connamespace = 'public'::regnamespace \
    UNION ALL SELECT tgname || tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal \
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
            let (status, text) = told(migrate(&self.documents(at), url, &self.terms(at, url, phases)));
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

    /// The words of `migrate up` with all that its plan needs, which is the same for each copy of a database.
    fn terms(&self, at: usize, url: &str, phases: &str) -> String {
        let plan = migrate(&self.documents(at), url, "plan --output json").output().unwrap();
        let plan: Json = serde_json::from_slice(&plan.stdout).unwrap();
        let hash = plan["planHash"].as_str().unwrap();
        format!("up --phase {phases} --expect-hash {hash} --allow dataDependent,destructive")
    }

    /// `migrate up` to the last documents.
    fn command(&self, url: &str, terms: &str) -> Command {
        migrate(&self.documents(self.case.before.len()), url, terms)
    }

    #[track_caller]
    fn up(&self, url: &str, terms: &str, what: &str) {
        let (status, text) = told(self.command(url, terms));
        assert_eq!(status, 0, "{what}: {text}");
    }

    /// The terms of the last documents.
    fn last(&self, url: &str) -> String {
        self.terms(self.case.before.len(), url, WHOLE)
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
            Ok(lines)
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
    let (terms, gate, clean) = (life.last(&start), Gate::new(&start), postgres.copy(&start));
    gate.arm(0, Counted::Kept);
    life.up(&gate.through(&clean), &terms, name);
    let (changes, expected) = (gate.changes(), state(&clean));
    assert!(changes > 2, "{name}: the proxy sees no change");
    for at in 1..=changes {
        let what = format!("{name}, killed after change {at} of {changes}");
        let url = postgres.copy(&start);
        gate.arm(at, Counted::Kept);
        kill_at(quietly(life.command(&gate.through(&url), &terms)), &gate, &what);
        life.up(&url, &terms, &what);
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
    let (terms, gate, clean) = (life.last(&url), Gate::new(&url), postgres.copy(&url));
    life.up(&clean, &terms, "undisturbed");
    let mut stops = 0;
    for at in (1..).step_by(2) {
        gate.arm(at, Counted::Every);
        let mut run = quietly(life.command(&gate.through(&url), &terms));
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

/// A folder with a file and its log.
struct Disk(TempDir);

impl Disk {
    fn path(&self, end: &str) -> PathBuf {
        self.0.path().join(format!("a.db{end}"))
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.path("").display())
    }

    fn copy(&self) -> Disk {
        let copy = Disk(tempfile::tempdir().unwrap());
        for end in ["", "-wal"] {
            if exists(self.path(end)) {
                std::fs::copy(self.path(end), copy.path(end)).unwrap();
            }
        }
        copy
    }

    /// With a log that is long already: a process that may not write 32 KiB cannot open a file at all.
    fn with_a_log(&self) -> Disk {
        let url = DatabaseUrl::parse(&self.url()).unwrap();
        let store = Store::open(&url, PoolOptions::default()).unwrap();
        let filler = "CREATE TABLE filler (x BLOB); INSERT INTO filler VALUES (zeroblob(60000)); DROP TABLE filler";
        actix_web::rt::System::new().block_on(store.session(move |conn| conn.batch(filler))).unwrap();
        self.copy()
    }

    /// Where each commit of the log ends.
    fn commits(&self) -> Vec<u64> {
        let log = std::fs::read(self.path("-wal")).unwrap_or_default();
        let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
        if log.len() < 32 {
            return Vec::new();
        }
        let frame = 24 + number(8) as usize;
        let frames = (32..).step_by(frame).take_while(|at| at + frame <= log.len());
        let frames = frames.take_while(|at| log[at + 8..at + 16] == log[16..24]);
        frames.filter(|at| number(at + 4) > 0).map(|at| (at + frame) as u64).collect()
    }
}

/// Runs `up` where no file may grow beyond so many bytes: whether the kernel ended it.
fn limited(life: &Life, terms: &str, disk: &Disk, bytes: u64) -> bool {
    let whole = life.command(&disk.url(), terms);
    let mut command = Command::new("prlimit");
    command.arg(format!("--fsize={bytes}:{bytes}")).arg("--core=0").arg(whole.get_program()).args(whole.get_args());
    let output = command.output().unwrap();
    match (output.status.signal(), output.status.code()) {
        (Some(SIGXFSZ), _) => true,
        (None, Some(0)) => false,
        _ => panic!("{}: {bytes} bytes: {output:?}", life.case.name),
    }
}

/// The ends of all commits that a run makes: as they are in the longest log that a killed run leaves.
fn commits(life: &Life, terms: &str, start: &Disk) -> Vec<u64> {
    let begun = std::fs::metadata(start.path("-wal")).map_or(0, |log| log.len());
    let (mut low, mut high, mut found) = (begun, begun * 64, Vec::new());
    assert!(!limited(life, terms, &start.copy(), high), "{}: its log is too long", life.case.name);
    while high - low > 4096 {
        let (limit, disk) = (low.midpoint(high), start.copy());
        if limited(life, terms, &disk, limit) {
            (low, found) = (limit, disk.commits());
        } else {
            high = limit;
        }
    }
    found.retain(|end| *end >= begun);
    found
}

fn every_commit(life: &Life) {
    let (name, first) = (life.case.name, Disk(tempfile::tempdir().unwrap()));
    life.prepare(&first.url());
    let terms = life.last(&first.url());
    let (clean, start) = (first.copy(), first.with_a_log());
    life.up(&clean.url(), &terms, name);
    let (expected, ends) = (state(&clean.url()), commits(life, &terms, &start));
    assert!(ends.len() > 2, "{name}: no commits");
    for (at, end) in ends.iter().enumerate() {
        let (what, disk) = (format!("{name}, killed after commit {at} of {}", ends.len()), start.copy());
        // In the middle of the next frame's head.
        let killed = limited(life, &terms, &disk, end + 12);
        assert!(killed || at + 1 == ends.len(), "{what}: it ended before");
        assert!(!killed || disk.commits().last() == Some(end), "{what}: {:?}", disk.commits());
        life.up(&disk.url(), &terms, &what);
        assert_same(&state(&disk.url()), &expected, &what);
    }
}

#[test]
fn after_every_commit_of_sqlite() {
    let lives: Vec<Life> = all().into_iter().map(Life::new).collect();
    at_once(lives.len(), |at| every_commit(&lives[at]));
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
