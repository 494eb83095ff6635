//! How requests are counted: what is kept of one client, as a pure function of the time.
//!
//! Called by the table in this process; `decide.lua` does the same sums in Redis, and a test holds the two against each
//! other. Times are milliseconds of any clock, also of one that steps back: time then stands still for the client.

use mainstay_crds::rate_limit::{Algorithm, Quota};

use fixed_window::FixedWindow;
use sliding_window::SlidingWindow;
use token_bucket::TokenBucket;

mod fixed_window;
mod sliding_window;
#[cfg(test)]
mod tests;
mod token_bucket;

/// What is kept of one client under one quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Of a token bucket.
    TokenBucket(TokenBucket),
    /// Of a fixed window.
    FixedWindow(FixedWindow),
    /// Of a sliding window.
    SlidingWindow(SlidingWindow),
}

/// What a client may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// How many more requests are allowed at once.
    pub remaining: u32,
    /// Milliseconds until more are; 0 when nothing is used.
    pub reset: u64,
}

impl Count {
    /// Of a client that has done nothing yet.
    pub fn new(quota: &Quota, now: u64) -> Count {
        match quota.algorithm() {
            Algorithm::TokenBucket => Count::TokenBucket(TokenBucket::new(quota, now)),
            Algorithm::FixedWindow => Count::FixedWindow(FixedWindow::new(now)),
            Algorithm::SlidingWindow => Count::SlidingWindow(SlidingWindow::new(quota, now)),
        }
    }

    /// The same at `now`, with what has come back since.
    pub fn at(self, quota: &Quota, now: u64) -> Count {
        match self {
            Count::TokenBucket(count) => Count::TokenBucket(count.at(quota, now)),
            Count::FixedWindow(count) => Count::FixedWindow(count.at(quota, now)),
            Count::SlidingWindow(count) => Count::SlidingWindow(count.at(quota, now)),
        }
    }

    /// Counts a request; only where there is room for one.
    pub fn take(&mut self, quota: &Quota) {
        match self {
            Count::TokenBucket(count) => count.take(quota),
            Count::FixedWindow(count) => count.take(),
            Count::SlidingWindow(count) => count.take(),
        }
    }

    /// What is left, at the time of [`Count::at`].
    pub fn room(&self, quota: &Quota, now: u64) -> Room {
        match self {
            Count::TokenBucket(count) => count.room(quota),
            Count::FixedWindow(count) => count.room(quota, now),
            Count::SlidingWindow(count) => count.room(quota, now),
        }
    }

    /// From when on it is as if the client had done nothing, and need not be kept.
    pub fn idle_at(&self, quota: &Quota) -> u64 {
        match self {
            Count::TokenBucket(count) => count.idle_at(quota),
            Count::FixedWindow(count) => count.idle_at(quota),
            Count::SlidingWindow(count) => count.idle_at(quota),
        }
    }
}

/// The window in milliseconds: a day at most.
fn window(quota: &Quota) -> u64 {
    quota.window().as_secs() * 1000
}
