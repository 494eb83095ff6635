//! The admin key over time.

use super::*;

#[test]
fn the_first_key_is_as_the_server_s_own() {
    let mut world = World::admin(None, None);
    let planned = world.pass();
    let key = world.text("shop-admin-key", "key");
    let rest = key.strip_prefix("mainstay_admin_").unwrap();
    assert!(rest.len() == 40 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{rest}");
    assert_eq!(world.text("shop-admin-key", "keys"), format!("{key}\n"));
    assert_eq!(planned.keys.admin.len(), 1);
    assert_eq!(planned.keys.admin[0].id, held::sha256(&key)[..8]);
    assert!(planned.notes.is_empty(), "a first key is no news");
    assert_eq!(planned.again, None, "never rotated by time");
}

#[test]
fn a_backend_without_a_word_of_keys_has_one() {
    let mut world = World::new(SecretsSpec::default());
    world.backend().spec.secrets = None;
    world.pass();
    assert_eq!(world.keys().len(), 1);
    assert!(world.seen.jwt_keys.is_none());
}

/// Each row: how long to wait, how many keys there are then, whether the current one is new, and until the next step.
#[test]
fn it_is_rotated_by_time_with_an_overlap() {
    let mut world = World::admin(Some("30d"), Some("2d"));
    world.pass();
    let rows = [
        ("29d", 1, false, "1d"),
        ("1d", 2, true, "2d"),
        ("47h", 2, false, "1h"),
        ("1h", 1, false, "28d"),
        ("28d", 2, true, "2d"),
        ("100d", 2, true, "2d"),
    ];
    for (row, (wait, count, new, next)) in rows.into_iter().enumerate() {
        let before = world.keys();
        world.wait(wait);
        let planned = world.pass();
        let keys = world.keys();
        assert_eq!(keys.len(), count, "row {row}");
        assert_eq!(keys[0] != before[0], new, "row {row}");
        assert!(keys[1..].iter().all(|key| before.contains(key)), "row {row}");
        assert_eq!(planned.again, mainstay_crds::duration::parse(next), "row {row}");
        let states: Vec<&str> = planned.keys.admin.iter().map(|key| key.state.as_str()).collect();
        assert_eq!(states, ["current", "previous"][..count], "row {row}");
        assert_eq!(world.text("shop-admin-key", "key"), keys[0], "row {row}");
    }
}

#[test]
fn it_is_rotated_once_for_each_new_annotation() {
    let mut world = World::admin(None, Some("1h"));
    world.annotate(admin_key::ROTATE, "before it was made");
    world.pass();
    assert!(world.pass().desired.is_empty());
    for (value, count) in [("1", 2), ("1", 2), ("2", 3), ("3", 4)] {
        world.annotate(admin_key::ROTATE, value);
        world.wait("1m");
        world.pass();
        assert_eq!(world.keys().len(), count, "{value}");
    }
    world.wait("58m");
    world.pass();
    assert_eq!(world.keys().len(), 3, "the first ends an hour after the second came");
    world.wait("1h");
    world.pass();
    assert_eq!(world.keys().len(), 1);
}

#[test]
fn the_oldest_makes_room() {
    let mut world = World::admin(None, Some("30d"));
    world.pass();
    for value in 0..20 {
        world.annotate(admin_key::ROTATE, &value.to_string());
        world.pass();
    }
    assert_eq!(world.keys().len(), 8);
}

#[test]
fn a_shorter_overlap_counts_at_once() {
    let mut world = World::admin(None, None);
    world.pass();
    world.annotate(admin_key::ROTATE, "now");
    world.pass();
    assert_eq!(world.keys().len(), 2);
    world.backend().spec.secrets.as_mut().unwrap().admin_key.as_mut().unwrap().overlap = Some("0s".to_owned());
    world.pass();
    assert_eq!(world.keys().len(), 1);
}

#[test]
fn a_clock_that_is_set_back_neither_rotates_nor_keeps_for_ever() {
    let mut world = World::admin(Some("30d"), Some("1d"));
    world.wait("3650d");
    world.pass();
    world.annotate(admin_key::ROTATE, "now");
    world.pass();
    world.back("3650d");
    let keys = world.keys();
    world.pass();
    assert_eq!(world.keys(), keys);
    world.wait("1d");
    world.pass();
    assert_eq!(world.keys().len(), 1, "the overlap counts from when the clock was set");
    world.wait("29d");
    world.pass();
    assert_ne!(world.keys()[0], keys[0]);
    // A few seconds between two operators are nothing.
    world.back("1m");
    assert!(world.look().desired.is_empty());
}

#[test]
fn what_is_damaged_or_deleted_is_made_anew() {
    type Damage = fn(&mut World);
    let cases: [(&str, Damage); 6] = [
        ("deleted", |world| world.seen.admin_key = None),
        ("emptied", |world| world.seen.admin_key.as_mut().unwrap().data = None),
        ("another key", |world| set(world, "key", "mainstay_admin_x")),
        ("no keys", |world| set(world, "keys", "")),
        ("a line more", |world| {
            let more = format!("{}letmein\n", world.text("shop-admin-key", "keys"));
            set(world, "keys", &more);
        }),
        ("no text", |world| {
            let data = world.seen.admin_key.as_mut().unwrap().data.as_mut().unwrap();
            data.insert("keys".to_owned(), k8s_openapi::ByteString(vec![0xff]));
        }),
    ];
    for (name, damage) in cases {
        let mut world = World::admin(None, None);
        world.pass();
        let before = world.keys();
        damage(&mut world);
        let planned = world.pass();
        assert_eq!(reasons(&planned), ["AdminKeyReplaced"], "{name}");
        assert!(planned.notes[0].warning);
        assert_ne!(world.keys(), before, "{name}");
        assert!(world.pass().desired.is_empty(), "{name}");
    }
}

fn set(world: &mut World, key: &str, text: &str) {
    let data = world.seen.admin_key.as_mut().unwrap().data.as_mut().unwrap();
    data.insert(key.to_owned(), k8s_openapi::ByteString(text.as_bytes().to_vec()));
}

#[test]
fn lost_annotations_do_not_change_keys() {
    let mut world = World::admin(Some("30d"), None);
    world.pass();
    world.wait("30d");
    world.pass();
    let keys = world.keys();
    world.seen.admin_key.as_mut().unwrap().metadata.annotations = None;
    world.pass();
    assert_eq!(world.keys(), keys);
    assert!(world.pass().desired.is_empty());
}
