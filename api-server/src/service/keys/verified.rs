//! The keys of the database that were presented lately, so that a request costs no question: bounded, and never older than
//! five seconds.
//!
//! Asked by [`super::Keys`] for each request with such a key, and kept fresh by it beside the requests. Never asks the
//! database itself, and never sees a key, only hashes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{KeyHash, same};
use crate::service::Machine;

/// Parts with a lock of their own.
const PARTS: usize = 16;
/// The most known keys of a part: 16,384 in all, in some 4 MB.
const KNOWN: usize = 1024;
/// The most hashes of a part that no key has: 4,096 in all.
const UNKNOWN: usize = 256;
/// How long an answer of the database counts: as long as a key that was revoked elsewhere may still be taken here.
pub const FRESH: Duration = Duration::from_secs(5);
/// From when on the database is asked again for a key that is in use, beside the requests.
const RENEWED: Duration = Duration::from_secs(2);

/// What is known of a hash.
#[derive(Debug, PartialEq)]
pub enum Found {
    /// Whose key it is.
    Machine(Arc<Machine>),
    /// Nobody's, or nobody's any more.
    Nobody,
    /// The database has to be asked.
    Unasked,
}

/// What the database says of a valid key. Times are microseconds since 1970.
#[derive(Clone, Debug)]
pub struct Known {
    pub id: Uuid,
    pub machine: Arc<Machine>,
    pub expires_at: Option<i64>,
    pub last_used_at: Option<i64>,
}

/// Answers of the database by hash.
pub struct Verified {
    parts: [Mutex<Part>; PARTS],
    /// Counts what was forgotten: an answer that was asked for before that does not count.
    forgotten: AtomicU64,
}

/// By the first bytes of the hash; all of it is then compared in constant time.
#[derive(Default)]
struct Part {
    known: HashMap<u64, Entry>,
    unknown: HashMap<u64, (KeyHash, Instant)>,
}

struct Entry {
    hash: KeyHash,
    key: Known,
    /// When the database was asked last; none for a key that has changed since, and is kept for its last use alone.
    asked: Option<Instant>,
    /// Whether it was presented since.
    is_in_use: bool,
    /// When it was presented last.
    used: i64,
}

impl Default for Verified {
    fn default() -> Self {
        Verified { parts: std::array::from_fn(|_| Mutex::default()), forgotten: AtomicU64::new(0) }
    }
}

impl Verified {
    /// What is known of a hash that is presented at `now`.
    pub fn find(&self, hash: &KeyHash, now: i64, at: Instant) -> Found {
        let is_fresh = |asked: Instant| at.saturating_duration_since(asked) < FRESH;
        let mut part = self.part(hash);
        let entry = part.known.get_mut(&short(hash)).filter(|entry| same(&entry.hash, hash));
        if let Some(entry) = entry.filter(|entry| entry.asked.is_some_and(is_fresh)) {
            if entry.key.expires_at.is_some_and(|end| end <= now) {
                return Found::Nobody;
            }
            entry.is_in_use = true;
            entry.used = now;
            return Found::Machine(Arc::clone(&entry.key.machine));
        }
        match part.unknown.get(&short(hash)) {
            Some((known, asked)) if same(known, hash) && is_fresh(*asked) => Found::Nobody,
            _ => Found::Unasked,
        }
    }

    /// Taken before the database is asked, and given back with its answer.
    pub fn turn(&self) -> u64 {
        self.forgotten.load(Ordering::Acquire)
    }

    /// Keeps what the database, asked at `asked`, said of a hash that is presented at `now`.
    pub fn keep(&self, hash: KeyHash, key: Option<Known>, (turn, asked): (u64, Instant), now: i64) {
        let mut part = self.part(&hash);
        // Under the lock that `forget` takes: what it forgets after this was kept, it finds.
        if self.turn() != turn {
            return;
        }
        let Part { known, unknown } = &mut *part;
        match key {
            Some(key) => {
                make_room(known, &hash, KNOWN, |entry| entry.asked);
                known.insert(short(&hash), Entry { hash, key, asked: Some(asked), is_in_use: true, used: now });
            }
            None => {
                if let Some(entry) = known.get_mut(&short(&hash)) {
                    entry.asked = None;
                }
                make_room(unknown, &hash, UNKNOWN, |(_, asked)| *asked);
                unknown.insert(short(&hash), (hash, asked));
            }
        }
    }

