//! Who has guessed wrong too often waits: ever longer, and never for good.
//!
//! Asked before a password is looked at. An attempt counts from its beginning, so that many at once gain nothing, and is
//! taken back when it was right. Counts are those of this process. Accounts that nobody has are counted as well.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};

/// A second in microseconds.
const SECOND: i64 = 1_000_000;
/// After so long without a wrong guess it is as if there had been none.
const FORGOTTEN: i64 = 15 * 60 * SECOND;
/// The most that is counted at a time.
const MOST: usize = 65_536;

/// How many wrong guesses are free, and how long the wait becomes.
struct Rule {
    free: u32,
    longest: i64,
}

/// Of one account: half a minute at most, since others may be the ones who guess.
const ACCOUNT: Rule = Rule { free: 5, longest: 30 * SECOND };
/// Of one address, whatever the account; a company may have one.
const ADDRESS: Rule = Rule { free: 20, longest: FORGOTTEN };

/// Of whom wrong guesses are counted. An account is the start of a hash of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Account([u8; 16]),
    Address(IpAddr),
    /// An account, from an address from which its owner has signed in.
    Home([u8; 16], Option<IpAddr>),
}

impl Key {
    fn rule(&self) -> &'static Rule {
        match self {
            Key::Account(_) | Key::Home(..) => &ACCOUNT,
            Key::Address(_) => &ADDRESS,
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Count {
    wrong: u32,
    last: i64,
}

impl Count {
    fn at(self, now: i64) -> Count {
        if now - self.last > FORGOTTEN { Count::default() } else { self }
    }

    fn wait(self, rule: &Rule, now: i64) -> i64 {
        let over = self.wrong.checked_sub(rule.free);
        let pause = over.map_or(0, |over| SECOND.checked_shl(over.min(30)).unwrap_or(i64::MAX).min(rule.longest));
        (self.last + pause - now).max(0).min(pause)
    }
}

/// Counts of wrong guesses.
#[derive(Default)]
pub struct Backoff(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    wrong: HashMap<Key, Count>,
    /// Whence accounts were signed in to, and when last.
    homes: HashMap<Key, i64>,
}

/// One attempt to sign in.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    home: Key,
    address: Option<Key>,
    /// The account, or `home` where that is one of its own.
    counted: Key,
}

impl Backoff {
    /// Begins an attempt, or says how long to wait. Whoever has signed in from this address before is not held up by those
    /// who guess elsewhere.
    pub fn begin(&self, account: &str, address: Option<IpAddr>, now: i64) -> Result<Attempt, Duration> {
        let address = address.map(network);
        let mut start = [0; 16];
        let hash = Sha256::digest(account.to_ascii_lowercase().as_bytes());
        start.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        let (account, home) = (Key::Account(start), Key::Home(start, address));
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = if counts.homes.contains_key(&home) { home } else { account };
        let attempt = Attempt { home, address: address.map(Key::Address), counted };
        let wait = attempt.keys().map(|key| counts.of(key, now).wait(key.rule(), now)).max().unwrap_or(0);
        if wait > 0 {
            return Err(Duration::from_micros(wait.unsigned_abs()));
        }
        counts.make_room(now);
        for key in attempt.keys() {
            let count = counts.of(key, now);
            counts.wrong.insert(key, Count { wrong: count.wrong.saturating_add(1), last: now });
        }
        Ok(attempt)
    }

    /// It was right: what was counted of the account is forgotten, and the address is one of its own from now on.
    pub fn right(&self, attempt: Attempt, now: i64) {
        self.undo(attempt);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.wrong.remove(&attempt.counted);
        if counts.homes.len() >= MOST
            && let Some(oldest) = counts.homes.iter().min_by_key(|(_, last)| **last).map(|(key, _)| *key)
        {
            counts.homes.remove(&oldest);
        }
        counts.homes.insert(attempt.home, now);
    }

    /// It was not decided, for another reason than the caller's.
    pub fn undo(&self, attempt: Attempt) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in attempt.keys() {
            if let Some(count) = counts.wrong.get_mut(&key) {
                count.wrong = count.wrong.saturating_sub(1);
            }
        }
    }
}

impl Attempt {
    fn keys(self) -> impl Iterator<Item = Key> {
        [self.counted].into_iter().chain(self.address)
    }
}

impl Counts {
    fn of(&self, key: Key, now: i64) -> Count {
        self.wrong.get(&key).copied().unwrap_or_default().at(now)
    }

