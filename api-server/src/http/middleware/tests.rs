//! What no request of ours makes happen: a handler that panics, over a real socket, among others that go on.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use actix_web::rt::time::timeout;
use actix_web::web::get;
use actix_web::{App, HttpResponse, HttpServer};

use super::*;

async fn broken() -> HttpResponse {
    panic!("on purpose")
}

async fn whole() -> HttpResponse {
    HttpResponse::Ok().body("whole")
}

/// Says `request` and reads until the server closes.
fn said(socket: &mut TcpStream, request: &str) -> String {
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[actix_web::test]
async fn a_panic_is_a_500_with_an_id_and_nothing_else_stops() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = HttpServer::new(|| {
        App::new()
            .wrap(actix_web::middleware::from_fn(observe))
            .route("/broken", get().to(broken))
            .route("/", get().to(whole))
    });
    // One worker: what the panic took along would be missing.
    let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);
    let asked = actix_web::rt::task::spawn_blocking(move || {
        let mut other = TcpStream::connect(address).unwrap();
        other.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap();
        let mut one = TcpStream::connect(address).unwrap();
        let request = "GET /broken HTTP/1.1\r\nHost: x\r\nX-Request-Id: broken-1\r\n\r\n";
        let last = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        (said(&mut one, &format!("{request}{request}{last}")), said(&mut other, "Connection: close\r\n\r\n"))
    });
    let (answers, other) = timeout(std::time::Duration::from_secs(20), asked).await.unwrap().unwrap();
    assert_eq!(answers.matches("HTTP/1.1 500 ").count(), 2, "{answers}");
    assert_eq!(answers.matches("\"request_id\":\"broken-1\"").count(), 2, "{answers}");
    assert_eq!(answers.matches("\"code\":\"INTERNAL_ERROR\"").count(), 2, "{answers}");
    assert!(answers.contains("HTTP/1.1 200 ") && answers.ends_with("whole"), "the connection goes on: {answers}");
    assert!(!answers.contains("on purpose"), "what it was is told to nobody: {answers}");
    assert!(other.ends_with("whole"), "another connection goes on: {other}");
    handle.stop(true).await;
    running.await.unwrap().unwrap();
}
