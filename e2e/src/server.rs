//! The server under test, as the program that users run: started on free ports, found by the log line that names them.
//!
//! The binary is `MAINSTAY_BIN`, else the one beside the running test (`make` builds it first). Dropping kills it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::http::Caller;

/// The admin key of every server that the tests start.
pub const ADMIN_KEY: &str = "an-admin-key-that-only-the-tests-know";
/// What is part of every secret that a test plants, in a password, a key, a body or a URL. The output of no server may hold
/// it, nor [`ADMIN_KEY`]: [`Server`] looks when it is dropped.
pub const SECRET: &str = "planted-secret";
/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub struct Server {
    child: Child,
    log: Log,
    readers: Vec<JoinHandle<()>>,
    /// Where the API is, such as `http://127.0.0.1:41234`.
    pub url: String,
    /// Where the metrics are.
    pub admin_url: String,
    /// Calls with the admin key.
    pub admin: Caller,
    /// Calls without a credential.
    pub anonymous: Caller,
}

type Log = Arc<Mutex<String>>;

/// Where a server listens, as `host:port`.
#[derive(Debug, PartialEq)]
struct Addresses {
    api: String,
    admin: String,
}

impl Server {
    /// Serves `documents` (a path in the repository) from the database, and returns once it is ready.
    pub fn start(documents: &str, database_url: &str) -> Server {
        let server = Server::launch(program(), documents, database_url, &[]);
        server.wait_until_ready();
        server
    }

    /// Serves with more flags, and returns once it listens. `command` is [`program`], or runs it.
    pub fn launch(mut command: Command, documents: &str, database_url: &str, flags: &[&str]) -> Server {
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MAINSTAY_")) {
            command.env_remove(name);
        }
        command
            .args(["serve", "-f", documents, "--database-url", database_url, "--log-format", "json"])
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(flags)
            .env("MAINSTAY_ADMIN_KEY", ADMIN_KEY)
            .current_dir(repository())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let log = Log::default();
        let (found, addresses) = channel();
        let readers = vec![
            watch(child.stdout.take().expect("a pipe"), log.clone(), found.clone()),
            watch(child.stderr.take().expect("a pipe"), log.clone(), found),
        ];
        let Ok(Addresses { api, admin }) = addresses.recv_timeout(PATIENCE) else {
            drop(child.kill());
            panic!("the server never said where it listens:\n{}", log.lock().unwrap());
        };
        let (url, admin_url) = (format!("http://{api}"), format!("http://{admin}"));
        let (admin, anonymous) = (Caller::new(&url, Some(ADMIN_KEY)), Caller::new(&url, None));
        Server { child, log, readers, url, admin_url, admin, anonymous }
    }

    /// Returns once it says that it is ready.
    pub fn wait_until_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        let ready = || self.anonymous.send(reqwest::Method::GET, "/health/ready", &[], None);
        while !ready().is_ok_and(|answer| answer.status == 200) {
            assert!(Instant::now() < deadline, "the server is not ready:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Everything that it has printed and logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Ends it at once (SIGKILL), as a crash would.
    pub fn kill(mut self) {
        self.child.kill().expect("it is running");
        self.child.wait().expect("it has ended");
    }

    /// Its number as a process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "it is not running:\n{}", self.log());
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub fn stop(self) -> ExitStatus {
        self.terminate();
        self.wait()
    }

    /// Waits until it has ended.
    pub fn wait(mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill()); // fails only when it has ended
        drop(self.child.wait());
        // What it wrote last is still on its way. A program that it started may keep the pipe open for ever.
        let deadline = Instant::now() + Duration::from_secs(2);
        while !self.readers.iter().all(JoinHandle::is_finished) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        match thread::panicking() {
            true => eprint_tail(&self.log()),
            false => assert_no_secret(&self.log()),
        }
    }
}

/// Fails when a program has printed what nobody but its owner may know.
pub fn assert_no_secret(output: &str) {
    let telling = |line: &&str| line.contains(ADMIN_KEY) || line.contains(SECRET);
    let lines: Vec<&str> = output.lines().filter(telling).collect();
    assert!(lines.is_empty(), "a secret was printed:\n{}", lines.join("\n"));
}

/// Shows the end of a log beside the failure that it belongs to.
#[allow(clippy::print_stderr, reason = "the test harness shows it with the failed test")]
fn eprint_tail(log: &str) {
    let lines: Vec<&str> = log.lines().collect();
    eprintln!("the server's last lines:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
}

/// Collects what a pipe says, and reports the addresses when they come.
fn watch(pipe: impl Read + Send + 'static, log: Log, found: Sender<Addresses>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if let Some(addresses) = addresses(&line) {
                drop(found.send(addresses)); // nobody listens when it is said again
            }
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    })
}

/// The addresses of the log line `listening`.
fn addresses(line: &str) -> Option<Addresses> {
    let line: Json = serde_json::from_str(line).ok()?;
    let fields = line.get("fields").unwrap_or(&line);
    let text = |name: &str| fields.get(name)?.as_str().map(str::to_owned);
    (text("message")? == "listening").then_some(())?;
    Some(Addresses { api: text("api")?, admin: text("admin")? })
}

/// The folder of the repository, where the examples are.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// The program under test.
pub fn program() -> Command {
    Command::new(binary())
}

/// How many records a measurement asks for; none in a run of the tests.
#[expect(clippy::disallowed_methods, reason = "a setting of the tests")]
pub fn measured_records() -> Option<usize> {
    let named = std::env::var("MAINSTAY_TEST_RECORDS").ok()?;
    Some(named.parse().expect("MAINSTAY_TEST_RECORDS is a number"))
}

/// Where the program under test is.
#[expect(clippy::disallowed_methods, reason = "a setting of the tests")]
pub fn binary() -> PathBuf {
    let named = std::env::var_os("MAINSTAY_BIN").map(PathBuf::from);
    let path = named.unwrap_or_else(|| {
        let here = std::env::current_exe().expect("a running program");
        let folder = here.parent().expect("a folder");
        let folder = if folder.ends_with("deps") { folder.parent().expect("a folder") } else { folder };
        folder.join("mainstay")
    });
    assert!(path.is_file(), "{} is not there: `cargo build` makes it", path.display());
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_seen() {
        assert_no_secret("listening\n");
        for told in [ADMIN_KEY, "postgres://ann:planted-secret-1@host/db"] {
            assert!(std::panic::catch_unwind(|| assert_no_secret(&format!("a\nb {told} c\n"))).is_err(), "{told}");
        }
    }

    #[test]
    fn addresses_come_from_the_listening_line_alone() {
        let found = Some(Addresses { api: "127.0.0.1:1".into(), admin: "127.0.0.1:2".into() });
        let cases = [
            (r#"{"fields":{"message":"listening","api":"127.0.0.1:1","admin":"127.0.0.1:2"}}"#, found),
            (r#"{"message":"listening","api":"127.0.0.1:1"}"#, None),
            (r#"{"fields":{"message":"starting","api":"127.0.0.1:1","admin":"127.0.0.1:2"}}"#, None),
            ("listening api=127.0.0.1:1", None),
        ];
        for (line, expected) in cases {
            assert_eq!(addresses(line), expected, "{line}");
        }
    }
}
