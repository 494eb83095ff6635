//! A large table that changes under steady traffic, one change after the other, each while the servers before and after it work:
//! no request fails, none waits long, and nobody waits for a lock of the migration.
//!
//! `make test` does it with 20,000 records; `make bench-migrate` with a million on a PostgreSQL that waits for its disk, and
//! writes the figures to `bench/migrate.md`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use mainstay_crds::sql::{ColumnType, Sql};
use mainstay_e2e::server::{measured_records, repository};

use super::traffic::{Seen, Traffic, ask};
use super::*;

/// What the slowest of a hundred requests may take.
const GOAL: Duration = Duration::from_millis(250);
/// The longest wait for a lock of a table: a step gives way after a tenth of a second.
const LOCK: i64 = 200;

/// One state of the documents: what has changed, fields and more of the spec, what a server of it writes.
struct State {
    change: &'static str,
    fields: Vec<&'static str>,
    rest: &'static str,
    writes: fn(usize) -> Json,
}

const CODE: &str = "{ name: code, type: text, required: true, maxLength: 20 }";
const CODES: &str = "{ name: code, type: text, required: true, maxLength: 20, unique: true }";
const N: &str = "{ name: n, type: integer }";
const RENAMED: &str = "{ name: number, type: integer, renamedFrom: n }";
const WRITTEN: &str = "{ name: number, type: text, maxLength: 20 }";
const PRICE: &str = "{ name: price, type: decimal, precision: 18, scale: 2 }";
const SMALL: &str = "{ name: price, type: decimal, precision: 12, scale: 2 }";
const PLACE: &str = "{ name: place, type: uuid }";
const PLACED: &str = "{ name: place, type: ref, collection: users }";
const REMARK: &str = "{ name: remark, type: text }";
const REMARKED: &str = "{ name: remark, type: text, required: true, default: none }";
const LEGACY: &str = "{ name: legacy, type: text, maxLength: 20 }";
const FLAG: &str = "{ name: flag, type: boolean, default: true }";
const KEPT: &str = "  deletionPolicy: Delete\n";
const INDEXED: &str = "  deletionPolicy: Delete\n  indexes: [ { fields: [price] } ]\n";

