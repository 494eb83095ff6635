//! Traces of a running server, as a collector sees them; and what a collector that is away does not do to requests.

use mainstay_e2e::collector::{Collector, attribute, hex};
use mainstay_e2e::server::SECRET;

use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// A request in the trace of its caller, who keeps it or not. Answers the `traceparent` of the answer.
fn call(world: &World, trace: &str, kept: bool, path: &str) -> String {
    let client = Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("{}{path}", world.server.url)).header("X-Request-Id", "traced");
    let parent = format!("00-{trace}-{SPAN}-0{}", u8::from(kept));
    let answer = request.header("traceparent", parent).header("tracestate", "vendor=1").send().unwrap();
    answer.headers()["traceparent"].to_str().unwrap().to_owned()
}

#[test]
fn a_request_is_a_trace_of_its_parts() {
    for (kind, system, placeholder) in [("sqlite", "sqlite", "?"), ("postgres", "postgresql", "$1")] {
        let collector = Collector::start();
        let world = serve(kind, &["--telemetry-otlp-endpoint", &collector.url]);
        let told = call(&world, TRACE, true, &format!("{NOTES}?title={SECRET}"));
        let spans = collector.wait(TRACE, 4);
        let find = |name: &str| {
            let found = spans.iter().find(|span| span.name == name);
            found.unwrap_or_else(|| panic!("{name} in {:?}", spans.iter().map(|span| &span.name).collect::<Vec<_>>()))
        };
        let request = find("GET /api/v1/{collection}");
        assert_eq!(
            (hex(&request.parent_span_id).as_str(), request.kind, request.trace_state.as_str()),
            (SPAN, 2, "vendor=1")
        );
        assert_eq!(told, format!("00-{TRACE}-{}-01", hex(&request.span_id)), "the answer names the span");
        for (key, value) in [
            ("http.request.method", "GET"),
            ("http.route", "/api/v1/{collection}"),
            ("http.response.status_code", "200"),
            ("client.address", "127.0.0.1"),
            ("mainstay.request_id", "traced"),
        ] {
            assert_eq!(attribute(request, key).as_deref(), Some(value), "{key}");
        }
        let statement = find("SELECT notes");
        assert_eq!((statement.kind, attribute(statement, "db.system.name").as_deref()), (3, Some(system)));
        let text = attribute(statement, "db.query.text").unwrap();
        assert!(text.starts_with("SELECT ") && text.contains(placeholder), "{text}");
        for span in [find("access"), find("wait for a connection"), statement] {
            assert_eq!(span.parent_span_id, request.span_id, "{}", span.name);
            assert!(span.start_time_unix_nano >= request.start_time_unix_nano);
            assert!(span.end_time_unix_nano <= request.end_time_unix_nano, "{}", span.name);
        }
        assert!(!format!("{spans:?}").contains(SECRET), "values are no part of a trace: {spans:?}");
        assert_eq!(collector.resource("service.name").as_deref(), Some("mainstay"));
        assert_eq!(world.line("traced")["span"]["trace_id"], TRACE);
        let (_, text) = world.metrics("application/openmetrics-text");
        let exemplar = text.lines().find(|line| line.contains(TRACE)).unwrap_or_else(|| panic!("{text}"));
        assert!(
            exemplar.starts_with("http_request_duration_seconds_bucket{method=\"GET\",route=\"/api/v1/{collection}\"")
        );
        assert!(world.metrics("text/plain").1.contains("mainstay_trace_spans_total{result=\"exported\"}"));
    }
}

