//! A hidden record is told like a missing one: two databases that differ by records which the caller may not read give the same
//! answers, to the byte, to whatever that caller asks and does.
//!
//! Where a hidden record is in the way (a taken key, a restricted delete) the answer is that for a record in the way, and
//! holds nothing of it.

use super::*;

mod cases;

/// Whom nothing is hidden from but by the rules: an owner of some of the records.
const ME: u128 = 0xa1;
const SOMEBODY: u128 = 0xa2;

/// A record that is there where something is hidden, and missing elsewhere.
const HIDDEN: u128 = 0x99;
/// One that is nowhere.
const NOWHERE: u128 = 0x98;

fn documents() -> Vec<Document> {
    let own = json!({ "owner": "$auth.id" });
    let mine = json!([{ "roles": ["user"], "where": { "or": [{ "open": true }, own] } }]);
    let rules =
        |read: &Json| json!({ "read": read, "create": [{ "roles": ["user"] }], "update": mine, "delete": mine });
    let field = |name: &str, kind: &str| json!({ "name": name, "type": kind });
    let to = |name: &str, target: &str, on_delete: &str| json!({ "name": name, "type": "ref", "collection": target, "onDelete": on_delete });
    let open = json!({ "name": "open", "type": "boolean", "required": true, "default": false });
    let code = json!({ "name": "code", "type": "text", "unique": true, "maxLength": 40 });
    let owner = json!({ "name": "owner", "type": "ref", "collection": "users", "default": "$auth.id" });
    let notes = json!({
        "fields": [field("title", "text"), code, field("rank", "integer"), open, owner, to("box", "boxes", "cascade")],
        "access": rules(&mine), "history": { "keep": 3 }, "search": { "text": ["title"] },
    });
    let boxes = json!({ "fields": [field("name", "text"), open, owner], "access": rules(&mine) });
    // By any field that is not read, records refer to each other.
    let pins = json!({
        "fields": [to("note", "notes", "restrict"), to("also", "notes", "setNull"), open, owner, field("kind", "text")],
        "unique": [{ "fields": ["kind"], "where": { "also": { "isnull": true } } }],
        "checks": [{ "that": { "or": [{ "also": { "isnull": false } }, { "kind": { "ne": "bound" } }] },
                     "message": "a bound pin is on something" }],
        "access": rules(&mine),
    });
    let mut pins = pins;
    pins["fields"][4]["maxLength"] = json!(20);
    vec![document("notes", notes), document("boxes", boxes), document("pins", pins)]
}

/// What is there everywhere.
async fn fill(world: &World) {
    for number in [ME, SOMEBODY] {
        world.make("users", json!({ "id": id(number), "email": format!("{number}@example.com") })).await;
    }
    world.make("boxes", json!({ "id": id(1), "name": "mine", "owner": id(ME) })).await;
    for (number, title, rank) in [(1, "rain rain tree", 1), (2, "rain tree tree", 5), (3, "sun", 9)] {
        let code = format!("note-{number}");
        let note =
            json!({ "title": title, "code": code, "rank": rank, "owner": id(ME), "box": id(1), "id": id(number) });
        world.make("notes", note).await;
    }
    world.make("pins", json!({ "id": id(1), "note": id(1), "owner": id(ME) })).await;
}

/// What is there where something is hidden, with one more version of each.
async fn hide(world: &World) {
    let somebody = id(SOMEBODY);
    world.make("boxes", json!({ "id": id(HIDDEN), "name": "theirs", "owner": somebody })).await;
    for (number, title, rank) in [(HIDDEN, "rain secret", 3), (0x9a, "rain words", 5), (0x9b, "rain", -7)] {
        let code = format!("hidden-{number}");
        let note =
            json!({ "title": title, "code": code, "rank": rank, "owner": somebody, "box": id(1), "id": id(number) });
        world.make("notes", note).await;
        world.admin(call("PATCH", format!("/api/v1/notes/{}", id(number))).body(&json!({ "rank": rank }))).await;
    }
    for (number, kind) in [(HIDDEN, "x"), (0x9a, "y")] {
        world.make("pins", json!({ "id": id(number), "also": id(2), "kind": kind, "owner": somebody })).await;
    }
}

fn me() -> Sender {
    user(Uuid::from_u128(ME), &[], json!({}))
}

/// Worlds with and without what is hidden, on each database.
async fn twins() -> Vec<[World; 2]> {
    let (with, without) = (World::both(&documents()).await, World::both(&documents()).await);
    let mut twins = Vec::new();
    for (with, without) in with.into_iter().zip(without) {
        fill(&with).await;
        fill(&without).await;
        hide(&with).await;
        twins.push([with, without]);
    }
    twins
}

#[actix_web::test]
async fn what_is_hidden_changes_no_answer() {
    for [with, without] in twins().await {
        for cases::Case { name, status, call } in cases::cases() {
            let (seen, expected) = (with.send(&me(), &call).await, without.send(&me(), &call).await);
            assert_eq!(seen, expected, "{name} on {:?}: with something hidden (left) and without", with.dialect);
            assert_eq!(seen.status, status, "{name} on {:?}: {seen:?}", with.dialect);
        }
    }
}

