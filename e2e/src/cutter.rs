//! A proxy that counts the writes of a client of the API server and cuts after one of them.
//!
//! It stands between the operator and an API server that speaks plain HTTP (`kubectl proxy`). When the answer to the
//! chosen write arrives, so that the write has happened, it is not handed on: the client is told nothing more, and the
//! test ends the operator there. Knows HTTP/1.1 request heads and `Content-Length`, no more.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

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

    /// The writes since [`Cutter::arm`], as `METHOD path`.
    pub fn writes(&self) -> Vec<String> {
        self.shared.seen.lock().expect("no panic").clone()
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
                if let Some(write) = write_of(&head) {
                    self.seen.lock().expect("no panic").push(write);
                    writing.store(true, Ordering::SeqCst);
                }
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
        let mut chunk = [0; 16 * 1024];
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
            to.write_all(&chunk[..n])?;
        }
    }

    fn close(&self) {
        for stream in self.open.lock().expect("no panic").drain(..) {
            // One that is closed already is what is wanted.
            drop(stream.shutdown(Shutdown::Both));
        }
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
}
