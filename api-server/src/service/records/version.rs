//! Which state of a record is meant: entity tags and the conditions of a request (RFC 9110, section 13).

use mainstay_crds::Value;
use serde::{Deserialize, Serialize};

/// What a caller is told whose condition does not hold for a record that exists.
pub const OTHER_STATE: &str = "the record is not in a state that If-Match or If-None-Match allows; read it again";

/// One state of one record. Equal only for the same life of the same id: a record made anew has another creation time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Counts changes, from 1.
    pub version: i64,
    /// Microseconds since 1970.
    pub created_at: i64,
}

impl Version {
    /// From the values of `version` and `created_at`, which no record lacks.
    pub fn of(version: Option<&Value<'_>>, created_at: Option<&Value<'_>>) -> Version {
        match (version, created_at) {
            (Some(Value::Integer(version)), Some(Value::Timestamp(created_at))) => {
                Version { version: *version, created_at: *created_at }
            }
            _ => Version { version: 0, created_at: 0 },
        }
    }

    /// The opaque part of the entity tag: `<version>-<created_at in base 36>`.
    pub fn tag(self) -> String {
        let mut digits = Vec::new();
        let mut rest = self.created_at.unsigned_abs();
        while rest > 0 || digits.is_empty() {
            digits.push(char::from_digit((rest % 36) as u32, 36).unwrap_or('0'));
            rest /= 36;
        }
        format!("{}-{}", self.version, digits.iter().rev().collect::<String>())
    }
}

/// The operand of `If-Match` or `If-None-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `*`: any current state.
    Any,
    /// One of these opaque tags.
    Tags(Vec<String>),
}

impl Condition {
    /// Whether it names the current state; `None` is a record that does not exist.
    pub fn names(&self, current: Option<Version>) -> bool {
        match (self, current) {
            (_, None) => false,
            (Condition::Any, Some(_)) => true,
            (Condition::Tags(tags), Some(current)) => tags.contains(&current.tag()),
        }
    }
}

/// The conditions of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// The record must be in one of these states.
    pub if_match: Option<Condition>,
    /// The record must be in none of these states.
    pub if_none_match: Option<Condition>,
}

impl Preconditions {
    /// Whether a write may go on from `current`.
    pub fn allow(&self, current: Option<Version>) -> bool {
        self.if_match.as_ref().is_none_or(|condition| condition.names(current))
            && self.if_none_match.as_ref().is_none_or(|condition| !condition.names(current))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_version_and_creation_time_in_base_36() {
        assert_eq!(Version { version: 3, created_at: 0 }.tag(), "3-0");
        assert_eq!(Version { version: 12, created_at: 36 * 36 + 35 }.tag(), "12-10z");
    }

    #[test]
    fn conditions_hold_as_rfc_9110_says() {
        let now = Some(Version { version: 2, created_at: 36 });
        let tags = |tags: &[&str]| Some(Condition::Tags(tags.iter().map(|tag| (*tag).to_owned()).collect()));
        for (if_match, if_none_match, current, allowed) in [
            (None, None, None, true),
            (Some(Condition::Any), None, None, false),
            (Some(Condition::Any), None, now, true),
            (tags(&["2-10"]), None, now, true),
            (tags(&["1-10"]), None, now, false),
            (tags(&["1-10", "2-10"]), None, now, true),
            (None, Some(Condition::Any), now, false),
            (None, Some(Condition::Any), None, true),
            (None, tags(&["2-10"]), now, false),
            (None, tags(&["1-10"]), now, true),
        ] {
            let conditions = Preconditions { if_match, if_none_match };
            assert_eq!(conditions.allow(current), allowed, "{conditions:?} on {current:?}");
        }
    }
}
