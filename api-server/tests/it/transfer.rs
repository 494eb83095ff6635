//! Export and import over HTTP, on both databases: what goes out comes in again, bad lines are told, memory stays where it is.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use mainstay_e2e::database::Database;
use mainstay_e2e::server::{ADMIN_KEY, Server};
use reqwest::blocking::{Body, Client, Response};
use serde_json::{Value as Json, json};

mod on_conflict;

const NDJSON: &str = "application/x-ndjson";
const CSV: &str = "text/csv";

fn start(database: &Database) -> Server {
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/collections.yaml");
    Server::start(documents.to_str().unwrap(), database.url())
}

fn on_both(test: impl Fn(&Server) -> String) {
    let on = |kind: &str| {
        let database = Database::new(kind);
        test(&start(&database))
    };
    let (sqlite, postgres) = (on("sqlite"), on("postgres"));
    assert_eq!(sqlite, postgres, "SQLite (left) and PostgreSQL (right) differ");
}

fn client() -> Client {
    Client::builder().timeout(None).build().unwrap()
}

fn send(server: &Server, path: &str, media: &str, body: impl Into<Body>) -> Response {
    let request = client().post(format!("{}/api/v1/{path}", server.url)).header("X-API-Key", ADMIN_KEY);
    request.header("Content-Type", media).body(body).send().unwrap()
}

/// The report of an import that was read.
fn import(server: &Server, path: &str, media: &str, body: impl Into<Body>) -> Json {
    let response = send(server, path, media, body);
    let (status, text) = (response.status().as_u16(), response.text().unwrap());
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str::<Json>(&text).unwrap()["data"].take()
}

fn export(server: &Server, path: &str) -> String {
    let request = client().get(format!("{}/api/v1/{path}", server.url)).header("X-API-Key", ADMIN_KEY);
    let response = request.send().unwrap();
    assert_eq!(response.status(), 200, "{path}");
    response.text().unwrap()
}

/// The lines with their paths and codes.
fn told(report: &Json) -> Vec<(u64, String, String)> {
    let text = |one: &Json, name: &str| one[name].as_str().unwrap().to_owned();
    let failed = report["failed"].as_array().unwrap().iter();
    failed.map(|one| (one["line"].as_u64().unwrap(), text(one, "path"), text(one, "code"))).collect()
}

fn things() -> String {
    let id = |n: usize| format!("00000000-0000-7000-8000-{n:012}");
    let odd = ["", "=1+1", "a,b", "say \"hi\"", "two\nlines", "two\r\nlines", " edge ", "null", "\u{1F600}", "@x"];
    let line = |n: usize| {
        json!({
            "id": id(n), "label": format!("thing {n}"), "free": (odd[n % odd.len()]), "count": n,
            "ratio": n as f64 / 8.0, "price": format!("{n}.50"), "active": n.is_multiple_of(2),
            "at": "2024-01-31T12:00:00.000001Z", "day": "2024-02-29", "token": id(n + 500),
            "state": (if n.is_multiple_of(2) { "new" } else { "used" }),
            "extra": { "n": n, "text": (odd[n % odd.len()]) },
            "tags": ["red", (odd[n % odd.len()])], "numbers": [1, n], "links": [], "moods": ["sad"], "blob": "AAE=",
        })
    };
    let full = (1..300).map(line);
    let bare = json!({ "id": id(1000), "label": "bare" });
    full.chain([bare]).map(|line| format!("{line}\n")).collect()
}

