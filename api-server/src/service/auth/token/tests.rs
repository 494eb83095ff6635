//! Tokens that are ours, and a table of those that only look so (RFC 8725).

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::service::signing::State;

const NOW: i64 = 1_700_000_000;
const ISSUER: &str = "mainstay";
const SECRET: &[u8] = b"a secret of more than thirty-two bytes";

/// The keys of RFC 8037 (A.1) and RFC 7515 (A.3), a secret, and a key that is not known.
fn key(kid: &str) -> Arc<SigningKey> {
    let jwk = |json: Json| json.as_object().cloned().unwrap();
    let ed = json!({
        "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    });
    let es = json!({
        "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    });
    Arc::new(match kid {
        "ed" => SigningKey::from_jwk("ed".to_owned(), "EdDSA", State::Signing, &jwk(ed)).unwrap(),
        "es" => SigningKey::from_jwk("es".to_owned(), "ES256", State::Retiring, &jwk(es)).unwrap(),
        "hs" => SigningKey::from_secret(SECRET),
        _ => SigningKey::from_jwk("unknown".to_owned(), "EdDSA", State::Signing, &jwk(ed)).unwrap(),
    })
}

fn ring() -> Keyring {
    let ring = Keyring::default();
    ring.set(["ed", "es", "hs"].map(key).to_vec());
    ring
}

fn claims() -> Json {
    json!({
        "iss": ISSUER, "aud": ISSUER, "sub": "00000000-0000-7000-8000-000000000001",
        "sid": "00000000-0000-7000-8000-000000000002", "jti": "x", "roles": ["editor"],
        "iat": NOW, "nbf": NOW, "exp": NOW + 900,
    })
}

/// A token by hand: what a hostile one may be made of.
fn forged(header: &str, payload: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn header(key: &SigningKey) -> Json {
    json!({ "alg": key.alg(), "kid": key.kid(), "typ": "at+jwt" })
}

fn with(mut json: Json, change: Json) -> Json {
    for (name, value) in change.as_object().unwrap() {
        match value {
            Json::Null => drop(json.as_object_mut().unwrap().remove(name)),
            value => drop(json.as_object_mut().unwrap().insert(name.clone(), value.clone())),
        }
    }
    json
}

fn judge(token: &str) -> Result<Claims, Refusal> {
    verify(&ring(), ISSUER, token, NOW * SECOND)
}

#[test]
fn each_algorithm_makes_what_it_reads() {
    for kid in ["ed", "es", "hs"] {
        let key = key(kid);
        let (subject, session) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let roles = ["editor".to_owned()];
        let grant = Grant { issuer: ISSUER, subject, session, roles: &roles, life: 900, now: NOW * SECOND };
        let token = sign(&key, &grant).unwrap();
        let read = judge(&token).unwrap();
        assert_eq!((read.subject, read.session, read.expires_at), (subject, session, NOW + 900 + LEEWAY));
        assert_eq!(read.all["roles"], json!(["editor"]));
        assert!(resembles(&token) && token.len() < 700, "{} bytes", token.len());
        assert_ne!(sign(&key, &grant).unwrap(), token, "each has its own jti");

        // Every character counts.
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(judge(&changed), Err(Refusal::Invalid), "{kid}: character {at}");
        }
        assert_eq!(verify(&ring(), "another", &token, NOW * SECOND), Err(Refusal::Invalid));
        assert_eq!(verify(&Keyring::default(), ISSUER, &token, NOW * SECOND), Err(Refusal::Invalid));
    }
}

#[test]
fn times_are_kept_with_a_little_leeway() {
    let key = key("ed");
    let at = |seconds: i64, change: Json| {
        let payload = with(claims(), change).to_string();
        let token = forged(&header(&key).to_string(), &payload, |text| key.sign(text).unwrap());
        verify(&ring(), ISSUER, &token, (NOW + seconds) * SECOND).map(drop)
    };
    let none = || json!({});
    for (seconds, change, expected) in [
        (0, none(), Ok(())),
        (-30, none(), Ok(())),
        (-31, none(), Err(Refusal::Invalid)),
        (929, none(), Ok(())),
        (930, none(), Err(Refusal::Expired)),
        (0, json!({ "nbf": NOW + 31 }), Err(Refusal::Invalid)),
        (0, json!({ "iat": NOW + 31 }), Err(Refusal::Invalid)),
        (0, json!({ "exp": NOW - 31 }), Err(Refusal::Expired)),
        (0, json!({ "exp": null }), Err(Refusal::Invalid)),
        (0, json!({ "nbf": null }), Err(Refusal::Invalid)),
        (0, json!({ "iat": null }), Err(Refusal::Invalid)),
        (0, json!({ "exp": "1999999999" }), Err(Refusal::Invalid)),
        (0, json!({ "exp": 1.5 }), Err(Refusal::Invalid)),
        (0, json!({ "exp": -1 }), Err(Refusal::Expired)),
        (0, json!({ "exp": 9_007_199_254_740_991_i64 }), Ok(())),
    ] {
        assert_eq!(at(seconds, change.clone()), expected, "{seconds} {change}");
    }
}

#[test]
fn claims_that_are_not_ours_are_refused() {
    let key = key("es");
    for change in [
        json!({ "iss": "another" }),
        json!({ "iss": null }),
        json!({ "iss": ["mainstay"] }),
        json!({ "aud": "another" }),
        json!({ "aud": null }),
        json!({ "aud": ["mainstay"] }),
        json!({ "sub": null }),
        json!({ "sub": "ann@example.com" }),
        json!({ "sub": "00000000000070008000000000000001" }),
        json!({ "sub": 5 }),
        json!({ "sid": null }),
        json!({ "sid": "" }),
    ] {
        let payload = with(claims(), change.clone()).to_string();
        let token = forged(&header(&key).to_string(), &payload, |text| key.sign(text).unwrap());
        assert_eq!(judge(&token), Err(Refusal::Invalid), "{change}");
    }
}

#[test]
fn headers_choose_nothing() {
    let (ed, hs) = (key("ed"), key("hs"));
    let honest = |text: &[u8]| ed.sign(text).unwrap();
    let of = |change: Json| with(header(&ed), change).to_string();
    let payload = claims().to_string();
    judge(&forged(&of(json!({})), &payload, honest)).unwrap();
    for change in [
        json!({ "alg": "none" }),
        json!({ "alg": "None" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "ES256" }),
        json!({ "alg": null }),
        json!({ "kid": null }),
        json!({ "kid": "unknown" }),
        json!({ "kid": "es" }),
        json!({ "kid": "../../dev/null" }),
        json!({ "kid": 5 }),
        json!({ "typ": null }),
        json!({ "typ": "JWT" }),
        json!({ "typ": "application/at+jwt" }),
        json!({ "crit": ["exp"] }),
        json!({ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" } }),
        json!({ "jku": "https://evil.example/jwks.json" }),
        json!({ "x5u": "https://evil.example/x5" }),
        json!({ "x5c": [] }),
        json!({ "b64": false, "crit": ["b64"] }),
        json!({ "zip": "DEF" }),
    ] {
        assert_eq!(judge(&forged(&of(change.clone()), &payload, honest)), Err(Refusal::Invalid), "{change}");
    }
    // Without a signature, whatever the header says.
    for alg in ["none", "EdDSA"] {
        assert_eq!(
            judge(&forged(&of(json!({ "alg": alg })), &payload, |_| Vec::new())),
            Err(Refusal::Invalid),
            "{alg}"
        );
    }
    // A public key, which everybody knows, as the secret of HS256; under its own name, and under that of the secret.
    let public = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    let confused = SigningKey::from_secret(&public);
    for kid in ["ed", hs.kid(), confused.kid()] {
        let header = of(json!({ "alg": "HS256", "kid": kid }));
        let token = forged(&header, &payload, |text| confused.sign(text).unwrap());
        assert_eq!(judge(&token), Err(Refusal::Invalid), "{kid}");
    }
    // A key that was never known, under a known name, and under its own.
    let stranger = key("unknown");
    assert_eq!(judge(&forged(&header(&stranger).to_string(), &payload, honest)), Err(Refusal::Invalid));
}

#[test]
fn forms_that_two_readers_may_read_differently_are_refused() {
    let ed = key("ed");
    let sign = |text: &[u8]| ed.sign(text).unwrap();
    let (head, payload) = (header(&ed).to_string(), claims().to_string());
    let twice = |text: &str, member: &str| format!("{{{member},{}", &text[1..]);
    for (head, payload) in [
        (twice(&head, "\"alg\":\"none\""), payload.clone()),
        (twice(&head, "\"kid\":\"es\""), payload.clone()),
        (head.clone(), twice(&payload, "\"sub\":\"00000000-0000-7000-8000-0000000000ff\"")),
        (head.clone(), twice(&payload, "\"exp\":9999999999")),
        (head.clone(), "[]".to_owned()),
        (head.clone(), "null".to_owned()),
        (head.clone(), String::new()),
        (head.clone(), format!("{payload}{payload}")),
        (head.clone(), format!("{{\"a\":{}1{},{}", "[".repeat(9), "]".repeat(9), &payload[1..])),
        ("[]".to_owned(), payload.clone()),
        (String::new(), payload.clone()),
    ] {
        assert_eq!(judge(&forged(&head, &payload, sign)), Err(Refusal::Invalid), "{head} {payload}");
    }
    let token = forged(&head, &payload, sign);
    judge(&token).unwrap();
    let [one, two, three] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    for changed in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        format!("{one}.{two}"),
        format!("{one}.{two}."),
        format!("{token}."),
        format!("{one}..{two}.{three}"),
        format!("{token}.{three}"),
        format!("{one}.{two}.{three}=="),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{one}=.{two}.{three}"),
        format!("{one}.{two}.{}", three.replace(['-', '_'], "+")) + "x",
    ] {
        assert_eq!(judge(&changed), Err(Refusal::Invalid), "{changed}");
    }
    // Longer than anything that is looked at, though it is signed.
    let long = with(claims(), json!({ "roles": ["x".repeat(LONGEST)] })).to_string();
    let long = forged(&head, &long, sign);
    assert_eq!((judge(&long), resembles(&long)), (Err(Refusal::Invalid), false));
}
