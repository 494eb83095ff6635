//! A proxy that counts the writes of a client of the API server, cuts after one of them, and misbehaves when told to.
//!
//! It stands between the operator and an API server that speaks plain HTTP (`kubectl proxy`). When the answer to the
//! chosen write arrives, so that the write has happened, it is not handed on: the client is told nothing more, and the
//! test ends the operator there. Or it refuses requests in the API server's words, lets them hang, or shows another text
//! than is there. Knows HTTP/1.1 request heads and `Content-Length`, no more.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The proxy. It ends with the process.
#[derive(Clone)]
pub struct Cutter {
    /// Where the client connects.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    /// Writes that were answered.
    writes: AtomicUsize,
    /// The write after whose answer everything stops; 0 is never.
    at: AtomicUsize,
    cut: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
    /// `METHOD path` of each write.
    seen: Mutex<Vec<String>>,
    /// Requests of every kind.
    requests: AtomicUsize,
    /// No request is handed on while it is set.
    hangs: AtomicBool,
    refusal: Mutex<Refusal>,
    /// A text in answers, and the one of the same length that is shown in its place.
    disguise: Mutex<Option<(String, String)>>,
}

/// Which requests are not handed on, and what is answered instead.
#[derive(Clone, Default)]
pub enum Refusal {
    /// None.
    #[default]
    Nothing,
    /// Every request, with this status.
    Everything(u16),
    /// Writes whose path contains this, with this status.
    Writes(String, u16),
    /// Every second write of each path, with these statuses in turn.
    EverySecondWrite(Vec<u16>),
}

impl Cutter {
    /// A proxy to `upstream` on a free port of loopback.
    pub fn new(upstream: SocketAddr) -> Cutter {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            upstream,
            writes: AtomicUsize::new(0),
            at: AtomicUsize::new(0),
            cut: AtomicBool::new(false),
            open: Mutex::default(),
            seen: Mutex::default(),
            requests: AtomicUsize::new(0),
            hangs: AtomicBool::new(false),
            refusal: Mutex::default(),
            disguise: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                // An error of one connection is the client's to notice: that is what this proxy is for.
                thread::spawn(move || drop(shared.serve(client)));
            }
        });
        Cutter { address, shared }
    }

    /// Counts from nothing and lets everything pass; cuts when the `n`th write is answered, never when `n` is 0.
    pub fn arm(&self, n: usize) {
        self.shared.close();
        self.shared.writes.store(0, Ordering::SeqCst);
        self.shared.seen.lock().expect("no panic").clear();
        self.shared.at.store(n, Ordering::SeqCst);
        self.shared.cut.store(false, Ordering::SeqCst);
    }

    /// Whether the chosen write has happened.
    pub fn has_cut(&self) -> bool {
        self.shared.cut.load(Ordering::SeqCst)
    }

    /// The writes since [`Cutter::arm`], as `METHOD path`. Those that were refused are marked so.
    pub fn writes(&self) -> Vec<String> {
        self.shared.seen.lock().expect("no panic").clone()
    }

    /// How many requests of every kind there were.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Refuses requests from now on.
    pub fn refuse(&self, refusal: Refusal) {
        *self.shared.refusal.lock().expect("no panic") = refusal;
    }

    /// From now on no request is handed on, and no answer; or what waits goes on.
    pub fn hang(&self, hangs: bool) {
        self.shared.hangs.store(hangs, Ordering::SeqCst);
    }

    /// Ends all connections that are open, those of watches too.
    pub fn disconnect(&self) {
        self.shared.close();
    }

    /// Shows `other` wherever an answer says `text`. Both have to have the same length.
    pub fn disguise(&self, text: &str, other: &str) {
        assert_eq!(text.len(), other.len());
        *self.shared.disguise.lock().expect("no panic") = Some((text.to_owned(), other.to_owned()));
    }
}

