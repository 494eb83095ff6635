//! No secret is ever printed: one is planted in every place that takes any, with everything logged that can be.
//!
//! The test only sends; [`Server`] looks at what was printed when it is dropped, as it does after every other test.

use std::process::Command;

use mainstay_e2e::server::{SECRET, assert_no_secret};

use super::*;

/// More than anybody would log.
const EVERYTHING: &str = "trace";

#[test]
fn what_clients_send_is_not_logged() {
    for kind in ["sqlite", "postgres"] {
        let world = serve(kind, &["--log-level", EVERYTHING]);
        let client = Client::builder().no_proxy().build().unwrap();
        let url = |path: &str| format!("{}{path}", world.server.url);
        let requests = [
            client.get(url(NOTES)).header("X-API-Key", SECRET),
            client.get(url(NOTES)).bearer_auth(SECRET),
            client.get(url(NOTES)).basic_auth("ann", Some(SECRET)),
            client.get(url(NOTES)).header("Cookie", format!("session={SECRET}")),
            client.get(url(NOTES)).header("X-Request-Id", format!("not an id {SECRET}")),
            client.get(url(&format!("{NOTES}?title={SECRET}"))),
            client.get(url(&format!("{NOTES}?token={SECRET}"))),
            client.get(url(&format!("{NOTES}?sort={SECRET}"))),
            client.get(url(&format!("{NOTES}/{SECRET}"))),
            client.get(url(&format!("/{SECRET}/{SECRET}?{SECRET}"))),
            client.post(url(NOTES)).json(&json!({ "title": SECRET, "pin": SECRET })),
            client.post(url(NOTES)).json(&json!({ "title": 1, "pin": [SECRET] })),
            client.post(url(NOTES)).header("Content-Type", "application/json").body(format!("{{\"title\": {SECRET}")),
            client.post(url(NOTES)).header("Content-Type", SECRET).body(SECRET),
            client.post(url(NOTES)).header("Idempotency-Key", SECRET).json(&json!({ "title": "x" })),
            client.post(url(&format!("{NOTES}/search"))).json(&json!({ "where": { "title": SECRET } })),
            client.post(url(&format!("{NOTES}/search"))).json(&json!({ "where": { SECRET: 1 } })),
            client.request(Method::from_bytes(b"PLANT").unwrap(), url(NOTES)).header("X-API-Key", SECRET),
        ];
        for request in requests {
            request.send().unwrap();
        }
        let admin = world.server.admin_url.clone();
        for path in ["/metrics", "/instance", "/debug/config", "/debug/schema", "/debug/log-level"] {
            let text = client.get(format!("{admin}{path}")).header("X-API-Key", SECRET).send().unwrap().text().unwrap();
            assert_no_secret(&text);
        }
        let level = json!({ "filter": format!("=={SECRET}==") });
        assert_eq!(client.put(format!("{admin}/debug/log-level")).json(&level).send().unwrap().status(), 400);
        // Broken by hand, for the HTTP library's own complaints.
        for head in [format!("GET {NOTES} HTTP/1.1\r\nX-API-Key {SECRET}\r\n\r\n"), format!("{SECRET}\r\n\r\n")] {
            let mut socket = TcpStream::connect(world.server.url.trim_start_matches("http://")).unwrap();
            socket.write_all(head.as_bytes()).unwrap();
            drop(socket.read(&mut [0; 500]));
        }
        assert!(world.server.log().contains("\"answered\""), "with nothing logged this would say nothing");
        assert!(world.server.stop().success());
    }
}

/// What the program prints that is started so; it has to fail.
fn refused(flags: &[&str], variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.yaml");
    std::fs::write(&file, DOCUMENTS).unwrap();
    let mut command: Command = program();
    command.args(["serve", "-f", file.to_str().unwrap(), "--log-level", EVERYTHING, "--log-format", "json"]);
    command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]).args(flags).current_dir(folder.path());
    command.env("MAINSTAY_ADMIN_KEY", ADMIN_KEY).envs(variables.iter().copied());
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{flags:?} {variables:?}");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert_no_secret(&text);
    text
}

#[test]
fn what_is_wrong_with_a_secret_is_told_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let keys = file("keys", &format!("keys: [{{ name: a, id: b, hash: {SECRET}, roles: [x], expiresAt: {SECRET} }}]"));
    let not_yaml = file("not-yaml", &format!("keys: [ {SECRET}"));
    let jwt = file(
        "jwt",
        &json!({ "keys": [{ "kid": "a", "alg": "EdDSA", "state": "published",
        "jwk": { "kty": "OKP", "crv": "Ed25519", "x": SECRET, "d": SECRET } }] })
        .to_string(),
    );
    for (variable, value) in [
        ("MAINSTAY_API_KEYS_FILE", &*keys),
        ("MAINSTAY_API_KEYS_FILE", &*not_yaml),
        ("MAINSTAY_JWT_KEYS_FILE", &*jwt),
        ("MAINSTAY_JWT_KEYS_FILE", &*not_yaml),
        ("MAINSTAY_REDIS_URL", &format!("redis://:{SECRET}@[")),
        ("MAINSTAY_REDIS_URL", &format!("unix:///{SECRET}")),
    ] {
        assert!(refused(&[], &[(variable, value)]).contains("problem"), "{variable}");
    }
}

#[test]
fn a_database_that_is_away_is_told_without_its_password() {
    let (documents, nobody) = (tempfile::tempdir().unwrap(), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let file = documents.path().join("notes.yaml");
    std::fs::write(&file, DOCUMENTS).unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    for (url, shown) in [
        (format!("postgres://ann:{SECRET}@{address}/db"), address.to_string()),
        (format!("postgres://ann@{address}/db?password={SECRET}&passfile=/{SECRET}"), address.to_string()),
        (format!("postgres://ann:{SECRET}@localhost:notaport/db"), "localhost:notaport/db".to_owned()),
    ] {
        let redis = format!("redis://ann:{SECRET}@{address}");
        let flags = [
            "--log-level",
            EVERYTHING,
            "--redis-url",
            &redis,
            "--rate-limits",
            "[{name: a, by: ip, limit: 9, window: 60s}]",
        ];
        let server = Server::launch(program(), file.to_str().unwrap(), &url, &flags);
        let deadline = Instant::now() + Duration::from_secs(20);
        while !(server.log().contains("not ready") && server.log().contains("Redis is away")) {
            assert!(Instant::now() < deadline, "{}", server.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_no_secret(&server.anonymous.get("/health/ready", &[]).body.to_string());
        let told = Caller::new(&server.admin_url, None).get("/debug/config", &[]).body;
        assert_no_secret(&told.to_string());
        assert!(told["data"]["database.url"]["value"].as_str().unwrap().contains(&shown), "{told}");
        assert_eq!(server.stop().code(), Some(0));
    }
}
