//! The public halves of the keys that sign tokens, as clients find them at `/.well-known/jwks.json`.
//!
//! Read from a file by `config`, published by `http`. Holds no private half: nothing here signs yet.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::{Map, Value as Json, json};

/// A signing key as the world may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its name in a token's header.
    pub kid: String,
    /// `EdDSA` or `ES256`.
    pub alg: &'static str,
    /// The public members of its JWK: `kty`, `crv`, `x`, and `y` of an elliptic curve.
    pub members: Map<String, Json>,
}

/// The published keys; replaced as a whole.
#[derive(Default)]
pub struct PublicKeys(ArcSwap<Vec<PublicKey>>);

impl PublicKeys {
    /// Replaces the keys.
    pub fn set(&self, keys: Vec<PublicKey>) {
        self.0.store(Arc::new(keys));
    }

    /// The names of the keys.
    pub fn ids(&self) -> Vec<String> {
        self.0.load().iter().map(|key| key.kid.clone()).collect()
    }

    /// The JWK Set (RFC 7517).
    pub fn jwks(&self) -> Json {
        let keys = self.0.load();
        let keys = keys.iter().map(|key| {
            let mut jwk = key.members.clone();
            jwk.extend([("kid", &*key.kid), ("alg", key.alg), ("use", "sig")].map(|(k, v)| (k.to_owned(), json!(v))));
            Json::Object(jwk)
        });
        json!({ "keys": keys.collect::<Vec<_>>() })
    }
}
