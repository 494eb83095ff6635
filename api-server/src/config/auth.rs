//! Settings of signing in.
//!
//! Used by the settings' table; what they mean is [`crate::service::auth`]'s.

use std::time::Duration;

use crate::service::auth::{LONGEST_PASSWORD, SHORTEST_PASSWORD};

/// How people sign in.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Whether anyone may become a user.
    pub registration: bool,
    /// `iss` and `aud` of access tokens.
    pub issuer: Option<String>,
    /// How long an access token is valid.
    pub access_life: Duration,
    /// How long a session lasts without being refreshed.
    pub refresh_life: Duration,
    /// Fewest characters of a new password.
    pub min_length: usize,
}

impl Auth {
    /// Values that no rule allows to stay.
    pub(super) fn blank() -> Auth {
        let (access_life, refresh_life) = (Duration::ZERO, Duration::ZERO);
        Auth { registration: false, issuer: None, access_life, refresh_life, min_length: 0 }
    }

    /// Bounds, each with its sentence. An access token lives at most as long as a key that was rotated away verifies.
    pub(super) fn relations(&self) -> [(bool, &'static str); 4] {
        let Auth { registration: _, issuer, access_life, refresh_life, min_length } = self;
        let minutes = |number: u64| Duration::from_secs(number * 60);
        [
            (issuer.is_some(), "--auth-issuer is not empty"),
            ((minutes(1)..=minutes(60)).contains(access_life), "--auth-access-token-life is 1m to 1h"),
            (refresh_life >= access_life, "--auth-refresh-token-life is shorter than --auth-access-token-life"),
            ((SHORTEST_PASSWORD..=LONGEST_PASSWORD / 2).contains(min_length), "--auth-password-min-length is 8 to 64"),
        ]
    }
}