#[test]
fn what_goes_out_comes_in_again() {
    on_both(|server| {
        let lines = things();
        assert_eq!(import(server, "things/import", NDJSON, lines), json!({"imported":300,"failed":[],"last_line":300}));
        let fields = "fields=id,label,slug,free,code,count,ratio,price,active,at,day,token,state,owner,extra,tags,numbers,\
            links,moods,blob,origin,margin";
        let first = export(server, &format!("things/export?{fields}"));
        assert_eq!(first.lines().count(), 300);
        let csv = export(server, "things/export?format=csv");
        for (form, media, whole) in [("csv", CSV, csv), ("ndjson", NDJSON, export(server, "things/export"))] {
            let database = Database::new("sqlite");
            let other = start(&database);
            let report = import(&other, "things/import", media, whole);
            assert_eq!((&report["imported"], &report["failed"]), (&json!(300), &json!([])), "{form}");
            assert_eq!(export(&other, &format!("things/export?{fields}")), first, "{form}");
        }
        format!("{first}\n{}", export(server, &format!("things/export?format=csv&{fields}")))
    });
}

#[test]
fn an_export_is_a_list_without_pages() {
    on_both(|server| {
        import(server, "things/import", NDJSON, things());
        let sorted = export(server, "things/export?fields=label&sort=-count&state=used&count__gte=100");
        let expected: String =
            (100..300).rev().filter(|n| n % 2 == 1).map(|n| format!("{{\"label\":\"thing {n}\"}}\n")).collect();
        assert_eq!(sorted, expected);
        assert_eq!(export(server, "things/export?label=nobody"), "");
        assert_eq!(export(server, "things/export?label=nobody&format=csv&fields=id,label"), "id,label\r\n");
        // The rules of the collection hold: anyone may read what is not broken.
        let break_one = json!([{ "label": "hidden", "state": "broken", "day": "2024-01-01" }]);
        assert_eq!(server.admin.post("/api/v1/things", &break_one).status, 201);
        let anyone = server.anonymous.get("/api/v1/things/export", &[("label", "hidden")]);
        assert_eq!((anyone.status, anyone.body), (200, Json::Null));
        assert!(!export(server, "things/export?label=hidden").is_empty());
        let secret = client().get(format!("{}/api/v1/things/export?fields=label,count", server.url)).send().unwrap();
        assert_eq!(secret.headers()["content-disposition"], "attachment; filename=\"things.ndjson\"");
        let refused = server
            .admin
            .get("/api/v1/things/export", &[("limit", "1"), ("lable", "x"), ("format", "xml"), ("secret", "x")]);
        assert_eq!(refused.status, 400);
        for (accept, path, status) in [
            ("text/csv", "things/export?format=csv", 200),
            ("text/*", "things/export?format=csv", 200),
            ("text/csv", "things/export", 406),
            ("application/json", "things/export", 406),
            ("*/*", "things/export", 200),
            ("text/csv", "things", 406),
        ] {
            let answer = client().get(format!("{}/api/v1/{path}", server.url)).header("Accept", accept).send().unwrap();
            assert_eq!(answer.status(), status, "{accept} {path}");
        }
        let head = client().head(format!("{}/api/v1/things/export", server.url)).send().unwrap();
        assert_eq!((head.status().as_u16(), head.headers()["content-type"].to_str().unwrap()), (200, NDJSON));
        refused.body["details"].to_string()
    });
}

#[test]
fn a_bad_line_stops_its_batch_or_is_left_out() {
    on_both(|server| {
        let good = |n: usize| format!("{{\"label\":\"{n}\",\"slug\":\"s-{n}\"}}\n");
        let mut lines: Vec<String> = (1..=2500).map(good).collect();
        lines[1499] = "{\"label\":\"\",\"count\":1.5}\n".to_owned();
        lines[1600] = good(7);
        let body = lines.concat();
        let dry = import(server, "things/import?dry_run=true&on_error=skip", NDJSON, body.clone());
        // Each batch is judged by itself: line 7 was never written.
        assert_eq!((&dry["imported"], &dry["last_line"]), (&json!(2499), &json!(2500)));
        assert_eq!(export(server, "things/export?fields=id"), "");
        let stopped = import(server, "things/import", NDJSON, body.clone());
        assert_eq!((&stopped["imported"], &stopped["last_line"]), (&json!(1000), &json!(1000)));
        let (short, integral) = ((1500, "/label".to_owned(), "too_short".to_owned()), "not_integral".to_owned());
        assert_eq!(
            told(&stopped),
            [(1500, "/count".to_owned(), integral.clone()), short.clone()].into_iter().rev().collect::<Vec<_>>()
        );
        let skipped = import(server, "things/import?on_error=skip", NDJSON, body);
        assert_eq!((&skipped["imported"], &skipped["last_line"]), (&json!(1498), &json!(2500)));
        let failed = told(&skipped);
        assert_eq!(failed.len(), 1000, "the first of more");
        assert!(
            failed[..1000].iter().enumerate().all(|(n, (line, path, code))| {
                (*line, path.as_str(), code.as_str()) == (n as u64 + 1, "/slug", "taken")
            }),
            "{failed:?}"
        );
        assert_eq!(export(server, "things/export?fields=slug").lines().count(), 2498);
        format!("{stopped}{skipped}")
    });
}

