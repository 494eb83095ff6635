//! Counts that servers share, in Redis 7: one script call decides over all policies of a request.
//!
//! Asked by the limiter; [`Shared::keep`] is polled by `serve` and is the only place that connects. The time is that of Redis,
//! which all servers share as well. A call that fails or is late opens the circuit: from then on requests are counted in
//! this process, nobody waits for Redis, and one log line says so, until a new connection has answered.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use mainstay_crds::rate_limit::{Algorithm, Quota};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client as Redis, ConnectionAddr, IntoConnectionInfo, RedisError, Script};
use tokio::sync::Notify;

use super::count::Room;
use super::policy::Client;
use super::{Charge, Verdict};

/// How long a connection may take, with its first answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_secs(1);
/// Redis tells the script its time in seconds and microseconds.
const CLOCK: &str = "local time = redis.call('TIME')\nlocal now = time[1] * 1000 + math.floor(time[2] / 1000)\n";
pub(super) const DECIDE: &str = include_str!("decide.lua");

/// A Redis by its URL, which may hold a password and is never printed.
#[derive(Clone)]
pub struct RedisUrl {
    text: String,
    client: Redis,
}

/// The way to Redis.
pub struct Shared {
    redis: ArcSwap<RedisUrl>,
    /// What all keys of these servers begin with.
    prefix: String,
    /// How long a request waits for it.
    deadline: Duration,
    script: Script,
    /// Closed while it is there.
    circuit: ArcSwapOption<MultiplexedConnection>,
    opened: Notify,
}

impl RedisUrl {
    /// `redis://[user:password@]host[:port][/number]`, or `rediss://` over TLS.
    pub fn parse(text: &str) -> Result<RedisUrl, String> {
        let form = "write it as redis://[user:password@]host[:port][/number], or rediss:// over TLS";
        // What the library says may quote the URL.
        let info = text.into_connection_info().map_err(|_| format!("this is no URL of a Redis: {form}"))?;
        match info.addr() {
            ConnectionAddr::Tcp(..) | ConnectionAddr::TcpTls { insecure: false, .. } => {}
            _ => return Err(format!("this is no URL of a Redis that is reached over TCP: {form}")),
        }
        let client = Redis::open(info).map_err(|_| format!("this is no URL of a Redis: {form}"))?;
        Ok(RedisUrl { text: text.to_owned(), client })
    }
}

impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("********")
    }
}

impl Shared {
    /// Nothing is connected yet. Servers share what they count under one `name`.
    pub fn new(redis: RedisUrl, name: &str, deadline: Duration) -> Shared {
        Shared {
            redis: ArcSwap::from_pointee(redis),
            prefix: format!("mainstay:{name}:limit"),
            deadline,
            script: Script::new(&format!("{CLOCK}{DECIDE}")),
            circuit: ArcSwapOption::empty(),
            opened: Notify::new(),
        }
    }

    /// From now on another Redis, or the same one with another password. Until it has answered, this process counts.
    pub fn turn_to(&self, redis: RedisUrl) {
        if self.redis.load().text != redis.text {
            self.redis.store(Arc::new(redis));
            self.circuit.store(None);
            self.opened.notify_one();
        }
    }

    /// Whether Redis decides at the moment.
    pub fn is_reached(&self) -> bool {
        self.circuit.load().is_some()
    }

    /// Connects, and connects again whenever a call has failed, until it is dropped. Told once each time it changes.
    pub async fn keep(&self) {
        let mut told = false;
        loop {
            match self.connect().await {
                Ok(connection) => {
                    tracing::info!("rate limits are counted in Redis");
                    self.circuit.store(Some(Arc::new(connection)));
                    self.opened.notified().await;
                    told = true;
                }
                Err(error) if !told => {
                    tracing::warn!(cause = reason(&error), "Redis is away: rate limits are counted in this process");
                    told = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
        let redis = self.redis.load_full();
        let mut connection = redis.client.get_multiplexed_async_connection_with_config(&config).await?;
        // Also proof that it answers: a frozen server takes connections.
        self.script.prepare_invoke().load_async(&mut connection).await?;
        Ok(connection)
    }

    /// What Redis says; `None` when it is away, or does not answer in time.
    pub(super) async fn decide(&self, charges: &[Charge<'_>]) -> Option<Verdict> {
        let connection = self.circuit.load_full()?;
        let mut call = self.script.prepare_invoke();
        for charge in charges {
            call.key(self.key(charge)).arg(&arguments(&charge.quota));
        }
        let mut own = MultiplexedConnection::clone(&connection);
        // EVALSHA, and where the script is not known, its text.
        let answer = tokio::time::timeout(self.deadline, call.invoke_async::<Vec<u64>>(&mut own)).await;
        match answer {
            Ok(Ok(numbers)) if numbers.len() == 1 + 2 * charges.len() => Some(verdict(&numbers)),
            Ok(Ok(_)) => self.open(&connection, "the script's answer has another form"),
            Ok(Err(error)) => self.open(&connection, &reason(&error)),
            Err(_) => self.open(&connection, "it did not answer in time"),
        }
    }

    /// Opens the circuit, unless another request has or there is a newer connection.
    fn open(&self, connection: &Arc<MultiplexedConnection>, cause: &str) -> Option<Verdict> {
        let before = self.circuit.compare_and_swap(connection, None);
        if before.as_ref().is_some_and(|before| Arc::ptr_eq(before, connection)) {
            tracing::warn!(cause, "Redis is away: rate limits are counted in this process");
            self.opened.notify_one();
        }
        None
    }

    /// Under another quota it is another key: what was counted by the old one has no meaning.
    fn key(&self, charge: &Charge<'_>) -> String {
        let Charge { policy, quota, client, .. } = charge;
        let client = match client {
            Client::Address(address) => format!("ip:{address}"),
            Client::Admin => "admin".to_owned(),
            Client::Machine(name) => format!("key:{name}"),
            Client::Person(id) => format!("user:{id}"),
        };
        let (limit, window, burst) = (quota.limit(), quota.window().as_secs(), quota.burst());
        format!("{}:{policy}:{}:{limit}:{window}:{burst}:{client}", self.prefix, word(quota.algorithm()))
    }
}

/// A quota as the script takes it.
pub(super) fn arguments(quota: &Quota) -> [String; 4] {
    let [limit, window, burst] =
        [u64::from(quota.limit()), quota.window().as_secs() * 1000, u64::from(quota.burst())].map(|n| n.to_string());
    [word(quota.algorithm()).to_owned(), limit, window, burst]
}

/// What the script answers.
pub(super) fn verdict(numbers: &[u64]) -> Verdict {
    let rooms = numbers[1..].chunks_exact(2);
    let rooms = rooms.map(|pair| Room { remaining: u32::try_from(pair[0]).unwrap_or(u32::MAX), reset: pair[1] });
    Verdict { allowed: numbers[0] == 1, rooms: rooms.collect() }
}

fn word(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::TokenBucket => "tokenBucket",
        Algorithm::FixedWindow => "fixedWindow",
        Algorithm::SlidingWindow => "slidingWindow",
    }
}

/// Why, without what was sent: a URL's password could be in it.
fn reason(error: &RedisError) -> String {
    error.category().to_owned()
}
