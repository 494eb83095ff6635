//! Credentials: which caller a presented key stands for.
//!
//! Keys are kept as SHA-256 and compared in constant time. Called by the transports' authentication. Admin keys and those of
//! a file are replaced by the command line whenever their files change; those of the database are asked for once and
//! kept fresh beside the requests ([`Keys::refresh`]). What may be done with keys is [`manage`]'s.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Caller, Error, Machine};
use crate::store::keys::StoredKey;
use crate::store::{self, Abort, Store, keys as stored};
use verified::{Found, Known, Verified};

mod draft;
mod format;
pub mod manage;
mod verified;
mod view;

pub use draft::{LIFE, MAX_ROLES, NAME, OVERLAP};
pub use view::Key;

/// SHA-256 of a key.
pub type KeyHash = [u8; 32];

/// A use is written to the database when the one before was a minute ago, in microseconds.
const QUIET: i64 = 60_000_000;
/// Keys of one question, and uses of one transaction.
const TOGETHER: usize = 500;

/// The hash under which a key is kept. A key holds 160 random bits, so that a slow hash would add nothing.
pub fn hash(key: &str) -> KeyHash {
    Sha256::digest(key.as_bytes()).into()
}

/// Takes the same time wherever they differ.
fn same(a: &KeyHash, b: &KeyHash) -> bool {
    a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// A machine's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its first characters, for recognition.
    pub id: String,
    /// The key's hash.
    pub hash: KeyHash,
    /// Who presents it.
    pub machine: Arc<Machine>,
    /// From this time on it is not known any more; microseconds since 1970.
    pub expires_at: Option<i64>,
}

/// The known keys; cheap to clone, replaced as a whole.
#[derive(Clone, Default)]
pub struct Keys {
    admin: Arc<ArcSwap<Vec<KeyHash>>>,
    machines: Arc<ArcSwap<Vec<ApiKey>>>,
    verified: Arc<Verified>,
}

impl Keys {
    /// Replaces the admin keys.
    pub fn set_admin(&self, hashes: Vec<KeyHash>) {
        self.admin.store(Arc::new(hashes));
    }

    /// Replaces the keys of machines that a file holds.
    pub fn set_machines(&self, keys: Vec<ApiKey>) {
        self.machines.store(Arc::new(keys));
    }

    /// Who presents `key` at `now`; `None` when nobody known does. The database is asked for a key of its own that was not
    /// presented lately, and for nothing else.
    ///
    /// Errors: the database is away.
    pub async fn caller(&self, store: &Store, key: &str, now: i64) -> Result<Option<Caller>, Error> {
        let presented = hash(key);
        if let Some(caller) = self.given(&presented, now) {
            return Ok(Some(caller));
        }
        if !format::is_key(key) {
            return Ok(None);
        }
        match self.verified.find(&presented, now, Instant::now()) {
            Found::Machine(machine) => Ok(Some(Caller::Machine(machine))),
            Found::Nobody => Ok(None),
            Found::Unasked => self.ask(store, presented, now).await,
        }
    }

    /// The caller of a key that the settings hold. Takes the same time for every wrong key.
    fn given(&self, presented: &KeyHash, now: i64) -> Option<Caller> {
        let admin = self.admin.load().iter().filter(|known| same(known, presented)).count() > 0;
        let machines = self.machines.load();
        let machine =
            machines.iter().fold(None, |found, known| if same(&known.hash, presented) { Some(known) } else { found });
        let machine = machine.filter(|known| known.expires_at.is_none_or(|end| now < end));
        match (admin, machine) {
            (true, _) => Some(Caller::Admin),
            (false, Some(known)) => Some(Caller::Machine(Arc::clone(&known.machine))),
            (false, None) => None,
        }
    }

    async fn ask(&self, store: &Store, presented: KeyHash, now: i64) -> Result<Option<Caller>, Error> {
        // Before the question: what is revoked while it is answered counts from here.
        let asked = (self.verified.turn(), Instant::now());
        let found = store.read(move |conn| Ok(stored::by_hash(conn, &presented)?));
        let found = found.await.map_err(Abort::<Infallible>::into_store)?;
        let known = found.filter(|key| is_valid(key, now)).map(known).transpose()?;
        let caller = known.as_ref().map(|known| Caller::Machine(Arc::clone(&known.machine)));
        self.verified.keep(presented, known, asked, now);
        Ok(caller)
    }

    /// From now on the database is asked about this key again.
    pub fn forget(&self, id: Uuid) {
        self.verified.forget(id);
    }

