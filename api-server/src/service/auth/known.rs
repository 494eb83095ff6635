//! Who presents an access token: the signature once, and every few seconds whether the session and the person still are
//! as they were.
//!
//! Asked for every request that bears a token. Between two looks at the database an answer is a hash and a lookup; it is
//! never older than [`STALE`], so that a disabled user and a role that was taken away end within five seconds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::token::{self, Claims, Refusal};
use super::{Auth, person, session};
use crate::service::{Error, Service, User};

/// How long an answer is given without a look, in microseconds.
const FRESH: i64 = 3_000_000;
/// How long it is given while another request looks.
const STALE: i64 = 4_500_000;
/// The most tokens that are held.
const MOST: usize = 10_000;

/// What was found of tokens, by their SHA-256.
#[derive(Default)]
pub struct Known(RwLock<HashMap<[u8; 32], Arc<Entry>>>);

struct Entry {
    user: Arc<User>,
    session: Uuid,
    /// In seconds.
    expires_at: i64,
    /// Before the database was asked.
    looked_at: i64,
    /// Whether a request looks again.
    asked: AtomicBool,
}

impl Entry {
    /// Whether it still answers. One of the requests after [`FRESH`] is told that it does not, and looks again.
    fn answers(&self, now: i64) -> bool {
        let age = now - self.looked_at;
        // A clock that was set back proves nothing.
        let young = (0..FRESH).contains(&age);
        let valid = now / 1_000_000 < self.expires_at;
        valid && (young || (0..STALE).contains(&age) && self.asked.swap(true, Ordering::AcqRel))
    }
}

impl Known {
    fn get(&self, hash: &[u8; 32], now: i64) -> Option<Arc<User>> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(hash).filter(|entry| entry.answers(now)).map(|entry| Arc::clone(&entry.user))
    }

    fn set(&self, hash: [u8; 32], entry: Option<Entry>, now: i64) {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entry else {
            entries.remove(&hash);
            return;
        };
        if entries.len() >= MOST {
            // Only what would need a look anyway; when that is not enough, all of them look again.
            entries.retain(|_, entry| (0..FRESH).contains(&(now - entry.looked_at)));
            if entries.len() >= MOST {
                entries.clear();
            }
        }
        entries.insert(hash, Arc::new(entry));
    }

    /// Forgets the tokens of sessions that have ended here; other servers notice within seconds.
    pub fn forget(&self, ended: impl Fn(Uuid, &User) -> bool) {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| !ended(entry.session, &entry.user));
    }
}

impl Auth {
    /// Who presents a token at `now`. The inner error is a token that is refused.
    ///
    /// Errors: those of the store.
    pub async fn user(&self, service: &Service, token: &str, now: i64) -> Result<Result<Arc<User>, Refusal>, Error> {
        if token.len() > token::LONGEST {
            return Ok(Err(Refusal::Invalid));
        }
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(user) = self.known.get(&hash, now) {
            return Ok(Ok(user));
        }
        let claims = match token::verify(&self.keys, &self.options.issuer, token, now) {
            Ok(claims) => claims,
            Err(refusal) => {
                self.known.set(hash, None, now);
                return Ok(Err(refusal));
            }
        };
        let (session, expires_at) = (claims.session, claims.expires_at);
        let Some(user) = holder(service, claims, now).await?.map(Arc::new) else {
            self.known.set(hash, None, now);
            return Ok(Err(Refusal::Invalid));
        };
        let entry =
            Entry { user: Arc::clone(&user), session, expires_at, looked_at: now, asked: AtomicBool::new(false) };
        self.known.set(hash, Some(entry), now);
        Ok(Ok(user))
    }
}

/// The person whose session the token belongs to; `None` when the session has ended or the person is locked out or gone.
async fn holder(service: &Service, claims: Claims, now: i64) -> Result<Option<User>, Error> {
    let schema = service.schema();
    let Claims { subject, session, all: claims, .. } = claims;
    let found = service.read(move |conn| Ok(session::holder(conn, person::users(&schema)?, session, now)?)).await?;
    let person = found.filter(|person| person.owner.id == subject);
    Ok(person.map(|person| User { id: subject, roles: person.roles(), claims }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(looked_at: i64, expires_at: i64) -> Entry {
        let user = User { id: Uuid::nil(), roles: Vec::new(), claims: serde_json::Map::new() };
        let asked = AtomicBool::new(false);
        Entry { user: Arc::new(user), session: Uuid::nil(), expires_at, looked_at, asked }
    }

    #[test]
    fn an_answer_is_given_for_seconds_and_looked_up_by_one() {
        let fresh = entry(10_000_000, i64::MAX);
        assert!(fresh.answers(10_000_000) && fresh.answers(12_999_999));
        assert!(!fresh.answers(13_000_000), "the first one looks");
        assert!(fresh.answers(13_000_001) && fresh.answers(14_499_999), "the others wait for nothing");
        assert!(!fresh.answers(14_500_000) && !fresh.answers(14_500_001), "nobody has looked in time");
        assert!(!fresh.answers(9_999_999), "the clock was set back");
        assert!(!entry(10_000_000, 11).answers(11_000_000), "the token has ended");
        assert!(entry(10_000_000, 11).answers(10_999_999));
    }

    #[test]
    fn a_bounded_number_is_held() {
        let known = Known::default();
        let hash = |number: usize| -> [u8; 32] { Sha256::digest(number.to_be_bytes()).into() };
        for number in 0..=MOST {
            known.set(hash(number), Some(entry(0, i64::MAX)), 0);
        }
        let held = || known.0.read().unwrap().len();
        assert_eq!(held(), 1, "all of them were fresh");
        for number in 0..MOST - 1 {
            known.set(hash(number), Some(entry(number as i64, i64::MAX)), number as i64);
        }
        known.set(hash(MOST + 7), Some(entry(FRESH, i64::MAX)), FRESH + 5);
        assert_eq!(held(), MOST - 6, "those that need a look made room");
        known.forget(|session, _| session.is_nil());
        assert_eq!(held(), 0);
    }
}
