//! What goes wrong around a server: its database, its disk, its clients, its own end. The real program and real
//! databases, cut, frozen and killed.
//!
//! Every test waits for a condition, never for a time.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mainstay::store::{DatabaseUrl, PoolOptions, Store};
use mainstay_e2e::http::{Answer, Caller};
use mainstay_e2e::postgres::Postgres;
use mainstay_e2e::server::{Server, binary, program};
use reqwest::Method;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

mod away;
mod beside;
mod clients;
mod killed;
mod limits;
mod load;
mod migrations;
mod online;
mod phases;
mod rotation;
mod slow;
mod sqlite;
mod stop;
mod traffic;
mod unknown;

const NOTES: &str = "/api/v1/notes";
/// How long a condition may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// The documents of one test: a collection `notes`.
struct Documents(TempDir);

impl Documents {
    fn new() -> Documents {
        let documents = Documents(tempfile::tempdir().unwrap());
        documents.write("", "");
        documents
    }

    /// With more fields, each a line of YAML in braces, and more of the spec, such as `unique: […]`.
    fn write(&self, fields: &str, rest: &str) {
        let fields: String = fields.lines().map(|field| format!("    - {field}\n")).collect();
        let text = format!(
            "apiVersion: mainstay.dev/v1alpha1\nkind: Collection\nmetadata: {{ name: notes }}\nspec:\n  fields:\n    \
             - {{ name: title, type: text, maxLength: 600 }}\n{fields}  access: {{ read: [{{ roles: [anyone] }}] }}\n{rest}"
        );
        std::fs::write(self.0.path().join("notes.yaml"), text).unwrap();
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn launch(&self, url: &str, flags: &[&str]) -> Server {
        Server::launch(program(), self.path(), url, flags)
    }

    /// A server that is ready.
    fn serve(&self, url: &str, flags: &[&str]) -> Server {
        let server = self.launch(url, flags);
        server.wait_until_ready();
        server
    }

    /// `mainstay migrate`, bound to these documents: exit status and everything that it said.
    fn migrate(&self, url: &str, line: &str) -> (i32, String) {
        told(migrate(self.path(), url, line))
    }
}

fn migrate(documents: &str, url: &str, line: &str) -> Command {
    let mut command = Command::new(binary());
    command.arg("migrate").args(line.split_whitespace());
    if !line.starts_with("status") && !line.starts_with("down") {
        command.args(["-f", documents]);
    }
    command.args(["--database-url", url]);
    command
}

/// What a run of the plan for these documents needs to be allowed everything.
fn terms(documents: &str, url: &str) -> String {
    let output = migrate(documents, url, "plan --output json").output().unwrap();
    let plan: Json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no plan: {}", String::from_utf8_lossy(&output.stderr)));
    format!("--expect-hash {} --allow dataDependent,destructive", plan["planHash"].as_str().unwrap())
}

fn told(mut command: Command) -> (i32, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
}

/// Returns once `condition` holds.
#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it never came: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A session that has run some SQL and stays as it is until it is dropped.
struct Held {
    release: Option<Sender<()>>,
    session: Option<JoinHandle<()>>,
}

impl Held {
    /// The error is a connection that was refused.
    fn new(url: &str, sql: &str) -> Result<Held, String> {
        let tail = if url.contains('?') { '&' } else { '?' };
        let url = DatabaseUrl::parse(&format!("{url}{tail}application_name=held")).unwrap();
        let sql = sql.to_owned();
        let (began, begun) = channel();
        let (release, released) = channel::<()>();
        let session = thread::spawn(move || {
            let store = Store::open(&url, PoolOptions { size: 1, ..PoolOptions::default() }).unwrap();
            let told = began.clone();
            let done = store.session(move |conn| {
                told.send(conn.batch(&sql).map_err(|error| error.to_string())).unwrap();
                // Its end is the end of its sender.
                while released.recv().is_ok() {}
                Ok(())
            });
            if let Err(error) = actix_web::rt::System::new().block_on(done) {
                began.send(Err(error.to_string())).unwrap();
            }
        });
        begun.recv().unwrap()?;
        Ok(Held { release: Some(release), session: Some(session) })
    }

