//! People: who signs in, with which tokens they call, and how they lose them again.
//!
//! Called by `http/auth.rs`, and for every request that bears a token. A password is hashed on a few blocking threads and
//! kept apart from records; a session is a row, and an access token stands for it for a few minutes. Which roles a person
//! has is always read from the record of `users`, never believed of a token.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::signing::{Keyring, SigningKey};
use super::{Code, Error};

mod account;
mod backoff;
mod body;
mod known;
mod password;
mod person;
mod session;
pub mod token;

pub use account::{change_password, may_change, may_set, me, register, set_password};
pub use password::{LONGEST_PASSWORD, SHORTEST_PASSWORD};
pub use session::{Tokens, login, logout, refresh, sweep};

use backoff::Backoff;
use known::Known;
use password::Hasher;

/// What people sign in with.
pub struct Auth {
    /// What signs and verifies access tokens.
    pub keys: Keyring,
    options: Options,
    known: Known,
    hasher: Hasher,
    backoff: Backoff,
}

/// What the settings say about it.
#[derive(Clone, Debug)]
pub struct Options {
    /// `iss` and `aud` of access tokens.
    pub issuer: String,
    /// How long an access token is valid.
    pub access_life: Duration,
    /// How long a session lasts without being refreshed.
    pub refresh_life: Duration,
    /// Whether anyone may become a user.
    pub registration: bool,
    /// Fewest characters of a new password.
    pub min_length: usize,
}

impl Auth {
    /// Without a key yet.
    pub fn new(options: Options) -> Auth {
        let (keys, known, hasher) = (Keyring::default(), Known::default(), Hasher::default());
        Auth { keys, options, known, hasher, backoff: Backoff::default() }
    }

    /// The key that signs.
    ///
    /// Errors: 403 where none was given.
    fn key(&self) -> Result<Arc<SigningKey>, Error> {
        self.keys.signing().ok_or_else(|| {
            let message = "nobody can sign in: this server has no key for tokens; give it MAINSTAY_JWT_KEYS_FILE or \
                           MAINSTAY_JWT_SECRET";
            Error::new(Code::Forbidden, message)
        })
    }
}

/// Whence a request comes that has no caller yet.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The client's address, where it is known.
    pub address: Option<IpAddr>,
    /// Microseconds since 1970: one time for all effects of the request.
    pub now: i64,
}

/// Microseconds of a setting.
fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Whole seconds of a setting.
fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