    /// Asks the database about the keys that are in use, and tells it of their uses. Called every second, beside the requests.
    ///
    /// Errors: the database is away; answers then grow old, and requests ask for themselves.
    pub async fn refresh(&self, store: &Store, now: i64) -> Result<(), store::Error> {
        let asked = (self.verified.turn(), Instant::now());
        for ids in self.verified.due(asked.1).chunks(TOGETHER) {
            let asked_for = ids.to_vec();
            let found = store.read(move |conn| Ok(stored::by_ids(conn, &asked_for)?));
            let found = found.await.map_err(Abort::<Infallible>::into_store)?;
            let mut answers: HashMap<Uuid, Option<Known>> = ids.iter().map(|id| (*id, None)).collect();
            for key in found.into_iter().filter(|key| is_valid(key, now)) {
                answers.insert(key.id, known(key).ok());
            }
            self.verified.renew(&answers, asked);
        }
        self.verified.sweep(Instant::now());
        self.tell(store, QUIET).await
    }

    /// Tells the database of every use that it does not know of, before the process ends.
    ///
    /// Errors: the database is away; it then goes without them.
    pub async fn leave(&self, store: &Store) -> Result<(), store::Error> {
        self.tell(store, 0).await
    }

    async fn tell(&self, store: &Store, quiet: i64) -> Result<(), store::Error> {
        for uses in self.verified.uses(quiet).chunks(TOGETHER) {
            let told = uses.to_vec();
            let done = store.write(move |conn| {
                told.iter().try_for_each(|(id, at)| stored::used(conn, *id, *at)).map_err(Abort::from)
            });
            done.await.map_err(Abort::<Infallible>::into_store)?;
            self.verified.written(uses);
        }
        Ok(())
    }

    /// The first 8 hex digits of each admin key's hash.
    pub fn admin_ids(&self) -> Vec<String> {
        let start = |hash: &KeyHash| hash[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        self.admin.load().iter().map(start).collect()
    }

    /// The id of each machine's key.
    pub fn machine_ids(&self) -> Vec<String> {
        self.machines.load().iter().map(|key| key.id.clone()).collect()
    }
}

/// Whether a key of the database opens anything at `now`.
fn is_valid(key: &StoredKey, now: i64) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|end| now < end)
}

/// What requests need of a key of the database.
fn known(key: StoredKey) -> Result<Known, Error> {
    let view = Key::of(&key, key.created_at)?;
    let mut roles = view.roles;
    roles.push("machine".to_owned());
    let rate_limit = view.rate_limit.map(|limit| limit.quota()).transpose();
    let rate_limit = rate_limit.map_err(|_| Error::bug("the rate limit of a stored key breaks its rules"))?;
    // Names may be used twice, machines are told apart: by them repeated requests and rate limits are.
    let machine = Arc::new(Machine { name: format!("{}/{}", key.name, key.machine), roles, rate_limit });
    Ok(Known { id: key.id, machine, expires_at: key.expires_at, last_used_at: key.last_used_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_key_is_admin() {
        let keys = Keys::default();
        let given = |key: &str| keys.given(&hash(key), 0);
        assert_eq!(given("secret"), None);
        keys.set_admin(vec![hash("old"), hash("secret")]);
        assert_eq!(given("secret"), Some(Caller::Admin));
        assert_eq!(given("Secret"), None);
        assert_eq!(given(""), None);
        assert_eq!(keys.admin_ids()[1], "2bb80d53");
    }

    #[test]
    fn a_machine_is_known_until_its_key_expires_or_is_gone() {
        let machine =
            Arc::new(Machine { name: "team/reader".to_owned(), roles: vec!["machine".to_owned()], rate_limit: None });
        let key =
            ApiKey { id: "ms_12345".to_owned(), hash: hash("key"), machine: machine.clone(), expires_at: Some(9) };
        let keys = Keys::default();
        let given = |key: &str, now| keys.given(&hash(key), now);
        keys.set_machines(vec![key.clone(), ApiKey { hash: hash("other"), expires_at: None, ..key }]);
        assert_eq!(given("key", 8), Some(Caller::Machine(machine.clone())));
        assert_eq!(given("key", 9), None);
        assert_eq!(given("other", i64::MAX), Some(Caller::Machine(machine)));
        assert_eq!(keys.machine_ids(), ["ms_12345", "ms_12345"]);
        keys.set_machines(Vec::new());
        assert_eq!(given("other", 0), None);
    }
}