    /// Holds the whole table.
    fn lock(url: &str) -> Held {
        Held::new(url, "BEGIN; LOCK TABLE notes").unwrap()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.release.take());
        drop(self.session.take().unwrap().join());
    }
}

/// The database of a URL.
pub fn name(url: &str) -> &str {
    url.rsplit('/').next().unwrap().split('?').next().unwrap()
}

fn count(postgres: &Postgres, url: &str, sql: &str) -> usize {
    postgres.run(name(url), sql).parse().unwrap()
}

/// Returns once so many of the program's statements wait for a lock.
fn wait_for_waiters(postgres: &Postgres, url: &str, number: usize) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND application_name = 'mainstay' AND wait_event_type = 'Lock'";
    wait_until("a statement that waits for a lock", || count(postgres, url, sql) >= number);
}

/// Ends every connection of the program to a database, as a failover does; how many.
fn end_connections(postgres: &Postgres, url: &str) -> usize {
    let sql = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'mainstay'";
    count(postgres, url, sql)
}

fn note(title: &str) -> Json {
    json!({ "title": title })
}

fn send(caller: &Caller, method: Method, path: &str, body: Option<&Json>) -> Answer {
    caller.send(method, path, &[], body).unwrap()
}

/// A new note's path.
fn make(server: &Server, title: &str) -> String {
    let made = server.admin.post(NOTES, &note(title));
    assert_eq!(made.status, 201, "{}", made.body);
    format!("{NOTES}/{}", made.body["data"]["id"].as_str().unwrap())
}

/// How many notes there are.
fn total(server: &Server) -> i64 {
    let answer = server.admin.get(NOTES, &[("count", "exact")]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["meta"]["total"].as_i64().unwrap()
}

/// One request of each kind: read, list, create, replace, patch, delete.
fn each_kind(server: &Server, path: &str) -> Vec<Answer> {
    let body = note("later");
    let caller = &server.admin;
    vec![
        send(caller, Method::GET, path, None),
        send(caller, Method::GET, NOTES, None),
        send(caller, Method::POST, NOTES, Some(&body)),
        send(caller, Method::POST, NOTES, Some(&json!([body, body]))),
        send(caller, Method::PUT, path, Some(&body)),
        send(caller, Method::PATCH, path, Some(&body)),
        send(caller, Method::DELETE, path, None),
    ]
}

/// A 503 as clients are promised it.
#[track_caller]
fn assert_unavailable(answer: &Answer) {
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!("UNAVAILABLE")), "{}", answer.body);
    assert_eq!(answer.body["success"], false);
    let seconds = answer.headers.get("retry-after").unwrap().to_str().unwrap();
    assert!((1..=60).contains(&seconds.parse::<u64>().unwrap()), "{seconds}");
    assert_eq!(answer.body["request_id"], answer.headers["x-request-id"].to_str().unwrap());
}

fn readiness(server: &Server) -> Answer {
    server.anonymous.get("/health/ready", &[])
}

/// A figure of the pool: `size`, `idle`, `busy`, `waiting`.
fn pool(server: &Server, state: &str) -> usize {
    let text = Caller::new(&server.admin_url, None).get("/metrics", &[]).body;
    let named = format!(r#"mainstay_pool_connections{{pool="main",state="{state}"}} "#);
    let line = text.as_str().unwrap().lines().find_map(|line| line.strip_prefix(&named).map(str::to_owned));
    line.unwrap().parse().unwrap()
}

/// What `work` gives, `number` times at once.
fn at_once<T: Send>(number: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..number).map(|n| scope.spawn(move || work(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn exists(path: impl AsRef<Path>) -> bool {
    path.as_ref().exists()
}
