//! Private keys that sign tokens, as JSON Web Keys of RFC 7517 and RFC 8037.
//!
//! Called by `jwt_keys`. Pure: a key follows from 32 random bytes. Never signs, and is never printed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use mainstay_crds::backend::JwtAlgorithm;
use p256::elliptic_curve::sec1::ToSec1Point;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::held;

/// A private key. Its members are those of the RFCs, in unpadded base64url.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwk {
    kty: String,
    crv: String,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    d: String,
}

impl Jwk {
    /// The key of these bytes; `None` for the one in four thousand million that is no key of the curve.
    pub fn new(algorithm: JwtAlgorithm, secret: &[u8]) -> Option<Jwk> {
        let encode = |bytes: &[u8]| BASE64URL.encode(bytes);
        let (kty, crv, x, y) = match algorithm {
            JwtAlgorithm::EdDSA => {
                let pair = Ed25519KeyPair::from_seed_unchecked(secret).ok()?;
                ("OKP", "Ed25519", encode(pair.public_key().as_ref()), None)
            }
            JwtAlgorithm::ES256 => {
                // `from_slice` takes shorter ones, too.
                let secret = p256::SecretKey::from_slice(secret).ok().filter(|_| secret.len() == 32)?;
                let point = secret.public_key().to_sec1_point(false);
                let (x, y) = point.as_bytes().get(1..)?.split_at_checked(32)?;
                ("EC", "P-256", encode(x), Some(encode(y)))
            }
        };
        Some(Jwk { kty: kty.to_owned(), crv: crv.to_owned(), x, y, d: encode(secret) })
    }

    /// Whether it is a key of this algorithm, and its public half belongs to its private one.
    pub fn is_sound(&self, algorithm: JwtAlgorithm) -> bool {
        let secret = BASE64URL.decode(&self.d).ok();
        secret.and_then(|secret| Jwk::new(algorithm, &secret)).is_some_and(|key| key == *self)
    }

    /// What names it: the first 8 hex digits of its thumbprint by RFC 7638, which is of the public half alone.
    pub fn kid(&self) -> String {
        let Jwk { kty, crv, x, y, .. } = self;
        let canonical = match y {
            Some(y) => format!(r#"{{"crv":{},"kty":{},"x":{},"y":{}}}"#, json!(crv), json!(kty), json!(x), json!(y)),
            None => format!(r#"{{"crv":{},"kty":{},"x":{}}}"#, json!(crv), json!(kty), json!(x)),
        };
        held::id(&canonical)
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey};

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        BASE64URL.decode(text).unwrap()
    }

    /// Appendix A.1 to A.3 of RFC 8037: its key, its public half and its thumbprint.
    #[test]
    fn the_key_of_the_standard_is_made() {
        let secret = bytes("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
        let key = Jwk::new(JwtAlgorithm::EdDSA, &secret).unwrap();
        assert_eq!(key.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        // The first bytes of kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k.
        assert_eq!(key.kid(), held::hex(&bytes("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")[..4]));
    }

    /// Appendix A.1 of RFC 6979: a private key of P-256 and its point.
    #[test]
    fn the_point_of_the_standard_is_made() {
        let hex = |text: &str| -> Vec<u8> {
            (0..64).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
        };
        let key =
            Jwk::new(JwtAlgorithm::ES256, &hex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"));
        let key = key.unwrap();
        assert_eq!(bytes(&key.x), hex("60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"));
        assert_eq!(bytes(&key.y.unwrap()), hex("7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"));
    }

    #[test]
    fn others_sign_and_verify_with_them() {
        for round in 0..16_u8 {
            let secret = [round.wrapping_mul(37).wrapping_add(1); 32];
            let key = Jwk::new(JwtAlgorithm::EdDSA, &secret).unwrap();
            let signed: Signature =
                ed25519_dalek::Signer::sign(&SigningKey::from_bytes(&bytes(&key.d).try_into().unwrap()), b"token");
            let public = VerifyingKey::from_bytes(&bytes(&key.x).try_into().unwrap()).unwrap();
            public.verify_strict(b"token", &signed).unwrap();
            public.verify_strict(b"other", &signed).unwrap_err();

            let key = Jwk::new(JwtAlgorithm::ES256, &secret).unwrap();
            let point = [vec![4], bytes(&key.x), bytes(key.y.as_ref().unwrap())].concat();
            let random = SystemRandom::new();
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let pair =
                EcdsaKeyPair::from_private_key_and_public_key(algorithm, &bytes(&key.d), &point, &random).unwrap();
            let signed = pair.sign(&random, b"token").unwrap();
            let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
            public.verify(b"token", signed.as_ref()).unwrap();
            public.verify(b"other", signed.as_ref()).unwrap_err();
        }
    }

    #[test]
    fn a_key_that_was_changed_is_not_sound() {
        let other = Jwk::new(JwtAlgorithm::ES256, &[2; 32]).unwrap();
        for algorithm in [JwtAlgorithm::EdDSA, JwtAlgorithm::ES256] {
            let key = Jwk::new(algorithm, &[1; 32]).unwrap();
            assert!(key.is_sound(algorithm));
            let wrong = [
                Jwk { d: other.d.clone(), ..key.clone() },
                Jwk { x: other.x.clone(), ..key.clone() },
                Jwk { d: "?".to_owned(), ..key.clone() },
                Jwk { d: BASE64URL.encode([1; 31]), ..key.clone() },
                Jwk { kty: "RSA".to_owned(), ..key.clone() },
            ];
            assert!(wrong.iter().all(|key| !key.is_sound(algorithm)));
        }
        assert!(!other.is_sound(JwtAlgorithm::EdDSA));
        assert!(Jwk::new(JwtAlgorithm::ES256, &[255; 32]).is_none(), "more than the order of the curve");
        assert!(Jwk::new(JwtAlgorithm::ES256, &[0; 32]).is_none());
    }
}