#[test]
fn all_or_nothing_is_at_most_ten_thousand_lines() {
    on_both(|server| {
        let line = |n: usize| format!("{{\"text\":\"{n}\"}}\n");
        let ok: String = (0..10_000).map(line).collect();
        assert_eq!(import(server, "notes/import?atomic=true", NDJSON, ok)["imported"], 10_000);
        let many: String = (10_000..20_001).map(line).collect();
        let refused = send(server, "notes/import?atomic=true", NDJSON, many);
        assert_eq!(refused.status(), 400);
        let bad: String = (20_000..25_000).map(line).chain(["[]\n".to_owned(), "{\"text\":3}\n".to_owned()]).collect();
        let report = import(server, "notes/import?atomic=true", NDJSON, bad);
        assert_eq!((&report["imported"], &report["last_line"]), (&json!(0), &json!(0)));
        assert_eq!(told(&report).len(), 2);
        assert_eq!(send(server, "notes/import?atomic=true&on_error=skip", NDJSON, "").status(), 400);
        assert_eq!(send(server, "notes/import?atomic=1", NDJSON, "").status(), 400);
        assert_eq!(send(server, "notes/import", "application/json", "{}").status(), 415);
        assert_eq!(send(server, "nothings/import", NDJSON, "{}").status(), 404);
        let total = server.admin.get("/api/v1/notes", &[("count", "exact"), ("limit", "1")]);
        assert_eq!(total.body["meta"]["total"], 10_000);
        report.to_string()
    });
}

#[test]
fn references_and_rules_are_those_of_a_create() {
    on_both(|server| {
        let ann = "00000000-0000-7000-8000-0000000000a1";
        let bob = "00000000-0000-7000-8000-0000000000a2";
        // Lines of one batch may refer to later ones.
        let owners =
            format!("{{\"id\":\"{bob}\",\"name\":\"bob\",\"boss\":\"{ann}\"}}\n{{\"id\":\"{ann}\",\"name\":\"ann\"}}");
        assert_eq!(import(server, "owners/import", NDJSON, owners)["imported"], 2);
        let nobody = "00000000-0000-7000-8000-0000000000ff";
        let things = format!(
            "{{\"label\":\"a\",\"owner\":\"{ann}\"}}\n{{\"label\":\"b\",\"owner\":\"{nobody}\"}}\n{{\"label\":\"A\",\"owner\":\"{ann}\"}}\n\
             {{\"label\":\"c\",\"count\":2000000}}\n{{\"label\":\"d\",\"id\":\"{ann}\"}}\n{{\"label\":\"e\",\"id\":\"{ann}\"}}\n"
        );
        let report = import(server, "things/import?on_error=skip", NDJSON, things);
        let expected = [(4, "", "check"), (2, "/owner", "not_found"), (3, "/owner", "taken"), (6, "/id", "taken")];
        let expected: Vec<_> = expected.map(|(line, path, code)| (line, path.to_owned(), code.to_owned())).into();
        assert_eq!((told(&report), &report["imported"]), (expected, &json!(2)));
        // Anyone may create new things, and no others; a parent is for admin alone.
        let mixed = "{\"label\":\"fine\"}\n{\"label\":\"used\",\"state\":\"used\",\"day\":\"2024-01-01\"}\n";
        let post = |path: &str| {
            let request = client().post(format!("{}/api/v1/{path}", server.url)).header("Content-Type", NDJSON);
            request.body(mixed).send().unwrap()
        };
        assert_eq!(post("owners/import").status(), 401);
        let anyone: Json = post("things/import?on_error=skip").json().unwrap();
        assert_eq!(told(&anyone["data"]), [(2, String::new(), "forbidden".to_owned())]);
        assert_eq!(anyone["data"]["imported"], 1);
        report.to_string()
    });
}

