//! What an approval covers, as scenarios: one hash, one set of effects, and no more.

use mainstay_crds::conditions::Reason;
use serde_json::json;

use super::world::World;
use super::{minutes, waits};

#[test]
fn two_removed_collections_need_approval_and_one_does_not() {
    let world = || {
        let mut world = World::new();
        ["as", "bs", "cs"].iter().for_each(|name| world.declare(name, &["name"]));
        world.settle();
        world
    };
    let mut one = world();
    one.remove("as");
    assert_eq!(one.settle().waits, None);
    let mut apart = one.clone();
    // Within a minute of the first.
    one.remove("bs");
    let way = one.settle();
    assert_eq!(waits(&way), (Reason::ApprovalRequired, true));
    assert_eq!(way.plan.unwrap().effects, ["remove collections as, bs"]);
    // Time alone does not open it.
    assert_eq!(waits(&one.settle_for(minutes(60))), (Reason::ApprovalRequired, true));
    apart.pass(minutes(2));
    apart.remove("bs");
    assert_eq!(apart.settle().waits, None);
    let mut both = world();
    both.remove("as");
    both.remove("bs");
    let way = both.settle();
    assert_eq!(waits(&way), (Reason::ApprovalRequired, true));
    both.edit(json!({ "migrations": { "approve": [way.plan.unwrap().approval_hash.unwrap()] } }));
    assert_eq!(both.settle().waits, None);
}

#[test]
fn an_approval_hash_approves_no_more_than_it_covers() {
    let world = || {
        let mut world = World::new();
        world.declare("as", &["name", "old"]);
        ["bs", "cs"].iter().for_each(|name| world.declare(name, &["name"]));
        world.settle();
        world
    };
    let approve = |world: &mut World, hash: &str| world.edit(json!({ "migrations": { "approve": [hash] } }));
    let newest =
        |world: &World| world.seen.plans.iter().find(|plan| plan.spec.from_revision == 1).unwrap().spec.clone();
    // Two collections that leave their data behind beside a field that is lost; a policy that gates more classes.
    let mut removed = world();
    removed.declare("as", &["name"]);
    removed.remove("bs");
    removed.remove("cs");
    let mut strict = world();
    strict.edit(json!({ "migrations": { "policy": { "safe": "Approve" } } }));
    strict.declare("as", &["name", "slug"]);
    for mut world in [removed, strict] {
        let way = world.settle();
        assert_eq!(waits(&way), (Reason::ApprovalRequired, true));
        let plan = newest(&world);
        assert_eq!(way.plan.unwrap().approval_hash, Some(plan.plan_hash.clone()));
        approve(&mut world, &plan.approval_hash.unwrap());
        assert_eq!(waits(&world.settle()), (Reason::ApprovalRequired, true));
        approve(&mut world, &plan.plan_hash);
        assert_eq!(world.settle_for(minutes(30)).waits, None);
        assert_eq!(world.database.compatible_from, 2);
    }
}
