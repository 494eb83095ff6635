//! The counts of one policy in this process: bounded, and forgotten when they say nothing any more.
//!
//! Called by the limiter. One table a policy, so that a flood of addresses takes no room from the counts of keys.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mainstay_crds::rate_limit::Quota;

use super::count::Count;

/// Parts of a table with a lock of their own.
const SHARDS: usize = 16;
/// The most clients of a part: 65,536 of a table, in some 8 MB.
const ROOM: usize = 4096;
/// How many of them make place at once, so that looking for them costs each newcomer little.
const BATCH: usize = ROOM / 8;

/// Counts by client.
pub struct Table {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

/// By the client's keyed hash: 64 bits under a key that is made at the start, so that nobody can look for another client
/// with the same one, and among the clients of a table it happens once in billions of years.
type Shard = HashMap<u64, Kept>;

#[derive(Clone, Copy)]
struct Kept {
    count: Count,
    idle_at: u64,
}

/// The place of one client, locked.
pub struct Place<'a> {
    shard: MutexGuard<'a, Shard>,
    client: u64,
    /// The count of this moment.
    pub count: Count,
}

impl Default for Table {
    fn default() -> Self {
        Table { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }
}

impl Table {
    /// Locks the client's place. Under another quota the client is another one: what was counted by the old one has no
    /// meaning. Whoever locks places of several tables does so in their order.
    pub fn place(&self, client: impl Hash, quota: &Quota, now: u64) -> Place<'_> {
        let client = self.hasher.hash_one((client, quota));
        let shard = &self.shards[(client >> 60) as usize % SHARDS];
        // Whatever a thread has left behind is a count.
        let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let count = shard.get(&client).map_or_else(|| Count::new(quota, now), |kept| kept.count.at(quota, now));
        Place { shard, client, count }
    }

    /// Forgets who is as if they had never come.
    pub fn sweep(&self, now: u64) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, kept| kept.idle_at > now);
            shard.shrink_to(ROOM / 4);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }
}

impl Place<'_> {
    /// Keeps the count.
    pub fn keep(mut self, quota: &Quota, now: u64) {
        let kept = Kept { count: self.count, idle_at: self.count.idle_at(quota) };
        if self.shard.len() >= ROOM && !self.shard.contains_key(&self.client) {
            make_room(&mut self.shard, now);
        }
        self.shard.insert(self.client, kept);
    }
}

/// Forgets the idle, and where that is not enough, those who would be idle first. To be forgotten early, a client has to
/// bring hundreds of others, each with a limit of its own, which is more than it wins.
fn make_room(shard: &mut Shard, now: u64) {
    shard.retain(|_, kept| kept.idle_at > now);
    let too_many = (shard.len() + BATCH).saturating_sub(ROOM);
    if too_many == 0 {
        return;
    }
    let mut ends: Vec<u64> = shard.values().map(|kept| kept.idle_at).collect();
    let (_, last, _) = ends.select_nth_unstable(too_many - 1);
    let last = *last;
    // Of those with one and the same end as many as needed, not all.
    let mut left = too_many;
    shard.retain(|_, kept| {
        let goes = left > 0 && kept.idle_at <= last;
        left -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota() -> Quota {
        Quota::check(5, "60s", None, None).unwrap()
    }

    /// How many requests the client had left before this one, which is counted.
    fn take(table: &Table, client: u64, now: u64) -> u32 {
        let mut place = table.place(client, &quota(), now);
        let before = place.count.room(&quota(), now).remaining;
        place.count.take(&quota());
        place.keep(&quota(), now);
        before
    }

    #[test]
    fn a_table_has_an_end_and_goes_on() {
        let table = Table::default();
        for client in 0..100_000 {
            assert_eq!(take(&table, client, 1000), 5);
        }
        assert!(table.len() <= SHARDS * ROOM, "{}", table.len());
        assert!(table.len() > SHARDS * (ROOM - BATCH) / 2, "{}", table.len());
    }

    #[test]
    fn a_flood_of_strangers_does_not_reset_who_used_up_the_limit() {
        let table = Table::default();
        for _ in 0..5 {
            take(&table, 7, 1000);
        }
        for stranger in 1000..150_000 {
            take(&table, stranger, 1001);
        }
        assert_eq!(table.place(7u64, &quota(), 1001).count.room(&quota(), 1001).remaining, 0);
    }

    #[test]
    fn the_idle_are_swept() {
        let table = Table::default();
        for client in 0..1000 {
            take(&table, client, 1000);
        }
        table.sweep(1001);
        assert_eq!(table.len(), 1000);
        table.sweep(13_000);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn another_quota_begins_anew() {
        let table = Table::default();
        take(&table, 7, 1000);
        let other = Quota::check(5, "61s", None, None).unwrap();
        assert_eq!(table.place(7u64, &other, 1000).count.room(&other, 1000).remaining, 5);
        assert_eq!(take(&table, 7, 1000), 4);
    }
}
