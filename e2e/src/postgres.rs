//! A PostgreSQL server for tests: started from the machine's own binaries on a free port, gone with its owner.
//!
//! Used by the tests of every crate. `MAINSTAY_TEST_POSTGRES_URL` names a running server to use instead. The server
//! runs under a shell that ends it when this process's end of a pipe closes: also after a panic or a SIGKILL.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// What watches the server: stops and starts it as its input says, and at the end of that deletes its folder.
const KEEPER: &str = r#"
folder=$1; shift
"$@" <&- &
server=$!
while read -r order; do
  case $order in
    stop) kill -INT "$server"; wait "$server" ;;
    start) "$@" <&- & server=$! ;;
    *) kill -s "$order" "$server" $(cat "/proc/$server/task/$server/children") ;;
  esac
done
kill -QUIT "$server"
wait "$server"
rm -rf "$folder"
"#;
const UP: &str = "ready to accept connections";
const DOWN: &str = "database system is shut down";

/// A running server.
pub struct Postgres {
    /// `postgres://user@host:port`, without a database.
    base: String,
    /// What follows the database in a URL.
    tail: String,
    psql: PathBuf,
    keeper: Option<Keeper>,
    databases: AtomicU32,
}

/// A transaction that stays open.
pub struct Hold(Child);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("psql ends");
    }
}

/// The shell around a server that is ours.
struct Keeper {
    shell: Mutex<Child>,
    orders: Mutex<ChildStdin>,
    /// The log lines that say `UP` or `DOWN`.
    turns: Mutex<Receiver<String>>,
}

impl Postgres {
    /// Starts a server, or takes the one of `MAINSTAY_TEST_POSTGRES_URL`.
    pub fn start() -> Postgres {
        #[expect(clippy::disallowed_methods, reason = "the one setting of the tests")]
        match std::env::var("MAINSTAY_TEST_POSTGRES_URL") {
            Ok(url) => Postgres::running(&url),
            Err(_) => Postgres::own(&["fsync=off", "full_page_writes=off"]),
        }
    }

    /// Starts a server that waits for the disk, as in production.
    pub fn durable() -> Postgres {
        Postgres::own(&[])
    }

    /// Starts a server of the test's own, with settings such as `max_connections=10`.
    pub fn with(settings: &[&str]) -> Postgres {
        Postgres::own(&[&["fsync=off", "full_page_writes=off"], settings].concat())
    }

    /// Stops the server: every connection is ended, new ones are refused. It has to be the test's own.
    pub fn stop(&self) {
        self.order("stop", DOWN);
    }

    /// Starts it again, with its data, at its address.
    pub fn start_again(&self) {
        self.order("start", UP);
    }

    /// Freezes every process of the server (`STOP`), or lets them go on (`CONT`).
    pub fn signal(&self, signal: &str) {
        let keeper = self.keeper.as_ref().expect("a server of the test's own");
        writeln!(keeper.orders.lock().unwrap(), "{signal}").expect("its shell listens");
    }

    /// Starts a server of the test's own that also listens on `address`, where clients need a password.
    pub fn reachable(address: &str) -> Postgres {
        const PASSWORD: &str = "a-password-that-only-the-tests-know";
        let listen = format!("listen_addresses=127.0.0.1,{address}");
        let mut postgres = Postgres::with(&[&listen]);
        postgres.run("postgres", &format!("ALTER ROLE postgres PASSWORD '{PASSWORD}'"));
        let rules = postgres.run("postgres", "SHOW hba_file");
        let mut file = std::fs::OpenOptions::new().append(true).open(rules).expect("its rules can be written");
        writeln!(file, "host all all all scram-sha-256").expect("its rules can be written");
        postgres.run("postgres", "SELECT pg_reload_conf()");
        let port = postgres.base.rsplit(':').next().unwrap_or_default();
        postgres.base = format!("postgres://postgres:{PASSWORD}@{address}:{port}");
        postgres
    }

    fn order(&self, order: &str, turn: &str) {
        self.signal(order);
        let turns = self.keeper.as_ref().expect("a server of the test's own").turns.lock().unwrap();
        while !turns.recv_timeout(Duration::from_secs(60)).expect("PostgreSQL obeys").contains(turn) {}
    }

