//! ApiKeys over time: their own Secrets, their hashes, their statuses.

use mainstay_crds::api_key::ApiKeySpec;
use mainstay_crds::collection::BackendRef;
use mainstay_crds::rate_limit::KeyRateLimit;
use serde_json::Value as Json;

use super::*;

impl World {
    fn keyed(spec: ApiKeySpec) -> World {
        let mut world = World::new(SecretsSpec::default());
        world.add("reader", spec);
        world
    }

    fn add(&mut self, name: &str, spec: ApiKeySpec) {
        let backend_ref = BackendRef { name: "shop".to_owned() };
        let mut key = ApiKey::new(name, ApiKeySpec { backend_ref, ..spec });
        key.metadata.namespace = Some("default".to_owned());
        key.metadata.uid = Some(format!("k-{name}"));
        key.metadata.generation = Some(3);
        self.seen.api_keys.push(Arc::new(key));
    }

    fn api_key(&mut self, at: usize) -> &mut ApiKey {
        Arc::make_mut(&mut self.seen.api_keys[at])
    }

    fn ask(&mut self, value: &str) {
        let annotations = self.api_key(0).metadata.annotations.get_or_insert_default();
        annotations.insert(api_key::ROTATE.to_owned(), value.to_owned());
    }

    fn key(&mut self, secret: &str) -> String {
        self.text(secret, "key")
    }

    /// `keys.yaml`.
    fn hashes(&mut self) -> Vec<Json> {
        let file: Json = serde_json::from_str(&self.text("shop-api-keys", "keys.yaml")).unwrap();
        file["keys"].as_array().unwrap().clone()
    }

    /// Which of these keys servers take.
    fn takes(&mut self, keys: &[String]) -> Vec<bool> {
        let hashes = self.hashes();
        keys.iter().map(|key| hashes.iter().any(|entry| entry["hash"] == json!(held::sha256(key)))).collect()
    }

    /// Ready, and why.
    fn ready(&mut self, at: usize) -> (String, String) {
        let status = self.api_key(at).status.clone().unwrap();
        let [condition] = <[_; 1]>::try_from(status.conditions).unwrap();
        assert_eq!((condition.kind.as_str(), condition.observed_generation), ("Ready", Some(3)));
        (condition.status, condition.reason)
    }
}

fn spec(rotate_every: Option<&str>, overlap: Option<&str>, expires_after: Option<&str>) -> ApiKeySpec {
    let [rotate_every, overlap, expires_after] =
        [rotate_every, overlap, expires_after].map(|text| text.map(str::to_owned));
    ApiKeySpec { rotate_every, overlap, expires_after, roles: vec!["clerk".to_owned()], ..ApiKeySpec::default() }
}

