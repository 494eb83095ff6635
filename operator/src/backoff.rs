//! How long to wait after a failure: quick at first, doubled each time, never over five minutes, never in step.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(300);

/// The wait after that many failures in a row, from 1. `random` spreads it over 75 to 100 percent.
pub fn wait(failures: u32, random: u16) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    spread(doubled.min(LONGEST), random)
}

/// 75 to 100 percent of a time, so that many do not wake at once.
pub fn spread(time: Duration, random: u16) -> Duration {
    time.mul_f64(0.75 + 0.25 * f64::from(random) / f64::from(u16::MAX))
}

/// A random number; a system without any gives the same one, which is no harm here.
pub fn random() -> u16 {
    getrandom::u32().map_or(u16::MAX, |number| (number & u32::from(u16::MAX)) as u16)
}

/// Failures in a row, by what failed.
#[derive(Debug)]
pub struct Failures<K>(Mutex<HashMap<K, Failed>>);

/// What failed so often, and is tried again by itself no sooner than that.
#[derive(Debug)]
struct Failed {
    count: u32,
    again: Instant,
}

impl<K> Default for Failures<K> {
    fn default() -> Self {
        Failures(Mutex::default())
    }
}

impl<K: Eq + Hash> Failures<K> {
    /// It failed once more: how long to wait.
    pub fn failed(&self, key: K) -> Duration {
        self.failed_at(key, Instant::now())
    }

    /// One that was tried before its wait was over, because something changed, waits no longer for it.
    fn failed_at(&self, key: K, now: Instant) -> Duration {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = failures.entry(key).or_insert(Failed { count: 0, again: now });
        if failed.again <= now {
            failed.count = failed.count.saturating_add(1);
            failed.again = now + wait(failed.count, random());
        }
        failed.again.duration_since(now)
    }

    /// It went well, or is gone.
    pub fn forget(&self, key: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        for (failures, millis) in [(1, 200), (2, 400), (5, 3_200), (11, 204_800), (12, 300_000), (40, 300_000)] {
            assert_eq!(wait(failures, u16::MAX), Duration::from_millis(millis), "{failures}");
            assert_eq!(wait(failures, 0), Duration::from_millis(millis * 3 / 4), "{failures}");
        }
    }

    #[test]
    fn a_success_begins_anew() {
        let (failures, mut now) = (Failures::default(), Instant::now());
        for most in [200, 400, 800] {
            let waits = failures.failed_at("a", now);
            assert!(waits <= Duration::from_millis(most) && waits >= Duration::from_millis(most * 3 / 4));
            now += waits;
        }
        assert!(failures.failed_at("b", now) <= Duration::from_millis(200));
        failures.forget(&"a");
        assert!(failures.failed_at("a", now) <= Duration::from_millis(200));
    }

    #[test]
    fn what_is_tried_before_its_wait_is_over_waits_no_longer() {
        let (failures, now) = (Failures::default(), Instant::now());
        let waits = failures.failed_at("a", now);
        for millis in [0, 50, 149] {
            let later = Duration::from_millis(millis);
            assert_eq!(failures.failed_at("a", now + later), waits - later);
        }
        assert!(failures.failed_at("a", now + waits) >= Duration::from_millis(300));
    }
}
