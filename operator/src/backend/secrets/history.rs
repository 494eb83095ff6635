//! Keys that follow one another: which is current, which are still valid, what is due.
//!
//! Called by the planners of admin keys and ApiKeys. Pure. Ends are reckoned from when keys were made and from the spec
//! as it is now, so that a shorter overlap counts at once.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::held::{age, credible, later};

/// The most keys that are valid at a time; the oldest makes room.
const MOST: usize = 8;

/// The shortest time between two rotations.
const SHORTEST: Duration = Duration::from_secs(60);

/// How long the key before stays valid where the spec says nothing.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);

/// What a spec asks for.
#[derive(Clone, Copy)]
pub struct Rule {
    /// How long a key is the current one; for ever when absent.
    pub every: Option<Duration>,
    /// How long it is valid after that.
    pub overlap: Duration,
    /// How long it is valid at all; for ever when absent.
    pub life: Option<Duration>,
}

/// A key and when it was made.
#[derive(Clone, PartialEq)]
pub struct Made<T> {
    /// The key, or what is kept of it.
    pub key: T,
    /// When it became the current one.
    pub at: Timestamp,
}

/// The current key first, then those that it took the place of, newest first.
#[derive(Clone, PartialEq)]
pub struct History<T> {
    /// The current key.
    pub current: Made<T>,
    /// Those before it.
    pub previous: Vec<Made<T>>,
}

impl<T> History<T> {
    /// A first key.
    pub fn new(key: T, at: Timestamp) -> History<T> {
        History { current: Made { key, at }, previous: Vec::new() }
    }

    /// Times that a clock set back left in the future are now.
    pub fn settle(&mut self, now: Timestamp) {
        self.current.at = credible(self.current.at, now);
        self.previous.iter_mut().for_each(|made| made.at = credible(made.at, now));
    }

    /// Whether the current key has been that for long enough.
    pub fn due(&self, rule: Rule, now: Timestamp) -> bool {
        rule.every.is_some_and(|every| age(self.current.at, now) >= every.max(SHORTEST))
    }

    /// When the current key is due to be followed.
    pub fn due_at(&self, rule: Rule) -> Option<Timestamp> {
        rule.every.map(|every| later(self.current.at, every.max(SHORTEST)))
    }

    /// A new current key.
    pub fn turn(&mut self, key: T, now: Timestamp) {
        let before = std::mem::replace(&mut self.current, Made { key, at: now });
        self.previous.insert(0, before);
        self.previous.truncate(MOST - 1);
    }

    /// When the current key ends by itself.
    pub fn expires(&self, rule: Rule) -> Option<Timestamp> {
        rule.life.map(|life| later(self.current.at, life))
    }

    /// Each previous key, and when it ends.
    pub fn ends(&self, rule: Rule) -> impl Iterator<Item = (&Made<T>, Timestamp)> {
        let followers = std::iter::once(&self.current).chain(&self.previous);
        self.previous.iter().zip(followers).map(move |(made, follower)| (made, end(made, follower, rule)))
    }

    /// Takes away what is past its time.
    pub fn prune(&mut self, rule: Rule, now: Timestamp) {
        let valid: Vec<bool> = self.ends(rule).map(|(_, end)| end > now).collect();
        let mut valid = valid.into_iter();
        self.previous.retain(|_| valid.next() == Some(true));
    }

    /// How long until something is due.
    pub fn next(&self, rule: Rule, now: Timestamp) -> Option<Duration> {
        let ends = self.ends(rule).map(|(_, end)| end);
        let expiry = self.expires(rule).filter(|end| *end > now);
        ends.chain(self.due_at(rule)).chain(expiry).map(|time| age(now, time)).min()
    }
}

fn end<T>(made: &Made<T>, follower: &Made<T>, rule: Rule) -> Timestamp {
    let overlap = later(follower.at, rule.overlap);
    rule.life.map_or(overlap, |life| overlap.min(later(made.at, life)))
}
