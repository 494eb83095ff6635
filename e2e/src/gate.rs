//! A proxy between programs and PostgreSQL that stops at a chosen change.
//!
//! Used to kill a migration at each of its changes in turn. When the answer to the chosen change arrives, so that the
//! change has happened, it is not handed on: the program waits for it, and the test ends the program there. Knows the
//! messages of protocol 3 by their length and statements by their name, no more.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a client asks for before anything else: encryption, which a test has none of.
const ENCRYPTION: [u32; 2] = [80_877_103, 80_877_104];
/// Statements that change nothing by themselves.
const LOOKS: [&str; 9] = ["SELECT", "SET", "SHOW", "BEGIN", "START", "ROLLBACK", "LOCK", "DISCARD", "DEALLOCATE"];

/// The proxy. It ends with the process.
pub struct Gate {
    /// `host:port` of the server.
    upstream: String,
    /// `host:port` of the proxy.
    address: String,
    shared: Arc<Shared>,
}

/// Which changes count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Those that are there to stay: what a transaction did counts at its commit.
    Kept,
    /// Those in a transaction as well.
    Every,
}

struct Shared {
    changes: AtomicUsize,
    /// The change that is not told; 0 is never.
    at: AtomicUsize,
    every: AtomicBool,
    reached: AtomicBool,
}

/// What one connection is doing.
#[derive(Default)]
struct Doing {
    /// The statement that is being answered; empty where only one was prepared.
    sql: String,
    prepared: HashMap<String, String>,
}

impl Gate {
    /// A gate to the server of a URL.
    pub fn new(url: &str) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let upstream = host(url).to_owned();
        let (changes, at) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let shared = Arc::new(Shared { changes, at, every: AtomicBool::new(false), reached: AtomicBool::new(false) });
        let (accepting, server) = (Arc::clone(&shared), upstream.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (shared, server) = (Arc::clone(&accepting), server.clone());
                // An error of one connection is the end of a program, which is what this proxy is for.
                thread::spawn(move || drop(shared.serve(client, &server)));
            }
        });
        Gate { upstream, address, shared }
    }

    /// A URL of the server, by way of the gate.
    pub fn through(&self, url: &str) -> String {
        url.replace(&self.upstream, &self.address)
    }

    /// Counts from nothing, and stops at the `n`th change; never when `n` is 0.
    pub fn arm(&self, n: usize, counted: Counted) {
        self.shared.changes.store(0, Ordering::SeqCst);
        self.shared.every.store(counted == Counted::Every, Ordering::SeqCst);
        self.shared.reached.store(false, Ordering::SeqCst);
        self.shared.at.store(n, Ordering::SeqCst);
    }

    /// Whether the chosen change has happened.
    pub fn has_stopped(&self) -> bool {
        self.shared.reached.load(Ordering::SeqCst)
    }

    /// How many changes there were.
    pub fn changes(&self) -> usize {
        self.shared.changes.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream, upstream: &str) -> io::Result<()> {
        let first = loop {
            let message = startup(&mut client)?;
            if !ENCRYPTION.contains(&number(&message[4..])) {
                break message;
            }
            client.write_all(b"N")?;
        };
        let mut server = TcpStream::connect(upstream)?;
        // A migration asks and waits: nothing is gained by waiting for more.
        server.set_nodelay(true)?;
        client.set_nodelay(true)?;
        server.write_all(&first)?;
        let doing = Mutex::new(Doing::default());
        let (asks, answers) = ((client.try_clone()?, server.try_clone()?), (server, client));
        thread::scope(|scope| {
            let asking = scope.spawn(|| asked(asks.0, asks.1, &doing));
            let answered = self.answered(answers.0, answers.1, &doing);
            asking.join().expect("no panic").and(answered)
        })
    }

    /// Hands answers on, until the one to the chosen change.
    fn answered(&self, mut from: TcpStream, mut to: TcpStream, doing: &Mutex<Doing>) -> io::Result<()> {
        let mut failed = false;
        loop {
            let Some(message) = message(&mut from)? else {
                return to.shutdown(Shutdown::Both);
            };
            match message[0] {
                b'E' => failed = true,
                b'Z' => {
                    let sql = std::mem::take(&mut doing.lock().expect("no panic").sql);
                    let kept = message[5] == b'I' || self.every.load(Ordering::SeqCst);
                    if !std::mem::take(&mut failed) && kept && changes(&sql) && self.count() {
                        // The program waits, and then is no more.
                        return Ok(());
                    }
                }
                _ => {}
            }
            to.write_all(&message)?;
        }
    }

    /// Whether this change is the chosen one.
    fn count(&self) -> bool {
        let count = self.changes.fetch_add(1, Ordering::SeqCst) + 1;
        let is_chosen = count == self.at.load(Ordering::SeqCst);
        if is_chosen {
            self.reached.store(true, Ordering::SeqCst);
        }
        is_chosen
    }
}

/// Hands requests on. The end of the program is the end of its session.
fn asked(mut from: TcpStream, mut to: TcpStream, doing: &Mutex<Doing>) -> io::Result<()> {
    while let Ok(Some(message)) = message(&mut from) {
        let mut texts = message[5..].split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        let mut text = || texts.next().unwrap_or_default();
        {
            let mut doing = doing.lock().expect("no panic");
            match message[0] {
                b'Q' => doing.sql = text(),
                b'P' => drop(doing.prepared.insert(text(), text())),
                b'B' => {
                    let (_, name) = (text(), text());
                    doing.sql = doing.prepared.get(&name).cloned().unwrap_or_default();
                }
                _ => {}
            }
        }
        to.write_all(&message)?;
    }
    to.shutdown(Shutdown::Both)
}

/// A message with its type and length; none at the end.
fn message(from: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut message = vec![0; 5];
    if from.read(&mut message[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut message[1..])?;
    let length = number(&message[1..]) as usize;
    message.resize(1 + length, 0);
    from.read_exact(&mut message[5..])?;
    Ok(Some(message))
}

/// The first message of a client, which has no type.
fn startup(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut message = vec![0; 8];
    from.read_exact(&mut message)?;
    let length = number(&message) as usize;
    message.resize(length, 0);
    from.read_exact(&mut message[8..])?;
    Ok(message)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |number, byte| (number << 8) | u32::from(*byte))
}

/// Whether a statement changes something.
fn changes(sql: &str) -> bool {
    let mut lines = sql.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--"));
    let first = lines.next().unwrap_or_default().to_ascii_uppercase();
    !first.is_empty() && !LOOKS.iter().any(|look| first.starts_with(look))
}

/// `host:port` of a URL.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or_default();
    rest.rsplit('@').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_is_known_by_its_first_word() {
        for (sql, expected) in [
            ("ALTER TABLE t", true),
            ("-- Oldest server.\n\n CREATE TABLE t (n int)", true),
            ("COMMIT", true),
            ("select 1", false),
            ("SET LOCAL lock_timeout = 1", false),
            ("BEGIN", false),
            ("", false),
        ] {
            assert_eq!(changes(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_server_is_found_in_its_url() {
        assert_eq!(host("postgres://postgres@127.0.0.1:5432/test_1?x=y"), "127.0.0.1:5432");
    }
}
