//! What is rendered, and what the documents say of it.

use super::*;
use crate::store::{PoolStatus, Status};

fn told<'a>(method: &'a str, route: &'a str, status: u16, millis: u64) -> Told<'a> {
    let elapsed = std::time::Duration::from_millis(millis);
    Told { method, route, status, elapsed, received: 0, sent: 300, who: Some("admin"), replayed: None, trace: None }
}

fn metrics() -> Metrics {
    let metrics = Metrics::new("sqlite", Vec::new()).unwrap();
    for _ in 0..2 {
        metrics.requests.begun();
    }
    metrics.requests.answered(&told("GET", "/api/v1/{collection}", 200, 3));
    metrics.requests.answered(&Told { replayed: Some(false), ..told("BREW", "none", 404, 0) });
    metrics
}

#[test]
fn figures_carry_bounded_labels() {
    let metrics = metrics();
    let idle = PoolStatus { max: 10, size: 4, idle: 1, waiting: 2, refused: 5 };
    metrics.server.pool(&Status { readers: idle, writer: Some(PoolStatus::default()) });
    metrics.server.rate_limited("default");
    metrics.server.limiter(true);
    metrics.requests.begun();
    metrics.requests.abandoned("x".repeat(1000).as_str());
    let text = metrics.render(Form::Text).unwrap();
    for line in [
        r#"http_requests_total{method="GET",route="/api/v1/{collection}",status="200"} 1"#,
        r#"http_requests_total{method="other",route="none",status="404"} 1"#,
        r#"http_request_duration_seconds_bucket{method="GET",route="/api/v1/{collection}",le="0.0025"} 0"#,
        r#"http_request_duration_seconds_bucket{method="GET",route="/api/v1/{collection}",le="0.005"} 1"#,
        r#"http_response_size_bytes_bucket{route="none",le="256"} 0"#,
        r#"http_response_size_bytes_bucket{route="none",le="1024"} 1"#,
        r#"http_requests_abandoned_total{method="other"} 1"#,
        "http_requests_in_flight 0",
        r#"mainstay_authentications_total{result="admin"} 2"#,
        r#"mainstay_idempotent_requests_total{result="refused"} 1"#,
        r#"mainstay_pool_connections{pool="readers",state="busy"} 3"#,
        r#"mainstay_pool_connections{pool="writer",state="max"} 0"#,
        r#"mainstay_rate_limited_total{policy="default"} 1"#,
        r#"mainstay_rate_limit_backend{backend="local"} 0"#,
        r#"mainstay_rate_limit_backend{backend="redis"} 1"#,
        r#"mainstay_build_info{database="sqlite",version="0.1.0"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[test]
fn the_process_is_told_of() {
    let text = metrics().render(Form::Text).unwrap();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} in\n{text}")).parse::<f64>().unwrap()
    };
    assert!((1e6..1e11).contains(&value("process_resident_memory_bytes")));
    assert!(value("process_open_fds") >= 3.0 && value("process_open_fds") < value("process_max_fds"));
    assert!(value("process_threads") >= 1.0 && value("process_cpu_seconds_total") >= 0.0);
    assert!((1.6e9..1e10).contains(&value("process_start_time_seconds")));
}

#[test]
fn openmetrics_has_exemplars_and_an_end() {
    let metrics = metrics();
    metrics.requests.begun();
    let trace = Some(("0af7651916cd43dd8448eb211c80319c", 1_700_000_000_123_456));
    metrics.requests.answered(&Told { trace, ..told("GET", "/api/v1/{collection}", 200, 40) });
    let bucket = r#"http_request_duration_seconds_bucket{method="GET",route="/api/v1/{collection}",le="0.05"} 2"#;
    let exemplar = r#" # {trace_id="0af7651916cd43dd8448eb211c80319c"} 0.04 1700000000.123"#;
    let text = metrics.render(Form::OpenMetrics).unwrap();
    assert!(text.lines().any(|line| line == format!("{bucket}{exemplar}")), "{text}");
    assert_eq!(text.matches("trace_id").count(), 1, "in the bucket of its own and in no wider one");
    for line in
        ["# TYPE http_requests counter", "# TYPE process_cpu_seconds counter", "# TYPE http_requests_in_flight gauge"]
    {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(text.ends_with("\n# EOF\n") && text.contains("\nhttp_requests_total{"));
    let text = metrics.render(Form::Text).unwrap();
    assert!(text.lines().any(|line| line == bucket) && !text.contains("trace_id") && !text.contains("EOF"));
}

#[test]
fn the_form_is_asked_for() {
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
    for (accept, form) in
        [(prometheus, Form::OpenMetrics), ("text/plain", Form::Text), ("*/*", Form::Text), ("", Form::Text)]
    {
        assert_eq!(Form::accepted(accept), form, "{accept}");
    }
}

/// The table is written by hand from what this prints when it fails.
#[test]
fn the_documents_list_every_metric() {
    let store = crate::store::Store::open(&crate::store::DatabaseUrl::SqliteTemporary, Default::default()).unwrap();
    let metrics = Metrics::new("sqlite", store.collectors()).unwrap();
    let row = |one: &Described| {
        let labels = one.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        format!("| `{}` | {} | {labels} | {} |\n", one.name, one.kind, one.help)
    };
    let rows: String = metrics.described().into_iter().map(row).collect();
    let path = mainstay_e2e::server::repository().join("docs/operations.md");
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(&format!("|---|---|---|---|\n{rows}\n")), "docs/operations.md lacks this table:\n{rows}");
}
