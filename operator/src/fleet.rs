//! How many Backends without an `image` of their own move to the operator's new image at once.
//!
//! Asked by `reconcile`. A Backend that does not become ready keeps its place, so that a bad image stops early.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::context::Key;

/// So many at once.
const PLACES: usize = 5;

/// Between two looks of those that wait, all together: a place is found soon, and a large fleet asks no more than a small.
const LOOKS: Duration = Duration::from_millis(300);
/// The shortest time between two looks of one.
const SHORTEST: Duration = Duration::from_secs(15);

/// Backends that follow the operator's image.
#[derive(Debug, Default)]
pub struct Fleet(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    /// On their way.
    moving: BTreeSet<Key>,
    /// Waiting for a place.
    waiting: BTreeSet<Key>,
}

impl Fleet {
    /// The image for a Backend that follows the operator: the new one if it is there, new, or has a place; else the one
    /// that it runs. `ready` is whether it serves the image that it runs; one that does not needs no place to move, for
    /// it has nothing to lose, and must not hold up the others. `moves` is whether pods of two templates run: so it
    /// keeps its place when another operator takes the lead.
    pub fn image<'a>(&self, key: &Key, new: &'a str, running: Option<&'a str>, ready: bool, moves: bool) -> &'a str {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Places { moving, waiting } = &mut *places;
        waiting.remove(key);
        let Some(running) = running else { return new };
        if running == new {
            if ready {
                moving.remove(key);
            } else if moves {
                moving.insert(key.clone());
            }
            return new;
        }
        if !ready || moving.contains(key) {
            return new;
        }
        if moving.len() < PLACES {
            moving.insert(key.clone());
            return new;
        }
        waiting.insert(key.clone());
        running
    }

    /// When one that waits looks for a place again.
    pub fn pause(&self) -> Duration {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = u32::try_from(places.waiting.len()).unwrap_or(u32::MAX);
        LOOKS.saturating_mul(waiting).max(SHORTEST)
    }

    /// A Backend is gone, or has an image of its own.
    pub fn forget(&self, key: &Key) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.moving.remove(key);
        places.waiting.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        ("a".to_owned(), format!("b{number}"))
    }

    #[test]
    fn five_move_and_the_others_stay() {
        let fleet = Fleet::default();
        let images: Vec<&str> =
            (0..7).map(|number| fleet.image(&key(number), "new", Some("old"), true, false)).collect();
        assert_eq!(images, ["new", "new", "new", "new", "new", "old", "old"]);
        // One that arrived makes room only when it is ready.
        assert_eq!(fleet.image(&key(0), "new", Some("new"), false, false), "new");
        assert_eq!(fleet.image(&key(5), "new", Some("old"), true, false), "old");
        // One that serves nothing is free to go, and takes no place.
        assert_eq!(fleet.image(&key(7), "new", Some("old"), false, false), "new");
        assert_eq!(fleet.image(&key(0), "new", Some("new"), true, false), "new");
        assert_eq!(fleet.image(&key(5), "new", Some("old"), true, false), "new");
        fleet.forget(&key(1));
        assert_eq!(fleet.image(&key(6), "new", Some("old"), true, false), "new");
    }

    #[test]
    fn those_on_their_way_keep_their_places_under_another_leader() {
        let fleet = Fleet::default();
        for number in 0..5 {
            assert_eq!(fleet.image(&key(number), "new", Some("new"), false, true), "new");
        }
        assert_eq!(fleet.image(&key(5), "new", Some("old"), true, false), "old");
        // One that lost a pod later is not on its way.
        assert_eq!(fleet.image(&key(0), "new", Some("new"), true, true), "new");
        assert_eq!(fleet.image(&key(0), "new", Some("new"), false, false), "new");
        assert_eq!(fleet.image(&key(5), "new", Some("old"), true, false), "new");
    }

    #[test]
    fn a_large_fleet_looks_no_more_often_than_a_small_one() {
        let fleet = Fleet::default();
        assert_eq!(fleet.pause(), SHORTEST);
        for number in 0..1005 {
            fleet.image(&key(number), "new", Some("old"), true, false);
        }
        assert_eq!(fleet.pause(), Duration::from_secs(300));
        (5..1005).for_each(|number| fleet.forget(&key(number)));
        assert_eq!(fleet.pause(), SHORTEST);
    }

    #[test]
    fn a_first_rollout_waits_for_no_place() {
        let fleet = Fleet::default();
        for number in 0..20 {
            assert_eq!(fleet.image(&key(number), "new", None, false, false), "new");
        }
    }
}
