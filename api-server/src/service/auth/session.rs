//! Sessions: sign in, refresh, sign out.
//!
//! Called by `http/auth.rs` through [`super`]. A session is a family of refresh tokens, of which one at a time may be used;
//! the next one follows from the one before and from a salt that only the database has, so that a request which is
//! repeated gets the same answer. docs/decisions/0017-sign-in.md says why.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mainstay_crds::schema::{Collection, Schema};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::password::Verdict;
use super::person::{self, Person};
use super::token::{self, Grant};
use super::{Auth, Origin, body, micros, seconds};
use crate::service::{Code, Error, Service};
use crate::store::auth::password as passwords;
use crate::store::auth::session::{self as store, Session, Token};
use crate::store::{self as database, Abort, Conn};

/// What a refresh token begins with, so that people and scanners of secrets recognise it.
const PREFIX: &str = "mainstay_refresh_";
/// How long a token that was exchanged may be exchanged again, for the same one: two windows of a browser, or an answer
/// that was lost. In microseconds.
const GRACE: i64 = 10_000_000;

/// What a person calls with.
#[derive(Debug)]
pub struct Tokens {
    /// For `Authorization: Bearer`.
    pub access: String,
    /// In seconds.
    pub expires_in: i64,
    /// For the next pair of tokens.
    pub refresh: String,
    /// In seconds.
    pub refresh_expires_in: i64,
}

/// A refresh token in the clear.
type Secret = [u8; 32];

/// `POST /api/v1/auth/login`.
///
/// Errors: 400; 401 that does not tell which of the two is wrong; 403 without a key for tokens; 429 after too many wrong
/// guesses; 503.
pub async fn login(auth: &Auth, service: &Service, origin: Origin, body: &[u8]) -> Result<Tokens, Error> {
    let members = [("email", body::EMAIL), ("password", body::PASSWORD)];
    let [email, password] = body::texts(service, body, members)?;
    // Without a key nobody has to hash anything.
    auth.key()?;
    let attempt = auth.backoff.begin(&email, origin.address, origin.now).map_err(wait)?;
    let tried = try_password(auth, service, email, password, origin.now).await;
    match &tried {
        Ok(Some(_)) => auth.backoff.right(attempt, origin.now),
        Ok(None) => {}
        Err(_) => auth.backoff.undo(attempt),
    }
    tried?.ok_or_else(|| Error::new(Code::Unauthenticated, "the e-mail address or the password is wrong"))
}

/// The refusal of one who has to wait.
pub(super) fn wait(wait: std::time::Duration) -> Error {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let message = format!("too many wrong passwords: try again in {seconds} s");
    Error { retry_after: Some(std::time::Duration::from_secs(seconds)), ..Error::new(Code::RateLimited, message) }
}

/// Tokens, if the password is right; it takes as long when there is no such person.
async fn try_password(
    auth: &Auth,
    service: &Service,
    email: String,
    password: String,
    now: i64,
) -> Result<Option<Tokens>, Error> {
    let schema = service.schema();
    let found = service.read(move |conn| {
        let person = person::by_email(conn, &schema, person::users(&schema)?, &email)?;
        let owner = person.as_ref().map_or(NOBODY, |person| person.owner);
        Ok((passwords::find(conn, owner, false)?, person))
    });
    let (hash, person) = found.await?;
    let verdict = auth.hasher.verify(password, hash.clone()).await?;
    let (Some(person), Some(hash), true) = (person, hash, verdict != Verdict::Wrong) else { return Ok(None) };
    if person.disabled {
        return Ok(None);
    }
    let better = match verdict {
        Verdict::Outdated(better) => Some(better),
        Verdict::Wrong | Verdict::Right => None,
    };
    start(auth, service, person, Proof { hash, better }, now).await
}

/// Stands for a person whom nobody knows, so that the same questions are asked.
const NOBODY: crate::store::auth::Owner = crate::store::auth::Owner { id: Uuid::nil(), created_at: 0 };

/// By which password a session begins.
struct Proof {
    /// What it was compared with.
    hash: String,
    /// The hash to be kept in its place.
    better: Option<String>,
}

