//! How long the queue for a connection is, in time: whoever would wait longer than allowed is turned away at once.
//!
//! Kept by [`super::pool::Pool`]. A request that waits in vain costs as much as one that is served; the client that is told
//! at once asks elsewhere, or later. The wait is those who wait times how long a connection is in use, by the number of
//! connections. How long that is, the last bodies tell; and when the database has frozen, so that none ends, the time since
//! the queue last moved. Reads a few counters, takes no lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A new figure counts for an eighth of the mean.
const WEIGHT: u64 = 8;

/// Those who wait for a connection, and the pace at which they are served.
pub(super) struct Queue {
    connections: u64,
    /// The longest expected wait.
    limit: u64,
    epoch: Instant,
    waiting: AtomicU64,
    /// The mean time that a body takes. All times are microseconds.
    recent: AtomicU64,
    /// When somebody was served last, or the first one began to wait.
    moved: AtomicU64,
    refused: AtomicU64,
}

/// A place in the queue; left when dropped.
pub(super) struct Place<'a>(&'a Queue);

impl Queue {
    pub(super) fn new(connections: usize, limit: Duration) -> Queue {
        let none = || AtomicU64::new(0);
        Queue {
            connections: connections as u64,
            limit: micros(limit),
            epoch: Instant::now(),
            waiting: none(),
            recent: none(),
            moved: none(),
            refused: none(),
        }
    }

    /// A place, or the wait that there would be.
    pub(super) fn enter(&self) -> Result<Place<'_>, Duration> {
        self.enter_at(self.now())
    }

    fn enter_at(&self, now: u64) -> Result<Place<'_>, Duration> {
        if self.waiting.load(Relaxed) == 0 {
            self.moved.store(now, Relaxed);
        }
        let ahead = self.waiting.fetch_add(1, Relaxed);
        let place = Place(self);
        let stalled = now.saturating_sub(self.moved.load(Relaxed));
        let each = self.recent.load(Relaxed).max(stalled);
        let wait = ahead.saturating_mul(each) / self.connections;
        if wait <= self.limit {
            return Ok(place);
        }
        self.refused.fetch_add(1, Relaxed);
        Err(Duration::from_micros(wait))
    }

    /// A body has ended, and how long it had its connection.
    pub(super) fn done(&self, took: Duration) {
        // Two at once may lose one of their figures: it is a mean.
        let mean = self.recent.load(Relaxed);
        self.recent.store((mean * (WEIGHT - 1) + micros(took)) / WEIGHT, Relaxed);
    }

    /// How many were turned away.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    fn now(&self) -> u64 {
        micros(self.epoch.elapsed())
    }
}

impl Place<'_> {
    /// It is this one's turn.
    pub(super) fn served(self) {
        self.0.moved.store(self.0.now(), Relaxed);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn queue() -> Queue {
        Queue::new(2, Duration::from_secs(1))
    }

    #[test]
    fn who_would_wait_too_long_is_refused() {
        let queue = queue();
        // The mean comes near to 100 ms: 20 of them are a second's work for two connections.
        for _ in 0..100 {
            queue.done(Duration::from_millis(101));
        }
        let places: Vec<_> = (0..20).map(|_| queue.enter_at(0).map_err(|_| "refused").unwrap()).collect();
        let wait = queue.enter_at(0).map(|_| ()).unwrap_err();
        assert!(wait > Duration::from_secs(1) && wait < Duration::from_millis(1100), "{wait:?}");
        assert_eq!(queue.refused(), 1);
        drop(places);
        assert!(queue.enter_at(0).is_ok(), "nobody waits any more");
    }

    #[test]
    fn a_queue_that_does_not_move_is_as_long_as_it_stands() {
        let queue = queue();
        let first = queue.enter_at(100 * SECOND);
        assert!(first.is_ok(), "nobody was served for long, but nobody asked");
        let second = queue.enter_at(101 * SECOND);
        assert!(second.is_ok());
        assert!(queue.enter_at(101 * SECOND).is_ok(), "two connections: one second");
        for seconds in [2, 3] {
            let wait = queue.enter_at((100 + seconds) * SECOND).map(|_| ()).unwrap_err();
            assert_eq!(wait, Duration::from_secs(seconds), "two wait, and it stands for so long");
        }
        second.unwrap().served();
        drop(first);
        assert!(queue.enter_at(104 * SECOND).is_ok(), "one is always let in, to find out");
    }

    #[test]
    fn many_at_once_are_no_queue_yet() {
        let queue = queue();
        let places: Vec<_> = (0..1000).filter_map(|_| queue.enter_at(3600 * SECOND).ok()).collect();
        assert_eq!(places.len(), 1000, "nothing is known of how long they take");
    }
}
