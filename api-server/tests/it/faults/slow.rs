//! Clients that take their time: with a head, with a body, with an answer; and more of them than there are places.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use mainstay_e2e::server::ADMIN_KEY;
use socket2::SockRef;

use super::clients::{connect, rest, serve_sqlite};
use super::*;

/// Says one byte after the other until the server closes; how long it listened, and what it answered.
fn drip(socket: &mut TcpStream, bytes: &str) -> Duration {
    let began = Instant::now();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    for byte in bytes.bytes().cycle() {
        assert!(began.elapsed() < PATIENCE, "it listens on and on");
        if socket.write_all(&[byte]).is_err() {
            break;
        }
        match socket.read(&mut [0; 1024]) {
            Ok(0) => break,
            // Its last word, such as a 408.
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    began.elapsed()
}

#[test]
fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let documents = Documents::new();
    let server = serve_sqlite(&documents, &["--timeouts-client", "500ms"]);
    let mut first = connect(&server);
    assert!(drip(&mut first, "GET /health HTTP/1.1\r\nX: ") < Duration::from_secs(5));
    // Behind a request that was answered it is a second head, which the HTTP library does not time.
    let mut second = connect(&server);
    second.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(second.read(&mut [0; 1024]).unwrap() > 0);
    drip(&mut second, "X");
    // Also behind a stream, which has no length.
    let mut third = connect(&server);
    let export = format!("GET {NOTES}/export HTTP/1.1\r\nHost: x\r\nX-API-Key: {ADMIN_KEY}\r\n\r\n");
    third.write_all(export.as_bytes()).unwrap();
    assert!(third.read(&mut [0; 1024]).unwrap() > 0);
    drip(&mut third, "X");
    assert_eq!(server.anonymous.get("/health", &[]).status, 200);
}

#[test]
fn a_body_that_comes_byte_by_byte_is_not_waited_for() {
    let documents = Documents::new();
    let server = serve_sqlite(&documents, &["--timeouts-client", "500ms"]);
    for (path, media) in [(NOTES.to_owned(), "application/json"), (format!("{NOTES}/import"), "application/x-ndjson")] {
        let mut slow = connect(&server);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {ADMIN_KEY}\r\nContent-Type: {media}\r\n\
             Content-Length: 100000\r\n\r\n"
        );
        slow.write_all(head.as_bytes()).unwrap();
        assert!(drip(&mut slow, "{\"title\":\"a\"}\n") < Duration::from_secs(10), "{path}");
        wait_until("its answer in the log", || server.log().contains("\"status\":408"));
    }
    assert_eq!(total(&server), 0);
}

/// Connections of clients that stand, as the system counts them.
fn standing(server: &Server) -> usize {
    let port: u16 = server.url.rsplit(':').next().unwrap().parse().unwrap();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let ours = |line: &&str| {
        let mut columns = line.split_whitespace().skip(1);
        let local = columns.next().is_some_and(|address| address.ends_with(&format!(":{port:04X}")));
        local && columns.nth(1) == Some("01")
    };
    table.lines().filter(ours).count()
}

#[test]
fn a_client_that_takes_nothing_of_its_answer_is_left() {
    let documents = Documents::new();
    let server = serve_sqlite(&documents, &["--timeouts-client", "300ms"]);
    let batch: Json = (0..1000).map(|_| note(&"x".repeat(600))).collect();
    for _ in 0..10 {
        assert_eq!(server.admin.post(NOTES, &batch).status, 201);
    }
    wait_until("connections at rest to end", || standing(&server) == 0);
    let mut deaf = connect(&server);
    SockRef::from(&deaf).set_recv_buffer_size(4096).unwrap();
    let export = format!("GET {NOTES}/export HTTP/1.1\r\nHost: x\r\nX-API-Key: {ADMIN_KEY}\r\n\r\n");
    deaf.write_all(export.as_bytes()).unwrap();
    wait_until("the export", || standing(&server) == 1);
    wait_until("its end", || standing(&server) == 0);
    wait_until("its line", || {
        server.log().lines().any(|line| line.contains("/export") && line.contains("\"cut\":true"))
    });
    // One that takes it, however slowly, has all of it.
    let mut patient = connect(&server);
    SockRef::from(&patient).set_recv_buffer_size(64 << 10).unwrap();
    patient.write_all(export.replace("Host: x", "Host: x\r\nConnection: close").as_bytes()).unwrap();
    let mut taken = 0;
    let mut piece = vec![0; 1 << 20];
    while let length @ 1.. = patient.read(&mut piece).unwrap() {
        taken += length;
        thread::sleep(Duration::from_millis(10));
    }
    assert!(taken > 6_000_000, "{taken}");
}

#[test]
fn who_finds_no_place_waits_and_the_admin_port_answers() {
    let documents = Documents::new();
    // One for each worker.
    let flags = ["--limits-connections", "1", "--timeouts-client", "3s"];
    let server = serve_sqlite(&documents, &flags);
    let places = thread::available_parallelism().unwrap().get();
    wait_until("connections at rest to end", || standing(&server) == 0);
    let silent: Vec<TcpStream> = (0..places * 2).map(|_| connect(&server)).collect();
    let mut asking = connect(&server);
    asking.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    asking.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let nothing = asking.read(&mut [0; 1]).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock, "it waits");
    asking.set_read_timeout(Some(PATIENCE)).unwrap();
    let began = Instant::now();
    assert_eq!(Caller::new(&server.admin_url, None).get("/health", &[]).status, 200);
    assert_eq!(Caller::new(&server.admin_url, None).get("/health/ready", &[]).status, 200);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let answer = rest(asking);
    assert!(answer.starts_with("HTTP/1.1 200 "), "those who said nothing were ended: {answer}");
    drop(silent);
}
