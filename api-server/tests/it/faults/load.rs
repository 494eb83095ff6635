//! More requests than the database can serve in time: some are turned away at once, and the others are answered soon.

use super::*;

/// A refusal as clients are promised it.
#[track_caller]
fn assert_overloaded(answer: &Answer) {
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!("OVERLOADED")), "{}", answer.body);
    let seconds = answer.headers["retry-after"].to_str().unwrap();
    assert!((1..=60).contains(&seconds.parse::<u64>().unwrap()), "{seconds}");
}

/// What was refused at once, as the metrics say.
fn refused(server: &Server) -> u64 {
    let text = Caller::new(&server.admin_url, None).get("/metrics", &[]).body;
    let lines = text.as_str().unwrap().lines().filter(|line| line.starts_with("mainstay_pool_refused_total{"));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Health does not depend on the database, nor wait with those who do.
fn assert_healthy(server: &Server) {
    for caller in [&server.anonymous, &Caller::new(&server.admin_url, None)] {
        for path in ["/health", "/health/ready"] {
            let began = Instant::now();
            assert_eq!(caller.get(path, &[]).status, 200, "{path}");
            assert!(began.elapsed() < Duration::from_secs(5), "{path} took {:?}", began.elapsed());
        }
    }
}

#[test]
fn a_frozen_database_keeps_few_waiting() {
    let documents = Documents::new();
    let postgres = Postgres::with(&[]);
    let url = postgres.database();
    let flags = ["--database-pool-size", "2", "--database-pool-wait", "1s", "--timeouts-request", "3s"];
    let server = documents.serve(&url, &flags);
    let path = make(&server, "one");
    postgres.signal("STOP");
    // A shell stops it at some moment after it was told to.
    wait_until("a read that is not answered", || server.admin.get(&path, &[]).status != 200);
    thread::scope(|scope| {
        let mut held = Vec::new();
        let mut hold = || held.push(scope.spawn(|| server.admin.get(&path, &[])));
        // Both connections are in use, and somebody waits: the queue stands.
        for _ in 0..20 {
            hold();
        }
        wait_until("one that is turned away", || {
            hold();
            refused(&server) > 0
        });
        let began = Instant::now();
        let more: Vec<Answer> = at_once(50, |_| server.admin.get(&path, &[]));
        let overloaded: Vec<&Answer> = more.iter().filter(|answer| answer.body["code"] == "OVERLOADED").collect();
        assert!(overloaded.len() >= 40, "{} of 50", overloaded.len());
        overloaded.into_iter().for_each(assert_overloaded);
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        assert_healthy(&server);
        for held in held {
            assert!([503, 504].contains(&held.join().unwrap().status));
        }
    });
    postgres.signal("CONT");
    wait_until("an answer", || server.admin.get(&path, &[]).status == 200);
    wait_until("all connections at rest", || pool(&server, "busy") == 0 && pool(&server, "waiting") == 0);
    let statuses = at_once(8, |_| server.admin.get(&path, &[]).status);
    assert_eq!(statuses, [200; 8]);
    assert!(server.stop().success());
}

#[test]
fn five_hundred_clients_of_two_connections() {
    for url in ["sqlite::memory:".to_owned(), Postgres::shared().database()] {
        let documents = Documents::new();
        let flags = ["--database-pool-size", "2", "--database-pool-wait", "50ms"];
        let server = documents.serve(&url, &flags);
        let batch: Json = (0..1000).map(|n| note(&n.to_string())).collect();
        assert_eq!(server.admin.post(NOTES, &batch).status, 201);
        // Work that takes a while: 2000 requests of it are more than the pool does in 50 ms.
        let work = |_| {
            let caller = Caller::new(&server.url, None);
            let one = |_| {
                let began = Instant::now();
                let answer = caller.get(NOTES, &[("limit", "200"), ("count", "exact"), ("title__contains", "9")]);
                (answer, began.elapsed())
            };
            (0..4).map(one).collect::<Vec<_>>()
        };
        let answers: Vec<_> = at_once(500, work).into_iter().flatten().collect();
        let (served, others): (Vec<_>, Vec<_>) = answers.iter().partition(|(answer, _)| answer.status == 200);
        let mut took: Vec<Duration> = served.iter().map(|(_, took)| *took).collect();
        took.sort();
        assert!(served.len() > 20, "{url}: {} of {} were served", served.len(), answers.len());
        for (answer, _) in &others {
            assert!(["OVERLOADED", "UNAVAILABLE"].contains(&answer.body["code"].as_str().unwrap()), "{}", answer.body);
        }
        // Beyond the pool's 50 ms it is this machine that five hundred threads of the test wait for.
        let most = took[took.len() * 99 / 100];
        assert!(most < Duration::from_secs(10), "{url}: {most:?}");
        let refusals = others.iter().filter(|(answer, _)| answer.body["code"] == "OVERLOADED").count();
        assert_eq!(refused(&server), refusals as u64, "{url}");
        assert_healthy(&server);
        assert_eq!(total(&server), 1000);
    }
}
