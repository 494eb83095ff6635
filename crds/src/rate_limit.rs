//! Rate limits as a user types them, in a Backend's `spec.config.rateLimits` and on an ApiKey, and what they mean.
//!
//! Typed text becomes a [`Quota`] through [`Quota::check`], or every problem at once. How requests are counted is the
//! server's; nothing here knows the time.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration;
use crate::shape::{self, Rule};

/// The greatest `limit` and the greatest `burst`.
pub const MOST: u32 = 1_000_000;
/// The longest window.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Rules between the members of a rate limit.
const RULES: &[Rule] = &[(
    "!has(self.burst) || !has(self.algorithm) || self.algorithm == 'tokenBucket'",
    "`burst` is the size of a token bucket: remove it, or set `algorithm` to tokenBucket",
)];

/// One policy: how many requests each client may make in a window. All policies that fit a request have to allow it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = shape::rules(RULES))]
pub struct RateLimitSpec {
    /// Names the policy in answers and figures: at most 40 of a-z, 0-9 and -, beginning with a letter. `own` is what
    /// the limit of an ApiKey is called.
    #[schemars(transform = shape::matching(
        40,
        "^[a-z][-a-z0-9]*$",
        "this is no name of a policy: write at most 40 of a-z, 0-9 and -, beginning with a letter",
    ), transform = shape::rules(&[(
        "self != 'own'",
        "`own` is what the limit of an ApiKey is called: choose another name",
    )]))]
    pub name: String,
    /// Whose requests are counted together: those of one `ip` address (of IPv6, one /64), of one `caller` (a key, and
    /// without one the address), or of one `key` (requests without a key are not counted).
    pub by: By,
    /// Which requests are counted: read, write, batch, search, export, import. Absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::set(6, |_| ()))]
    pub routes: Vec<RouteClass>,
    /// How many requests a window has: 1 to 1000000.
    #[schemars(transform = shape::number(1, MOST))]
    pub limit: u32,
    /// The window, whole seconds from 1s to 24h, such as 60s, 5m or 1h.
    #[schemars(transform = shape::window)]
    pub window: String,
    /// How requests are counted: tokenBucket, fixedWindow or slidingWindow. Absent: tokenBucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// How many requests a full token bucket has, which come back at the rate of `limit` in a `window`: 1 to 1000000.
    /// Absent: as `limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::number(1, MOST))]
    pub burst: Option<u32>,
}

/// The limit of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = shape::rules(RULES))]
pub struct KeyRateLimit {
    /// How many requests a window has: 1 to 1000000.
    #[schemars(transform = shape::number(1, MOST))]
    pub limit: u32,
    /// The window, whole seconds from 1s to 24h, such as 60s, 5m or 1h.
    #[schemars(transform = shape::window)]
    pub window: String,
    /// How requests are counted: tokenBucket, fixedWindow or slidingWindow. Absent: tokenBucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// How many requests a full token bucket has, which come back at the rate of `limit` in a `window`: 1 to 1000000.
    /// Absent: as `limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::number(1, MOST))]
    pub burst: Option<u32>,
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = shape::choice)]
pub enum By {
    /// Those of one address.
    Ip,
    /// Those of one key, and without a key those of one address.
    Caller,
    /// Those of one key alone.
    Key,
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = shape::choice)]
pub enum RouteClass {
    /// Records and lists that are read.
    Read,
    /// Records that are changed, one or in bulk.
    Write,
    /// Several operations in one request.
    Batch,
    /// Searches and aggregates.
    Search,
    /// Whole collections that are read.
    Export,
    /// Whole collections that are written.
    Import,
}

/// How requests are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = shape::choice)]
pub enum Algorithm {
    /// Requests come back one by one; a burst is possible.
    #[default]
    TokenBucket,
    /// All come back when the window ends, which began with the first request.
    FixedWindow,
    /// Each comes back one window after it was made.
    SlidingWindow,
}

/// How many requests in which time, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    algorithm: Algorithm,
    limit: u32,
    window: Duration,
    burst: u32,
}

impl Quota {
    /// The quota that is meant, or each problem with the member that has it.
    pub fn check(
        limit: u32,
        window: &str,
        algorithm: Option<Algorithm>,
        burst: Option<u32>,
    ) -> Result<Quota, Vec<(&'static str, String)>> {
        let mut problems = Vec::new();
        let algorithm = algorithm.unwrap_or_default();
        for (member, number) in [("limit", Some(limit)), ("burst", burst)] {
            if number.is_some_and(|number| !(1..=MOST).contains(&number)) {
                problems.push((member, format!("this is a whole number from 1 to {MOST}")));
            }
        }
        let whole = |window: &Duration| window.subsec_nanos() == 0 && !window.is_zero() && *window <= LONGEST;
        let parsed = duration::parse(window).filter(whole);
        if parsed.is_none() {
            problems
                .push(("window", format!("`{window}` is no window: write whole seconds from 1s to 24h, such as 60s")));
        }
        if burst.is_some() && algorithm != Algorithm::TokenBucket {
            problems.push(("burst", RULES[0].1.to_owned()));
        }
        match parsed {
            Some(window) if problems.is_empty() => {
                Ok(Quota { algorithm, limit, window, burst: burst.unwrap_or(limit) })
            }
            _ => Err(problems),
        }
    }

    /// How requests are counted.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Requests of a window.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// The window, in whole seconds.
    pub fn window(&self) -> Duration {
        self.window
    }

    /// Requests of a full token bucket.
    pub fn burst(&self) -> u32 {
        self.burst
    }
}

impl RateLimitSpec {
    /// Its quota, or each problem with the member that has it.
    pub fn quota(&self) -> Result<Quota, Vec<(&'static str, String)>> {
        Quota::check(self.limit, &self.window, self.algorithm, self.burst)
    }
}

impl KeyRateLimit {
    /// Its quota, or each problem with the member that has it.
    pub fn quota(&self) -> Result<Quota, Vec<(&'static str, String)>> {
        Quota::check(self.limit, &self.window, self.algorithm, self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_what_was_typed() {
        let quota = Quota::check(100, "1m", None, None).unwrap();
        assert_eq!((quota.algorithm(), quota.limit(), quota.burst()), (Algorithm::TokenBucket, 100, 100));
        assert_eq!(quota.window(), Duration::from_secs(60));
        assert_eq!(Quota::check(100, "24h", None, Some(7)).unwrap().burst(), 7);
        assert_eq!(Quota::check(1, "1s", Some(Algorithm::FixedWindow), None).unwrap().limit(), 1);
    }

    #[test]
    fn every_problem_is_told_with_its_member() {
        let wrong = |limit, window, algorithm, burst| {
            let problems = Quota::check(limit, window, algorithm, burst).unwrap_err();
            problems.into_iter().map(|(member, _)| member).collect::<Vec<_>>()
        };
        assert_eq!(wrong(0, "0s", Some(Algorithm::FixedWindow), Some(0)), ["limit", "burst", "window", "burst"]);
        for window in ["", "1500ms", "25h", "86401s", "2d", "soon", "-1s"] {
            assert_eq!(wrong(1, window, None, None), ["window"], "{window}");
        }
        assert_eq!(wrong(MOST + 1, "1s", None, Some(MOST + 1)), ["limit", "burst"]);
    }
}
