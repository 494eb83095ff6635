//! The connections of one database, by deadpool: how one is made, kept and thrown away.
//!
//! Used by [`super::Store`] alone. The connection travels with the closure that uses it onto a blocking thread, so that
//! work whose client has left ends before its connection goes to anyone else. Connections are not tested before use:
//! a dead one is found by its failure, and all idle ones go with it.

use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{
    Manager, Metrics, Object, Pool as Deadpool, PoolError, RecycleError, RecycleResult, TimeoutType, Timeouts,
};
use prometheus::Histogram;

use super::PoolOptions;
use super::conn::Conn;
use super::error::Error;
use super::queue::Queue;
use crate::telemetry::trace;

/// How long opening a connection may take, its questions to the server included.
const CONNECT: Duration = Duration::from_secs(10);

/// How long after its deadline a database may still say that it has stopped.
const SLACK: Duration = Duration::from_secs(2);

/// Opens a connection. Blocking.
pub(super) type Open = Box<dyn Fn() -> Result<Conn, Error> + Send + Sync>;

/// A bounded set of connections.
pub(super) struct Pool {
    pool: Deadpool<Opener>,
    queue: Queue,
    /// How long a request waits for a connection.
    wait: Duration,
    /// How long a session allows a statement.
    longest: Duration,
    waits: Histogram,
}

/// Makes connections, and says which may be used again.
struct Opener {
    open: std::sync::Arc<Open>,
    lifetime: Duration,
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
    /// Requests that were turned away at once, since the start.
    pub refused: u64,
}

/// A connection in use; back in the pool when dropped, unless it was lost.
pub(super) struct Lease {
    object: Object<Opener>,
}

impl Lease {
    pub(super) fn conn(&mut self) -> &mut Conn {
        &mut self.object
    }

    /// How long ago it was leased before; `None` when it was opened for this lease.
    pub(super) fn rested(&self) -> Option<Duration> {
        self.object.rested
    }
}

impl Manager for Opener {
    type Type = Conn;
    type Error = Error;

    async fn create(&self) -> Result<Conn, Error> {
        let open = std::sync::Arc::clone(&self.open);
        let opened = tokio::task::spawn_blocking(move || open()).await;
        opened.map_err(|error| Error::Other(format!("opening a connection ended early: {error}")))?
    }

    async fn recycle(&self, conn: &mut Conn, metrics: &Metrics) -> RecycleResult<Error> {
        // The pool's own figure begins anew with this lease.
        conn.rested = Some(metrics.last_used());
        match conn.lost || conn.read_only || conn.entered || metrics.age() > self.lifetime {
            true => Err(RecycleError::message("lost, of no use for writes, left by a panic, or old")),
            false => Ok(()),
        }
    }
}

impl Pool {
    pub(super) fn new(open: Open, options: &PoolOptions, waits: Histogram) -> Result<Pool, Error> {
        let PoolOptions { size, wait, lifetime, request_timeout, .. } = *options;
        let size = size.max(1);
        let timeouts = Timeouts { wait: Some(wait), create: Some(CONNECT), recycle: None };
        let manager = Opener { open: open.into(), lifetime };
        let pool = Deadpool::builder(manager).max_size(size).timeouts(timeouts).runtime(Runtime::Tokio1).build();
        let pool = pool.map_err(|error| Error::Other(error.to_string()))?;
        Ok(Pool { pool, queue: Queue::new(size, wait), wait, longest: request_timeout, waits })
    }

    /// Waits for a connection, one that rests or a new one, until the deadline; not at all where too many wait already.
    pub(super) async fn take(&self, deadline: Instant) -> Result<Lease, Error> {
        let (began, mut part) = (Instant::now(), trace::part("wait for a connection"));
        let taken = self.taken(deadline).await;
        self.waits.observe(began.elapsed().as_secs_f64());
        if taken.is_err() {
            part.fail("pool");
        }
        taken
    }

    async fn taken(&self, deadline: Instant) -> Result<Lease, Error> {
        let place = self.queue.enter().map_err(Error::Overloaded)?;
        let wait = self.wait.min(deadline.saturating_duration_since(Instant::now()));
        let timeouts = Timeouts { wait: Some(wait), create: Some(CONNECT), recycle: None };
        match self.pool.timeout_get(&timeouts).await {
            Ok(object) => {
                place.served();
                Ok(Lease { object })
            }
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Timeout(TimeoutType::Create)) => Err(Error::Away("no answer while connecting".to_owned())),
            Err(PoolError::Timeout(_)) => Err(Error::Busy("no connection became free")),
            Err(error) => Err(Error::Other(error.to_string())),
        }
    }

    /// Runs `work` on a blocking thread. A connection that it lost takes all idle ones with it. A database that says
    /// nothing at all is waited for until shortly after the deadline; the work and its connection are then on their own.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        mut lease: Lease,
        deadline: Instant,
        work: impl FnOnce(&mut Conn) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (span, carried) = (tracing::Span::current(), trace::carry());
        let (began, longest) = (Instant::now(), self.longest);
        let done = tokio::task::spawn_blocking(move || {
            let _entered = carried.enter();
            lease.conn().hurry(deadline, longest);
            // A body that panics leaves it set, with a transaction that nobody ended.
            lease.conn().entered = true;
            let done = span.in_scope(|| work(lease.conn()));
            lease.conn().entered = false;
            let lost = lease.conn().lost;
            drop(lease);
            (done, lost)
        });
        let done = tokio::time::timeout_at((deadline + SLACK).into(), done).await.map_err(|_| Error::OutcomeUnknown)?;
        self.queue.done(began.elapsed());
        let (done, lost) = done.map_err(|error| Error::Other(format!("the work on the database broke: {error}")))?;
        if lost {
            self.pool.retain(|_, _| false);
        }
        Ok(done)
    }

    /// Runs `work` on a connection that leaves the pool for it and is closed afterwards.
    pub(super) async fn run_apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let mut conn = Object::take(self.take(Instant::now() + self.wait).await?.object);
        let done = tokio::task::spawn_blocking(move || conn.at_leisure().map(|()| work(&mut conn))).await;
        done.map_err(|error| Error::Other(format!("the work on the database broke: {error}")))?
    }

    pub(super) fn status(&self) -> PoolStatus {
        let status = self.pool.status();
        let (max, size, idle, waiting) = (status.max_size, status.size, status.available, status.waiting);
        PoolStatus { max, size, idle, waiting, refused: self.queue.refused() }
    }
}
