//! SIGKILL in the middle of writes at 32 connections, on both databases: after a restart every acknowledged write is
//! there, every write that was never answered is there whole or not at all, and nothing else is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use mainstay_e2e::database::Database;
use mainstay_e2e::http::Caller;
use mainstay_e2e::server::Server;
use reqwest::Method;
use serde_json::{Value as Json, json};

const CONNECTIONS: usize = 32;
const SECONDS: u64 = 10;
/// Records of one array create.
const TOGETHER: usize = 40;
const MARKETS: &str = "/api/v1/markets";

#[test]
fn killed_on_sqlite() {
    kill_and_compare("sqlite");
}

#[test]
fn killed_on_postgres() {
    kill_and_compare("postgres");
}

/// What may be found after the restart, written down before each request and narrowed by its answer.
#[derive(Default)]
struct Journal {
    /// By slug: the generations that the record may have; `None` is absent.
    records: BTreeMap<String, Vec<Option<i64>>>,
    /// By tag: whether the array create was acknowledged.
    arrays: BTreeMap<String, bool>,
    acknowledged: usize,
}

/// One connection: creates, changes, deletes and array creates, until one is not answered.
struct Writer {
    caller: Caller,
    number: usize,
    journal: Journal,
    /// The latest record: slug, id, generation.
    latest: Option<(String, String, i64)>,
}

fn kill_and_compare(kind: &str) {
    let database = Database::new(kind);
    let server = Server::start("examples/markets", database.url());
    let killed = Arc::new(AtomicBool::new(false));
    let journals = Arc::new(Mutex::new(Vec::new()));
    let writers: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let (caller, killed, journals) = (server.admin.clone(), killed.clone(), journals.clone());
            thread::spawn(move || {
                let writer = Writer { caller, number, journal: Journal::default(), latest: None };
                journals.lock().unwrap().push(writer.write_until_unanswered(&killed));
            })
        })
        .collect();
    thread::sleep(Duration::from_secs(SECONDS)); // how long the load lasts; nothing is waited for
    killed.store(true, Ordering::SeqCst);
    server.kill();
    for writer in writers {
        writer.join().expect("no writer met an unexpected answer");
    }
    let server = Server::start("examples/markets", database.url());
    let found = server.admin.walk(MARKETS, &[("limit", "200")]);
    let journals = std::mem::take(&mut *journals.lock().unwrap());
    compare(journals, &found);
    let again = server.admin.post(MARKETS, &record("after-the-restart", 2, None));
    assert_eq!(again.status, 201, "{}", again.body);
    assert!(server.stop().success());
}

impl Writer {
    fn write_until_unanswered(mut self, killed: &AtomicBool) -> Journal {
        for round in 0.. {
            let answered = match (round % 8, self.latest.clone()) {
                (7, _) => self.create_together(round),
                (3, Some(latest)) | (6, Some(latest)) => self.change(latest),
                (5, Some(latest)) => self.delete(latest),
                _ => self.create(round),
            };
            if answered.is_none() {
                assert!(killed.load(Ordering::SeqCst), "an answer failed before the kill");
                return self.journal;
            }
            self.journal.acknowledged += 1;
        }
        self.journal
    }

    fn create(&mut self, round: usize) -> Option<()> {
        let slug = format!("w{}-{round}", self.number);
        self.journal.records.insert(slug.clone(), vec![None, Some(2)]);
        let made = self.send(Method::POST, MARKETS, Some(&record(&slug, 2, None)), 201)?;
        let id = made["data"]["id"].as_str().expect("an id").to_owned();
        self.journal.records.insert(slug.clone(), vec![Some(2)]);
        self.latest = Some((slug, id, 2));
        Some(())
    }

    fn change(&mut self, (slug, id, generation): (String, String, i64)) -> Option<()> {
        let next = generation + 1;
        self.journal.records.insert(slug.clone(), vec![Some(generation), Some(next)]);
        let body = json!({"title": title(&slug, next), "trader_limit": next});
        self.send(Method::PATCH, &format!("{MARKETS}/{id}"), Some(&body), 200)?;
        self.journal.records.insert(slug.clone(), vec![Some(next)]);
        self.latest = Some((slug, id, next));
        Some(())
    }

