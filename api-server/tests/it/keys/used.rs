//! Keys on several servers of one database, and over time: what is revoked elsewhere, what ends, when one was last used.

use mainstay_e2e::postgres::Postgres;

use super::*;

#[test]
fn a_key_that_another_server_revokes_is_refused_within_five_seconds() {
    let world = World::new("postgres", 2, &[]);
    let [one, two] = &world.servers[..] else { panic!("two servers") };
    let (kept, lost) = (create(one, json!({ "name": "kept" })), create(one, json!({ "name": "lost" })));
    let rotated = create(one, json!({ "name": "rotated" }));
    for key in [&kept, &lost, &rotated] {
        assert_eq!([reads(one, key), reads(two, key)], [200, 200]);
    }
    assert_eq!((revoke(one, &lost), rotate(one, &rotated, json!({ "overlap": "0s" })).status), (204, 201));
    assert_eq!([reads(one, &lost), reads(one, &rotated)], [401, 401], "there at once");
    // In use all the time, so that its answer is renewed and never asked for by a request.
    let five = Duration::from_secs(5);
    wait_until("the end of a revoked key in use", five, || reads(two, &lost) == 401);
    wait_until("the end of a rotated key", five, || reads(two, &rotated) == 401);
    assert_eq!([reads(one, &kept), reads(two, &kept)], [200, 200]);
}

#[test]
fn the_last_use_is_told_later_and_at_a_clean_end() {
    for kind in ["sqlite", "postgres"] {
        let mut world = World::new(kind, 1, &[]);
        let server = world.server();
        let key = create(server, json!({ "name": "used" }));
        assert!(get(server, &key).get("last_used_at").is_none());
        assert_eq!(reads(server, &key), 200);
        wait_until("its first use", Duration::from_secs(10), || get(server, &key).get("last_used_at").is_some());
        let first = text(&get(server, &key), "last_used_at").to_owned();
        thread::sleep(Duration::from_millis(20)); // the use has another time
        assert_eq!(reads(server, &key), 200);
        assert!(world.servers.remove(0).stop().success());
        let server = world.launch(&[]);
        let last = text(&get(&server, &key), "last_used_at").to_owned();
        assert!(last > first, "within a minute of the first, told at the end: {first} {last}");
    }
}

#[test]
fn an_ended_key_opens_nothing() {
    let world = World::new("sqlite", 1, &[]);
    let server = world.server();
    let key = create(server, json!({ "name": "short", "expires_after": "1s" }));
    assert_eq!(reads(server, &key), 200);
    wait_until("its end", Duration::from_secs(3), || reads(server, &key) == 401);
    assert_eq!(get(server, &key)["status"], "expired");
}

#[test]
fn a_database_that_is_away_is_no_wrong_key() {
    let postgres = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.yaml"), DOCUMENTS).unwrap();
    let url = postgres.database();
    let server = Server::launch(program(), folder.path().to_str().unwrap(), &url, &[]);
    server.wait_until_ready();
    let key = create(&server, json!({ "name": "patient" }));
    assert_eq!(reads(&server, &key), 200);
    postgres.stop();
    let answer = caller(&server, &key).get(NOTES, &[]);
    assert!(answer.status == 503 && answer.headers.contains_key("retry-after"), "{answer:?}");
    let typed = format!("{}x", &text(&key, "key")[..35]);
    assert_eq!(Caller::new(&server.url, Some(&typed)).get(NOTES, &[]).status, 401, "a typing error needs no database");
    postgres.start_again();
    wait_until("the database", Duration::from_secs(30), || reads(&server, &key) == 200);
}
