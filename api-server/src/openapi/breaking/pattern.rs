//! Whether one pattern takes every text that another takes, and if not, the shortest text that shows it.
//!
//! Both become automata that are walked side by side, so that a wider rule in other words is not told as a change. Patterns
//! that are too large for that, or in another dialect, are not decided.

use std::collections::{HashMap, VecDeque};

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};

/// The most bytes of one automaton.
const SIZE: usize = 8 * 1024 * 1024;
/// The most combinations of states that are looked at.
const STANDS: usize = 100_000;

/// What a comparison says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Whatever the old pattern takes, the new one takes.
    Wider,
    /// The new pattern does not take this text, which the old one takes.
    Refuses(String),
    /// Nobody can tell.
    Unknown,
}

/// Compares the patterns as JSON Schema reads them: a text matches when a part of it does, and the old ones all hold.
pub(super) fn compare(old: &[&str], new: &str) -> Verdict {
    if old.contains(&new) {
        return Verdict::Wider;
    }
    let old: Option<Vec<Dfa>> = old.iter().map(|pattern| automaton(pattern)).collect();
    match (old, automaton(new)) {
        (Some(old), Some(new)) => walk(&old, &new),
        _ => Verdict::Unknown,
    }
}

type Dfa = dense::DFA<Vec<u32>>;

fn automaton(pattern: &str) -> Option<Dfa> {
    let config = dense::Config::new()
        .start_kind(StartKind::Anchored)
        .match_kind(MatchKind::All)
        .dfa_size_limit(Some(SIZE))
        .determinize_size_limit(Some(SIZE));
    let whole = format!("^(?s:.)*(?:{pattern})(?s:.)*$");
    dense::Builder::new().configure(config).syntax(syntax::Config::new().nest_limit(100)).build(&whole).ok()
}

/// The bytes in the order in which an example reads best.
fn bytes() -> impl Iterator<Item = u8> {
    let plain = (b'0'..=b'9').chain(b'a'..=b'z').chain(b'A'..=b'Z');
    let other = (0..=255).filter(|byte: &u8| !byte.is_ascii_alphanumeric());
    plain.chain(other.clone().filter(u8::is_ascii_graphic)).chain(other.filter(|byte| !byte.is_ascii_graphic()))
}

/// Where every old automaton stands, and the new one.
type Stand = (Vec<StateID>, StateID);
/// Each stand with the one before it and the byte between.
type Seen = HashMap<Stand, Option<(Stand, u8)>>;

fn walk(old: &[Dfa], new: &Dfa) -> Verdict {
    let start = |dfa: &Dfa| dfa.start_state_forward(&Input::new("").anchored(Anchored::Yes)).ok();
    let (Some(ones), Some(other)) = (old.iter().map(start).collect::<Option<Vec<_>>>(), start(new)) else {
        return Verdict::Unknown;
    };
    let mut seen = Seen::from([((ones.clone(), other), None)]);
    let mut queue = VecDeque::from([(ones, other)]);
    let takes = |dfa: &Dfa, state| dfa.is_match_state(dfa.next_eoi_state(state));
    while let Some(stand) = queue.pop_front() {
        if old.iter().zip(&stand.0).all(|(dfa, state)| takes(dfa, *state)) && !takes(new, stand.1) {
            return Verdict::Refuses(text(&seen, stand));
        }
        if seen.len() > STANDS {
            return Verdict::Unknown;
        }
        for byte in bytes() {
            let ones: Vec<StateID> =
                old.iter().zip(&stand.0).map(|(dfa, state)| dfa.next_state(*state, byte)).collect();
            let next = (ones, new.next_state(stand.1, byte));
            let dead = old.iter().zip(&next.0).any(|(dfa, state)| dfa.is_dead_state(*state));
            if !dead && !seen.contains_key(&next) {
                seen.insert(next.clone(), Some((stand.clone(), byte)));
                queue.push_back(next);
            }
        }
    }
    Verdict::Wider
}

fn text(seen: &Seen, stand: Stand) -> String {
    let mut bytes = Vec::new();
    let mut here = &stand;
    while let Some(Some((before, byte))) = seen.get(here) {
        bytes.push(*byte);
        here = before;
    }
    bytes.reverse();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrower_pattern_is_shown_by_a_text() {
        let refuses = |text: &str| Verdict::Refuses(text.to_owned());
        for (old, new, verdict) in [
            ("^[0-9]{1,3}$", "^[0-9]{1,3}$", Verdict::Wider),
            ("^[0-9]{1,3}$", "^-?[0-9]{1,5}(?:\\.[0-9]{1,2})?$", Verdict::Wider),
            ("^-?[0-9]{1,3}$", "^[0-9]{1,3}$", refuses("-0")),
            ("^[0-9]{1,3}$", "^[0-9]{1,2}$", refuses("000")),
            ("^[^\\x00]*$", "^[^\\x00]*$", Verdict::Wider),
            ("^[^\\x00]*$", "^(?:[a-z]+)$", refuses("")),
            ("^(?:a|ab)$", "^(?:ab|a)$", Verdict::Wider),
            ("^(?:é|x)$", "^(?:[^\\x00]*)$", Verdict::Wider),
            ("^(?:[^\\x00]+)$", "^(?:[a-z0-9A-Z!-~]+)$", refuses("\u{1}")),
            ("b", "^[abc]*$", refuses("0b")),
            ("^b", "b", Verdict::Wider),
            ("(?=a)", "a", Verdict::Unknown),
            ("^(?:[a-z]{1,900}){1,900}$", "^a$", Verdict::Unknown),
        ] {
            assert_eq!(compare(&[old], new), verdict, "{old} → {new}");
        }
        assert_eq!(compare(&["^[ab]*$", "^[bc]*$"], "^b*$"), Verdict::Wider, "both hold");
        assert_eq!(compare(&[], "^b*$"), refuses("0"));
    }
}
