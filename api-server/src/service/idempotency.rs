//! Writes that happen once: the answer to a request with an `Idempotency-Key` is kept in the transaction of its effects,
//! and given again for 24 hours.
//!
//! Asked in every transaction of [`super::records`]. Follows draft-ietf-httpapi-idempotency-key-header-07: 409 while
//! the first request is under way, 422 when the key comes with another request. Refusals are not kept.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::{Caller, Code, Ctx, Error, Service};
use crate::store::idempotency::{self as store, Kept};
use crate::store::{self as database, Abort, Conn};

/// How long an answer is given again, in microseconds.
const LIFE: i64 = 24 * 3600 * 1_000_000;
/// A longer answer is not kept: that it was given is.
const LONGEST: usize = 1024 * 1024;
/// A key has at most so many characters.
const LONGEST_KEY: usize = 255;

/// A request that shall have its effects once.
#[derive(Debug)]
pub struct Once {
    /// Empty of an anonymous caller.
    caller: String,
    key: String,
    /// SHA-256 of what is asked for.
    request: [u8; 32],
    /// Stands for caller and key, here and as the number of the advisory lock.
    lock: i64,
    replayed: AtomicBool,
}

impl Once {
    /// `parts` is everything that tells this request from another one.
    ///
    /// Errors: 400 for a key that is not 1 to 255 visible ASCII characters.
    pub fn new(caller: &Caller, key: &str, parts: &[&[u8]]) -> Result<Once, Error> {
        let caller = caller.identity();
        if !(1..=LONGEST_KEY).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = format!("Idempotency-Key is 1 to {LONGEST_KEY} visible ASCII characters, such as a UUID");
            return Err(Error::new(Code::MalformedRequest, message));
        }
        let [a, b, c, d, e, f, g, h, ..] = digest(&[caller.as_bytes(), key.as_bytes()]);
        let lock = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let (key, request) = (key.to_owned(), digest(parts));
        Ok(Once { caller, key, request, lock, replayed: AtomicBool::new(false) })
    }

    /// Whether the answer is an earlier one.
    pub fn is_replayed(&self) -> bool {
        self.replayed.load(Ordering::Acquire)
    }

    /// The answer that was kept, if this request was answered before; holds the key until the transaction ends.
    ///
    /// Errors: 409 while another server is at it, or when the answer was too large or is of another version's form; 422 for
    /// another request.
    pub fn answer<T: DeserializeOwned>(&self, conn: &mut Conn, now: i64) -> Result<Option<T>, Abort<Error>> {
        if !store::lock(conn, self.lock)? {
            return Err(in_flight().into());
        }
        let Some(kept) = store::find(conn, &self.caller, &self.key, now.saturating_sub(LIFE))? else { return Ok(None) };
        if kept.request != self.request {
            let message = "this Idempotency-Key was used with another request; take a new key for a new request";
            return Err(Error::new(Code::Unprocessable, message).into());
        }
        let Some(text) = kept.answer else {
            let message = "this request was carried out, and its answer was too large to be kept; read the records";
            return Err(Error::new(Code::Conflict, message).into());
        };
        // Servers of two versions run side by side in a rollout, and one may not know what the other's answers hold.
        let Ok(answer) = serde_json::from_str(&text) else {
            let message = "this request was carried out by another version of the server, whose answer is of another form; \
                           read the records";
            return Err(Error::new(Code::Conflict, message).into());
        };
        self.replayed.store(true, Ordering::Release);
        Ok(Some(answer))
    }

    /// Keeps an answer, in the transaction of its effects.
    pub fn keep<T: Serialize>(&self, conn: &mut Conn, answer: &T, now: i64) -> Result<(), Abort<Error>> {
        let text = serde_json::to_string(answer).map_err(Error::bug)?;
        let kept = Kept { request: self.request.to_vec(), answer: (text.len() <= LONGEST).then_some(text) };
        Ok(store::keep(conn, &self.caller, &self.key, kept, now)?)
    }
}

/// SHA-256 of parts, each behind its length.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

fn in_flight() -> Error {
    let message = "the first request with this Idempotency-Key is still under way; ask again";
    Error { retry_after: Some(Duration::from_secs(1)), ..Error::new(Code::Conflict, message) }
}

/// The locks of requests of this process that are under way.
#[derive(Debug, Default)]
pub struct InFlight(Mutex<HashSet<i64>>);

/// Holds its key until it is dropped.
pub struct Turn<'a> {
    all: &'a InFlight,
    lock: i64,
}

impl InFlight {
    /// The turn of a request with a key; `None` for one without.
    ///
    /// Errors: 400 for an anonymous caller, asked here because access comes before every other question; 409 while the key
    /// is under way in this process.
    pub fn enter(&self, ctx: &Ctx) -> Result<Option<Turn<'_>>, Error> {
        let Some(once) = &ctx.once else { return Ok(None) };
        if ctx.caller == Caller::Anonymous {
            let message = "Idempotency-Key needs a credential: keys belong to callers";
            return Err(Error::new(Code::MalformedRequest, message));
        }
        let new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(once.lock);
        if new { Ok(Some(Turn { all: self, lock: once.lock })) } else { Err(in_flight()) }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.lock);
    }
}

/// Deletes answers that are given no more. Some at a time, so that no transaction is long.
pub async fn sweep(service: &Service, now: i64) -> Result<(), database::Error> {
    let before = now.saturating_sub(LIFE);
    let some = move |conn: &mut Conn| Ok(store::sweep(conn, before)?);
    while service.store.write(some).await.map_err(Abort::<std::convert::Infallible>::into_store)? {}
    Ok(())
}
