//! Hostile callers: what is sent as a key, and what is sent to make one.

use reqwest::blocking::{Client, RequestBuilder};

use super::*;

fn status(request: RequestBuilder) -> u16 {
    request.send().unwrap().status().as_u16()
}

#[test]
fn nothing_but_a_key_is_one() {
    let world = World::new("sqlite", 1, &[]);
    let server = world.server();
    let made = create(server, json!({ "name": "victim" }));
    let key = text(&made, "key");
    let read = || Client::new().get(format!("{}{NOTES}", server.url));
    let with =
        |value: &[u8]| status(read().header("X-API-Key", reqwest::header::HeaderValue::from_bytes(value).unwrap()));
    assert_eq!(with(key.as_bytes()), 200);
    let last = if key.ends_with('0') { "1" } else { "0" };
    let forged = [
        String::new(),
        key.to_uppercase(),
        key[..35].to_owned(),
        format!("{key}0"),
        format!("{}{last}", &key[..35]),
        format!("{key},{key}"),
        format!("{key} {key}"),
        format!("\"{key}\""),
        text(&made, "prefix").to_owned(),
        text(&made, "id").to_owned(),
        "ms_".repeat(10_000),
        "a".repeat(30_000),
        "' OR 1=1 --".to_owned(),
    ];
    for forged in forged {
        assert_eq!(with(forged.as_bytes()), 401, "{}", forged.chars().take(60).collect::<String>());
    }
    assert_eq!(with(b"ms_\xed\xa0\x80\xff"), 401, "a lone surrogate, and what is no UTF-8");
    let both = read().header("X-API-Key", key).bearer_auth(key);
    assert_eq!(status(both), 401, "the same twice is still two");
    assert_eq!(status(read().header("X-API-Key", key).header("X-API-Key", key)), 401);
    assert_eq!(status(read().bearer_auth(key).header("Authorization", "Basic YTpi")), 401);
    // Written as keys are, and nobody's: a thousand of them, and the real one goes on.
    let client = Client::new();
    for n in 0..1000_u64 {
        let mut bits = [0; 20];
        bits[..8].copy_from_slice(&n.to_be_bytes());
        let request = client.get(format!("{}{NOTES}", server.url)).header("X-API-Key", written(bits));
        assert_eq!(status(request), 401);
    }
    assert_eq!(with(key.as_bytes()), 200);
    let server = &world.servers[0];
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// A key by its description: 27 digits of 160 bits, and the CRC-32 of what is before it in 6.
fn written(bits: [u8; 20]) -> String {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let base62 = |mut number: Vec<u8>, length: usize| {
        let mut out = vec![b'0'; length];
        for place in out.iter_mut().rev() {
            let mut rest = 0;
            for byte in &mut number {
                let part = rest * 256 + u32::from(*byte);
                (*byte, rest) = (u8::try_from(part / 62).unwrap(), part % 62);
            }
            *place = digits[rest as usize];
        }
        String::from_utf8(out).unwrap()
    };
    let told = format!("ms_{}", base62(bits.to_vec(), 27));
    let crc = told.bytes().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    });
    let sum = base62((!crc).to_be_bytes().to_vec(), 6);
    told + &sum
}

#[test]
fn bodies_are_refused_in_one_shape() {
    let world = World::new("sqlite", 1, &[]);
    let server = world.server();
    let made = create(server, json!({ "name": "x" }));
    let send = |path: &str, media: &str, body: Vec<u8>| {
        let request = Client::new().post(format!("{}{path}", server.url)).header("Content-Type", media).body(body);
        let answer = request.header("X-API-Key", mainstay_e2e::server::ADMIN_KEY).send().unwrap();
        let status = answer.status().as_u16();
        assert_eq!(answer.json::<Json>().unwrap()["success"], false, "{path}");
        status
    };
    let rotate = format!("{}/rotate", path(&made));
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for path in [KEYS, &rotate] {
        let json = |text: &str| send(path, "application/json", text.as_bytes().to_vec());
        for body in [
            "",
            "{",
            "[]",
            "null",
            "{\"name\":\"a\",\"name\":\"b\"}",
            "{\"name\":\"\\ud800\"}",
            "{\"name\":\"\\u0000\"}",
            &deep,
        ] {
            assert_eq!(json(body), 400, "{path}: {}", body.chars().take(60).collect::<String>());
        }
        assert_eq!(send(path, "application/json", vec![b'"', 0xff, b'"']), 400);
        assert_eq!(send(path, "text/plain", b"{}".to_vec()), 415);
        assert_eq!(json(&format!("{{\"name\":\"{}\"}}", "a".repeat(2 << 20))), 413);
    }
    let roles: Vec<String> = (0..100_000).map(|n| format!("r{n}")).collect();
    assert_eq!(send(KEYS, "application/json", json!({ "name": "a", "roles": roles }).to_string().into_bytes()), 400);
    let idempotent = Client::new().post(format!("{}{KEYS}", server.url)).header("Idempotency-Key", "k");
    let idempotent = idempotent.header("X-API-Key", mainstay_e2e::server::ADMIN_KEY).json(&json!({ "name": "a" }));
    assert_eq!(status(idempotent), 400, "an answer with a key is not kept to be given again");
    for (method, path) in [(Method::PUT, KEYS), (Method::PATCH, &*rotate), (Method::GET, &*rotate)] {
        let answer = server.admin.send(method, path, &[], None).unwrap();
        assert!(answer.status == 405 && answer.headers.contains_key("allow"), "{path}: {}", answer.status);
    }
    assert_eq!(server.admin.get("/api/v1/keys/x/history", &[]).status, 404);
    assert_eq!(server.admin.get(&format!("{KEYS}/"), &[]).status, 404);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