    /// Forgets those who do not have to wait when there are too many, and everybody when that is not enough.
    fn make_room(&mut self, now: i64) {
        if self.wrong.len() < MOST {
            return;
        }
        self.wrong.retain(|_, count| now - count.last <= FORGOTTEN);
        if self.wrong.len() >= MOST {
            self.wrong.retain(|key, count| count.wrong >= key.rule().free);
        }
        if self.wrong.len() >= MOST {
            self.wrong.clear();
        }
    }
}

/// An address of IPv4, or the first half of one of IPv6: a customer has at least that much, and chooses the rest.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    fn wait(backoff: &Backoff, account: &str, from: u8, now: i64) -> u64 {
        backoff.begin(account, address(from), now * SECOND).map_or_else(|wait| wait.as_secs(), |_| 0)
    }

    #[test]
    fn the_wait_for_an_account_grows_to_half_a_minute() {
        let backoff = Backoff::default();
        let mut now = 0;
        assert!((0..5).all(|_| wait(&backoff, "ann@example.com", 1, now) == 0), "the first are free");
        for expected in [1, 2, 4, 8, 16, 30, 30, 30] {
            assert_eq!(wait(&backoff, "ANN@example.com", 2, now), expected, "whatever the address and the case");
            assert_eq!(wait(&backoff, "ann@example.com", 3, now), expected, "to ask costs nothing more");
            now += i64::try_from(expected).unwrap();
            assert_eq!(wait(&backoff, "ann@example.com", 4, now), 0);
        }
        assert_eq!(wait(&backoff, "bob@example.com", 1, now), 0, "others are not held up");
        assert_eq!(wait(&backoff, "ann@example.com", 4, now + 901), 0);
        assert!((0..4).all(|_| wait(&backoff, "ann@example.com", 4, now + 901) == 0), "it is forgotten");
    }

    #[test]
    fn the_wait_of_an_address_grows_to_a_quarter_of_an_hour() {
        let backoff = Backoff::default();
        for guess in 0..20 {
            assert_eq!(wait(&backoff, &format!("{guess}@example.com"), 1, 0), 0);
        }
        assert_eq!(wait(&backoff, "20@example.com", 1, 0), 1);
        assert_eq!(wait(&backoff, "20@example.com", 2, 0), 0, "another address");
        let mut now = 1;
        let mut longest = 0;
        for guess in 21..40 {
            assert_eq!(wait(&backoff, &format!("{guess}@example.com"), 1, now), 0);
            let pause = wait(&backoff, "x@example.com", 1, now);
            longest = longest.max(pause);
            now += i64::try_from(pause).unwrap();
        }
        assert_eq!(longest, 900);
        let far = |low: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, low]));
        for guess in 0..20 {
            backoff.begin(&format!("{guess}@example.org"), far(guess), 0).unwrap();
        }
        backoff.begin("20@example.org", far(99), 0).unwrap_err();
    }

    #[test]
    fn a_victim_signs_in_from_home_while_others_guess() {
        let backoff = Backoff::default();
        let ann = "ann@example.com";
        backoff.right(backoff.begin(ann, address(1), 0).unwrap(), 0);
        for guess in 0..200 {
            let _ = backoff.begin(ann, address(guess), 0);
        }
        assert!(wait(&backoff, ann, 250, 0) > 0, "those who guess wait");
        assert_eq!(wait(&backoff, ann, 1, 0), 0);
        assert!((0..4).map(|_| wait(&backoff, ann, 1, 0)).sum::<u64>() > 0, "at home it is counted too");
    }

    #[test]
    fn what_was_right_or_not_decided_is_not_counted() {
        let backoff = Backoff::default();
        for _ in 0..100 {
            backoff.right(backoff.begin("ann@example.com", address(1), 0).unwrap(), 0);
            backoff.undo(backoff.begin("bob@example.com", address(1), 0).unwrap());
        }
        let counts = backoff.0.lock().unwrap();
        assert!(counts.wrong.values().all(|count| count.wrong == 0));
    }

    #[test]
    fn many_at_once_gain_nothing_and_memory_is_bounded() {
        let backoff = Backoff::default();
        let begun = (0..100).filter(|_| backoff.begin("ann@example.com", None, 0).is_ok()).count();
        assert_eq!(begun, 5);
        for guess in 0..MOST + 10 {
            let _ = backoff.begin(&guess.to_string(), None, 0);
        }
        assert!(backoff.0.lock().unwrap().wrong.len() <= MOST);
        assert!(backoff.begin("ann@example.com", None, 0).is_err(), "those who wait are not forgotten for others");
    }
}
