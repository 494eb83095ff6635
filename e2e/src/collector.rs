//! A collector of traces: takes OTLP over HTTP, read by the messages that OpenTelemetry publishes, and keeps what comes.
//!
//! Started by tests on a free port. One that hangs takes connections and never answers, as a frozen one does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// A running collector.
pub struct Collector {
    /// What a server's `--telemetry-otlp-endpoint` takes.
    pub url: String,
    spans: Arc<Mutex<Vec<Span>>>,
    resources: Arc<Mutex<Vec<KeyValue>>>,
}

impl Collector {
    /// One that takes everything.
    pub fn start() -> Collector {
        Collector::with(true)
    }

    /// One that never answers.
    pub fn hanging() -> Collector {
        Collector::with(false)
    }

    fn with(answers: bool) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (spans, resources) = (Arc::default(), Arc::default());
        let collector = Collector { url, spans: Arc::clone(&spans), resources: Arc::clone(&resources) };
        thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                if answers {
                    let (spans, resources) = (Arc::clone(&spans), Arc::clone(&resources));
                    thread::spawn(move || serve(stream, &spans, &resources));
                } else {
                    held.push(stream);
                }
            }
        });
        collector
    }

    /// The spans of a trace, once there are so many of them.
    pub fn wait(&self, trace: &str, count: usize) -> Vec<Span> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let found = self.spans(trace);
            if found.len() >= count {
                return found;
            }
            assert!(Instant::now() < deadline, "{} of {count} spans of {trace}: {found:?}", found.len());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The spans of a trace that have come.
    pub fn spans(&self, trace: &str) -> Vec<Span> {
        let all = self.spans.lock().expect("a lock");
        all.iter().filter(|span| hex(&span.trace_id) == trace).cloned().collect()
    }

    /// What is said of the program that they come from.
    pub fn resource(&self, key: &str) -> Option<String> {
        text(&self.resources.lock().expect("a lock"), key)
    }
}

/// An attribute as text.
pub fn attribute(span: &Span, key: &str) -> Option<String> {
    text(&span.attributes, key)
}

/// An id as people write it.
pub fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let AnyValue { value } = attributes.iter().find(|one| one.key == key)?.value.clone()?;
    Some(match value? {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

/// Reads requests until the connection ends.
fn serve(stream: TcpStream, spans: &Mutex<Vec<Span>>, resources: &Mutex<Vec<KeyValue>>) {
    let mut answers = stream.try_clone().expect("a socket");
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut first) = (0, String::new());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if first.is_empty() {
                first.clone_from(&line);
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if line == "\r\n" {
                break;
            }
        }
        assert!(first.starts_with("POST /v1/traces "), "{first}");
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let request = ExportTraceServiceRequest::decode(&*body).expect("OTLP");
        for one in request.resource_spans {
            resources.lock().expect("a lock").extend(one.resource.into_iter().flat_map(|resource| resource.attributes));
            spans.lock().expect("a lock").extend(one.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
        if answers.write_all(answer).is_err() {
            return;
        }
    }
}
