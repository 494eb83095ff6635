//! Clients that stall, half-close, say too much, rest, or go away.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use mainstay_e2e::server::ADMIN_KEY;

use super::*;

pub fn serve_sqlite(documents: &Documents, flags: &[&str]) -> Server {
    documents.serve("sqlite::memory:", flags)
}

pub fn connect(server: &Server) -> TcpStream {
    let socket = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The head of a create with a body of so many bytes.
pub fn head(length: usize) -> String {
    format!(
        "POST {NOTES} HTTP/1.1\r\nHost: x\r\nX-API-Key: {ADMIN_KEY}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

/// Everything that comes until the server closes.
pub fn rest(mut socket: TcpStream) -> String {
    let mut bytes = Vec::new();
    match socket.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the server does not close: {error}"),
    }
    String::from_utf8(bytes).unwrap()
}

fn body_of(answer: &str) -> Json {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[test]
fn a_body_that_stalls_is_408() {
    let documents = Documents::new();
    let server = serve_sqlite(&documents, &["--timeouts-client", "1500ms"]);
    let began = Instant::now();
    let mut stalled = connect(&server);
    stalled.write_all(format!("{}{{\"title\":", head(40)).as_bytes()).unwrap();
    let answer = rest(stalled);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(body_of(&answer)["code"], "MALFORMED_REQUEST");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // A head that stalls is ended too.
    let mut silent = connect(&server);
    silent.write_all(b"GET /health HTTP/1.1\r\nHos").unwrap();
    let answer = rest(silent);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(total(&server), 0);
}

#[test]
fn a_body_without_end_is_refused() {
    let documents = Documents::new();
    let server = serve_sqlite(&documents, &[]);
    let head = head(0).replace("Content-Length: 0", "Transfer-Encoding: chunked");
    send_without_end(&server, &head, 413);
    send_without_end(&server, &head.replace(ADMIN_KEY, "x"), 401);
    send_without_end(&server, &head.replace(NOTES, "/nowhere"), 404);
    // One that ends is a body as any other, and its connection goes on.
    let body = note("chunked").to_string();
    let mut socket = connect(&server);
    for _ in 0..2 {
        socket.write_all(format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes()).unwrap();
    }
    socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(socket).matches("HTTP/1.1 201 ").count(), 2);
    assert_eq!(total(&server), 2);
}

fn send_without_end(server: &Server, head: &str, status: u16) {
    let mut endless = connect(server);
    endless.write_all(head.as_bytes()).unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    // The server stops reading: writing fails, or waits until it closes.
    endless.set_write_timeout(Some(PATIENCE)).unwrap();
    let began = Instant::now();
    while endless.write_all(chunk.as_bytes()).is_ok() {
        assert!(began.elapsed() < PATIENCE, "it reads on and on");
    }
    let answer = rest(endless);
    assert!(answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    wait_until("its answer in the log", || server.log().contains(&format!("\"status\":{status}")));
}

#[test]
fn half_closed_connections_are_answered() {
    let documents = Documents::new();
    let server = serve_sqlite(&documents, &[]);
    let body = note("one").to_string();
    let mut whole = connect(&server);
    whole.write_all(format!("{}{body}", head(body.len())).as_bytes()).unwrap();
    whole.shutdown(Shutdown::Write).unwrap();
    let answer = rest(whole);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");

    let mut half = connect(&server);
    half.write_all(format!("{}{body}", head(body.len() + 1)).as_bytes()).unwrap();
    half.shutdown(Shutdown::Write).unwrap();
    let answer = rest(half);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(total(&server), 1, "half a body creates nothing");
}

#[test]
fn what_follows_a_body_is_another_request() {
    let documents = Documents::new();
    let server = serve_sqlite(&documents, &[]);
    let body = note("one").to_string();
    let mut long = connect(&server);
    long.write_all(format!("{}{body}{body}\r\n\r\n", head(body.len())).as_bytes()).unwrap();
    let answer = rest(long);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{answer}");
    assert!(answer.contains("HTTP/1.1 400 "), "{answer}");
    assert_eq!(total(&server), 1);
}

#[test]
fn clients_at_rest_are_in_nobodys_way() {
    let documents = Documents::new();
    let server = serve_sqlite(&documents, &[]);
    let resting: Vec<TcpStream> = (0..100).map(|_| connect(&server)).collect();
    let path = make(&server, "one");
    assert_eq!(server.admin.get(&path, &[]).status, 200);
    drop(resting);
    assert!(server.stop().success());
}

#[test]
fn a_client_that_leaves_takes_no_connection_along() {
    let documents = Documents::new();
    let postgres = Postgres::shared();
    let url = postgres.database();
    let server = documents.serve(&url, &["--database-pool-size", "3"]);
    let path = make(&server, "one");
    let lock = Held::lock(&url);
    let body = note("left").to_string();
    let leaving: Vec<TcpStream> = (0..6)
        .map(|n| {
            let mut socket = connect(&server);
            let text = match n % 2 {
                0 => format!("{}{body}", head(body.len())),
                _ => format!("DELETE {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {ADMIN_KEY}\r\n\r\n"),
            };
            socket.write_all(text.as_bytes()).unwrap();
            socket
        })
        .collect();
    wait_for_waiters(postgres, &url, 3);
    drop(leaving);
    drop(lock);
    wait_until("all connections at rest", || pool(&server, "busy") == 0 && pool(&server, "waiting") == 0);
    let statuses = at_once(6, |n| server.admin.post(NOTES, &note(&n.to_string())).status);
    assert_eq!(statuses, [201; 6]);
    assert!(pool(&server, "idle") <= 3);
}
