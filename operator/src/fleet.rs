//! How many Backends without an `image` of their own move to the operator's new image at once.
//!
//! Asked by `reconcile`. A Backend that does not become ready keeps its place, so that a bad image stops early.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::context::Key;

/// So many at once.
const PLACES: usize = 5;

/// Those that are on their way.
#[derive(Debug, Default)]
pub struct Fleet(Mutex<BTreeSet<Key>>);

impl Fleet {
    /// The image for a Backend that follows the operator: the new one if it is there, new, or has a place; else the one
    /// that it runs. `ready` is whether it serves the image that it runs; one that does not needs no place to move, for
    /// it has nothing to lose, and must not hold up the others.
    pub fn image<'a>(&self, key: &Key, new: &'a str, running: Option<&'a str>, ready: bool) -> &'a str {
        let mut moving = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = running else { return new };
        if running == new {
            if ready {
                moving.remove(key);
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
        running
    }

    /// A Backend is gone, or has an image of its own.
    pub fn forget(&self, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
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
        let images: Vec<&str> = (0..7).map(|number| fleet.image(&key(number), "new", Some("old"), true)).collect();
        assert_eq!(images, ["new", "new", "new", "new", "new", "old", "old"]);
        // One that arrived makes room only when it is ready.
        assert_eq!(fleet.image(&key(0), "new", Some("new"), false), "new");
        assert_eq!(fleet.image(&key(5), "new", Some("old"), true), "old");
        // One that serves nothing is free to go, and takes no place.
        assert_eq!(fleet.image(&key(7), "new", Some("old"), false), "new");
        assert_eq!(fleet.image(&key(0), "new", Some("new"), true), "new");
        assert_eq!(fleet.image(&key(5), "new", Some("old"), true), "new");
        fleet.forget(&key(1));
        assert_eq!(fleet.image(&key(6), "new", Some("old"), true), "new");
    }

    #[test]
    fn a_first_rollout_waits_for_no_place() {
        let fleet = Fleet::default();
        for number in 0..20 {
            assert_eq!(fleet.image(&key(number), "new", None, false), "new");
        }
    }
}