/// Begins a session; `None` when the password has been changed meanwhile.
async fn start(auth: &Auth, service: &Service, person: Person, by: Proof, now: i64) -> Result<Option<Tokens>, Error> {
    let opening = Opening::new(auth, now)?;
    let owner = person.owner;
    let begun = service.store.write(move |conn| {
        // Held, so that a change of the password either ends this session or keeps it from beginning.
        if passwords::find(conn, owner, true)?.as_ref() != Some(&by.hash) {
            return Ok::<_, Abort<Error>>(None);
        }
        if let Some(better) = &by.better {
            passwords::set(conn, owner, better, now)?;
        }
        opening.run(conn, owner, now)?;
        Ok(Some((opening.id, opening.secret)))
    });
    let Some((session, secret)) = begun.await? else { return Ok(None) };
    tokens(auth, &person, session, &secret, now).map(Some)
}

/// A session that is about to begin, with its first refresh token.
#[derive(Clone, Copy)]
pub(super) struct Opening {
    /// Of the session.
    pub id: Uuid,
    /// The token.
    pub secret: Secret,
    salt: [u8; 32],
    expires_at: i64,
}

impl Opening {
    /// Errors: the system has no random numbers.
    pub fn new(auth: &Auth, now: i64) -> Result<Opening, Error> {
        let expires_at = now.saturating_add(micros(auth.options.refresh_life));
        Ok(Opening { id: Uuid::now_v7(), secret: random()?, salt: random()?, expires_at })
    }

    /// Writes it.
    pub fn run(&self, conn: &mut Conn, owner: crate::store::auth::Owner, now: i64) -> Result<(), database::Error> {
        store::start(conn, Session { id: self.id, owner, expires_at: self.expires_at }, now)?;
        store::keep(conn, &fresh(&self.secret, self.id, &self.salt))
    }
}

/// The pair of tokens of a session.
pub(super) fn tokens(auth: &Auth, person: &Person, session: Uuid, secret: &Secret, now: i64) -> Result<Tokens, Error> {
    let key = auth.key()?;
    let life = seconds(auth.options.access_life);
    let (issuer, subject, roles) = (auth.options.issuer.as_str(), person.owner.id, &person.roles[..]);
    let access = token::sign(&key, &Grant { issuer, subject, session, roles, life, now })?;
    let refresh = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
    Ok(Tokens { access, expires_in: life, refresh, refresh_expires_in: seconds(auth.options.refresh_life) })
}

/// What came of a refresh token.
enum Refreshed {
    /// The next one, of this session.
    Next(Person, Uuid, Secret),
    /// It is none, or of a session that has ended.
    Unknown,
    /// It was used before: somebody else may have it, so that the session has ended.
    Reused(Session),
}

/// `POST /api/v1/auth/refresh`.
///
/// Errors: 400; 401 for a token that is not known or was used before; 403 without a key for tokens; 503.
pub async fn refresh(auth: &Auth, service: &Service, now: i64, body: &[u8]) -> Result<Tokens, Error> {
    let secret = presented(service, body)?;
    auth.key()?;
    let Some(secret) = secret else { return Err(unknown()) };
    let exchange = Exchange {
        schema: service.schema(),
        secret,
        salt: random()?,
        now,
        expires_at: now.saturating_add(micros(auth.options.refresh_life)),
    };
    match service.store.write(move |conn| exchange.run(conn)).await? {
        Refreshed::Next(person, session, next) => tokens(auth, &person, session, &next, now),
        Refreshed::Unknown => Err(unknown()),
        Refreshed::Reused(session) => {
            auth.known.forget(|id, _| id == session.id);
            tracing::warn!(session = %session.id, user = %session.owner.id, "a refresh token was used twice; its session has ended");
            let message = "this refresh token was used before, and so its session has ended: sign in again";
            Err(Error::new(Code::Unauthenticated, message))
        }
    }
}

/// Everything that the transaction needs.
struct Exchange {
    schema: Arc<Schema>,
    secret: Secret,
    /// For the token after the next one.
    salt: [u8; 32],
    now: i64,
    expires_at: i64,
}

