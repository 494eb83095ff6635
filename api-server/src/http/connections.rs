//! Connections that stand still: ended, so that clients who take their time take no places of others.
//!
//! Made by [`super::start`], told of each request by [`super::middleware::observe`], swept by the command line beside the
//! server. The HTTP library times the first head of a connection alone: a second one could come for ever, a byte an hour.
//! So each connection has a time by which its next request has to have arrived, and is shut when that is over. An answer of
//! known length adds the time that the slowest client may take for it. What is streamed is watched by the kernel, which
//! ends a connection whose peer takes nothing (`TCP_USER_TIMEOUT`, on the listening socket).

use std::any::Any;
use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream as Accepted;

/// How long a connection may rest between two requests; the HTTP library ends it then.
pub const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Bytes that the slowest client takes in a second.
const PACE: u64 = 8192;
/// While a request is answered there is no such time.
const NEVER: u64 = u64::MAX;

/// Every open connection of the public port.
pub struct Connections {
    epoch: Instant,
    /// How long a head may take.
    patience: Duration,
    open: Mutex<HashMap<u64, Open>>,
    next: AtomicU64,
}

struct Open {
    /// A second handle on the socket: a dead connection's number may be another's by now.
    socket: TcpStream,
    due: Arc<AtomicU64>,
}

/// One connection, among the data that the HTTP library keeps for it. Dropped with it.
pub struct Connection {
    all: Arc<Connections>,
    number: u64,
    /// When its next request has to have arrived, in milliseconds.
    due: Arc<AtomicU64>,
}

impl Connections {
    /// None yet.
    pub fn new(patience: Duration) -> Connections {
        Connections { epoch: Instant::now(), patience, open: Mutex::default(), next: AtomicU64::new(0) }
    }

    /// Enters a connection that was accepted, among its data.
    pub fn enter(self: &Arc<Self>, io: &dyn Any, data: &mut Extensions) {
        let secure = io.downcast_ref::<TlsStream<Accepted>>().map(|stream| stream.get_ref().0);
        let socket = secure.or_else(|| io.downcast_ref()).map(|socket| socket.as_fd().try_clone_to_owned());
        // Without a free descriptor it goes unwatched; there are other limits.
        let Some(Ok(socket)) = socket else { return };
        let number = self.next.fetch_add(1, Relaxed);
        let due = Arc::new(AtomicU64::new(self.after(0)));
        let open = Open { socket: socket.into(), due: Arc::clone(&due) };
        self.lock().insert(number, open);
        data.insert(Connection { all: Arc::clone(self), number, due });
    }

    /// Ends those whose next request is late. How many.
    pub fn sweep(&self) -> usize {
        let now = self.now();
        let late = |open: &&Open| open.due.load(Relaxed) < now;
        // Its task finds it shut, ends, and takes it out of the table.
        self.lock().values().filter(late).filter(|open| open.socket.shutdown(Shutdown::Both).is_ok()).count()
    }

    fn after(&self, bytes: u64) -> u64 {
        let most = KEEP_ALIVE + self.patience + Duration::from_secs(bytes / PACE);
        self.now().saturating_add(millis(most))
    }

    fn now(&self) -> u64 {
        millis(self.epoch.elapsed())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered. Dropped when its answer is on its way: one of known length at once, a stream at
/// its end.
pub struct Answering {
    all: Arc<Connections>,
    due: Arc<AtomicU64>,
    /// What the client has to take.
    pub bytes: u64,
}

impl Connection {
    /// A request has arrived.
    pub fn busy(&self) -> Answering {
        self.due.store(NEVER, Relaxed);
        Answering { all: Arc::clone(&self.all), due: Arc::clone(&self.due), bytes: 0 }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.due.store(self.all.after(self.bytes), Relaxed);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.all.lock().remove(&self.number);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NEVER)
}
