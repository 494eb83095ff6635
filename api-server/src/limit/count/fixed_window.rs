//! Windows that begin with a client's first request. Each allows `limit`; two that follow each other allow at most twice
//! as many in one window's time.
//!
//! Called by [`super::Count`]. Not windows of the clock, in which all clients would return at the same second.

use mainstay_crds::rate_limit::Quota;

use super::{Room, window};

/// How many requests there were, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedWindow {
    start: u64,
    count: u32,
}

impl FixedWindow {
    pub fn new(now: u64) -> Self {
        FixedWindow { start: now, count: 0 }
    }

    pub fn at(self, quota: &Quota, now: u64) -> Self {
        if self.count == 0 || now >= self.start + window(quota) { FixedWindow::new(self.start.max(now)) } else { self }
    }

    pub fn take(&mut self) {
        self.count += 1;
    }

    pub fn room(&self, quota: &Quota, now: u64) -> Room {
        let reset = if self.count == 0 { 0 } else { self.idle_at(quota) - now.clamp(self.start, self.idle_at(quota)) };
        Room { remaining: quota.limit().saturating_sub(self.count), reset }
    }

    pub fn idle_at(&self, quota: &Quota) -> u64 {
        self.start + window(quota)
    }
}
