//! `limit`, `offset` and `count`: numbers within bounds; beyond a bound is a problem, never cut.

use mainstay_crds::Problems;

/// The largest offset. Beyond it a cursor costs less.
pub const MAX_OFFSET: u32 = 10_000;

/// The page sizes that the server allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Without `limit`.
    pub default: u32,
    /// The largest `limit`.
    pub max: u32,
}

impl Limits {
    /// Reads `limit`.
    pub fn limit(self, text: &str, problems: &mut Problems) -> Option<u32> {
        within(text, "limit", 1, self.max, problems)
    }
}

/// Reads `offset`.
pub fn offset(text: &str, problems: &mut Problems) -> Option<u32> {
    within(text, "offset", 0, MAX_OFFSET, problems)
}

/// Reads `count`, which may only be `exact`.
pub fn count(text: &str, problems: &mut Problems) -> Option<bool> {
    if text == "exact" {
        return Some(true);
    }
    problems.hint("invalid", "`count` may only be `exact`", "leave it out for no count");
    None
}

/// Reads a whole number within bounds.
pub(super) fn within(text: &str, name: &str, low: u32, high: u32, problems: &mut Problems) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = text.parse::<u32>().ok().filter(|value| digits && (low..=high).contains(value));
    if value.is_none() {
        problems.add("out_of_range", format!("`{name}` is a whole number from {low} to {high}"));
    }
    value
}
