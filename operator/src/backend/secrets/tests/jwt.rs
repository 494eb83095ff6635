//! The keys that sign tokens, step by step.

use serde_json::Value as Json;

use super::*;

impl World {
    /// `signing:kid`, in the order of the file, with stand-ins for ids: a is the first that was ever seen.
    fn file(&mut self, known: &mut Vec<String>) -> String {
        let file: Json = serde_json::from_str(&self.text("shop-jwt-keys", "keys.json")).unwrap();
        let mut shown = Vec::new();
        for key in file["keys"].as_array().unwrap() {
            let kid = key["kid"].as_str().unwrap().to_owned();
            if !known.contains(&kid) {
                known.push(kid.clone());
            }
            let letter = (b'a' + known.iter().position(|known| *known == kid).unwrap() as u8) as char;
            shown.push(format!("{}:{letter}", key["state"].as_str().unwrap()));
        }
        shown.join(" ")
    }

    fn kids(&self) -> Vec<String> {
        self.seen.backend.status.clone().unwrap().keys.unwrap().jwt.into_iter().map(|key| key.id).collect()
    }
}

#[test]
fn a_rotation_takes_three_steps() {
    let mut world = World::jwt("30d");
    world.ready_pods(&["p1", "p2"]);
    let known = &mut Vec::new();
    let planned = world.pass();
    assert_eq!((world.file(known).as_str(), planned.notes.len()), ("signing:a", 0));
    world.wait("719h");
    assert!(world.look().desired.is_empty());

    world.wait("1h");
    let planned = world.pass();
    assert_eq!(world.file(known), "signing:a published:b");
    assert_eq!((reasons(&planned), planned.again), (vec!["SigningKeyPublished"], Some(jwt_keys::SPREAD)));
    let kids = world.kids();
    ["p1", "p2"].iter().for_each(|pod| world.report(pod, &kids));
    world.wait("179s");
    assert!(!asks_pods(&world.seen, world.now));
    assert!(world.look().desired.is_empty(), "all pods report it, and not yet 3 minutes");

    world.wait("1s");
    assert!(asks_pods(&world.seen, world.now));
    let planned = world.pass();
    assert_eq!(world.file(known), "retiring:a signing:b");
    assert_eq!(reasons(&planned), ["SigningKeyChanged"]);
    assert!(!asks_pods(&world.seen, world.now));
    let left = jwt_keys::TOKEN_LIFE + jwt_keys::SPREAD;
    assert_eq!(planned.again, Some(left));
    world.wait("3779s");
    assert!(world.look().desired.is_empty());
    world.wait("1s");
    let planned = world.pass();
    assert_eq!((world.file(known).as_str(), reasons(&planned)), ("signing:b", vec!["SigningKeyRetired"]));
}

