//! Bytes that are hardly HTTP, over raw sockets: each with the statuses of its answers, and nothing that is hidden in it served.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// What is said, what is answered: one status a request that the server found in it. None is a connection that was closed
/// without a word.
struct Case {
    name: &'static str,
    said: Vec<u8>,
    answers: &'static [u16],
}

fn case(name: &'static str, said: impl Into<Vec<u8>>, answers: &'static [u16]) -> Case {
    Case { name, said: said.into(), answers }
}

/// A create, with these headers and this body as they are.
fn post(headers: &str, body: &str) -> String {
    let key = format!("X-API-Key: {ADMIN_KEY}\r\nContent-Type: application/json\r\n");
    format!("POST /api/v1/notes HTTP/1.1\r\nHost: x\r\n{key}{headers}\r\n{body}")
}

/// A create with a body of the right length.
fn body(body: &str) -> String {
    post(&format!("Content-Length: {}\r\n", body.len()), body)
}

/// A request that would be seen, hidden in the body of another.
const HIDDEN: &str = "DELETE /api/v1/notes?text=kept&max_affected=1000 HTTP/1.1\r\nHost: x\r\n\r\n";

/// Everything that is answered until the server closes.
fn answered(server: &Server, said: &[u8]) -> String {
    let mut socket = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The server may answer and close before all of it is said.
    if socket.write_all(said).is_ok() {
        drop(socket.shutdown(Shutdown::Write));
    }
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = socket.read(&mut piece) {
        answer.extend_from_slice(&piece[..length]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<u16> {
    answer.split("HTTP/1.1 ").skip(1).map(|rest| rest[..3].parse().unwrap()).collect()
}

/// Requests that two servers would divide differently, so that one of them lets a hidden one through.
fn divided() -> Vec<Case> {
    let chunked = "Transfer-Encoding: chunked\r\n";
    let hidden = format!("0\r\n\r\n{HIDDEN}");
    let length = format!("Content-Length: {}\r\n", hidden.len());
    vec![
        case("a length and chunks", post(&format!("{length}{chunked}"), &hidden), &[400]),
        case("chunks and a length", post(&format!("{chunked}{length}"), &hidden), &[400]),
        case("two lengths", post("Content-Length: 2\r\nContent-Length: 3\r\n", "{}"), &[400]),
        case("two lengths in one", post("Content-Length: 2, 2\r\n", "{}"), &[400]),
        case("a length with a sign", post("Content-Length: +2\r\n", "{}"), &[400]),
        case("a negative length", post("Content-Length: -2\r\n", "{}"), &[400]),
        case("a length in hex", post("Content-Length: 0x2\r\n", "{}"), &[400]),
        case("a length beyond all numbers", post("Content-Length: 99999999999999999999\r\n", "{}"), &[400]),
        case("an unknown coding", post("Transfer-Encoding: xchunked\r\n", &hidden), &[400]),
        case("chunks within a coding", post("Transfer-Encoding: chunked, identity\r\n", &hidden), &[400]),
        case(
            "two lines of codings",
            post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", &hidden),
            &[400],
        ),
        case("a space before the colon", post("Transfer-Encoding : chunked\r\n", &hidden), &[400]),
        case("a folded line", post("X-Folded: a\r\n Transfer-Encoding: chunked\r\n", &hidden), &[400]),
        case("a NUL in a header", post("X-Nul: a\0b\r\n", ""), &[400]),
        case("a lone CR in a header", post("X-Cr: a\rTransfer-Encoding: chunked\r\n", &hidden), &[400]),
        case("a chunk beyond all numbers", post(chunked, &format!("fffffffffffffffff\r\n{HIDDEN}")), &[400]),
        case("a chunk that is no number", post(chunked, &format!("zz\r\n{HIDDEN}")), &[400]),
        case("a chunk with a sign", post(chunked, &format!("-1\r\n{HIDDEN}")), &[400]),
        case("a chunk longer than its length", post(chunked, &format!("1\r\n{{}}\r\n0\r\n\r\n{HIDDEN}")), &[400]),
        case("chunks in HTTP/1.0", post(chunked, &hidden).replace("HTTP/1.1\r\nHost", "HTTP/1.0\r\nHost"), &[400]),
        case("a space in the path", format!("GET /health {HIDDEN}"), &[400]),
    ]
}

/// Heads that are no heads.
fn heads() -> Vec<Case> {
    let get = |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    let many: String = (0..97).map(|n| format!("X-{n}: a\r\n")).collect();
    vec![
        case("HTTP/0.9", "GET /health\r\n\r\n", &[400]),
        case("HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[400]),
        case("no such version", "GET /health HTTP/9.9\r\n\r\n", &[400]),
        case("a method that is none", "G@T /health HTTP/1.1\r\nHost: x\r\n\r\n", &[400]),
        case("TLS to a port without", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), &[400]),
        case("a binary line", vec![0xff; 64], &[400]),
        case("nothing", "", &[]),
        case("empty lines", "\r\n\r\n\r\n", &[]),
        case("a tunnel", "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", &[404]),
        case("another protocol", get("/health", "Connection: Upgrade\r\nUpgrade: h2c\r\n"), &[200]),
        case("a URL of 9 KiB", get(&format!("/api/v1/notes?text={}", "a".repeat(9000)), ""), &[414]),
        case("headers of 33 KiB", get("/health", &format!("X-Long: {}\r\n", "a".repeat(33 << 10))), &[431]),
        case("headers of 200 KiB", get("/health", &format!("X-Long: {}\r\n", "a".repeat(200 << 10))), &[431]),
        case("97 headers", get("/health", &many), &[431]),
        case("a path of dots", get("/api/v1/notes/../../health", ""), &[404]),
        case("encoded dots", get("/api/v1/notes/%2e%2e/%2e%2e/health", ""), &[404]),
        case("an encoded slash", get("/api/v1%2fnotes", ""), &[404]),
        case("an encoded NUL", get("/api/v1/notes%00", ""), &[404]),
        case("half an escape", get("/api/v1/notes%", ""), &[404]),
        case("raw bytes in the path", b"GET /api/v1/n\xffotes HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), &[400]),
        case("an unknown expectation", post("Expect: 200-maybe\r\nContent-Length: 2\r\n", "{}"), &[400]),
    ]
}

/// Bodies that are more, or less, than they seem.
fn bodies() -> Vec<Case> {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![b'a'; 16 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    let encoded = |coding: &str| {
        let head = post(&format!("Content-Encoding: {coding}\r\nContent-Length: {}\r\n", bomb.len()), "");
        [head.into_bytes(), bomb.clone()].concat()
    };
    let deep = format!("{{\"text\":\"x\",\"meta\":{}1{}}}", "[".repeat(33), "]".repeat(33));
    let raw = |bytes: &[u8]| {
        let head = post(&format!("Content-Length: {}\r\n", bytes.len()), "");
        [head.as_bytes(), bytes].concat()
    };
    vec![
        case("a bomb of 16 MiB in 16 KiB", encoded("gzip"), &[415]),
        case("a bomb in two codings", encoded("gzip, gzip"), &[415]),
        case("a coding that is none", encoded("x"), &[415]),
        case("one byte more than is taken", post("Content-Length: 1048577\r\n", ""), &[413]),
        case("a terabyte", post("Content-Length: 1099511627776\r\n", "{"), &[413]),
        case("33 levels", body(&deep), &[400]),
        case("100000 levels", body(&"[".repeat(100_000)), &[400]),
        case("a key twice", body("{\"text\":\"a\",\"text\":\"b\"}"), &[400]),
        case("a NUL in a text", body("{\"text\":\"a\\u0000b\"}"), &[400]),
        case("a raw NUL", body("{\"text\":\"a\0b\"}"), &[400]),
        case("a lone surrogate", body("{\"text\":\"\\ud800\"}"), &[400]),
        case("a byte order mark", body("\u{feff}{\"text\":\"a\"}"), &[400]),
        case("no UTF-8", raw(b"{\"text\":\"\xff\xfe\"}"), &[400]),
        case("UTF-16", raw(b"{\0\"\0t\0"), &[400]),
        case("two values", body("{\"text\":\"a\"}{\"text\":\"b\"}"), &[400]),
        case("nothing", body(""), &[400]),
        case("a number beyond all numbers", body("{\"text\":1e999999}"), &[400]),
    ]
}

#[test]
fn what_is_hardly_http_is_refused_and_nothing_is_hidden_in_it() {
    on_both(|server, _| {
        let kept = server.admin.post("/api/v1/notes", &json!({ "text": "kept" }));
        assert_eq!(kept.status, 201);
        let mut wrong = Vec::new();
        for Case { name, said, answers } in [divided(), heads(), bodies()].into_iter().flatten() {
            let answer = answered(server, &said);
            if statuses(&answer) != answers {
                wrong.push(format!("{name}: {answers:?} was expected\n{answer}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
        let left = server.admin.get("/api/v1/notes", &[("count", "exact")]);
        assert_eq!(left.body["meta"]["total"], 1, "nothing was deleted, and nothing made: {}", left.body);
    });
}
