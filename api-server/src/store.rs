//! The database behind one door: the only module that names Diesel.
//!
//! Built once by `app`, used by the services with closures that run on one connection. A closure finishes or rolls
//! back even when the client goes away. Bodies are written once for both databases over [`Conn`].

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstay_crds::sql::{Dialect, Sql};

pub mod auth;
mod budget;
pub mod conn;
mod connect;
mod decode;
mod encode;
pub mod error;
mod figures;
pub mod idempotency;
pub mod keys;
pub mod loader;
mod pool;
mod queue;
pub mod records;
pub mod schema;
mod span;
mod statement;
mod transaction;
pub mod url;
mod writer;

pub use conn::{Conn, Row};
pub use error::Error;
pub use loader::Find;
pub use pool::PoolStatus;
pub use url::DatabaseUrl;

use connect::{Address, SqliteFile};
use figures::Figures;
use pool::Pool;
use statement::Admission;
use transaction::{attempt, autocommit, retry, transaction};

/// Limits of the pool and of each session.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    /// The most connections to PostgreSQL, or readers of SQLite.
    pub size: usize,
    /// How long a request waits for a connection before it is turned away.
    pub wait: Duration,
    /// A connection older than this is replaced.
    pub lifetime: Duration,
    /// How long a body may take, the wait for its connection and its retries included.
    pub request_timeout: Duration,
    /// The longest a statement may wait for a lock (PostgreSQL).
    pub lock_timeout: Duration,
    /// The schema of every table (PostgreSQL).
    pub schema: String,
    /// The file that the URL was read from: read again when a connection is refused.
    pub url_file: Option<PathBuf>,
}

impl Default for PoolOptions {
    fn default() -> Self {
        PoolOptions {
            size: 10,
            wait: Duration::from_secs(5),
            lifetime: Duration::from_secs(1800),
            request_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            schema: "public".to_owned(),
            url_file: None,
        }
    }
}

/// Why a body ends without a result: everything that it did is rolled back.
#[derive(Debug)]
pub enum Abort<E> {
    /// The database failed.
    Store(Error),
    /// The caller's own reason.
    Domain(E),
}

impl<E> From<Error> for Abort<E> {
    fn from(error: Error) -> Self {
        Abort::Store(error)
    }
}

impl Abort<Infallible> {
    /// The store's error, where there is no other.
    pub fn into_store(self) -> Error {
        match self {
            Abort::Store(error) => error,
            Abort::Domain(never) => match never {},
        }
    }
}

/// Figures of the store.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// The connections that read; on PostgreSQL all of them.
    pub readers: PoolStatus,
    /// SQLite's one writer.
    pub writer: Option<PoolStatus>,
}

/// One database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    dialect: Dialect,
    readers: Arc<Pool>,
    /// The same as `readers` on PostgreSQL.
    writer: Arc<Pool>,
    /// Of SQLite.
    file: Option<Arc<SqliteFile>>,
    /// How long a body may take.
    timeout: Duration,
    figures: Figures,
}

impl Store {
    /// Prepares the pools. PostgreSQL is not asked for yet, for it may be away; a SQLite file is locked to this process.
    pub fn open(url: &DatabaseUrl, options: PoolOptions) -> Result<Store, Error> {
        let (admission, figures) = (Arc::new(Admission::default()), Figures::new()?);
        let file = match url {
            DatabaseUrl::Sqlite(path) => SqliteFile::at(path.clone()),
            DatabaseUrl::SqliteTemporary => SqliteFile::temporary()?,
            DatabaseUrl::Postgres(url) => {
                let (address, settings) = (Address::new(url.clone(), options.url_file.clone()), options.clone());
                let open: pool::Open = Box::new(move || address.connect(&settings, &admission));
                let pool = Arc::new(Pool::new(open, &options, figures.waits("main"))?);
                let (readers, timeout) = (Arc::clone(&pool), options.request_timeout);
                return Ok(Store { dialect: Dialect::Postgres, readers, writer: pool, file: None, timeout, figures });
            }
        };
        file.own()?;
        let file = Arc::new(file);
        let pool = |writer: bool, size: usize| {
            let (file, admission) = (Arc::clone(&file), Arc::clone(&admission));
            let open: pool::Open = Box::new(move || connect::sqlite(&file, writer, &admission));
            // Nothing closes a file's connections from outside: they may live for ever.
            let options = PoolOptions { size, lifetime: Duration::MAX, ..options.clone() };
            let waits = figures.waits(if writer { "writer" } else { "readers" });
            Pool::new(open, &options, waits).map(Arc::new)
        };
        let (readers, writer) = (pool(false, options.size)?, pool(true, 1)?);
        let timeout = options.request_timeout;
        Ok(Store { dialect: Dialect::Sqlite, readers, writer, file: Some(file), timeout, figures })
    }

    /// Says to other processes who holds a SQLite file: the address of this server.
    pub fn sign(&self, address: &str) {
        if let Some(file) = &self.file {
            file.sign(address);
        }
    }

    /// Which database this is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Runs a body that only reads. A dead connection is replaced, and the body run again.
    pub async fn read<T, E, F>(&self, body: F) -> Result<T, Abort<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&mut Conn) -> Result<T, Abort<E>> + Send + Sync + 'static,
    {
        let done = match attempt(&self.readers, self.deadline(), &Arc::new(body), &self.figures).await {
            // A read has no outcome to be unknown: it took too long.
            Err(Abort::Store(Error::OutcomeUnknown)) => Err(Abort::Store(Error::Timeout)),
            done => done,
        };
        self.figures.note(done)
    }

    /// Runs a body in one transaction: all of it happens, or nothing. It is run again, as a whole, when it met another
    /// transaction or a dead connection; [`Error::OutcomeUnknown`] when the connection broke during the commit.
    pub async fn write<T, E, F>(&self, body: F) -> Result<T, Abort<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&mut Conn) -> Result<T, Abort<E>> + Send + Sync + 'static,
    {
        let work = Arc::new(move |conn: &mut Conn| transaction(conn, &body));
        let deadline = self.deadline();
        self.figures.note(retry(|| attempt(&self.writer, deadline, &work, &self.figures), &self.figures).await)
    }

    /// Runs one statement that is its own transaction: one round trip. The number of rows that it changed.
    pub async fn write_one(&self, sql: Sql) -> Result<usize, Error> {
        let deadline = self.deadline();
        let once = || async {
            let done = autocommit(&self.writer, deadline, &sql, &self.figures).await;
            done.map_err(Abort::<Infallible>::from)
        };
        self.figures.note(retry(once, &self.figures).await).map_err(Abort::into_store)
    }

    /// Runs a body on a connection of its own, outside a transaction; its settings and locks end with it. For migrations.
    pub async fn session<T, F>(&self, body: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, Error> + Send + 'static,
    {
        self.writer.run_apart(body).await?
    }

    /// When a body that is asked for now has to be done.
    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), Error> {
        self.read(|conn| Ok(conn.batch("SELECT 1")?)).await.map_err(Abort::<Infallible>::into_store)
    }

    /// What it counts, for the registry of the process.
    pub fn collectors(&self) -> Vec<Box<dyn prometheus::core::Collector>> {
        self.figures.collectors()
    }

    /// Figures of the pools.
    pub fn status(&self) -> Status {
        let writer = (self.dialect == Dialect::Sqlite).then(|| self.writer.status());
        Status { readers: self.readers.status(), writer }
    }
}

#[cfg(test)]
pub(crate) mod tests;