#[actix_web::test]
async fn what_is_in_the_way_is_told_and_nothing_of_it() {
    for [with, without] in twins().await {
        // The same record in a world where the caller may read it.
        without.make("notes", json!({ "id": id(HIDDEN), "code": format!("hidden-{HIDDEN}"), "owner": id(ME) })).await;
        for cases::Case { name, status, call } in cases::in_the_way() {
            let (seen, expected) = (with.send(&me(), &call).await, without.send(&me(), &call).await);
            assert_eq!(seen, expected, "{name} on {:?}: hidden (left) and visible", with.dialect);
            assert_eq!(seen.status, status, "{name} on {:?}: {seen:?}", with.dialect);
            let told = |secret: &str| seen.body.contains(secret);
            assert!(!told(&id(SOMEBODY)) && !told("secret") && !told("\"3\""), "{name}: {seen:?}");
        }
    }
}

#[actix_web::test]
async fn hidden_referrers_are_told_once_and_alike() {
    for world in World::both(&documents()).await {
        fill(&world).await;
        let pin = |number: u128, more: Json| {
            let mut pin = json!({ "id": id(number), "owner": id(SOMEBODY) });
            pin.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            world.make("pins", pin)
        };
        let delete = call("DELETE", format!("/api/v1/notes/{}", id(2)));
        pin(0x91, json!({ "note": id(2) })).await;
        let one = world.send(&me(), &delete).await;
        pin(0x92, json!({ "note": id(2) })).await;
        pin(0x93, json!({ "note": id(2) })).await;
        let three = world.send(&me(), &delete).await;
        assert_eq!((one.status, one.json()["details"].as_array().unwrap().len()), (409, 1), "{one:?}");
        assert_eq!(one, three, "how many there are on {:?}", world.dialect);
        for number in [0x91, 0x92, 0x93] {
            world.admin(call("DELETE", format!("/api/v1/pins/{}", id(number)))).await;
        }
        // Its check, or its key, forbids that it loses the reference: what it holds is as hidden as the record itself.
        pin(0x94, json!({ "also": id(2), "kind": "bound" })).await;
        let check = world.send(&me(), &delete).await;
        world.admin(call("PATCH", format!("/api/v1/pins/{}", id(0x94))).body(&json!({ "kind": "x" }))).await;
        pin(0x95, json!({ "kind": "x" })).await;
        let key = world.send(&me(), &delete).await;
        assert_eq!((check.status, &check), (409, &key), "{:?}", world.dialect);
        assert!(check.body.contains("a record of pins refers to it by `also`"), "{check:?}");
        assert!(!check.body.contains(&id(0x94)) && !check.body.contains("bound"), "{check:?}");
    }
}

#[actix_web::test]
async fn keys_of_requests_belong_to_their_callers() {
    for world in World::both(&documents()).await {
        fill(&world).await;
        let make = |title: &str| {
            let note = json!({ "id": id(HIDDEN + title.len() as u128), "title": title });
            call("POST", "/api/v1/notes").body(&note).header("idempotency-key", "one")
        };
        let somebody = user(Uuid::from_u128(SOMEBODY), &[], json!({}));
        let first = world.send(&somebody, &make("theirs")).await;
        let mine = world.send(&me(), &make("mine")).await;
        assert_eq!((first.status, mine.status), (201, 201), "{mine:?}");
        assert_eq!(mine.json()["data"]["title"], "mine");
        // The machine of that name is somebody else, too.
        let again = world.send(&somebody, &make("theirs")).await;
        assert!(again.headers.iter().any(|(name, _)| name == "idempotency-replayed"), "{again:?}");
        assert_eq!(again.without("idempotency-replayed"), first);
    }
}

#[actix_web::test]
async fn a_guess_of_what_may_not_be_read_is_no_different_when_it_is_right() {
    let field = |name: &str, option: &str| {
        let mut field = json!({ "name": name, "type": "text", "readRoles": ["staff"] });
        field[option] = json!(true);
        field
    };
    let mut fixed = field("fixed", "readOnly");
    fixed["default"] = json!("right");
    let any = json!([{ "roles": ["user"] }]);
    let spec = json!({
        "fields": [{ "name": "name", "type": "text" }, field("once", "immutable"), fixed],
        "access": { "read": any, "update": any },
    });
    for world in World::both(&[document("things", spec)]).await {
        world.make("things", json!({ "id": id(1), "name": "a", "once": "right" })).await;
        for name in ["once", "fixed"] {
            let guess = |value: &str| {
                let uri = format!("/api/v1/things/{}", id(1));
                [
                    call("PATCH", uri.clone()).body(&json!({ name: value })),
                    call("PUT", uri).body(&json!({ name: value })),
                ]
            };
            for (right, wrong) in guess("right").into_iter().zip(guess("wrong")) {
                let (right, wrong) = (world.send(&me(), &right).await, world.send(&me(), &wrong).await);
                assert_eq!((right.status, &right), (400, &wrong), "{name} on {:?}", world.dialect);
            }
        }
        // What was read is put back, and keeps what was not.
        let put = call("PUT", format!("/api/v1/things/{}", id(1))).body(&json!({ "name": "b" }));
        assert_eq!(world.send(&me(), &put).await.status, 200);
        let stored = world.admin(call("GET", format!("/api/v1/things/{}", id(1)))).await.json();
        assert_eq!((&stored["data"]["once"], &stored["data"]["fixed"]), (&json!("right"), &json!("right")));
    }
}