#[test]
fn the_caller_decides_and_else_the_ratio() {
    let collector = Collector::start();
    let world = serve("sqlite", &["--telemetry-otlp-endpoint", &collector.url, "--telemetry-sample-ratio", "0"]);
    let other = TRACE.replace('0', "1");
    assert!(call(&world, TRACE, false, NOTES).ends_with("-00"));
    assert!(call(&world, &other, true, NOTES).ends_with("-01"));
    let id = "alone";
    let client = Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("{}{NOTES}", world.server.url)).header("X-Request-Id", id).send().unwrap();
    let told = answer.headers()["traceparent"].to_str().unwrap().to_owned();
    let alone = world.line(id)["span"]["trace_id"].as_str().unwrap().to_owned();
    assert_eq!(told.split('-').nth(1), Some(alone.as_str()), "it has an id, kept or not");
    assert!(told.ends_with("-00"));
    // What was kept is sent at the latest by the end.
    assert!(world.server.stop().success());
    assert!(collector.spans(&other).len() >= 4, "flushed at the stop");
    assert!(collector.spans(TRACE).is_empty() && collector.spans(&alone).is_empty());
}

#[test]
fn a_failure_is_marked() {
    let collector = Collector::start();
    let database = Database::new("postgres");
    let documents = tempfile::tempdir().unwrap();
    let file = documents.path().join("notes.yaml");
    std::fs::write(&file, DOCUMENTS).unwrap();
    let flags = ["--telemetry-otlp-endpoint", &collector.url, "--timeouts-request", "300ms"];
    let server = Server::launch(program(), file.to_str().unwrap(), database.url(), &flags);
    server.wait_until_ready();
    let lock = mainstay_e2e::postgres::Postgres::shared();
    let name = database.url().rsplit('/').next().unwrap().to_owned();
    let locked = std::thread::spawn(move || lock.run(&name, "BEGIN; LOCK TABLE notes; SELECT pg_sleep(3); COMMIT"));
    let world = World { server, _documents: documents, _database: database };
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut number = 0;
    let failed = loop {
        assert!(Instant::now() < deadline, "no request met the lock");
        let trace = format!("{number:032x}").replacen('0', "f", 1);
        call(&world, &trace, true, NOTES);
        let spans = collector.wait(&trace, 4);
        let request = spans.iter().find(|span| span.name.starts_with("GET ")).unwrap().clone();
        if attribute(&request, "http.response.status_code").is_some_and(|status| status != "200") {
            break (request, spans);
        }
        number += 1;
    };
    let (request, spans) = failed;
    assert_eq!(request.status.clone().map(|status| status.code), Some(2), "{request:?}");
    assert!(attribute(&request, "error.type").is_some_and(|kind| kind.starts_with('5')), "{request:?}");
    let statement = spans.iter().find(|span| span.name == "SELECT notes").unwrap();
    assert_eq!(attribute(statement, "error.type").as_deref(), Some("timeout"), "{statement:?}");
    locked.join().unwrap();
}

/// Four thousand spans fit into the queue; a collector that hangs takes none of them.
#[test]
fn a_collector_that_hangs_costs_no_request() {
    let collector = Collector::hanging();
    let world =
        serve("sqlite", &["--telemetry-otlp-endpoint", &collector.url, "--log-level", "warn,mainstay::cli=info"]);
    let figure = |result: &str| {
        let text = world.metrics("text/plain").1;
        let name = format!("mainstay_trace_spans_total{{result=\"{result}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok()).unwrap_or(0)
    };
    let began = Instant::now();
    while figure("dropped") == 0 {
        for _ in 0..100 {
            assert_eq!(world.server.anonymous.get(NOTES, &[]).status, 200);
        }
        assert!(began.elapsed() < Duration::from_secs(60), "nothing is dropped");
    }
    assert_eq!(figure("exported"), 0);
    let told = |words: &str| world.server.log().matches(words).count();
    assert_eq!(told("spans come faster than the collector takes them"), 1);
    let deadline = Instant::now() + Duration::from_secs(20);
    while figure("failed") == 0 {
        assert!(Instant::now() < deadline, "no call gave up");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(told("traces cannot be sent"), 1);
    let stopping = Instant::now();
    assert!(world.server.stop().success());
    assert!(stopping.elapsed() < Duration::from_secs(8), "{:?}", stopping.elapsed());
}
