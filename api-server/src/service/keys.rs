//! Credentials: which caller a presented key stands for.
//!
//! Keys are stored as SHA-256 and compared in constant time. Called by the transports' authentication.

use std::sync::Arc;

use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};

use super::Caller;

/// SHA-256 of a key.
pub type KeyHash = [u8; 32];

/// The hash under which a key is kept. A key holds 160 random bits, so that a slow hash would add nothing.
pub fn hash(key: &str) -> KeyHash {
    Sha256::digest(key.as_bytes()).into()
}

/// The known keys; cheap to clone, replaced as a whole.
#[derive(Clone, Default)]
pub struct Keys {
    admin: Arc<ArcSwap<Vec<KeyHash>>>,
}

impl Keys {
    /// Replaces the admin keys.
    pub fn set_admin(&self, hashes: Vec<KeyHash>) {
        self.admin.store(Arc::new(hashes));
    }

    /// Who presents `key`; `None` when nobody known does. Takes the same time for every wrong key.
    pub fn caller(&self, key: &str) -> Option<Caller> {
        let presented = hash(key);
        let same = |known: &KeyHash| known.iter().zip(&presented).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0;
        let hits = self.admin.load().iter().filter(|known| same(known)).count();
        (hits > 0).then_some(Caller::Admin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_key_is_admin() {
        let keys = Keys::default();
        assert_eq!(keys.caller("secret"), None);
        keys.set_admin(vec![hash("old"), hash("secret")]);
        assert_eq!(keys.caller("secret"), Some(Caller::Admin));
        assert_eq!(keys.caller("Secret"), None);
        assert_eq!(keys.caller(""), None);
    }
}
