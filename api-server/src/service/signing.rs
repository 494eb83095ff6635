//! The keys that sign access tokens: Ed25519, P-256, or a secret of one's own.
//!
//! Read from files by `config`, held by [`super::auth`]; their public halves are published by `http`. A key knows its one
//! algorithm, so that no token can choose another. Never printed: `Debug` names a key and no more.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    UnparsedPublicKey,
};
use ring::{digest, hmac};
use serde_json::{Map, Value as Json, json};

/// What a key may do. One that is about to sign is published first, and one that has signed stays until its tokens ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Verifies, and will sign.
    Published,
    /// Signs and verifies.
    Signing,
    /// Verifies what it has signed.
    Retiring,
}

/// One key with its name.
pub struct SigningKey {
    kid: String,
    state: State,
    material: Material,
}

enum Material {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Hs256(hmac::Key),
}

impl SigningKey {
    /// The key of a private JWK (RFC 7517, RFC 8037), or what is wrong with it.
    pub fn from_jwk(kid: String, alg: &str, state: State, jwk: &Map<String, Json>) -> Result<SigningKey, String> {
        if kid.is_empty() || kid.len() > 128 {
            return Err("`kid` has 1 to 128 bytes".to_owned());
        }
        let (kty, crv, coordinates): (_, _, &[&str]) = match alg {
            "EdDSA" => ("OKP", "Ed25519", &["x"]),
            "ES256" => ("EC", "P-256", &["x", "y"]),
            _ => return Err("`alg` is EdDSA or ES256".to_owned()),
        };
        let is = |name: &str, expected: &str| jwk.get(name).and_then(Json::as_str) == Some(expected);
        if !is("kty", kty) || !is("crv", crv) {
            return Err(format!("the JWK of {alg} has kty {kty} and crv {crv}"));
        }
        let number = |name: &str| {
            let bytes = jwk.get(name).and_then(Json::as_str).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
            let bytes = bytes.filter(|bytes| bytes.len() == 32);
            bytes.ok_or_else(|| format!("`{name}` of the JWK is 32 bytes in base64url"))
        };
        let public = coordinates.iter().map(|name| number(name)).collect::<Result<Vec<_>, _>>()?.concat();
        let private = number("d")?;
        let material = match alg {
            "EdDSA" => Ed25519KeyPair::from_seed_and_public_key(&private, &public).map(Material::EdDsa),
            _ => {
                let (algorithm, point) = (&ECDSA_P256_SHA256_FIXED_SIGNING, [&[4][..], &public].concat());
                EcdsaKeyPair::from_private_key_and_public_key(algorithm, &private, &point, &SystemRandom::new())
                    .map(Material::Es256)
            }
        };
        let material = material.map_err(|_| "the halves of the JWK do not belong together".to_owned())?;
        Ok(SigningKey { kid, state, material })
    }

    /// The key of a shared secret: whoever verifies with it can sign too, so that it is never published.
    pub fn from_secret(secret: &[u8]) -> SigningKey {
        let name = digest::digest(&digest::SHA256, &[b"mainstay kid ", secret].concat());
        let kid = name.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let material = Material::Hs256(hmac::Key::new(hmac::HMAC_SHA256, secret));
        SigningKey { kid, state: State::Signing, material }
    }

    /// Its name in a token's header.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its one algorithm, by the name of RFC 7518 or RFC 8037.
    pub fn alg(&self) -> &'static str {
        match self.material {
            Material::EdDsa(_) => "EdDSA",
            Material::Es256(_) => "ES256",
            Material::Hs256(_) => "HS256",
        }
    }

    /// What it may do.
    pub fn state(&self) -> State {
        self.state
    }

    /// A signature of the text. Errors: the system has no random numbers.
    pub fn sign(&self, text: &[u8]) -> Result<Vec<u8>, ring::error::Unspecified> {
        Ok(match &self.material {
            Material::EdDsa(pair) => pair.sign(text).as_ref().to_vec(),
            Material::Es256(pair) => pair.sign(&SystemRandom::new(), text)?.as_ref().to_vec(),
            Material::Hs256(key) => hmac::sign(key, text).as_ref().to_vec(),
        })
    }

    /// Whether the signature is this key's, of this text.
    pub fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::EdDsa(pair) => UnparsedPublicKey::new(&ED25519, pair.public_key()).verify(text, signature),
            Material::Es256(pair) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key()).verify(text, signature)
            }
            Material::Hs256(key) => hmac::verify(key, text, signature),
        }
        .is_ok()
    }

    /// The public half as the world may know it; none of a secret.
    fn jwk(&self) -> Option<Json> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.material {
            Material::EdDsa(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) })
            }
            Material::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
                json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
            }
            Material::Hs256(_) => return None,
        };
        jwk.as_object_mut()?
            .extend([("kid", &*self.kid), ("alg", self.alg()), ("use", "sig")].map(|(k, v)| (k.to_owned(), json!(v))));
        Some(jwk)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.kid, self.alg(), self.state)
    }
}

/// A file of one new key, for a server that was given none.
///
/// Errors: the system has no random numbers.
pub fn new_file() -> std::io::Result<String> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(std::io::Error::other)?;
    let pair =
        Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| std::io::Error::other("the seed makes no key"))?;
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let kid: String = pair.public_key().as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()), "d": encode(&seed) });
    Ok(json!({ "keys": [{ "kid": kid, "alg": "EdDSA", "state": "signing", "jwk": jwk }] }).to_string())
}

/// The known keys; replaced as a whole.
#[derive(Default)]
pub struct Keyring(ArcSwap<Vec<Arc<SigningKey>>>);

impl Keyring {
    /// Replaces the keys.
    pub fn set(&self, keys: Vec<Arc<SigningKey>>) {
        self.0.store(Arc::new(keys));
    }

    /// The names of the keys.
    pub fn ids(&self) -> Vec<String> {
        self.0.load().iter().map(|key| key.kid.clone()).collect()
    }

    /// The key of that name.
    pub fn get(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.0.load().iter().find(|key| key.kid == kid).cloned()
    }

    /// The key that signs.
    pub fn signing(&self) -> Option<Arc<SigningKey>> {
        self.0.load().iter().find(|key| key.state == State::Signing).cloned()
    }

    /// The JWK Set (RFC 7517).
    pub fn jwks(&self) -> Json {
        json!({ "keys": self.0.load().iter().filter_map(|key| key.jwk()).collect::<Vec<_>>() })
    }
}
