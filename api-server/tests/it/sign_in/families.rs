//! Families of refresh tokens: used once, repeated at once, stolen, cut off by a crash; and keys that rotate under them.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

#[test]
fn a_token_is_used_once_and_repeated_at_once() {
    for kind in ["sqlite", "postgres"] {
        let world = World::new(kind);
        let beside = (kind == "postgres").then(|| world.beside());
        world.user("ann@example.com", json!({}));
        let first = world.login("ann@example.com");
        // Many at once, on all servers: one next token.
        let urls: Vec<&str> =
            [Some(&world.server), beside.as_ref()].into_iter().flatten().map(|server| server.url.as_str()).collect();
        let barrier = Barrier::new(8);
        let next: Vec<Tokens> = thread::scope(|scope| {
            let at_once: Vec<_> = (0..8)
                .map(|number| {
                    let (barrier, url, body) =
                        (&barrier, urls[number % urls.len()], json!({ "refresh_token": first.refresh }));
                    scope.spawn(move || {
                        let client = Client::new();
                        barrier.wait();
                        Tokens::of(&send(&client, url, Method::POST, "/api/v1/auth/refresh", None, Some(body)))
                    })
                })
                .collect();
            at_once.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(next.iter().all(|tokens| tokens.refresh == next[0].refresh), "{kind}: one family has one next token");
        assert!(next.iter().all(|tokens| world.notes(&tokens.access) == 200));

        // Used again once the next one was: somebody else has it. The whole family ends.
        let third = Tokens::of(&world.refresh(&next[0].refresh));
        let stolen = world.refresh(&first.refresh);
        assert_eq!(stolen.status, 401);
        assert!(stolen.body["error"].as_str().unwrap().contains("used before"), "{kind}: {stolen:?}");
        assert_eq!(world.refresh(&third.refresh).status, 401);
        wait_until("the end of the access tokens", || world.notes(&third.access) == 401);
        assert!(world.server.log().contains("a refresh token was used twice"));
        assert_eq!(world.refresh(&first.refresh).status, 401, "what has ended stays so");
    }
}

#[test]
fn sign_out_ends_one_session() {
    for kind in ["sqlite", "postgres"] {
        let world = World::new(kind);
        world.user("ann@example.com", json!({}));
        let (here, there) = (world.login("ann@example.com"), world.login("ann@example.com"));
        let body = json!({ "refresh_token": here.refresh });
        let out = || world.send(Method::POST, "/api/v1/auth/logout", None, Some(body.clone())).status;
        assert_eq!([out(), out()], [204, 204]);
        assert_eq!([world.notes(&here.access), world.notes(&there.access)], [401, 200], "{kind}");
        assert_eq!(world.refresh(&there.refresh).status, 200);
    }
}

/// Whatever a crash cuts off, a client that repeats its last request goes on.
#[test]
fn a_crash_while_refreshing_signs_nobody_out() {
    for kind in ["sqlite", "postgres"] {
        let mut world = World::new(kind);
        world.user("ann@example.com", json!({}));
        let mut token = world.login("ann@example.com").refresh;
        for _ in 0..4 {
            let (url, client) = (world.server.url.clone(), Client::new());
            let running = AtomicBool::new(false);
            let (last, server) = thread::scope(|scope| {
                let refreshing = scope.spawn(|| {
                    let mut last = token.clone();
                    loop {
                        let body = json!({ "refresh_token": last });
                        match try_send(&client, &url, Method::POST, "/api/v1/auth/refresh", None, Some(body)) {
                            Ok(answer) => last = Tokens::of(&answer).refresh,
                            Err(_) => return last,
                        }
                        running.store(true, Ordering::Release);
                    }
                });
                wait_until("a refresh", || running.load(Ordering::Acquire));
                let server = world.server;
                server.kill();
                let last = refreshing.join().unwrap();
                (last, launch(program(), &world.documents, &world.database, &["--jwt-secret", SECRET]))
            });
            world.server = server;
            let answer = world.refresh(&last);
            assert_eq!(answer.status, 200, "{kind}: {answer:?}");
            token = Tokens::of(&answer).refresh;
        }
    }
}

/// The key of RFC 8037 (A.1), and one that was made for this test.
fn file(keys: &[(usize, &str)]) -> String {
    let halves = [
        ("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"),
        ("A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"),
    ];
    let key = |(number, state): &(usize, &str)| {
        let (x, d) = halves[*number];
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "d": d });
        json!({ "kid": format!("key-{number}"), "alg": "EdDSA", "state": state, "jwk": jwk })
    };
    json!({ "keys": keys.iter().map(key).collect::<Vec<_>>() }).to_string()
}

#[test]
fn keys_rotate_under_living_tokens_on_two_servers() {
    let (documents, database, keys) = (documents(), Database::new("postgres"), tempfile::tempdir().unwrap());
    let path = keys.path().join("keys.json");
    let turn = |states: &[(usize, &str)]| {
        let new = keys.path().join("new");
        std::fs::write(&new, file(states)).unwrap();
        std::fs::rename(new, &path).unwrap();
    };
    turn(&[(0, "signing")]);
    let start = || {
        let mut command = Command::new("sh");
        let script = r#"export MAINSTAY_JWT_KEYS_FILE="$1"; shift; exec "$@""#;
        command.args(["-c", script, "sh"]).arg(&path).arg(mainstay_e2e::server::binary());
        launch(command, &documents, &database, &[])
    };
    let (one, two) = (start(), start());
    let world =
        World { server: one, client: Client::new(), documents: super::documents(), database: Database::new("sqlite") };
    world.user("ann@example.com", json!({}));
    let old = world.login("ann@example.com");
    let status = |token: &str| {
        [&world.server, &two]
            .map(|server| send(&world.client, &server.url, Method::GET, "/api/v1/notes", Some(token), None).status)
    };
    let known = |kids: &[&str]| {
        let ids = json!(kids);
        [&world.server, &two].iter().all(|server| {
            mainstay_e2e::http::Caller::new(&server.admin_url, None).get("/instance", &[]).body["jwtKeys"] == ids
        })
    };
    assert_eq!(status(&old.access), [200, 200]);
    turn(&[(0, "signing"), (1, "published")]);
    wait_until("the new key", || known(&["key-0", "key-1"]));
    turn(&[(1, "signing"), (0, "retiring")]);
    wait_until("the turn", || known(&["key-1", "key-0"]));
    let new = Tokens::of(&world.refresh(&old.refresh));
    assert_eq!((status(&old.access), status(&new.access)), ([200, 200], [200, 200]));
    turn(&[(1, "signing")]);
    wait_until("the end of the old key", || status(&old.access) == [401, 401]);
    assert_eq!(status(&new.access), [200, 200]);
    assert!([&world.server, &two].iter().all(|server| !server.log().contains("nWGxne")));
}