#[test]
fn hostile_lines_are_told_by_their_number() {
    on_both(|server| {
        let deep = format!("{{\"text\":\"x\",\"meta\":{}{}}}", "[".repeat(200), "]".repeat(200));
        let lines: Vec<Vec<u8>> = vec![
            b"{\"text\":\"a\"}".to_vec(),
            b"{\"text\":\"nul \\u0000\"}".to_vec(),
            b"{\"text\":\"raw nul \0\"}".to_vec(),
            b"{\"text\":\"\xff\xfe\"}".to_vec(),
            b"{\"text\":\"\\ud800\"}".to_vec(),
            b"{\"text\":\"x\",\"text\":\"y\"}".to_vec(),
            b"{\"text\":\"x\",\"nope\":1}".to_vec(),
            b"[1,2]".to_vec(),
            b"{".to_vec(),
            deep.into_bytes(),
            b"'; DROP TABLE notes;--".to_vec(),
            b"   ".to_vec(),
            b"{\"text\":\"'); DROP TABLE notes;--\"}".to_vec(),
            b"{\"text\":\"=cmd|' /C calc'!A0\"}".to_vec(),
        ];
        let body = lines.join(&b'\n');
        let report = import(server, "notes/import?on_error=skip", NDJSON, body);
        let numbers: Vec<u64> = told(&report).into_iter().map(|(line, ..)| line).collect();
        assert_eq!(numbers, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11], "{report}");
        assert_eq!((&report["imported"], &report["last_line"]), (&json!(3), &json!(14)));
        let csv =
            "text,rating\r\n\"a\"\"b\",1\r\n\"two\nlines\",\r\nx,1,2\r\n=1+1,\"2\"\r\nz,one\r\ny\"z,1\r\n\"open,1\r\n";
        let report = import(server, "notes/import?on_error=skip", CSV, csv);
        let numbers: Vec<u64> = told(&report).into_iter().map(|(line, ..)| line).collect();
        // A quote in the wrong place hides line breaks up to the next one.
        assert_eq!(numbers, [5, 7, 8], "{report}");
        let head = import(server, "notes/import?on_error=skip", CSV, "text,txet,text\r\na,b,c\r\n");
        assert_eq!(
            told(&head).into_iter().map(|(line, path, _)| (line, path)).collect::<Vec<_>>(),
            [(1, "/txet".to_owned()), (1, "/text".to_owned())]
        );
        assert_eq!(export(server, "notes/export?fields=text&text__startswith==").lines().count(), 2);
        format!("{report}{head}")
    });
}

#[test]
fn a_hundred_megabytes_on_one_line_are_one_bad_line() {
    let database = Database::new("sqlite");
    let server = start(&database);
    let before = resident(&server);
    let long = std::iter::repeat_n(b'x', 100 << 20);
    let body: Vec<u8> = b"{\"text\":\"a\"}\n".iter().copied().chain(long).chain(*b"\n{\"text\":\"b\"}").collect();
    let report = import(&server, "notes/import?on_error=skip", NDJSON, body);
    assert_eq!(told(&report), [(2, String::new(), "line_too_long".to_owned())]);
    assert_eq!((&report["imported"], &report["last_line"]), (&json!(2), &json!(3)));
    assert!(resident(&server) < before + (32 << 20), "{before} bytes before, {} after", resident(&server));
}