impl Exchange {
    fn run(&self, conn: &mut Conn) -> Result<Refreshed, Abort<Error>> {
        let hash = Sha256::digest(self.secret);
        let Some(token) = store::token(conn, &hash)? else { return Ok(Refreshed::Unknown) };
        let Some(session) = store::find(conn, token.session, true)? else { return Ok(Refreshed::Unknown) };
        // Again, now that nobody else is at this session.
        let Some(token) = store::token(conn, &hash)? else { return Ok(Refreshed::Unknown) };
        let users = person::users(&self.schema)?;
        let Some(person) = valid(conn, users, session, self.now)? else {
            store::end(conn, session.id)?;
            return Ok(Refreshed::Unknown);
        };
        let next = successor(&self.secret, &token.salt);
        let Some(used_at) = token.used_at else {
            store::mark_used(conn, &hash, self.now)?;
            store::keep(conn, &fresh(&next, session.id, &self.salt))?;
            store::extend(conn, session.id, self.expires_at)?;
            return Ok(Refreshed::Next(person, session.id, next));
        };
        let unused = store::token(conn, &Sha256::digest(next))?.is_some_and(|next| next.used_at.is_none());
        if unused && self.now.saturating_sub(used_at) <= GRACE {
            return Ok(Refreshed::Next(person, session.id, next));
        }
        store::end(conn, session.id)?;
        Ok(Refreshed::Reused(session))
    }
}

/// `POST /api/v1/auth/logout`: ends the session of a refresh token. One that is not known is no error, since what was
/// asked for is so already.
///
/// Errors: 400; those of the store.
pub async fn logout(auth: &Auth, service: &Service, body: &[u8]) -> Result<(), Error> {
    let Some(secret) = presented(service, body)? else { return Ok(()) };
    let ended = service.store.write(move |conn| {
        let Some(token) = store::token(conn, &Sha256::digest(secret))? else { return Ok::<_, Abort<Error>>(None) };
        let session = store::find(conn, token.session, true)?;
        if let Some(session) = session {
            store::end(conn, session.id)?;
        }
        Ok(session)
    });
    if let Some(session) = ended.await? {
        auth.known.forget(|id, _| id == session.id);
    }
    Ok(())
}

/// The person whose session this is, while it lasts.
pub(super) fn holder(
    conn: &mut Conn,
    users: &Collection,
    session: Uuid,
    now: i64,
) -> Result<Option<Person>, database::Error> {
    match store::find(conn, session, false)? {
        Some(session) => valid(conn, users, session, now),
        None => Ok(None),
    }
}

fn valid(conn: &mut Conn, users: &Collection, session: Session, now: i64) -> Result<Option<Person>, database::Error> {
    if session.expires_at <= now {
        return Ok(None);
    }
    let person = person::by_id(conn, users, session.owner.id)?;
    Ok(person.filter(|person| person.owner == session.owner && !person.disabled))
}

/// The token of a body; `None` for a text that is none.
fn presented(service: &Service, body: &[u8]) -> Result<Option<Secret>, Error> {
    let [text] = body::texts(service, body, [("refresh_token", 200)])?;
    let secret = text.strip_prefix(PREFIX).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    Ok(secret.and_then(|secret| secret.try_into().ok()))
}

fn unknown() -> Error {
    Error::new(Code::Unauthenticated, "the refresh token is not known, or its session has ended: sign in again")
}

fn fresh(secret: &Secret, session: Uuid, salt: &[u8; 32]) -> Token {
    Token { hash: Sha256::digest(secret).to_vec(), session, salt: salt.to_vec(), used_at: None }
}

/// The token after this one. Who has the database alone has no token, and who has a token alone not the next one.
fn successor(secret: &Secret, salt: &[u8]) -> Secret {
    Sha256::new().chain_update(b"mainstay refresh").chain_update(secret).chain_update(salt).finalize().into()
}

fn random() -> Result<[u8; 32], Error> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits).map_err(|error| Error::bug(error.to_string()))?;
    Ok(bits)
}

/// Deletes sessions that have expired, some at a time, and the passwords of people who are gone.
pub async fn sweep(service: &Service, now: i64) -> Result<(), Error> {
    while service.store.write(move |conn| Ok::<_, Abort<Error>>(store::sweep(conn, now)?)).await? {}
    let schema = service.schema();
    Ok(service.store.write(move |conn| Ok(passwords::sweep(conn, person::users(&schema)?)?)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_token_follows_from_the_one_before_and_the_salt() {
        let (one, other) = ([1; 32], [2; 32]);
        assert_eq!(successor(&one, &other), successor(&one, &other));
        let all = [successor(&one, &other), successor(&one, &one), successor(&other, &other), one, other];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        let kept = fresh(&one, Uuid::nil(), &other);
        assert!(!kept.hash.windows(8).any(|part| part == &one[..8]), "the token itself is not kept");
    }
}