#[test]
fn it_waits_for_every_ready_pod() {
    let mut world = World::jwt("30d");
    world.pass();
    world.wait("30d");
    world.pass();
    let [old, new] = world.kids().try_into().unwrap();
    world.ready_pods(&["p1", "p2"]);
    world.wait("3m");
    let both = [old.clone(), new];
    type Reports<'a> = [(&'a str, &'a [String])];
    let none: [&Reports<'_>; 3] = [&[], &[("p1", &both)], &[("p1", &both), ("p2", std::slice::from_ref(&old))]];
    for reports in none {
        world.seen.instances.clear();
        reports.iter().for_each(|(pod, kids)| world.report(pod, kids));
        assert!(world.look().desired.is_empty());
        assert!(asks_pods(&world.seen, world.now));
    }
    world.report("gone", &both);
    assert!(world.look().desired.is_empty(), "another pod's word does not count");
    world.report("p2", &both);
    assert_eq!(world.look().desired.len(), 1);
}

#[test]
fn a_pod_that_never_reports_is_named_and_asked_less_and_less() {
    let mut world = World::jwt("30d");
    world.pass();
    world.wait("30d");
    world.pass();
    world.ready_pods(&["p1"]);
    let mut known = Vec::new();
    let before = world.file(&mut known);
    for (wait, again, warns) in [("3m", 18, false), ("11m", 84, false), ("1m", 90, true), ("1d", 180, true)] {
        world.wait(wait);
        let planned = world.pass();
        assert_eq!(planned.again, Some(Duration::from_secs(again)), "{wait}");
        assert_eq!(reasons(&planned) == ["SigningKeyWaits"], warns, "{wait}");
        assert!(planned.notes.iter().all(|note| note.message.contains("p1") && note.warning));
    }
    assert_eq!(world.file(&mut known), before);
    world.ready_pods(&[]);
    world.pass();
    assert_eq!(world.file(&mut known), "retiring:a signing:b", "a pod that is not ready is not waited for");
}

#[test]
fn two_rotations_follow_one_another() {
    let mut world = World::jwt("30d");
    let known = &mut Vec::new();
    world.pass();
    world.annotate(jwt_keys::ROTATE, "1");
    world.pass();
    assert_eq!(world.file(known), "signing:a published:b");
    world.annotate(jwt_keys::ROTATE, "2");
    assert!(world.look().desired.is_empty(), "one after the other");
    world.wait("3m");
    world.pass();
    assert_eq!(world.file(known), "retiring:a signing:b");
    world.pass();
    assert_eq!(world.file(known), "retiring:a signing:b published:c");
    world.wait("3m");
    world.pass();
    assert_eq!(world.file(known), "retiring:a retiring:b signing:c");
    assert!(world.look().desired.is_empty(), "each value once");
    world.wait("1h");
    world.pass();
    assert_eq!(world.file(known), "retiring:b signing:c");
}

#[test]
fn another_algorithm_is_another_key() {
    let mut world = World::jwt("30d");
    let known = &mut Vec::new();
    world.pass();
    let mut want = |world: &mut World, algorithm| {
        let secrets = world.backend().spec.secrets.as_mut().unwrap();
        secrets.jwt_keys.as_mut().unwrap().algorithm = Some(algorithm);
        world.pass();
        world.file(known)
    };
    use mainstay_crds::backend::JwtAlgorithm::{ES256, EdDSA};
    assert_eq!(want(&mut world, ES256), "signing:a published:b");
    assert_eq!(want(&mut world, EdDSA), "signing:a published:c", "the one that never signed makes room");
    assert_eq!(want(&mut world, ES256), "signing:a published:d");
    world.wait("3m");
    world.pass();
    let file: Json = serde_json::from_str(&world.text("shop-jwt-keys", "keys.json")).unwrap();
    let of = |at: usize| (file["keys"][at]["state"].clone(), file["keys"][at]["alg"].clone());
    assert_eq!(of(0), (json!("retiring"), json!("EdDSA")));
    assert_eq!(of(1), (json!("signing"), json!("ES256")));
}

#[test]
fn a_clock_that_is_set_back_skips_no_wait() {
    let mut world = World::jwt("30d");
    let known = &mut Vec::new();
    world.pass();
    world.annotate(jwt_keys::ROTATE, "1");
    world.pass();
    world.back("1d");
    world.pass();
    world.wait("179s");
    world.pass();
    assert_eq!(world.file(known), "signing:a published:b");
    world.wait("1s");
    world.pass();
    assert_eq!(world.file(known), "retiring:a signing:b");
    world.back("1d");
    world.pass();
    world.wait("3779s");
    world.pass();
    assert_eq!(world.file(known), "retiring:a signing:b");
    world.wait("1s");
    world.pass();
    assert_eq!(world.file(known), "signing:b");
}

#[test]
fn what_is_damaged_or_deleted_is_made_anew_and_said() {
    let whole =
        |world: &mut World| -> Json { serde_json::from_str(&world.text("shop-jwt-keys", "keys.json")).unwrap() };
    type Damage = fn(&mut Json);
    let cases: [(&str, Damage); 8] = [
        ("no object", |file| *file = json!(1)),
        ("no keys", |file| file["keys"] = json!([])),
        ("none signs", |file| file["keys"][0]["state"] = json!("retiring")),
        ("two sign", |file| file["keys"][1]["state"] = json!("signing")),
        ("a state that is none", |file| file["keys"][0]["state"] = json!("sleeping")),
        ("another's public half", |file| file["keys"][0]["jwk"]["x"] = file["keys"][1]["jwk"]["x"].clone()),
        ("another's id", |file| file["keys"][0]["kid"] = file["keys"][1]["kid"].clone()),
        ("twice", |file| file["keys"][0]["jwk"] = file["keys"][1]["jwk"].clone()),
    ];
    for (name, damage) in cases {
        let mut world = World::jwt("30d");
        world.pass();
        world.annotate(jwt_keys::ROTATE, "1");
        world.pass();
        let mut file = whole(&mut world);
        damage(&mut file);
        let secret = world.seen.jwt_keys.as_mut().unwrap();
        secret.data.as_mut().unwrap().insert(
            "keys.json".to_owned(),
            serde_json::to_string(&file).map(|text| k8s_openapi::ByteString(text.into_bytes())).unwrap(),
        );
        let planned = world.pass();
        assert_eq!(reasons(&planned), ["SigningKeysReplaced"], "{name}");
        assert!(planned.notes[0].warning && planned.notes[0].message.contains("every token"));
        assert_eq!(world.file(&mut Vec::new()), "signing:a", "{name}");
    }
    let mut world = World::jwt("30d");
    world.pass();
    world.seen.jwt_keys = None;
    assert_eq!(reasons(&world.pass()), ["SigningKeysReplaced"]);
    assert!(world.pass().notes.is_empty());
}

#[test]
fn the_file_is_as_the_server_reads_it() {
    for (algorithm, kty) in [("EdDSA", "OKP"), ("ES256", "EC")] {
        let mut world = World::jwt("30d");
        let secrets = world.backend().spec.secrets.as_mut().unwrap();
        secrets.jwt_keys.as_mut().unwrap().algorithm = serde_json::from_value(json!(algorithm)).unwrap();
        world.pass();
        let key = &serde_json::from_str::<Json>(&world.text("shop-jwt-keys", "keys.json")).unwrap()["keys"][0];
        let members: Vec<&String> = key.as_object().unwrap().keys().collect();
        assert_eq!(members, ["alg", "jwk", "kid", "state"]);
        assert_eq!((&key["alg"], &key["jwk"]["kty"]), (&json!(algorithm), &json!(kty)));
        assert_eq!(key["kid"].as_str().unwrap().len(), 8);
    }
}

#[test]
fn lost_times_only_make_it_wait_longer() {
    let mut world = World::jwt("30d");
    let known = &mut Vec::new();
    world.pass();
    world.annotate(jwt_keys::ROTATE, "1");
    world.pass();
    world.wait("3m");
    let secret = world.seen.jwt_keys.as_mut().unwrap();
    secret.metadata.annotations.as_mut().unwrap().remove(held::TIMES);
    world.pass();
    assert_eq!(world.file(known), "signing:a published:b");
    world.wait("3m");
    world.pass();
    assert_eq!(world.file(known), "retiring:a signing:b");
}

#[test]
fn keys_that_are_no_longer_wanted_are_left() {
    let mut world = World::jwt("30d");
    world.pass();
    world.backend().spec.secrets.as_mut().unwrap().jwt_keys = None;
    world.wait("100d");
    let planned = world.pass();
    assert!(planned.desired.is_empty() && planned.keys.jwt.is_empty());
    assert!(!data(world.seen.jwt_keys.as_ref().unwrap()).is_empty());
}
