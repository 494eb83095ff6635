//! A steady, bounded load on a Backend: every answer counts, and one that fails is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mainstay_e2e::cluster::{PATIENCE, wait_for};
use mainstay_e2e::http::Caller;
use reqwest::Method;
use serde_json::{Value, json};

/// Between two requests of one client.
const PACE: Duration = Duration::from_millis(40);
/// The most that one load sends, whatever its test does.
const MOST: usize = 20_000;

/// What the clients read and write.
#[derive(Clone, Copy)]
pub struct Work {
    /// The path of a collection.
    pub path: &'static str,
    /// The record that a client creates in a turn.
    pub record: fn(client: usize, turn: usize) -> Value,
}

/// Writers of people, each with an e-mail of its own.
pub const USERS: Work = Work {
    path: "/api/v1/users",
    record: |client, turn| {
        let email = format!("{client}-{turn}-{}@example.com", std::process::id());
        json!({ "email": email, "name": "A" })
    },
};
/// Writers of notes who name no field: each server fills in what it knows.
pub const NOTES: Work = Work { path: "/api/v1/notes", record: |_, _| json!({}) };

/// Clients that read and write until they are told to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Four clients, about a hundred requests a second in all, each on new connections now and then.
    pub fn start(url: &str, key: &str, work: Work) -> Load {
        let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let clients = (0..4).map(|client| {
            let (stop, sent, url, key) = (Arc::clone(&stop), Arc::clone(&sent), url.to_owned(), key.to_owned());
            thread::spawn(move || {
                let mut failed = Vec::new();
                let mut caller = Caller::new(&url, Some(&key));
                let start = Instant::now();
                for turn in 0..MOST / 4 {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    // As clients do that come and go: a connection that stays would hide a dead Service.
                    if turn % 20 == 0 {
                        caller = Caller::new(&url, Some(&key));
                    }
                    sent.fetch_add(1, Ordering::SeqCst);
                    if let Err(why) = once(&caller, work, client, turn) {
                        failed.push(format!("{:.1} s: {why}", start.elapsed().as_secs_f32()));
                    }
                    thread::sleep(PACE);
                }
                failed
            })
        });
        let clients = clients.collect();
        Load { stop, sent, clients }
    }

    /// How many requests were sent so far.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }

    /// Waits until it has sent some more requests.
    pub fn some_more(&self) {
        let enough = self.sent() + 100;
        wait_for("some load", PATIENCE, || if self.sent() > enough { Ok(()) } else { Err("not yet".to_owned()) });
    }

    /// Stops; none of its requests may have failed.
    pub fn without_failure(self, what: &str) {
        let (sent, failed) = self.stop();
        println!("{what}: {sent} requests, {} failed", failed.len());
        assert!(failed.is_empty(), "{} of {sent}: {:#?}", failed.len(), &failed[..failed.len().min(20)]);
    }

    /// Stops, and answers how many were sent and which failed.
    pub fn stop(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::SeqCst);
        let failed = self.clients.into_iter().flat_map(|client| client.join().expect("no panic")).collect();
        (self.sent.load(Ordering::SeqCst), failed)
    }
}

fn once(caller: &Caller, work: Work, client: usize, turn: usize) -> Result<(), String> {
    let (method, body, wanted) = match turn % 2 {
        0 => (Method::GET, None, 200),
        _ => (Method::POST, Some((work.record)(client, turn)), 201),
    };
    match caller.send(method, work.path, &[], body.as_ref()) {
        Ok(answer) if answer.status == wanted => Ok(()),
        Ok(answer) => Err(format!("{} {}", answer.status, answer.body)),
        Err(error) => Err(format!("{error:?}")),
    }
}