    fn delete(&mut self, (slug, id, generation): (String, String, i64)) -> Option<()> {
        self.journal.records.insert(slug.clone(), vec![Some(generation), None]);
        self.latest = None;
        self.send(Method::DELETE, &format!("{MARKETS}/{id}"), None, 204)?;
        self.journal.records.insert(slug, vec![None]);
        Some(())
    }

    fn create_together(&mut self, round: usize) -> Option<()> {
        let tag = format!("array-{}-{round}", self.number);
        let records: Vec<Json> =
            (0..TOGETHER).map(|i| record(&format!("a{}-{round}-{i}", self.number), 2, Some(&tag))).collect();
        self.journal.arrays.insert(tag.clone(), false);
        self.send(Method::POST, MARKETS, Some(&json!(records)), 201)?;
        self.journal.arrays.insert(tag, true);
        Some(())
    }

    /// The body of the expected answer; `None` when none came.
    fn send(&self, method: Method, path: &str, body: Option<&Json>, expected: u16) -> Option<Json> {
        let answer = self.caller.send(method, path, &[], body).ok()?;
        assert_eq!(answer.status, expected, "{path}: {}", answer.body);
        Some(answer.body)
    }
}

fn title(slug: &str, generation: i64) -> String {
    format!("{slug} of generation {generation}")
}

fn record(slug: &str, generation: i64, tag: Option<&str>) -> Json {
    let tags: Vec<&str> = tag.into_iter().collect();
    json!({"title": title(slug, generation), "slug": slug, "trader_limit": generation, "tags": tags})
}

fn compare(journals: Vec<Journal>, found: &[Json]) {
    let acknowledged: usize = journals.iter().map(|journal| journal.acknowledged).sum();
    assert_eq!(journals.len(), CONNECTIONS);
    println!("{acknowledged} acknowledged writes, {} records found after the restart", found.len());
    assert!(acknowledged > CONNECTIONS * 8, "only {acknowledged} writes: the load never got going");
    let mut records: BTreeMap<String, Vec<Option<i64>>> = BTreeMap::new();
    let mut arrays: BTreeMap<String, (bool, usize)> = BTreeMap::new();
    for journal in journals {
        records.extend(journal.records);
        arrays.extend(journal.arrays.into_iter().map(|(tag, acknowledged)| (tag, (acknowledged, 0))));
    }
    for market in found {
        let (slug, generation) = (market["slug"].as_str().unwrap(), market["trader_limit"].as_i64().unwrap());
        assert_eq!(market["title"], json!(title(slug, generation)), "half a write");
        match market["tags"][0].as_str() {
            Some(tag) => arrays.get_mut(tag).unwrap_or_else(|| panic!("nobody sent {tag}")).1 += 1,
            None => {
                let allowed = records.remove(slug).unwrap_or_else(|| panic!("nobody sent {slug}, or it came twice"));
                assert!(allowed.contains(&Some(generation)), "{slug} is of generation {generation}, not {allowed:?}");
            }
        }
    }
    for (slug, allowed) in records {
        assert!(allowed.contains(&None), "{slug} was acknowledged and is lost: {allowed:?}");
    }
    for (tag, (acknowledged, count)) in arrays {
        assert!(
            count == TOGETHER || (count == 0 && !acknowledged),
            "{tag}: {count} of {TOGETHER}, acknowledged: {acknowledged}"
        );
    }
}

#[test]
fn a_lost_write_is_noticed() {
    let journal = |number: usize| Journal {
        records: BTreeMap::from([(format!("w{number}"), vec![Some(2)])]),
        arrays: BTreeMap::from([(format!("t{number}"), false)]),
        acknowledged: 9,
    };
    let journals = || (0..CONNECTIONS).map(journal).collect::<Vec<_>>();
    let all: Vec<Json> = (0..CONNECTIONS).map(|number| record(&format!("w{number}"), 2, None)).collect();
    compare(journals(), &all);
    let half = [all.clone(), vec![record("x", 2, Some("t3"))]].concat();
    let stale = [all[1..].to_vec(), vec![record("w0", 1, None)]].concat();
    let mut torn = all.clone();
    torn[0]["trader_limit"] = json!(3);
    for broken in [all[1..].to_vec(), half, stale, torn] {
        let journals = journals();
        assert!(std::panic::catch_unwind(move || compare(journals, &broken)).is_err());
    }
}
