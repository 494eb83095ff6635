//! Files of keys: what is read, what is refused, and that no message holds a secret.

use mainstay_crds::rate_limit::Quota;
use serde_json::json;

use super::*;

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

fn jwt(kid: &str, alg: &str, state: &str, change: Json) -> Json {
    let (kty, crv) = if alg == "EdDSA" { ("OKP", "Ed25519") } else { ("EC", "P-256") };
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let mut jwk = json!({ "kty": kty, "crv": crv, "x": x, "y": x, "d": SECRET });
    jwk.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    json!({ "kid": kid, "alg": alg, "state": state, "jwk": jwk })
}

#[test]
fn signing_keys_lose_their_private_half() {
    let file = json!({ "keys": [jwt("a", "EdDSA", "signing", json!({})), jwt("b", "ES256", "retiring", json!({}))] });
    let keys: JwtKeys = parse(&file.to_string()).unwrap();
    assert!(!format!("{keys:?}").contains(SECRET));
    let members: Vec<Vec<&String>> = keys.0.iter().map(|key| key.members.keys().collect()).collect();
    assert_eq!(members, [vec!["crv", "kty", "x"], vec!["crv", "kty", "x", "y"]]);
    assert_eq!((keys.0[0].kid.as_str(), keys.0[1].alg), ("a", "ES256"));

    for keys in [
        json!([jwt("a", "EdDSA", "signing", json!({})), jwt("b", "EdDSA", "signing", json!({}))]),
        json!([jwt("a", "EdDSA", "signing", json!({})), jwt("a", "EdDSA", "published", json!({}))]),
        json!([jwt("", "EdDSA", "signing", json!({}))]),
        json!([jwt("a", "HS256", "signing", json!({}))]),
        json!([jwt("a", "EdDSA", "asleep", json!({}))]),
        json!([jwt("a", "EdDSA", "signing", json!({ "kty": "EC" }))]),
        json!([jwt("a", "EdDSA", "signing", json!({ "x": "AA" }))]),
        json!([jwt("a", "EdDSA", "signing", json!({ "d": null }))]),
    ] {
        let error = parse::<JwtKeys>(&json!({ "keys": keys }).to_string()).unwrap_err();
        assert!(!error.contains(SECRET), "{keys}: {error}");
    }
}
