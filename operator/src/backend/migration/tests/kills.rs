//! The operator killed before any of its writes, objects deleted and statuses wiped under its hands: the end is the same.
//!
//! Each scenario runs once undisturbed and then again and again, disturbed elsewhere each time.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

/// A way through create, add, remove with approval, and another image.
fn scenario(world: &mut World, disturb: &mut dyn FnMut(&mut World, usize)) {
    world.edit(json!({ "migrations": { "policy": { "destructive": "Auto" }, "soak": "1m" } }));
    world.declare("markets", &["name", "old"]);
    disturb(world, 0);
    world.settle();
    world.declare("markets", &["name", "old", "slug"]);
    world.declare("prices", &["amount"]);
    disturb(world, 1);
    world.settle();
    world.declare("markets", &["name", "slug"]);
    disturb(world, 2);
    world.settle_for(minutes(5));
    world.edit(json!({ "image": "server:tables" }));
    disturb(world, 3);
    world.settle_for(minutes(5));
}

fn undisturbed() -> World {
    let mut world = World::new();
    scenario(&mut world, &mut |_, _| {});
    assert_eq!(world.database.revision, 3);
    assert_eq!(world.database.compatible_from, 3);
    world
}

#[test]
fn killed_before_each_write() {
    let calm = undisturbed();
    assert!(calm.writes > 40, "{}", calm.writes);
    let (writes, end) = (calm.writes, calm.end());
    let killed = &|cut: usize| {
        let mut world = World::new();
        world.cut = Some(cut);
        scenario(&mut world, &mut |_, _| {});
        assert_eq!(world.cut, None, "it came to that write");
        assert_eq!(world.end(), end, "killed before write {cut}");
    };
    std::thread::scope(|threads| {
        for first in 0..4 {
            threads.spawn(move || (first..writes).step_by(4).for_each(killed));
        }
    });
}

#[test]
fn statuses_wiped_at_any_time() {
    let calm = undisturbed();
    for step in 0..4 {
        let mut world = World::new();
        scenario(&mut world, &mut |world, at| {
            if at == step {
                wipe(world);
            }
        });
        wipe(&mut world);
        world.settle_for(minutes(5));
        assert_eq!(world.end(), calm.end(), "wiped at step {step}");
        assert_eq!(world.phases(), calm.phases());
        assert_eq!(world.ran, calm.ran);
    }
}

fn wipe(world: &mut World) {
    std::sync::Arc::make_mut(&mut world.seen.backend).status = None;
    world.seen.plans.iter_mut().for_each(|plan| plan.status = None);
    for one in world.seen.collections.iter_mut() {
        std::sync::Arc::make_mut(one).status = None;
    }
}

#[test]
fn what_is_applied_is_told_again_when_it_is_lost() {
    for open in [false, true] {
        let mut world = running();
        if open {
            world.declare("markets", &["name"]);
            world.settle();
        }
        let calm = world.end();
        let served = rollout::current(&world.seen);
        world.delete("ConfigMap", "shop-applied");
        assert_eq!(world.way().release, served, "servers stay");
        let way = world.settle();
        assert_eq!(world.ran.last().unwrap(), "plan");
        assert_eq!((way.waits, way.contract.is_some()), (None, open));
        let mut end = world.end();
        // Which plan led here is known only while it has a contract.
        for key in ["plan", "planHash"] {
            for data in [&mut end[0], &mut calm.clone()[0]] {
                data.as_object_mut().unwrap().remove(key);
            }
        }
        let mut calm = calm;
        ["plan", "planHash"].iter().for_each(|key| drop(calm[0].as_object_mut().unwrap().remove(*key)));
        assert_eq!(end, calm, "open: {open}");
    }
}

#[test]
fn a_lost_plan_of_an_open_contract_is_asked_for_again() {
    let mut world = running();
    world.declare("markets", &["name"]);
    world.settle();
    let plan = world.way().plan.unwrap().name;
    world.delete("MigrationPlan", &plan);
    let way = world.settle();
    assert_eq!((way.waits.clone(), way.plan.clone().unwrap().name), (None, plan));
    assert_eq!(contract(&way), (Reason::Soaking, false));
    // Lost with all that is known, and other documents: the plan is found by its revision.
    world.declare("markets", &["name", "slug"]);
    world.delete("ConfigMap", "shop-applied");
    let way = world.settle();
    assert_eq!((waits(&way), contract(&way)), ((Reason::ContractPending, false), (Reason::Soaking, false)));
    world.edit(json!({ "migrations": { "policy": { "destructive": "Auto" } } }));
    let way = world.settle_for(minutes(30));
    assert_eq!((way.waits, way.contract), (None, None));
    assert!(serves_newest(&world));
}

/// What may happen to a cluster at any time.
#[derive(Clone, Debug)]
enum Disturbance {
    /// The operator is killed before its nth write from here.
    Kill(usize),
    /// A Job is deleted.
    Job(usize),
    /// Every status is wiped.
    Wipe,
    /// Time passes.
    Pass(u64),
    /// The operator reconciles, but no Job and no pod gets on.
    Alone,
    /// A Job of this phase fails.
    Fail(&'static str, &'static str),
}

fn disturbance() -> impl Strategy<Value = Disturbance> {
    let fail = prop::sample::select(vec![
        ("plan", "DatabaseUnavailable"),
        ("plan", "PlanRefused"),
        ("expand", "PlanStale"),
        ("expand", "StepFailed"),
        ("contract", "OldInstances"),
        ("contract", "PlanStale"),
    ]);
    prop_oneof![
        3 => (0usize..12).prop_map(Disturbance::Kill),
        2 => (0usize..3).prop_map(Disturbance::Job),
        1 => Just(Disturbance::Wipe),
        1 => (0u64..30).prop_map(Disturbance::Pass),
        2 => Just(Disturbance::Alone),
        2 => fail.prop_map(|(phase, reason)| Disturbance::Fail(phase, reason)),
    ]
}

fn befall(world: &mut World, disturbance: &Disturbance) {
    match *disturbance {
        Disturbance::Kill(after) => world.cut = Some(world.writes + after),
        Disturbance::Job(at) => {
            world.stopped = true;
            world.settle_for(Duration::from_secs(8));
            world.stopped = false;
            if let Some(name) = world.seen.jobs.get(at).and_then(|job| job.metadata.name.clone()) {
                world.delete("Job", &name);
            }
        }
        Disturbance::Wipe => wipe(world),
        Disturbance::Pass(seconds) => world.pass(Duration::from_secs(seconds)),
        Disturbance::Alone => {
            world.stopped = true;
            world.settle_for(Duration::from_secs(8));
            world.stopped = false;
            world.run_jobs();
        }
        Disturbance::Fail(phase, reason) => world.failures.push_back((phase, reason)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_end_is_the_same(steps in prop::collection::vec(prop::collection::vec(disturbance(), 0..3), 4)) {
        let mut world = World::new();
        scenario(&mut world, &mut |world, at| steps[at].iter().for_each(|one| befall(world, one)));
        world.failures.clear();
        world.cut = None;
        world.settle_for(minutes(20));
        static CALM: LazyLock<serde_json::Value> = LazyLock::new(|| undisturbed().end());
        prop_assert_eq!(world.end(), CALM.clone());
    }
}
