//! What is kept of answers, for how long, and how much of it.

use super::*;

const MINUTE: i64 = 60_000_000;

fn hash(n: u32) -> KeyHash {
    super::super::hash(&n.to_string())
}

fn known(id: u128, expires_at: Option<i64>) -> Known {
    let machine = Machine { name: id.to_string(), roles: Vec::new(), rate_limit: None };
    Known { id: Uuid::from_u128(id), machine: Arc::new(machine), expires_at, last_used_at: None }
}

fn machine(found: Found) -> Option<String> {
    match found {
        Found::Machine(machine) => Some(machine.name.clone()),
        Found::Nobody | Found::Unasked => None,
    }
}

#[test]
fn an_answer_counts_for_five_seconds() {
    let (verified, start) = (Verified::default(), Instant::now());
    let asked = (verified.turn(), start);
    assert_eq!(verified.find(&hash(1), 0, start), Found::Unasked);
    verified.keep(hash(1), Some(known(1, Some(10))), asked, 0);
    verified.keep(hash(2), None, asked, 0);
    let soon = start + Duration::from_millis(4999);
    assert_eq!(machine(verified.find(&hash(1), 9, soon)), Some("1".to_owned()));
    assert_eq!(verified.find(&hash(1), 10, soon), Found::Nobody, "its end is looked at each time");
    assert_eq!(verified.find(&hash(2), 9, soon), Found::Nobody);
    assert_eq!(verified.find(&hash(3), 9, soon), Found::Unasked);
    let late = start + FRESH;
    assert_eq!(verified.find(&hash(1), 9, late), Found::Unasked);
    assert_eq!(verified.find(&hash(2), 9, late), Found::Unasked);
}

#[test]
fn keys_in_use_are_renewed_and_others_are_not() {
    let (verified, start) = (Verified::default(), Instant::now());
    verified.keep(hash(1), Some(known(1, None)), (0, start), 0);
    verified.keep(hash(2), Some(known(2, None)), (0, start), 0);
    verified.keep(hash(3), Some(known(3, None)), (0, start), 0);
    assert!(verified.due(start + RENEWED - Duration::from_millis(1)).is_empty());
    let second = start + RENEWED;
    assert_eq!(verified.due(second).len(), 3);
    let ids = [1, 2, 3].map(Uuid::from_u128);
    let answers = HashMap::from([(ids[0], Some(known(1, None))), (ids[1], None), (ids[2], Some(known(3, None)))]);
    verified.renew(&answers, (0, second));
    assert_eq!(verified.find(&hash(2), 1, second), Found::Unasked, "it was revoked");
    assert!(machine(verified.find(&hash(1), 1, start + FRESH)).is_some());
    assert_eq!(verified.due(second + RENEWED), [ids[0]], "the third was not used since");
}

#[test]
fn what_was_asked_before_a_change_does_not_count() {
    let (verified, start) = (Verified::default(), Instant::now());
    let before = (verified.turn(), start);
    verified.keep(hash(1), Some(known(1, None)), before, 0);
    verified.forget(Uuid::from_u128(1));
    assert_eq!(verified.find(&hash(1), 0, start), Found::Unasked);
    verified.keep(hash(1), Some(known(1, None)), before, 0);
    assert_eq!(verified.find(&hash(1), 0, start), Found::Unasked);
    verified.keep(hash(1), Some(known(1, None)), (verified.turn(), start), 0);
    verified.renew(&HashMap::from([(Uuid::from_u128(1), None)]), before);
    assert!(machine(verified.find(&hash(1), 0, start)).is_some());
}

#[test]
fn uses_are_told_once_a_minute_and_kept_until_they_are() {
    let (verified, start) = (Verified::default(), Instant::now());
    verified.keep(hash(1), Some(known(1, None)), (0, start), 5);
    let id = Uuid::from_u128(1);
    assert_eq!(verified.uses(MINUTE), [(id, 5)], "a first use at once");
    verified.written(&[(id, 5)]);
    verified.find(&hash(1), 4 + MINUTE, start);
    assert!(verified.uses(MINUTE).is_empty());
    assert_eq!(verified.uses(0), [(id, 4 + MINUTE)], "at an end all of them");
    verified.find(&hash(1), 5 + MINUTE, start);
    assert_eq!(verified.uses(MINUTE), [(id, 5 + MINUTE)]);
    verified.sweep(start + FRESH);
    assert_eq!(verified.uses(MINUTE).len(), 1, "not before it is told");
    verified.written(&verified.uses(MINUTE));
    verified.sweep(start + FRESH);
    assert!(verified.parts.iter().all(|part| part.lock().unwrap().known.is_empty()));
}

#[test]
fn the_last_use_of_a_key_that_changes_is_told() {
    let (verified, start) = (Verified::default(), Instant::now());
    for n in [1, 2, 3] {
        verified.keep(hash(n), Some(known(n.into(), None)), (0, start), 5);
    }
    let ids = [1, 2, 3].map(Uuid::from_u128);
    verified.written(&ids.map(|id| (id, 5)));
    for n in [1, 2, 3] {
        verified.find(&hash(n), 6, start);
    }
    verified.renew(&HashMap::from([(ids[0], None)]), (0, start));
    verified.keep(hash(2), None, (0, start), 7);
    verified.forget(ids[2]);
    assert_eq!([1, 2, 3].map(|n| verified.find(&hash(n), 8, start)), [Found::Unasked, Found::Nobody, Found::Unasked]);
    let mut uses = verified.uses(MINUTE);
    uses.sort_unstable();
    assert_eq!(uses, ids.map(|id| (id, 6)));
    assert!(verified.due(start + FRESH).is_empty(), "nobody asks about them");
    verified.written(&uses);
    verified.sweep(start);
    assert!(verified.parts.iter().all(|part| part.lock().unwrap().known.is_empty()));
}

#[test]
fn both_tables_have_an_end() {
    let (verified, start) = (Verified::default(), Instant::now());
    for n in 0..40_000 {
        verified.keep(hash(n), None, (0, start), 0);
    }
    // One that is in use is younger than those that are not, and stays.
    let later = start + Duration::from_secs(1);
    verified.keep(hash(0), Some(known(0, None)), (0, later), 0);
    for n in 1..40_000 {
        verified.keep(hash(n), Some(known(n.into(), None)), (0, start), 0);
    }
    let mut sizes = (0, 0);
    verified.each(|part| sizes = (sizes.0 + part.known.len(), sizes.1 + part.unknown.len()));
    assert_eq!(sizes, (PARTS * KNOWN, PARTS * UNKNOWN));
    assert!(machine(verified.find(&hash(0), 0, later)).is_some());
    verified.sweep(later + FRESH);
    verified.each(|part| assert!(part.unknown.is_empty()));
}
