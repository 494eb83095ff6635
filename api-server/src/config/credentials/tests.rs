//! Files of keys: what is read, what is refused, and that no message holds a secret.

use mainstay_crds::rate_limit::Quota;
use serde_json::json;

use super::*;
use crate::service::signing::Keyring;

const SECRET: &str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U";

fn parse<T: Parameter + Default>(text: &str) -> Result<T, String> {
    let mut parsed = T::default();
    parsed.parse(&Raw::Text(text.to_owned())).map(|()| parsed)
}

#[test]
fn admin_keys_stand_a_line_each() {
    let keys: AdminKeys = parse("12345678901234567890\n\n  abcdefghijklmnopqrst\r\n").unwrap();
    assert_eq!(keys.hashes(), [hash("12345678901234567890"), hash("abcdefghijklmnopqrst")]);
    assert_eq!(format!("{keys:?}"), "********");
    assert!(!parse::<AdminKeys>("").unwrap().is_given());
    for wrong in ["short", "12345678901234567890\nshort", "1234567890 1234567890"] {
        let error = parse::<AdminKeys>(wrong).unwrap_err();
        assert!(!error.contains("short") && !error.contains("1234567890"), "{error}");
    }
}

fn entry(change: Json) -> String {
    let digits: String = hash("key").iter().map(|byte| format!("{byte:02x}")).collect();
    let mut entry = json!({ "name": "team/reader", "id": "ms_12345", "hash": digits, "roles": ["reader"] });
    entry.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    json!({ "keys": [entry] }).to_string()
}

#[test]
fn api_keys_are_read_from_json_and_yaml() {
    let keys: ApiKeys = parse(&entry(json!({ "expiresAt": "1970-01-01T00:00:01Z" }))).unwrap();
    assert_eq!((keys.0[0].hash, keys.0[0].expires_at), (hash("key"), Some(1_000_000)));
    let Machine { name, roles, rate_limit } = &*keys.0[0].machine;
    assert_eq!((name.as_str(), roles.as_slice()), ("team/reader", &["reader".to_owned(), "machine".to_owned()][..]));
    assert_eq!(*rate_limit, None);
    let limited: ApiKeys = parse(&entry(json!({ "rateLimit": { "limit": 100, "window": "1m" } }))).unwrap();
    assert_eq!(limited.0[0].machine.rate_limit, Quota::check(100, "60s", None, None).ok());
    assert_eq!(parse::<ApiKeys>(&entry(json!({ "expiresAt": null }))).unwrap().0[0].expires_at, None);
    assert_eq!(parse::<ApiKeys>("keys: []\n").unwrap(), ApiKeys::default());
    assert_eq!(parse::<ApiKeys>("").unwrap(), ApiKeys::default());
}

#[test]
fn wrong_files_of_keys_are_refused_without_their_content() {
    for change in [
        json!({ "hash": SECRET }),
        json!({ "hash": "zz".repeat(32) }),
        json!({ "hash": 5 }),
        json!({ "roles": [""] }),
        json!({ "expiresAt": SECRET }),
        json!({ "roles": SECRET }),
        json!({ "rateLimit": SECRET }),
        json!({ "rateLimit": { "limit": 0, "window": "1s" } }),
        json!({ "rateLimit": { "limit": 1, "window": "1s", "algorithm": "fixedWindow", "burst": 1 } }),
    ] {
        let error = parse::<ApiKeys>(&entry(change.clone())).unwrap_err();
        assert!(!error.contains(SECRET), "{change}: {error}");
    }
    for text in [SECRET, "{", "[]", "keys: 5", "keys:\n- &a x\n- *b"] {
        assert!(!parse::<ApiKeys>(text).unwrap_err().contains(SECRET), "{text}");
        assert!(!parse::<JwtKeys>(text).unwrap_err().contains(SECRET), "{text}");
    }
}

/// The keys of RFC 8037 (A.1) and RFC 7515 (A.3).
fn jwt(kid: &str, alg: &str, state: &str, change: Json) -> Json {
    let mut jwk = match alg {
        "EdDSA" => json!({
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "d": PRIVATE[0],
        }),
        _ => json!({
            "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "d": PRIVATE[1],
        }),
    };
    jwk.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    json!({ "kid": kid, "alg": alg, "state": state, "jwk": jwk })
}

const PRIVATE: [&str; 2] =
    ["nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"];

#[test]
fn signing_keys_publish_their_public_half_alone() {
    let file = json!({ "keys": [jwt("a", "EdDSA", "signing", json!({})), jwt("b", "ES256", "retiring", json!({}))] });
    let keys: JwtKeys = parse(&file.to_string()).unwrap();
    let ring = Keyring::default();
    ring.set(keys.0.clone());
    let told = format!("{keys:?} {} {}", keys.show(), ring.jwks());
    assert!(PRIVATE.iter().all(|private| !told.contains(private)), "{told}");
    let jwk = |key: Json, kid: &str| {
        let mut jwk = key["jwk"].clone();
        let members = jwk.as_object_mut().unwrap();
        members.remove("d");
        members.extend(json!({ "kid": kid, "alg": key["alg"], "use": "sig" }).as_object().unwrap().clone());
        jwk
    };
    assert_eq!(ring.jwks(), json!({ "keys": [jwk(file["keys"][0].clone(), "a"), jwk(file["keys"][1].clone(), "b")] }));
    assert_eq!(ring.signing().map(|key| key.kid().to_owned()), Some("a".to_owned()));
}

#[test]
fn wrong_signing_keys_are_refused_without_their_content() {
    for keys in [
        json!([jwt("a", "EdDSA", "signing", json!({})), jwt("b", "EdDSA", "signing", json!({}))]),
        json!([jwt("a", "EdDSA", "signing", json!({})), jwt("a", "EdDSA", "published", json!({}))]),
        json!([jwt("", "EdDSA", "signing", json!({}))]),
        json!([jwt("a", "HS256", "signing", json!({}))]),
        json!([jwt("a", "EdDSA", "asleep", json!({}))]),
        json!([jwt("a", "EdDSA", "signing", json!({ "kty": "EC" }))]),
        json!([jwt("a", "EdDSA", "signing", json!({ "x": "AA" }))]),
        json!([jwt("a", "EdDSA", "signing", json!({ "d": null }))]),
        json!([jwt("a", "EdDSA", "signing", json!({ "d": SECRET }))]),
        json!([jwt("a", "ES256", "signing", json!({ "d": SECRET }))]),
    ] {
        let error = parse::<JwtKeys>(&json!({ "keys": keys }).to_string()).unwrap_err();
        assert!([SECRET, PRIVATE[0], PRIVATE[1]].iter().all(|secret| !error.contains(secret)), "{keys}: {error}");
    }
}

#[test]
fn a_secret_has_a_name_and_is_never_published() {
    let secret = "0123456789abcdef0123456789abcdef";
    let key = parse::<JwtSecret>(secret).unwrap();
    let told = format!("{key:?} {}", key.show());
    assert!(!told.contains(secret) && told.contains("HS256"), "{told}");
    let ring = Keyring::default();
    ring.set(key.0.into_iter().collect());
    assert_eq!((ring.jwks(), ring.ids().len()), (json!({ "keys": [] }), 1));
    assert!(parse::<JwtSecret>("").unwrap().0.is_none());
    assert!(!parse::<JwtSecret>(&secret[1..]).unwrap_err().contains(&secret[1..]));
}