    /// The server of this test process, started by the first who asks.
    pub fn shared() -> &'static Postgres {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Postgres::start)
    }

    /// The URL of a fresh, empty database.
    pub fn database(&self) -> String {
        self.made("template0 ENCODING 'UTF8'")
    }

    /// The URL of a copy of a database that nobody is connected to.
    pub fn copy(&self, url: &str) -> String {
        let model = url.rsplit('/').next().unwrap_or_default();
        self.made(model.split('?').next().unwrap_or_default())
    }

    fn made(&self, template: &str) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        self.run("postgres", &format!("DROP DATABASE IF EXISTS {name}"));
        self.run("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        self.url(&name)
    }

    /// Runs SQL in a database with `psql` and answers what it prints, one line a row, `|` between columns.
    pub fn run(&self, database: &str, sql: &str) -> String {
        let mut psql = Command::new(&self.psql);
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(database), "-c", sql]);
        succeed(psql.env("PGOPTIONS", "-c client_min_messages=error")).trim_end().to_owned()
    }

    /// Runs SQL in a transaction that stays open, and so keeps its locks, until the answer is dropped.
    pub fn hold(&self, database: &str, sql: &str) -> Hold {
        let mut psql = Command::new(&self.psql);
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(database)]);
        let mut child = psql.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("psql starts");
        let orders = child.stdin.as_mut().expect("a pipe");
        writeln!(orders, "BEGIN; {sql}; SELECT 'held';").expect("psql reads");
        let mut answer = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut answer).expect("psql answers");
        assert_eq!(answer, "held\n", "{sql}");
        Hold(child)
    }

    fn url(&self, database: &str) -> String {
        format!("{}/{database}{}", self.base, self.tail)
    }

    fn running(url: &str) -> Postgres {
        let (address, tail) = url.split_at(url.find('?').unwrap_or(url.len()));
        let (scheme, rest) = address.split_once("://").expect("MAINSTAY_TEST_POSTGRES_URL is postgres://…");
        let host = rest.split('/').next().unwrap_or_default();
        let psql = binaries().map_or_else(|| PathBuf::from("psql"), |folder| folder.join("psql"));
        let (base, tail) = (format!("{scheme}://{host}"), tail.to_owned());
        Postgres { base, tail, psql, keeper: None, databases: AtomicU32::new(0) }
    }

    /// `more` settings make tests faster.
    fn own(more: &[&str]) -> Postgres {
        let binaries = binaries()
            .expect("no PostgreSQL server is installed: apt-get install postgresql, or set MAINSTAY_TEST_POSTGRES_URL");
        let folder = succeed(as_other("mktemp").args(["-d", "/tmp/mainstay-postgres.XXXXXX"])).trim_end().to_owned();
        let data = format!("{folder}/data");
        let flags = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"];
        succeed(as_other(binaries.join("initdb")).args(["-D", &data]).args(flags));

        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        let mut shell = as_other("sh");
        shell.args(["-c", KEEPER, "sh", &folder]).arg(binaries.join("postgres")).args(["-D", &data]);
        let settings = ["listen_addresses=127.0.0.1", "max_connections=200"];
        let placed = [format!("port={port}"), format!("unix_socket_directories={folder}")];
        for setting in settings.iter().chain(more).copied().chain(placed.iter().map(String::as_str)) {
            shell.args(["-c", setting]);
        }
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut keeper = shell.spawn().expect("a shell that runs PostgreSQL");
        let pipe = keeper.stdin.take().expect("its input");
        let mut log = BufReader::new(keeper.stderr.take().expect("its log")).lines();
        let mut seen = Vec::new();
        loop {
            match log.next() {
                Some(Ok(line)) if line.contains("ready to accept connections") => break,
                Some(Ok(line)) => seen.push(line),
                _ => panic!("PostgreSQL ended early:\n{}", seen.join("\n")),
            }
        }
        // Read on, so that a full pipe never stops the server.
        let (tell, turns) = channel();
        std::thread::spawn(move || {
            for line in log.map_while(Result::ok).filter(|line| line.contains(UP) || line.contains(DOWN)) {
                drop(tell.send(line)); // nobody listens at the end
            }
        });
        Postgres {
            base: format!("postgres://postgres@127.0.0.1:{port}"),
            tail: String::new(),
            psql: binaries.join("psql"),
            keeper: Some(Keeper { shell: Mutex::new(keeper), orders: Mutex::new(pipe), turns: Mutex::new(turns) }),
            databases: AtomicU32::new(0),
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(Keeper { shell, orders, .. }) = self.keeper.take() {
            drop(orders);
            shell.into_inner().unwrap().wait().expect("the server's shell ends");
        }
    }
}

/// The folder of the newest server on this machine.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let found = versions.into_iter().map(|(_, folder)| folder).rfind(|folder| folder.join("initdb").is_file());
    #[expect(clippy::disallowed_methods, reason = "where programs are, not a setting")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.or_else(|| std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file()))
}

/// A command as a user that PostgreSQL accepts: it refuses root.
fn as_other(program: impl AsRef<Path>) -> Command {
    let me = std::fs::metadata("/proc/self").expect("/proc tells whose process this is");
    if std::os::unix::fs::MetadataExt::uid(&me) != 0 {
        return Command::new(program.as_ref());
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = if users.lines().any(|line| line.starts_with("postgres:")) { "postgres" } else { "nobody" };
    let mut command = Command::new("runuser");
    command.args(["-u", user, "--"]).arg(program.as_ref());
    command
}

fn succeed(command: &mut Command) -> String {
    command.current_dir("/");
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{text}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_apart() {
        let postgres = Postgres::start();
        let (one, two) = (postgres.database(), postgres.database());
        assert_ne!(one, two);
        let name = one.rsplit('/').next().unwrap().to_owned();
        postgres.run(&name, "CREATE TABLE here (n int); INSERT INTO here VALUES (7)");
        assert_eq!(postgres.run(&name, "SELECT n, 'x' FROM here"), "7|x");
        assert_eq!(postgres.run("postgres", "SHOW server_encoding"), "UTF8");
    }
}
