//! Credentials: which caller a presented key stands for.
//!
//! Keys are kept as SHA-256 and compared in constant time. Called by the transports' authentication; the command line
//! replaces the known keys whenever their files change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};

use super::{Caller, Machine};

/// SHA-256 of a key.
pub type KeyHash = [u8; 32];

/// The hash under which a key is kept. A key holds 160 random bits, so that a slow hash would add nothing.
pub fn hash(key: &str) -> KeyHash {
    Sha256::digest(key.as_bytes()).into()
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
    limits: Arc<AtomicBool>,
}

impl Keys {
    /// Replaces the admin keys.
    pub fn set_admin(&self, hashes: Vec<KeyHash>) {
        self.admin.store(Arc::new(hashes));
    }

    /// Replaces the machines' keys.
    pub fn set_machines(&self, keys: Vec<ApiKey>) {
        self.limits.store(keys.iter().any(|key| key.machine.rate_limit.is_some()), Ordering::Release);
        self.machines.store(Arc::new(keys));
    }

    /// Whether a machine has a rate limit of its own.
    pub fn has_limits(&self) -> bool {
        self.limits.load(Ordering::Acquire)
    }

    /// Who presents `key` at `now`; `None` when nobody known does. Takes the same time for every wrong key.
    pub fn caller(&self, key: &str, now: i64) -> Option<Caller> {
        let presented = hash(key);
        let same = |known: &KeyHash| known.iter().zip(&presented).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0;
        let admin = self.admin.load().iter().filter(|known| same(known)).count() > 0;
        let machines = self.machines.load();
        let machine = machines.iter().fold(None, |found, known| if same(&known.hash) { Some(known) } else { found });
        let machine = machine.filter(|known| known.expires_at.is_none_or(|end| now < end));
        match (admin, machine) {
            (true, _) => Some(Caller::Admin),
            (false, Some(known)) => Some(Caller::Machine(Arc::clone(&known.machine))),
            (false, None) => None,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_key_is_admin() {
        let keys = Keys::default();
        assert_eq!(keys.caller("secret", 0), None);
        keys.set_admin(vec![hash("old"), hash("secret")]);
        assert_eq!(keys.caller("secret", 0), Some(Caller::Admin));
        assert_eq!(keys.caller("Secret", 0), None);
        assert_eq!(keys.caller("", 0), None);
        assert_eq!(keys.admin_ids()[1], "2bb80d53");
    }

    #[test]
    fn a_machine_is_known_until_its_key_expires_or_is_gone() {
        let machine =
            Arc::new(Machine { name: "team/reader".to_owned(), roles: vec!["machine".to_owned()], rate_limit: None });
        let key =
            ApiKey { id: "ms_12345".to_owned(), hash: hash("key"), machine: machine.clone(), expires_at: Some(9) };
        let keys = Keys::default();
        keys.set_machines(vec![key.clone(), ApiKey { hash: hash("other"), expires_at: None, ..key }]);
        assert_eq!(keys.caller("key", 8), Some(Caller::Machine(machine.clone())));
        assert_eq!(keys.caller("key", 9), None);
        assert_eq!(keys.caller("other", i64::MAX), Some(Caller::Machine(machine)));
        assert_eq!(keys.machine_ids(), ["ms_12345", "ms_12345"]);
        keys.set_machines(Vec::new());
        assert_eq!(keys.caller("other", 0), None);
    }
}
