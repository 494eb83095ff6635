//! What each algorithm promises, held against every window of random histories.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn quota(algorithm: Algorithm, limit: u32, seconds: u64, burst: Option<u32>) -> Quota {
    Quota::check(limit, &format!("{seconds}s"), Some(algorithm), burst).unwrap()
}

/// Asks once at each time; answers when it was allowed.
fn run(quota: &Quota, times: &[u64]) -> Vec<u64> {
    let mut kept: Option<Count> = None;
    let mut allowed = Vec::new();
    for now in times {
        let mut count = kept.map_or_else(|| Count::new(quota, *now), |count| count.at(quota, *now));
        if count.room(quota, *now).remaining > 0 {
            count.take(quota);
            allowed.push(*now);
        }
        kept = Some(count);
    }
    allowed
}

/// The most requests of any window.
fn most(allowed: &[u64], window: u64) -> usize {
    let within = |start: &u64| allowed.iter().filter(|time| (*start..start + window).contains(time)).count();
    allowed.iter().map(within).max().unwrap_or(0)
}

#[test]
fn a_token_bucket_gives_requests_back_one_by_one() {
    let quota = quota(Algorithm::TokenBucket, 100, 60, Some(2));
    let mut count = Count::new(&quota, 5000);
    assert_eq!(count.room(&quota, 5000), Room { remaining: 2, reset: 0 });
    count.take(&quota);
    assert_eq!(count.room(&quota, 5000), Room { remaining: 1, reset: 600 });
    count.take(&quota);
    assert_eq!(count.room(&quota, 5000), Room { remaining: 0, reset: 600 });
    assert_eq!(count.at(&quota, 5599).room(&quota, 5599), Room { remaining: 0, reset: 1 });
    assert_eq!(count.at(&quota, 5600).room(&quota, 5600), Room { remaining: 1, reset: 600 });
    assert_eq!(count.idle_at(&quota), 6200);
    assert_eq!(count.at(&quota, u64::MAX / 2).room(&quota, u64::MAX / 2), Room { remaining: 2, reset: 0 });
}

#[test]
fn a_fixed_window_begins_with_the_first_request() {
    let quota = quota(Algorithm::FixedWindow, 2, 10, None);
    assert_eq!(run(&quota, &[3000, 4000, 5000, 12_999, 13_000, 13_001, 13_002]), [3000, 4000, 13_000, 13_001]);
    let mut count = Count::new(&quota, 3000);
    count.take(&quota);
    assert_eq!(count.at(&quota, 4000).room(&quota, 4000), Room { remaining: 1, reset: 9000 });
}

#[test]
fn a_sliding_window_gives_back_what_is_a_window_old() {
    let quota = quota(Algorithm::SlidingWindow, 2, 10, None);
    assert_eq!(run(&quota, &[3500, 8000, 9000, 13_500, 14_000, 14_001, 19_000]), [3500, 8000, 14_000, 19_000]);
    let mut count = Count::new(&quota, 3500);
    count.take(&quota);
    assert_eq!(count.at(&quota, 4000).room(&quota, 4000), Room { remaining: 1, reset: 10_000 });
    assert_eq!(count.at(&quota, 14_000), Count::new(&quota, 14_000));
}

/// A quota, and times that mostly go on, with pauses and with steps back.
fn histories() -> impl Strategy<Value = (Quota, Vec<u64>)> {
    let algorithms = [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow];
    let quotas = (prop::sample::select(algorithms.to_vec()), 1..12u32, 1..5u64, 1..20u32).prop_map(
        |(kind, limit, window, burst)| quota(kind, limit, window, (kind == Algorithm::TokenBucket).then_some(burst)),
    );
    let step = prop_oneof![8 => 0..200i64, 2 => 0..6000i64, 1 => -3000..0i64];
    (quotas, 1_000_000..1_010_000u64, prop::collection::vec(step, 1..200)).prop_map(|(quota, start, steps)| {
        let times = steps.iter().scan(start, |now, step| {
            *now = now.saturating_add_signed(*step);
            Some(*now)
        });
        (quota, times.collect())
    })
}

/// The times as a clock that stands still where it would step back.
fn forwards(times: &[u64]) -> Vec<u64> {
    times
        .iter()
        .scan(0, |latest: &mut u64, now| {
            *latest = (*latest).max(*now);
            Some(*latest)
        })
        .collect()
}

proptest! {
    #[test]
    fn no_window_has_more_than_was_promised((quota, times) in histories()) {
        let allowed = run(&quota, &forwards(&times));
        let bound = match quota.algorithm() {
            Algorithm::TokenBucket => quota.limit() + quota.burst(),
            Algorithm::FixedWindow => 2 * quota.limit(),
            Algorithm::SlidingWindow => quota.limit(),
        };
        let most = most(&allowed, window(&quota));
        prop_assert!(most <= bound as usize, "{most} of {bound} in {:?}", quota.window());
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_away((quota, times) in histories()) {
        prop_assert_eq!(run(&quota, &times).len() <= run(&quota, &forwards(&times)).len(), true);
    }

    #[test]
    fn after_reset_there_is_more_and_not_before((quota, times) in histories()) {
        let mut count = Count::new(&quota, times[0]);
        for now in forwards(&times) {
            count = count.at(&quota, now);
            let room = count.room(&quota, now);
            if room.reset > 0 {
                let later = |time| count.at(&quota, time).room(&quota, time).remaining;
                prop_assert!(later(now + room.reset) > room.remaining);
                prop_assert_eq!(later(now + room.reset - 1), room.remaining);
            }
            if room.remaining > 0 {
                count.take(&quota);
            }
            let idle = count.idle_at(&quota);
            prop_assert_eq!(count.at(&quota, idle).room(&quota, idle), Count::new(&quota, idle).room(&quota, idle));
        }
    }
}

#[test]
fn the_largest_quota_overflows_nothing() {
    for algorithm in [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow] {
        let quota = Quota::check(1_000_000, "24h", Some(algorithm), None).unwrap();
        assert_eq!(quota.window(), Duration::from_secs(86_400));
        let end = 1 << 52;
        for now in [0, 1, end] {
            let mut count = Count::new(&quota, 0).at(&quota, now);
            count.take(&quota);
            assert_eq!(count.room(&quota, now).remaining, 999_999, "{algorithm:?} at {now}");
        }
    }
}
