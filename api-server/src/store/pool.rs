//! A bounded set of connections, each used by one blocking closure at a time.
//!
//! Used by [`super::Store`] alone. The permit and the connection travel with the closure, so that work whose client
//! has left ends before its connection is given to anyone else (deadpool gives it back at once, and the next taker
//! waits on a blocking thread). Connections open when they are first needed and are never tested before use: a dead
//! one is found by its failure, and all idle ones go with it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::conn::Conn;
use super::error::Error;

/// Opens a connection. Blocking.
pub(super) type Open = Box<dyn Fn() -> Result<Conn, Error> + Send + Sync>;

/// The set.
pub(super) struct Pool {
    open: Open,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    size: usize,
    waiting: AtomicUsize,
    wait: Duration,
    lifetime: Duration,
}

struct Idle {
    conn: Conn,
    opened: Instant,
    used: Instant,
}

/// Figures of a pool, for `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// The most connections that it opens.
    pub max: usize,
    /// Open connections.
    pub size: usize,
    /// Open and not in use.
    pub idle: usize,
    /// Requests that wait for one.
    pub waiting: usize,
}

/// A connection in use.
pub(super) struct Lease {
    pub(super) conn: Conn,
    opened: Instant,
    /// How long it was idle; `None` when it was opened just now.
    pub(super) rested: Option<Duration>,
}

impl Pool {
    pub(super) fn new(open: Open, size: usize, wait: Duration, lifetime: Duration) -> Pool {
        let size = size.max(1);
        Pool {
            open,
            permits: Arc::new(Semaphore::new(size)),
            idle: Mutex::new(Vec::with_capacity(size)),
            size,
            waiting: AtomicUsize::new(0),
            wait,
            lifetime,
        }
    }

    /// Waits for a permit, then runs `work` on a blocking thread. `work` takes and gives connections itself.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Pool) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let waiting = Waiting::new(&self.waiting);
        let acquired = tokio::time::timeout(self.wait, self.permits.clone().acquire_owned()).await;
        drop(waiting);
        let permit = match acquired {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) | Err(_) => return Err(Error::Busy("no connection became free")),
        };
        let pool = Arc::clone(self);
        let span = tracing::Span::current();
        let done = tokio::task::spawn_blocking(move || {
            let _entered = span.enter();
            let done = work(&pool);
            drop(permit);
            done
        });
        done.await.map_err(|error| Error::Other(format!("the work on the database ended early: {error}")))?
    }

    /// The connection used last, or a new one.
    pub(super) fn take(&self) -> Result<Lease, Error> {
        // Taken in its own statement: the lock must not be held while a connection opens or closes.
        let mut found = self.idle().pop();
        while let Some(idle) = found {
            if idle.opened.elapsed() < self.lifetime {
                return Ok(Lease { conn: idle.conn, opened: idle.opened, rested: Some(idle.used.elapsed()) });
            }
            found = self.idle().pop();
        }
        Ok(Lease { conn: (self.open)()?, opened: Instant::now(), rested: None })
    }

    /// Takes a connection back; a lost one takes all idle ones with it.
    pub(super) fn give(&self, lease: Lease) {
        if lease.conn.lost {
            let dead = std::mem::take(&mut *self.idle());
            drop(dead);
        } else {
            self.idle().push(Idle { conn: lease.conn, opened: lease.opened, used: Instant::now() });
        }
    }

    pub(super) fn status(&self) -> PoolStatus {
        let idle = self.idle().len();
        PoolStatus {
            max: self.size,
            size: (idle + self.size - self.permits.available_permits()).min(self.size),
            idle,
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a waiting request for as long as it lives, cancelled or not.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
