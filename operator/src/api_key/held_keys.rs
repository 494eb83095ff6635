//! What the Secret of an ApiKey says: its key, when it was made, and the hashes of the keys before it.
//!
//! Called by `api_key`. Pure. Of earlier keys only hashes are kept.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::backend::secrets::held;
use crate::backend::secrets::history::{History, Made, Rule};

/// When the current key was made.
const CREATED: &str = "mainstay.dev/created";

/// When it ends.
const EXPIRES: &str = "mainstay.dev/expires";

/// The keys before it: `id=hash=created`, newest first.
const PREVIOUS: &str = "mainstay.dev/previous";

/// What a key begins with, so that people and scanners of secrets recognise it.
pub const PREFIX: &str = "mainstay_key_";

/// Hex digits after the prefix: 160 bits.
pub const DIGITS: usize = 40;

/// What is kept of a key beside the Secret's `key`.
#[derive(Clone, PartialEq)]
pub struct Mark {
    /// The first 8 characters after the prefix.
    pub id: String,
    /// SHA-256 of all of it, in hex.
    pub hash: String,
}

impl Mark {
    /// Of a key; `None` when it is none.
    pub fn of(key: &str) -> Option<Mark> {
        let digits = key.strip_prefix(PREFIX).filter(|digits| is_hex(digits, DIGITS))?;
        Some(Mark { id: digits[..8].to_owned(), hash: held::sha256(key) })
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// What a Secret says; `None` when its key is none.
pub fn read(secret: &Secret, now: Timestamp) -> Option<History<Mark>> {
    let mark = Mark::of(held::text(secret, "key")?)?;
    let annotations = secret.annotations();
    let made = secret.metadata.creation_timestamp.as_ref().map_or(now, |time| time.0);
    let at = annotations.get(CREATED).and_then(|time| time.parse().ok()).unwrap_or(made);
    let mut history = History::new(mark, at);
    let previous = annotations.get(PREVIOUS).map(String::as_str).unwrap_or_default();
    history.previous = previous.split(',').filter_map(previous_key).collect();
    history.settle(now);
    Some(history)
}

fn previous_key(text: &str) -> Option<Made<Mark>> {
    let (id, rest) = text.split_once('=')?;
    let (hash, at) = rest.split_once('=')?;
    let key = Mark { id: id.to_owned(), hash: hash.to_owned() };
    Some(Made { key, at: at.parse().ok()? }).filter(|_| is_hex(id, 8) && is_hex(hash, 64))
}

/// The annotations that say it.
pub fn annotations(history: &History<Mark>, rule: Rule) -> [(&'static str, Option<String>); 3] {
    let one = |made: &Made<Mark>| format!("{}={}={}", made.key.id, made.key.hash, made.at);
    let previous: Vec<String> = history.previous.iter().map(one).collect();
    [
        (CREATED, Some(history.current.at.to_string())),
        (EXPIRES, history.expires(rule).map(|end| end.to_string())),
        (PREVIOUS, (!previous.is_empty()).then(|| previous.join(","))),
    ]
}
