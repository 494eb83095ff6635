//! Limits that servers share through a real Redis: also while it is killed, frozen and started again.

use mainstay_e2e::redis::Redis;

use super::*;

const POLICIES: &str = "[{ name: default, by: ip, limit: 20, window: 1h }]";
const REDIS: &str = "mainstay_rate_limit_backend{backend=\"redis\"} 1";
const LOCAL: &str = "mainstay_rate_limit_backend{backend=\"local\"} 1";

/// With a deadline that a busy machine meets.
fn with_redis(redis: &Redis) -> World {
    let world = serve(POLICIES, &["--redis-url", &redis.url, "--redis-timeout", "2s"]);
    world.wait_for(REDIS);
    world
}

impl World {
    #[track_caller]
    fn wait_for(&self, figure: &str) {
        wait_until(figure, || self.figure("mainstay_rate_limit_backend").contains(figure));
    }

    fn left(&self) -> String {
        let answer = self.list(None);
        assert_eq!(answer.status, 200, "{}", answer.body);
        field(&answer, "ratelimit").split(';').nth(1).unwrap_or_default().to_owned()
    }

    /// Returns once the log has so many lines with the message, and never more.
    #[track_caller]
    fn assert_lines(&self, message: &str, number: usize) {
        let lines = || self.server.log().lines().filter(|line| line.contains(message)).count();
        wait_until(message, || lines() >= number);
        assert_eq!(lines(), number, "{}", self.server.log());
    }
}

#[test]
fn two_servers_share_one_limit() {
    let redis = Redis::start();
    let (one, two) = (with_redis(&redis), with_redis(&redis));
    assert_eq!([one.left(), two.left(), one.left(), two.left()], ["r=19", "r=18", "r=17", "r=16"]);
    let allowed: usize = std::thread::scope(|scope| {
        let ask = |world: &World| (0..10).filter(|_| world.server.anonymous.get(NOTES, &[]).status == 200).count();
        let threads: Vec<_> = [&one, &two, &one, &two].map(|world| scope.spawn(move || ask(world))).into();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(allowed, 16, "as many as were left, in whatever order they came");
    assert_eq!([one.list(None).status, two.list(None).status], [429, 429]);
    let kept = redis.run(&["KEYS", "*"]);
    assert_eq!(kept, "mainstay:mainstay:limit:default:tokenBucket:20:3600:20:ip:127.0.0.1");
    assert!((1..=3_600_000).contains(&redis.run(&["PTTL", &kept]).parse::<i64>().unwrap()));
    // A Redis that was emptied, and one that has forgotten the script.
    redis.run(&["FLUSHALL"]);
    redis.run(&["SCRIPT", "FLUSH"]);
    assert_eq!([one.left(), two.left()], ["r=19", "r=18"]);
    one.assert_lines("Redis is away", 0);
}

#[test]
fn a_killed_redis_is_replaced_by_counts_of_the_server_until_it_returns() {
    let redis = Redis::start();
    let world = with_redis(&redis);
    assert_eq!([world.left(), world.left()], ["r=19", "r=18"]);
    redis.kill();
    assert_eq!(
        [world.left(), world.left(), world.left()],
        ["r=19", "r=18", "r=17"],
        "no request fails, and all are counted"
    );
    world.wait_for(LOCAL);
    world.assert_lines("Redis is away", 1);
    redis.start_again();
    world.wait_for(REDIS);
    assert_eq!(world.left(), "r=19", "it came back empty");
    world.assert_lines("counted in Redis", 2);
}

#[test]
fn a_frozen_redis_costs_one_request_its_deadline() {
    let redis = Redis::start();
    let world = with_redis(&redis);
    assert_eq!(world.left(), "r=19");
    redis.signal("STOP");
    let began = Instant::now();
    assert_eq!([world.left(), world.left(), world.left()], ["r=19", "r=18", "r=17"]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    world.wait_for(LOCAL);
    world.assert_lines("Redis is away", 1);
    redis.signal("CONT");
    world.wait_for(REDIS);
    // The call that was too late was counted when it woke.
    assert!(["r=18", "r=17"].contains(&world.left().as_str()));
}

#[test]
fn a_server_starts_without_its_redis_and_finds_it_later() {
    let redis = Redis::start();
    redis.kill();
    let world = serve(POLICIES, &["--redis-url", &redis.url, "--redis-timeout", "2s"]);
    assert_eq!([world.left(), world.left()], ["r=19", "r=18"]);
    redis.start_again();
    world.wait_for(REDIS);
    world.assert_lines("Redis is away", 1);
}

#[test]
fn another_redis_is_taken_from_the_file_without_a_restart() {
    let (old, new) = (Redis::start(), Redis::start());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    std::fs::write(&file, &old.url).unwrap();
    let mut command = program();
    command.env("MAINSTAY_REDIS_URL_FILE", &file);
    let flags = ["--rate-limits", POLICIES, "--redis-timeout", "2s"];
    let world = launch(command, Database::new("sqlite"), &flags);
    world.wait_for(REDIS);
    assert_eq!([world.left(), world.left()], ["r=19", "r=18"]);
    std::fs::write(&file, "http://:a-secret-password@example.com").unwrap();
    world.assert_lines("what it held before stays in force", 1);
    assert_eq!(world.left(), "r=17", "the Redis from before stays");
    std::fs::write(&file, &new.url).unwrap();
    wait_until("the other Redis counts", || {
        world.list(None);
        !new.run(&["KEYS", "*"]).is_empty()
    });
    world.assert_lines("Redis is away", 0);
    assert!(!world.server.log().contains("a-secret-password"));
}