fn is(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

#[test]
fn a_key_and_its_hash_are_made_together() {
    let mut world = World::keyed(spec(None, None, Some("90d")));
    let (_, status) = world.look().api_keys.remove(0);
    assert_eq!((status.conditions[0].reason.as_str(), status.key_id), ("Pending", None), "not before it is there");
    let planned = world.pass();
    let names: Vec<&str> = planned.desired.iter().map(|desired| desired.name.as_str()).collect();
    assert_eq!(names, ["shop-admin-key", "reader", "shop-api-keys"], "the key before its hash");
    let key = world.key("reader");
    let digits = key.strip_prefix("mainstay_key_").unwrap().to_owned();
    assert!(digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let entry = json!({
        "name": "default/reader", "id": digits[..8], "hash": held::sha256(&key), "roles": ["clerk"],
        "expiresAt": "2026-04-01T00:00:00Z",
    });
    assert_eq!(world.hashes(), [entry]);
    let status = world.api_key(0).status.clone().unwrap();
    assert_eq!(status.key_id.as_deref(), Some(&digits[..8]));
    assert_eq!(status.rotated_at.as_deref(), Some("2026-01-01T00:00:00Z"));
    assert_eq!(status.expires_at.as_deref(), Some("2026-04-01T00:00:00Z"));
    assert_eq!(world.ready(0), is("True", "Ready"));
    let secret = world.others["reader"].as_ref().unwrap();
    assert_eq!(secret.owner_references()[0].uid, "k-reader", "it goes with its ApiKey");
    assert_eq!(secret.annotations()["mainstay.dev/expires"], "2026-04-01T00:00:00Z");
    world.wait("1d");
    let status = world.api_key(0).status.clone();
    assert!(world.pass().desired.is_empty());
    assert_eq!(world.api_key(0).status, status, "nothing new is told");
}

#[test]
fn a_limit_of_its_own_stands_beside_each_hash() {
    let limit = KeyRateLimit { limit: 100, window: "60s".to_owned(), algorithm: None, burst: Some(20) };
    let mut world = World::keyed(ApiKeySpec { rate_limit: Some(limit), ..spec(None, None, None) });
    world.pass();
    assert_eq!(world.hashes()[0]["rateLimit"], json!({ "limit": 100, "window": "60s", "burst": 20 }));
}

#[test]
fn no_key_is_printed_or_in_the_hashes() {
    let mut world = World::keyed(spec(None, None, None));
    let planned = world.pass();
    let key = world.key("reader");
    let rest = &key["mainstay_key_".len() + 8..];
    assert!(!format!("{planned:?}").contains(rest));
    assert!(!world.text("shop-api-keys", "keys.yaml").contains(rest));
    assert_eq!(world.hashes()[0]["expiresAt"], Json::Null);
}

/// Each row: how long to wait, which of all keys so far are taken, oldest first, and until the next step.
#[test]
fn it_is_rotated_with_an_overlap() {
    let mut world = World::keyed(spec(Some("30d"), Some("2d"), None));
    world.pass();
    let mut keys = vec![world.key("reader")];
    let rows: [(&str, &[bool], &str); 5] = [
        ("29d", &[true], "1d"),
        ("1d", &[true, true], "2d"),
        ("2d", &[false, true], "28d"),
        ("28d", &[false, true, true], "2d"),
        ("300d", &[false, false, true, true], "2d"),
    ];
    for (row, (wait, taken, again)) in rows.into_iter().enumerate() {
        world.wait(wait);
        let planned = world.pass();
        let key = world.key("reader");
        let new = !keys.contains(&key);
        if new {
            keys.push(key);
        }
        assert_eq!(reasons(&planned) == ["KeyRotated"], new, "row {row}");
        assert_eq!(world.takes(&keys), taken, "row {row}");
        assert_eq!(planned.again, mainstay_crds::duration::parse(again), "row {row}");
    }
}

#[test]
fn a_key_ends_at_its_time() {
    let mut world = World::keyed(spec(None, Some("30d"), Some("10d")));
    world.pass();
    let first = world.key("reader");
    world.wait("9d");
    world.ask("1");
    world.pass();
    let keys = [first, world.key("reader")];
    assert_eq!(world.takes(&keys), [true, true]);
    assert_eq!(world.hashes()[1]["expiresAt"], "2026-01-11T00:00:00Z", "no overlap keeps it past its own end");
    world.wait("1d");
    world.pass();
    assert_eq!(world.takes(&keys), [false, true]);
    world.wait("9d");
    let planned = world.pass();
    assert_eq!(world.takes(&keys), [false, false]);
    assert_eq!((world.ready(0), planned.again), (is("False", "Expired"), None));
    assert!(world.pass().desired.is_empty());
    world.ask("2");
    world.pass();
    assert_eq!(world.ready(0), is("True", "Ready"));
    assert_eq!(world.hashes().len(), 1);
}

#[test]
fn an_api_key_that_is_gone_is_revoked() {
    let mut world = World::keyed(spec(None, None, None));
    world.add("writer", ApiKeySpec { secret_name: Some("token".to_owned()), ..spec(None, None, None) });
    world.pass();
    let keys = [world.key("reader"), world.key("token")];
    assert_eq!(world.takes(&keys), [true, true]);
    let digits =
        [keys.to_vec(), world.keys()].concat().into_iter().map(|key| key.rsplit('_').next().unwrap().to_owned());
    let mut digits: Vec<String> = digits.collect();
    digits.sort();
    digits.dedup();
    assert_eq!(digits.len(), 3, "keys of one pass have nothing in common");
    world.seen.api_keys.remove(0);
    world.pass();
    assert_eq!(world.takes(&keys), [false, true]);
}

#[test]
fn a_secret_of_another_is_neither_read_nor_written() {
    let mut world = World::keyed(spec(None, None, None));
    world.pass();
    let stolen = world.key("reader");
    for secret in ["reader", "shop-admin-key"] {
        world.add("thief", ApiKeySpec { secret_name: Some(secret.to_owned()), ..spec(None, None, None) });
        if secret == "shop-admin-key" {
            let admin = world.seen.admin_key.clone();
            world.others.insert(secret.to_owned(), admin);
        }
        let planned = world.pass();
        assert!(planned.desired.is_empty(), "{planned:?}");
        assert_eq!(world.ready(1), is("False", "ObjectConflict"));
        assert_eq!(world.api_key(1).status.clone().unwrap().key_id, None);
        assert_eq!((world.hashes().len(), world.key("reader")), (1, stolen.clone()));
        world.seen.api_keys.pop();
    }
}

#[test]
fn what_is_damaged_or_deleted_is_made_anew() {
    type Damage = fn(&mut World);
    let cases: [(&str, Damage); 3] = [
        ("deleted", |world| world.others.clear()),
        ("emptied", |world| world.others.get_mut("reader").unwrap().as_mut().unwrap().data = None),
        ("chosen by hand", |world| {
            let data = world.others.get_mut("reader").unwrap().as_mut().unwrap().data.as_mut().unwrap();
            data.insert("key".to_owned(), k8s_openapi::ByteString(b"mainstay_key_letmein".to_vec()));
        }),
    ];
    for (name, damage) in cases {
        let mut world = World::keyed(spec(None, None, None));
        world.pass();
        let old = world.key("reader");
        damage(&mut world);
        let planned = world.pass();
        assert_eq!(reasons(&planned), ["KeyReplaced"], "{name}");
        assert!(planned.notes[0].warning && planned.notes[0].message.contains("ApiKey reader"));
        let keys = [old, world.key("reader")];
        assert_eq!(world.takes(&keys), [false, true], "{name}");
    }
}

#[test]
fn hashes_that_were_edited_are_set_right() {
    let mut world = World::keyed(spec(None, None, None));
    world.pass();
    let right = world.hashes();
    let data = world.seen.api_key_hashes.as_mut().unwrap().data.as_mut().unwrap();
    data.insert("keys.yaml".to_owned(), k8s_openapi::ByteString(b"{}".to_vec()));
    world.pass();
    assert_eq!(world.hashes(), right);
}

#[test]
fn a_suspended_backend_keeps_what_there_is() {
    let mut world = World::keyed(spec(Some("30d"), None, None));
    world.pass();
    world.add("late", spec(None, None, None));
    world.backend().spec.suspend = Some(true);
    world.wait("31d");
    let planned = world.pass();
    assert!(planned.desired.is_empty());
    assert_eq!([world.ready(0), world.ready(1)], [is("True", "Ready"), is("False", "Suspended")]);
    let message = world.api_key(0).status.clone().unwrap().conditions[0].message.clone();
    assert!(message.contains("to be rotated since 2026-01-31"), "{message}");
    assert!(planned.again > Some(Duration::ZERO));
    world.backend().spec.suspend = None;
    world.pass();
    assert_eq!([world.ready(0), world.ready(1)], [is("True", "Ready"), is("True", "Ready")]);
    assert_eq!(world.hashes().len(), 3);
}

#[test]
fn without_random_bytes_the_key_stays() {
    let mut world = World::keyed(spec(Some("30d"), None, None));
    world.pass();
    world.wait("30d");
    world.look();
    world.seen.entropy = Entropy::default();
    let planned = secrets(&world.seen, world.now);
    assert!(planned.desired.is_empty(), "{planned:?}");
}

#[test]
fn the_time_of_ready_stays_while_it_is() {
    let mut world = World::keyed(spec(Some("1d"), None, None));
    world.pass();
    let since = |world: &mut World| world.api_key(0).status.clone().unwrap().conditions[0].last_transition_time.clone();
    let first = since(&mut world);
    world.wait("1d");
    world.pass();
    assert_eq!(since(&mut world), first);
}