/// Kilobytes of a process that are in memory, as bytes.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Lines that are made as they are read, so that this side holds none.
struct Numbered {
    next: usize,
    rest: Vec<u8>,
}

impl Read for Numbered {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.rest.len() < buffer.len() && self.next < 100_000 {
            let line = format!(
                "{{\"label\":\"thing {0}\",\"slug\":\"s-{0}\",\"count\":{0},\"free\":\"{1}\"}}\n",
                self.next,
                "x".repeat(200)
            );
            self.rest.extend_from_slice(line.as_bytes());
            self.next += 1;
        }
        let read = self.rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&self.rest[..read]);
        self.rest.drain(..read);
        Ok(read)
    }
}

#[test]
fn a_hundred_thousand_records_pass_through_little_memory() {
    let database = Database::new("postgres");
    let server = start(&database);
    import(&server, "notes/import", NDJSON, "{\"text\":\"warm\"}");
    let before = resident(&server);
    let peak = std::thread::scope(|scope| {
        let watched =
            scope.spawn(|| import(&server, "things/import", NDJSON, Body::new(Numbered { next: 0, rest: Vec::new() })));
        let mut peak = 0;
        while !watched.is_finished() {
            peak = peak.max(resident(&server));
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(watched.join().unwrap()["imported"], 100_000);
        peak
    });
    // All of it is 35 MB as text and several times that as values.
    assert!(peak < before + (48 << 20), "{before} bytes before, {peak} while it was imported");
    let mut response =
        client().get(format!("{}/api/v1/things/export", server.url)).header("X-API-Key", ADMIN_KEY).send().unwrap();
    let (mut lines, mut peak, mut buffer) = (0, 0, vec![0; 1 << 20]);
    loop {
        let read = response.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        lines += buffer[..read].iter().filter(|byte| **byte == b'\n').count();
        peak = peak.max(resident(&server));
    }
    assert_eq!(lines, 100_000);
    assert!(peak < before + (64 << 20), "{before} bytes before, {peak} while it was exported");
}

#[test]
fn two_imports_at_once_make_each_record_once() {
    on_both(|server| {
        let body: String = (0..3000).map(|n| format!("{{\"label\":\"{n}\",\"slug\":\"s-{n}\"}}\n")).collect();
        let imported: u64 = std::thread::scope(|scope| {
            let one =
                || import(server, "things/import?on_error=skip", NDJSON, body.clone())["imported"].as_u64().unwrap();
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(imported, 3000);
        export(server, "things/export?fields=slug&sort=slug")
    });
}

#[test]
fn a_client_that_goes_away_or_stalls_ends_its_transfer_alone() {
    let database = Database::new("sqlite");
    let server = Server::launch(
        mainstay_e2e::server::program(),
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/collections.yaml").to_str().unwrap(),
        database.url(),
        &["--timeouts-client", "1s"],
    );
    server.wait_until_ready();
    let body: String = (0..20_000).map(|n| format!("{{\"text\":\"{n} and more\"}}\n")).collect();
    import(&server, "notes/import", NDJSON, body);
    let address = server.url.trim_start_matches("http://");
    let mut left = TcpStream::connect(address).unwrap();
    write!(left, "GET /api/v1/notes/export HTTP/1.1\r\nHost: x\r\nX-API-Key: {ADMIN_KEY}\r\n\r\n").unwrap();
    left.read_exact(&mut [0; 100]).unwrap();
    drop(left);
    let mut stalls = TcpStream::connect(address).unwrap();
    let head = "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked";
    write!(
        stalls,
        "POST /api/v1/notes/import HTTP/1.1\r\nHost: x\r\nX-API-Key: {ADMIN_KEY}\r\n{head}\r\n\r\n4\r\n{{\"te\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stalls.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("the body took too long to arrive"), "{answer}");
    assert_eq!(export(&server, "notes/export?fields=id").lines().count(), 20_000, "the pool and the workers are free");
}
