//! Each request comes back one window after it was made, within a tenth of a window. Never more than `limit` in any window.
//!
//! Called by [`super::Count`]. Requests are counted in slots of a tenth of the window, and a slot is forgotten once it lies
//! wholly outside of it. Two counters weighed against each other, as is common, take less room but let more than `limit`
//! through when requests are not spread evenly; a list of times is exact and as long as the limit is high.

use mainstay_crds::rate_limit::Quota;

use super::{Room, window};

/// Slots of a window.
const PARTS: u64 = 10;
/// Those, and the one that has begun.
const SLOTS: u64 = PARTS + 1;

/// Requests of the last slots, each at its number modulo their count, and the number of the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlidingWindow {
    newest: u64,
    counts: [u32; SLOTS as usize],
}

impl SlidingWindow {
    pub fn new(quota: &Quota, now: u64) -> Self {
        SlidingWindow { newest: now / length(quota), counts: [0; SLOTS as usize] }
    }

    pub fn at(mut self, quota: &Quota, now: u64) -> Self {
        let newest = now / length(quota);
        for slot in (self.newest + 1..=newest).take(SLOTS as usize) {
            self.counts[place(slot)] = 0;
        }
        self.newest = self.newest.max(newest);
        self
    }

    pub fn take(&mut self) {
        self.counts[place(self.newest)] += 1;
    }

    pub fn room(&self, quota: &Quota, now: u64) -> Room {
        let used = self.counts.iter().fold(0, |sum: u32, count| sum.saturating_add(*count));
        let oldest = (self.newest.saturating_sub(PARTS)..=self.newest).find(|slot| self.counts[place(*slot)] > 0);
        let reset =
            oldest.map_or(0, |slot| forgotten(slot, quota).saturating_sub(now.max(self.newest * length(quota))));
        Room { remaining: quota.limit().saturating_sub(used), reset }
    }

    pub fn idle_at(&self, quota: &Quota) -> u64 {
        forgotten(self.newest, quota)
    }
}

/// A window is whole seconds, so that a tenth of it is whole milliseconds.
fn length(quota: &Quota) -> u64 {
    window(quota) / PARTS
}

fn forgotten(slot: u64, quota: &Quota) -> u64 {
    (slot + SLOTS) * length(quota)
}

fn place(slot: u64) -> usize {
    (slot % SLOTS) as usize
}
