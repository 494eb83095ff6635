//! Several policies at once, keys of their own, and that Redis counts as this process does.

use std::cell::RefCell;
use std::sync::Arc;

use mainstay_crds::rate_limit::{Algorithm, By};
use mainstay_e2e::redis::Redis;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::service::Machine;

fn quota(algorithm: Algorithm, limit: u32, window: &str) -> Quota {
    Quota::check(limit, window, Some(algorithm), None).unwrap()
}

fn policy(name: &str, by: By, routes: &[RouteClass], limit: u32) -> Policy {
    Policy { name: name.to_owned(), by, routes: routes.to_vec(), quota: quota(Algorithm::FixedWindow, limit, "60s") }
}

fn address(last: u8) -> Option<IpAddr> {
    Some([203, 0, 113, last].into())
}

fn machine(name: &str, rate_limit: Option<Quota>) -> Caller {
    Caller::Machine(Arc::new(Machine { name: name.to_owned(), roles: Vec::new(), rate_limit }))
}

fn ask(limiter: &Limiter, class: RouteClass, address: Option<IpAddr>, caller: &Caller) -> (bool, Vec<(String, u32)>) {
    let charges = limiter.charges(class, address, Some(caller));
    let verdict = limiter.decide_here(&charges, 5000);
    let rooms = charges.iter().zip(&verdict.rooms).map(|(charge, room)| (charge.policy.to_owned(), room.remaining));
    (verdict.allowed, rooms.collect())
}

fn left(rooms: &[(&str, u32)]) -> Vec<(String, u32)> {
    rooms.iter().map(|(name, remaining)| ((*name).to_owned(), *remaining)).collect()
}

#[test]
fn all_policies_have_to_allow_and_a_refused_request_takes_from_none() {
    let policies = vec![policy("all", By::Ip, &[], 5), policy("writes", By::Ip, &[RouteClass::Write], 1)];
    let limiter = Limiter::new(policies, None);
    let ask = |class| ask(&limiter, class, address(1), &Caller::Anonymous);
    assert_eq!(ask(RouteClass::Write), (true, left(&[("all", 4), ("writes", 0)])));
    for _ in 0..10 {
        assert_eq!(ask(RouteClass::Write), (false, left(&[("all", 4), ("writes", 0)])));
    }
    assert_eq!(ask(RouteClass::Read), (true, left(&[("all", 3)])));
    let charges = limiter.charges(RouteClass::Write, address(1), None);
    let verdict = limiter.decide_here(&charges, 6000);
    let (refusing, wait) = verdict.refusal(&charges).unwrap();
    assert_eq!((refusing.policy, wait), ("writes", Duration::from_secs(59)));
}

#[test]
fn a_key_with_a_limit_of_its_own_has_that_and_the_limit_of_its_address() {
    let policies =
        vec![policy("ip", By::Ip, &[], 9), policy("caller", By::Caller, &[], 2), policy("key", By::Key, &[], 1)];
    let limiter = Limiter::new(policies, None);
    let own = machine("a", Some(quota(Algorithm::SlidingWindow, 4, "60s")));
    assert_eq!(ask(&limiter, RouteClass::Read, address(1), &own), (true, left(&[("ip", 8), ("own", 3)])));
    let other = machine("b", None);
    assert_eq!(
        ask(&limiter, RouteClass::Read, address(1), &other),
        (true, left(&[("ip", 7), ("caller", 1), ("key", 0)]))
    );
    let nobody = Caller::Anonymous;
    assert_eq!(ask(&limiter, RouteClass::Read, address(1), &nobody), (true, left(&[("ip", 6), ("caller", 1)])));
    assert_eq!(ask(&limiter, RouteClass::Read, None, &nobody), (true, Vec::new()));
    // Both keys of one ApiKey, while it is rotated.
    let again = machine("a", Some(quota(Algorithm::SlidingWindow, 4, "60s")));
    assert_eq!(ask(&limiter, RouteClass::Read, address(2), &again).1, left(&[("ip", 8), ("own", 2)]));
}

#[test]
fn callers_at_once_are_never_allowed_more() {
    let limiter = Limiter::new(vec![policy("all", By::Ip, &[], 100), policy("more", By::Ip, &[], 150)], None);
    let allowed: usize = std::thread::scope(|scope| {
        let one = || (0..100).filter(|_| ask(&limiter, RouteClass::Read, address(1), &Caller::Anonymous).0).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(allowed, 100);
    assert_eq!(ask(&limiter, RouteClass::Read, address(1), &Caller::Anonymous).1, left(&[("all", 0), ("more", 50)]));
}

/// The script with the time as its last argument, in the place of the clock of Redis.
#[test]
fn redis_counts_as_this_process_does() {
    let redis = Redis::start();
    let connection = ::redis::Client::open(redis.url.as_str()).unwrap().get_connection().unwrap();
    let connection = RefCell::new(connection);
    // What is kept would go by the clock of the machine, which may be slower than the one of this test.
    let kept = shared::DECIDE.replace("q.algorithm.idle(q, q.count) - now", "3600000");
    let script = ::redis::Script::new(&format!("local now = tonumber(ARGV[#ARGV])\n{kept}"));
    let algorithms = [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow];
    let quotas = (prop::sample::select(algorithms.to_vec()), 1..12u32, 1..5u64, 1..20u32).prop_map(
        |(kind, limit, window, burst)| {
            Quota::check(limit, &format!("{window}s"), Some(kind), (kind == Algorithm::TokenBucket).then_some(burst))
                .unwrap()
        },
    );
    let step = prop_oneof![8 => 0..200i64, 2 => 0..6000i64, 1 => -500..0i64];
    let histories = (prop::collection::vec(quotas, 1..3), prop::collection::vec(step, 1..60));
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let done = runner.run(&histories, |(quotas, steps)| {
        ::redis::cmd("FLUSHALL").exec(&mut *connection.borrow_mut()).unwrap();
        let policies = quotas.iter().enumerate().map(|(at, quota)| Policy {
            name: format!("p{at}"),
            by: By::Ip,
            routes: Vec::new(),
            quota: *quota,
        });
        let limiter = Limiter::new(policies.collect(), None);
        let charges = limiter.charges(RouteClass::Read, address(1), None);
        let mut now: u64 = 1_790_000_000_000;
        for step in steps {
            now = now.saturating_add_signed(step);
            let mut call = script.prepare_invoke();
            for charge in &charges {
                call.key(charge.policy).arg(&shared::arguments(&charge.quota));
            }
            let told: Vec<u64> = call.arg(now).invoke(&mut *connection.borrow_mut()).unwrap();
            prop_assert_eq!(shared::verdict(&told), limiter.decide_here(&charges, now), "{} ms", now);
        }
        Ok(())
    });
    done.unwrap();
}
