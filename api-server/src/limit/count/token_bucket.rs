//! A bucket that holds `burst` requests and is filled at the rate of `limit` in a window. In any window it allows at most
//! `limit + burst`.
//!
//! Called by [`super::Count`]. The level is kept in parts of a request so small that all sums are whole: a request is as
//! many of them as the window has milliseconds, and `limit` of them come back in each.

use mainstay_crds::rate_limit::Quota;

use super::{Room, window};

/// How full the bucket is, and since when that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    level: u64,
    at: u64,
}

impl TokenBucket {
    pub fn new(quota: &Quota, now: u64) -> Self {
        TokenBucket { level: full(quota), at: now }
    }

    pub fn at(self, quota: &Quota, now: u64) -> Self {
        let back = now.saturating_sub(self.at).saturating_mul(u64::from(quota.limit()));
        TokenBucket { level: self.level.saturating_add(back).min(full(quota)), at: self.at.max(now) }
    }

    pub fn take(&mut self, quota: &Quota) {
        self.level = self.level.saturating_sub(window(quota));
    }

    pub fn room(&self, quota: &Quota) -> Room {
        let remaining = u32::try_from(self.level / window(quota)).unwrap_or(u32::MAX);
        let missing = if self.level >= full(quota) { 0 } else { window(quota) - self.level % window(quota) };
        Room { remaining, reset: missing.div_ceil(u64::from(quota.limit())) }
    }

    pub fn idle_at(&self, quota: &Quota) -> u64 {
        self.at + full(quota).saturating_sub(self.level).div_ceil(u64::from(quota.limit()))
    }
}

fn full(quota: &Quota) -> u64 {
    u64::from(quota.burst()) * window(quota)
}