impl Shared {
    fn serve(&self, client: TcpStream) -> io::Result<()> {
        if self.cut.load(Ordering::SeqCst) {
            return client.shutdown(Shutdown::Both);
        }
        let server = TcpStream::connect(self.upstream)?;
        self.open.lock().expect("no panic").extend([client.try_clone()?, server.try_clone()?]);
        let writing = AtomicBool::new(false);
        let (from, to) = (client.try_clone()?, server.try_clone()?);
        thread::scope(|scope| {
            let requests = scope.spawn(|| self.requests(from, to, &writing));
            let answered = self.answers(server, client, &writing);
            requests.join().expect("no panic").and(answered)
        })
    }

    /// Hands requests on, one head and one body after the other.
    fn requests(&self, mut from: TcpStream, mut to: TcpStream, writing: &AtomicBool) -> io::Result<()> {
        let mut buffer = Vec::new();
        let mut chunk = [0; 16 * 1024];
        let mut client = from.try_clone()?;
        loop {
            while let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
                let length = end + 4 + content_length(&head);
                while buffer.len() < length {
                    match from.read(&mut chunk)? {
                        0 => return to.shutdown(Shutdown::Write),
                        n => buffer.extend_from_slice(&chunk[..n]),
                    }
                }
                self.requests.fetch_add(1, Ordering::SeqCst);
                let write = write_of(&head);
                if let Some(status) = self.refused(write.as_deref()) {
                    let refused = write.map(|write| format!("{write} refused with {status}"));
                    self.seen.lock().expect("no panic").extend(refused);
                    client.write_all(refusal_of(status).as_bytes())?;
                    buffer.drain(..length);
                    continue;
                }
                if let Some(write) = write {
                    self.seen.lock().expect("no panic").push(write);
                    writing.store(true, Ordering::SeqCst);
                }
                self.pause();
                to.write_all(&buffer[..length])?;
                buffer.drain(..length);
            }
            match from.read(&mut chunk)? {
                0 => return to.shutdown(Shutdown::Write),
                n => buffer.extend_from_slice(&chunk[..n]),
            }
        }
    }

    /// Hands answers on, until the one that cuts.
    fn answers(&self, mut from: TcpStream, mut to: TcpStream, writing: &AtomicBool) -> io::Result<()> {
        let (mut chunk, mut held) = ([0; 16 * 1024], Vec::new());
        loop {
            let n = from.read(&mut chunk)?;
            if n == 0 {
                return to.shutdown(Shutdown::Both);
            }
            if writing.swap(false, Ordering::SeqCst) {
                let count = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
                if count == self.at.load(Ordering::SeqCst) {
                    self.cut.store(true, Ordering::SeqCst);
                    self.close();
                }
            }
            if self.cut.load(Ordering::SeqCst) {
                return to.shutdown(Shutdown::Both);
            }
            self.pause();
            held.extend_from_slice(&chunk[..n]);
            let mut whole = held.len();
            if let Some((text, other)) = &*self.disguise.lock().expect("no panic") {
                replace(&mut held, text.as_bytes(), other.as_bytes());
                // The text may be cut in two; no answer ends with its beginning.
                whole -= (1..text.len()).rev().find(|n| held.ends_with(&text.as_bytes()[..*n])).unwrap_or(0);
            }
            to.write_all(&held[..whole])?;
            held.drain(..whole);
        }
    }

    /// The status with which a request is refused.
    fn refused(&self, write: Option<&str>) -> Option<u16> {
        match &*self.refusal.lock().expect("no panic") {
            Refusal::Nothing => None,
            Refusal::Everything(status) => Some(*status),
            Refusal::Writes(path, status) => write.is_some_and(|write| write.contains(path)).then_some(*status),
            Refusal::EverySecondWrite(statuses) => {
                let seen = self.seen.lock().expect("no panic");
                let same = seen.iter().filter(|seen| write.is_some_and(|write| seen.starts_with(write))).count();
                let refused = seen.iter().filter(|seen| seen.contains(" refused with ")).count();
                (write.is_some() && same % 2 == 0).then(|| statuses[refused % statuses.len()])
            }
        }
    }

    /// Returns once nothing hangs.
    fn pause(&self) {
        while self.hangs.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn close(&self) {
        for stream in self.open.lock().expect("no panic").drain(..) {
            // One that is closed already is what is wanted.
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

/// What an API server answers when it does not do what it is asked.
fn refusal_of(status: u16) -> String {
    let body = format!(
        "{{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{{}},\"status\":\"Failure\",\
         \"message\":\"not now\",\"reason\":\"\",\"code\":{status}}}"
    );
    format!(
        "HTTP/1.1 {status} Refused\r\ncontent-type: application/json\r\nretry-after: 1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Puts a text in the place of another of its length.
fn replace(bytes: &mut [u8], text: &[u8], other: &[u8]) {
    let mut from = 0;
    while let Some(at) = bytes[from..].windows(text.len()).position(|window| window == text) {
        bytes[from + at..from + at + text.len()].copy_from_slice(other);
        from += at + text.len();
    }
}

fn content_length(head: &str) -> usize {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut length = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.next().and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
}

/// `METHOD path` of a request that changes something. A leader's renewals would make the count depend on time.
fn write_of(head: &str) -> Option<String> {
    let mut words = head.lines().next()?.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let path = path.split('?').next()?;
    let writes = matches!(method, "POST" | "PUT" | "PATCH" | "DELETE");
    (writes && !path.contains("/leases") && !path.contains("/selfsubject")).then(|| format!("{method} {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers every request with 200 and an empty body, and counts them.
    fn upstream() -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&count);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                thread::spawn(move || {
                    let mut chunk = [0; 4096];
                    while let Ok(n @ 1..) = stream.read(&mut chunk) {
                        counted
                            .fetch_add(chunk[..n].windows(4).filter(|w| *w == b"\r\n\r\n").count(), Ordering::SeqCst);
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                    }
                });
            }
        });
        (address, count)
    }

    fn call(client: &reqwest::blocking::Client, method: &str, cutter: &Cutter) -> bool {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("http://{}/api/x?watch=1", cutter.address);
        client.request(method, url).body("{}").send().is_ok()
    }

    #[test]
    fn the_chosen_write_happens_and_its_answer_is_lost() {
        let (address, count) = upstream();
        let cutter = Cutter::new(address);
        let client = reqwest::blocking::Client::new();
        cutter.arm(2);
        assert!(call(&client, "GET", &cutter) && call(&client, "POST", &cutter) && call(&client, "GET", &cutter));
        assert!(!cutter.has_cut());
        assert!(!call(&client, "PATCH", &cutter), "the answer to the second write is lost");
        assert!(cutter.has_cut());
        assert_eq!(
            (count.load(Ordering::SeqCst), cutter.writes()),
            (4, vec!["POST /api/x".into(), "PATCH /api/x".into()])
        );
        assert!(!call(&client, "GET", &cutter), "nothing passes after the cut");
        cutter.arm(0);
        assert!(call(&client, "DELETE", &cutter));
        assert!(!cutter.has_cut());
    }

    #[test]
    fn what_is_refused_does_not_happen() {
        let (address, count) = upstream();
        let cutter = Cutter::new(address);
        let client = reqwest::blocking::Client::new();
        let statuses = |method: &str, times: usize| -> Vec<u16> {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let url = format!("http://{}/api/x", cutter.address);
            let send = |_| client.request(method.clone(), &url).send().unwrap().status().as_u16();
            (0..times).map(send).collect()
        };
        cutter.refuse(Refusal::EverySecondWrite(vec![500, 409]));
        assert_eq!(statuses("PATCH", 5), [500, 200, 409, 200, 500]);
        assert_eq!((statuses("GET", 1), count.load(Ordering::SeqCst)), (vec![200], 3));
        cutter.refuse(Refusal::Writes("/x".to_owned(), 403));
        assert_eq!((statuses("GET", 1), statuses("POST", 1)), (vec![200], vec![403]));
        cutter.refuse(Refusal::Everything(503));
        assert_eq!(statuses("GET", 2), [503, 503]);
        cutter.refuse(Refusal::Nothing);
        assert_eq!(statuses("POST", 1), [200]);
        assert_eq!(cutter.requests(), 11);
    }
}