    /// Forgets a key that has changed, so that the next request asks the database.
    pub fn forget(&self, id: Uuid) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        self.each(|part| {
            part.known.values_mut().filter(|entry| entry.key.id == id).for_each(|entry| entry.asked = None)
        });
    }

    /// Keys that are in use and about which the database should be asked again.
    pub fn due(&self, at: Instant) -> Vec<Uuid> {
        let mut due = Vec::new();
        let is_old = |asked: Instant| at.saturating_duration_since(asked) >= RENEWED;
        let is_due = |entry: &Entry| entry.is_in_use && entry.asked.is_some_and(is_old);
        self.each(|part| due.extend(part.known.values().filter(|entry| is_due(entry)).map(|entry| entry.key.id)));
        due
    }

    /// Takes over what the database, asked at `asked`, said of these keys; nothing of those that are valid no more.
    pub fn renew(&self, answers: &HashMap<Uuid, Option<Known>>, (turn, asked): (u64, Instant)) {
        self.each(|part| {
            if self.turn() != turn {
                return;
            }
            for entry in part.known.values_mut() {
                match answers.get(&entry.key.id) {
                    None => {}
                    Some(None) => entry.asked = None,
                    Some(Some(key)) => {
                        let last_used_at = key.last_used_at.max(entry.key.last_used_at);
                        entry.key = Known { last_used_at, ..key.clone() };
                        (entry.asked, entry.is_in_use) = (Some(asked), false);
                    }
                }
            }
        });
    }

    /// The uses that the database does not know of, of keys that have changed, and of others when they are at least `quiet`
    /// microseconds later than the one that it knows of.
    pub fn uses(&self, quiet: i64) -> Vec<(Uuid, i64)> {
        let mut uses = Vec::new();
        let is_told = |entry: &&Entry| {
            let least = if entry.asked.is_some() { quiet.max(1) } else { 1 };
            entry.key.last_used_at.is_none_or(|known| entry.used - known >= least)
        };
        self.each(|part| {
            uses.extend(part.known.values().filter(is_told).map(|entry| (entry.key.id, entry.used)));
        });
        // In one order, so that two servers that write them at once do not wait for each other.
        uses.sort_unstable();
        uses
    }

    /// The database knows of these uses.
    pub fn written(&self, uses: &[(Uuid, i64)]) {
        let uses: HashMap<Uuid, i64> = uses.iter().copied().collect();
        self.each(|part| {
            for entry in part.known.values_mut() {
                entry.key.last_used_at = entry.key.last_used_at.max(uses.get(&entry.key.id).copied());
            }
        });
    }

    /// Forgets what is of no use any more: old answers, but for keys with a use that the database does not know of.
    pub fn sweep(&self, at: Instant) {
        let is_old = |asked: Instant| at.saturating_duration_since(asked) >= FRESH;
        self.each(|part| {
            let is_untold = |entry: &Entry| entry.key.last_used_at < Some(entry.used);
            part.known.retain(|_, entry| !entry.asked.is_none_or(is_old) || is_untold(entry));
            part.unknown.retain(|_, (_, asked)| !is_old(*asked));
        });
    }

    fn part(&self, hash: &KeyHash) -> MutexGuard<'_, Part> {
        lock(&self.parts[usize::from(hash[31]) % PARTS])
    }

    fn each(&self, mut f: impl FnMut(&mut Part)) {
        self.parts.iter().for_each(|part| f(&mut lock(part)));
    }
}

/// Whatever a thread has left behind is whole answers.
fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

fn short(hash: &KeyHash) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Takes out the oldest answer of a full table. Keys in use are renewed all the time and so never the oldest for long; to
/// look for it costs less than the question that a newcomer has just asked of the database.
fn make_room<T, A: Ord>(table: &mut HashMap<u64, T>, hash: &KeyHash, most: usize, asked: impl Fn(&T) -> A) {
    if table.len() < most || table.contains_key(&short(hash)) {
        return;
    }
    let oldest = table.iter().min_by_key(|(_, entry)| asked(entry)).map(|(short, _)| *short);
    oldest.map(|short| table.remove(&short));
}

#[cfg(test)]
mod tests;