fn states() -> Vec<State> {
    let code = |n: usize| json!({ "code": format!("c{n}"), "price": "1.50" });
    let with_n = |n: usize| json!({ "code": format!("c{n}"), "price": "1.50", "n": n });
    let with_number = |n: usize| json!({ "code": format!("c{n}"), "price": "1.50", "number": n });
    let written = |n: usize| json!({ "code": format!("c{n}"), "price": "1.50", "number": n.to_string() });
    let state = |change, fields: &[&'static str], rest, writes| State { change, fields: fields.to_vec(), rest, writes };
    vec![
        state("", &[CODE, N, PRICE, PLACE, REMARK, LEGACY], KEPT, with_n),
        state("a field with a default", &[CODE, N, PRICE, PLACE, REMARK, LEGACY, FLAG], KEPT, with_n),
        state("an index", &[CODE, N, PRICE, PLACE, REMARK, LEGACY, FLAG], INDEXED, with_n),
        state("a unique key", &[CODES, N, PRICE, PLACE, REMARK, LEGACY, FLAG], INDEXED, with_n),
        state("a reference", &[CODES, N, PRICE, PLACED, REMARK, LEGACY, FLAG], INDEXED, with_n),
        state(
            "a field required, filled by its default",
            &[CODES, N, PRICE, PLACED, REMARKED, LEGACY, FLAG],
            INDEXED,
            with_n,
        ),
        state("a rename", &[CODES, RENAMED, PRICE, PLACED, REMARKED, LEGACY, FLAG], INDEXED, with_number),
        state(
            "another type, a second column",
            &[CODES, WRITTEN, PRICE, PLACED, REMARKED, LEGACY, FLAG],
            INDEXED,
            written,
        ),
        state(
            "fewer digits of an indexed field",
            &[CODES, WRITTEN, SMALL, PLACED, REMARKED, LEGACY, FLAG],
            INDEXED,
            written,
        ),
        state("a field dropped", &[CODES, WRITTEN, SMALL, PLACED, REMARKED, FLAG], INDEXED, code),
    ]
}

impl State {
    fn documents(&self) -> Documents {
        let documents = Documents::new();
        documents.write(&self.fields.join("\n"), self.rest);
        documents
    }

    /// Reads, lists, makes and changes records.
    fn traffic(&self, server: &Server, rows: usize, last: &Arc<AtomicUsize>) -> Traffic {
        let (caller, writes, last) = (server.admin.clone(), self.writes, Arc::clone(last));
        Traffic::start(2, Duration::from_millis(50), move |request| {
            let any = format!("{NOTES}/{}", id(1 + request * 7919 % rows));
            match request % 5 {
                0 | 1 => ask(&caller, Method::GET, &any, None, 200),
                2 => ask(&caller, Method::GET, NOTES, None, 200),
                3 => {
                    let body = writes(last.fetch_add(1, Ordering::SeqCst));
                    ask(&caller, Method::POST, NOTES, Some(&body), 201)
                }
                _ => {
                    let mut body = writes(0);
                    body.as_object_mut().unwrap().remove("code");
                    ask(&caller, Method::PATCH, &any, Some(&body), 200)
                }
            }
            .map(drop)
        })
    }
}

fn id(n: usize) -> String {
    format!("00000000-0000-7000-8000-{n:012}")
}

/// As a server would have written them, some time ago. Some have no remark, a tenth has a place.
fn fill(postgres: &Postgres, url: &str, rows: usize) {
    let sql = format!(
        "INSERT INTO users (id, version, created_at, updated_at, email, roles, disabled) \
         SELECT ('00000000-0000-7000-9000-' || lpad(i::text, 12, '0'))::uuid, 1, now(), now(), 'u' || i || '@example.com', '{{}}', false \
         FROM generate_series(1, 100) i; \
         INSERT INTO notes (id, version, created_at, updated_at, title, code, n, price, place, remark, legacy) \
         SELECT ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, 1, now(), now(), 'title ' || i, 'c' || i, i, i % 100000, \
         CASE WHEN i % 10 = 0 THEN ('00000000-0000-7000-9000-' || lpad((1 + i % 100)::text, 12, '0'))::uuid END, \
         CASE WHEN i % 2 = 0 THEN 'seen' END, 'l' || i FROM generate_series(1, {rows}) i; ANALYZE notes"
    );
    postgres.run(name(url), &sql);
}

/// The longest wait for a lock of a table, in milliseconds, by whomever.
struct Waits {
    stop: Arc<AtomicBool>,
    most: Arc<AtomicI64>,
    watching: JoinHandle<()>,
}

impl Waits {
    fn watch(url: &str) -> Waits {
        let (stop, most) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
        let (stopped, longest) = (Arc::clone(&stop), Arc::clone(&most));
        let url = DatabaseUrl::parse(&format!("{url}?application_name=held")).unwrap();
        let watching = thread::spawn(move || {
            let store = Store::open(&url, PoolOptions { size: 1, ..PoolOptions::default() }).unwrap();
            let watched = store.session(move |conn| {
                while !stopped.load(Ordering::SeqCst) {
                    let mut sql = Sql::new();
                    sql.push(
                        "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart) * 1000), 0)::bigint \
                         FROM pg_locks WHERE NOT granted AND locktype IN ('relation', 'tuple', 'transactionid') \
                         AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())",
                    );
                    conn.query(sql, |row| {
                        if let mainstay_crds::Value::Integer(waits) = row.value(0, ColumnType::Integer)? {
                            longest.fetch_max(waits, Ordering::SeqCst);
                        }
                        Ok(())
                    })?;
                    thread::sleep(Duration::from_millis(10));
                }
                Ok(())
            });
            actix_web::rt::System::new().block_on(watched).unwrap();
        });
        Waits { stop, most, watching }
    }

    fn end(self) -> i64 {
        self.stop.store(true, Ordering::SeqCst);
        self.watching.join().unwrap();
        self.most.load(Ordering::SeqCst)
    }
}

/// What was seen of one change.
struct Figures {
    change: &'static str,
    /// Expand with backfill, and contract.
    took: [Duration; 2],
    seen: Seen,
    waited: i64,
}

fn through(postgres: &Postgres, rows: usize) -> Vec<Figures> {
    let (states, url) = (states(), postgres.database());
    let up = |documents: &Documents, line: &str, terms: &str| {
        let begun = Instant::now();
        let (status, told) = documents.migrate(&url, &format!("up --phase {line} {terms}"));
        assert_eq!(status, 0, "{told}");
        begun.elapsed()
    };
    let first = states[0].documents();
    up(&first, "expand,backfill,contract", &terms(first.path(), &url));
    fill(postgres, &url, rows);
    let last = Arc::new(AtomicUsize::new(rows + 1));
    let serve = |documents: &Documents| documents.serve(&url, &["--migrate", "verify"]);
    let mut server = serve(&first);
    let mut traffic = states[0].traffic(&server, rows, &last);
    let mut figures = Vec::new();
    for state in &states[1..] {
        let documents = state.documents();
        let (waits, terms) = (Waits::watch(&url), terms(documents.path(), &url));
        traffic.wait_for(20);
        let expand = up(&documents, "expand,backfill", &terms);
        let next = serve(&documents);
        let beside = state.traffic(&next, rows, &last);
        beside.wait_for(20);
        let seen = traffic.end();
        assert!(server.stop().success());
        let contract = up(&documents, "contract", &terms);
        beside.wait_for(20);
        let seen = seen.and(beside.end());
        assert_eq!(seen.failed, [""; 0], "{}", state.change);
        figures.push(Figures { change: state.change, took: [expand, contract], seen, waited: waits.end() });
        traffic = state.traffic(&next, rows, &last);
        server = next;
    }
    traffic.end();
    assert!(server.stop().success());
    let nothing =
        format!("SELECT count(*) FROM notes WHERE remark IS NULL OR (id <= '{}' AND number IS NULL)", id(rows));
    assert_eq!(count(postgres, &url, &nothing), 0, "all are filled");
    figures
}

/// `make bench-migrate` asks for more records, and for the figures.
#[test]
fn a_large_table_changes_under_traffic() {
    match measured_records() {
        Some(records) => measure(records),
        None => {
            for Figures { change, waited, .. } in through(Postgres::shared(), 20_000) {
                assert!(waited < 5 * LOCK, "{change}: somebody waited {waited} ms for a lock");
            }
        }
    }
}

fn measure(records: usize) {
    let (before, postgres) = (load(), Postgres::durable());
    let figures = through(&postgres, records);
    let text = report(&figures, records, &before, &postgres.run("postgres", "SHOW server_version"));
    std::fs::write(repository().join("bench/migrate.md"), &text).unwrap();
    for Figures { change, seen, waited, .. } in figures {
        assert!(seen.within(0.99) < GOAL, "{change}: {:?}", seen.within(0.99));
        assert!(waited < LOCK, "{change}: somebody waited {waited} ms for a lock");
    }
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap();
    text.split(' ').next().unwrap().to_owned()
}

fn said(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).current_dir(repository()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn report(figures: &[Figures], records: usize, before: &str, postgres: &str) -> String {
    let rows = figures.iter().map(|Figures { change, took, seen, waited }| {
        let millis = |took: Duration| format!("{:.1}", took.as_secs_f64() * 1000.0);
        let [expand, contract] = took.map(|took| format!("{:.1}", took.as_secs_f64()));
        let (many, worst) = (seen.took.len(), seen.took.last().copied().unwrap_or_default());
        let [half, most] = [0.5, 0.99].map(|part| millis(seen.within(part)));
        format!("| {change} | {expand} | {contract} | {many} | 0 | {half} | {most} | {} | {waited} |\n", millis(worst))
    });
    let mainstay = said("git", &["rev-parse", "--short", "HEAD"]);
    let (rustc, system) = (said("rustc", &["--version"]), said("uname", &["-sr"]));
    let binary = binary();
    let profile = binary.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let cores = thread::available_parallelism().map_or(0, usize::from);
    format!(
        "# A large table that changes under traffic\n\n\
         Made by `make bench-migrate`: a table of {records} records on PostgreSQL with fsync, under steady reads, lists, creates and \
         patches over loopback (40 requests a second a server; two servers, before and after the change, between expand and \
         contract), while `mainstay migrate up` makes one change after the other. Goals: no failed request, 99th percentile under \
         250 ms, no wait for a lock of a table over {LOCK} ms by anybody.\n\n\
         | change | expand and backfill, s | contract, s | requests | failed | p50, ms | p99, ms | slowest, ms | longest wait for a lock, ms |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|\n{}\n\
         - Mainstay {mainstay}, {rustc}, {profile} build; PostgreSQL {postgres}; {system}\n\
         - {cores} cores, shared by servers, database, callers, migration and whatever else the machine did: load {before} at the start, {} at the end\n\
         - The time of a change has all of its program: its start, its look at every record that a rule is about, and the steps. Waits are sampled every 10 ms.\n",
        rows.collect::<String>(),
        load(),
    )
}
