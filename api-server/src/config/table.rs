//! Every setting, once: path, default, shape, help and place. Flag and variable follow from the path.
//!
//! Read by [`super::resolve`], by the command line for its flags and their help, and by `mainstay config`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::parameter::Parameter;
use super::{
    AdminKeys, ApiKeys, Auth, Cors, Database, HeaderNames, JwtKeys, JwtSecret, Limits, LogFilter, LogFormat, Methods,
    Migrate, RateLimits, RedisUrl, SchemaName, Settings, Size, Telemetry, Timeouts, Tls,
};
use crate::client_address::Proxies;
use crate::store::DatabaseUrl;

/// One setting.
pub struct Row {
    /// Its place in `spec.config`, such as `limits.page.max`.
    pub path: &'static str,
    /// Which commands take its flag.
    pub group: Group,
    /// Not part of a Backend document: an address, a secret or a manner of running.
    pub process: bool,
    /// May be read from a file, and is masked when printed.
    pub secret: bool,
    /// Is given by the name of its file alone: there is no flag, and no variable but the one that ends in `_FILE`.
    pub file_only: bool,
    /// Without a word from anyone.
    pub default: Default,
    /// What a value looks like.
    pub shape: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Where its value is kept.
    pub(super) place: fn(&mut Settings) -> &mut dyn Parameter,
}

/// Which commands take a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Every command that opens the database.
    Database,
    /// `serve` alone.
    Server,
    /// Every command that logs.
    Log,
}

/// The value of a setting that nobody gave.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// Always this; empty is none.
    Fixed(&'static str),
    /// By standard output.
    OnTerminal {
        /// On a terminal.
        yes: &'static str,
        /// Elsewhere.
        no: &'static str,
    },
}

impl Row {
    /// `limits-page-max`.
    pub fn flag(&self) -> String {
        let mut flag = String::with_capacity(self.path.len() + 2);
        for c in self.path.chars() {
            match c {
                '.' => flag.push('-'),
                c if c.is_ascii_uppercase() => {
                    flag.push('-');
                    flag.push(c.to_ascii_lowercase());
                }
                c => flag.push(c),
            }
        }
        flag
    }

    /// `MAINSTAY_LIMITS_PAGE_MAX`.
    pub fn variable(&self) -> String {
        format!("MAINSTAY_{}", self.flag().replace('-', "_").to_ascii_uppercase())
    }

    /// JSON Pointer into a Backend document; `None` for what belongs to the process.
    pub fn pointer(&self) -> Option<String> {
        (!self.process).then(|| format!("/spec/config/{}", self.path.replace('.', "/")))
    }

    /// The help with variable and default.
    pub fn long_help(&self) -> String {
        let file = match (self.secret, self.file_only) {
            (_, true) => "_FILE",
            (true, false) => " or _FILE",
            (false, false) => "",
        };
        let default = match self.default {
            Default::Fixed("") => String::new(),
            Default::Fixed(text) => format!(" [default: {text}]"),
            Default::OnTerminal { yes, no } => format!(" [default: {yes} on a terminal, else {no}]"),
        };
        format!("{} [env: {}{file}]{default}", self.help, self.variable())
    }
}

/// A setting that a document may hold, unless `process` or `secret` says otherwise.
const fn row(
    path: &'static str,
    default: &'static str,
    shape: &'static str,
    help: &'static str,
    place: fn(&mut Settings) -> &mut dyn Parameter,
) -> Row {
    Row {
        path,
        group: Group::Server,
        process: false,
        secret: false,
        file_only: false,
        default: Default::Fixed(default),
        shape,
        help,
        place,
    }
}

impl Row {
    const fn group(self, group: Group) -> Row {
        Row { group, ..self }
    }
    const fn process(self) -> Row {
        Row { process: true, ..self }
    }
    const fn secret(self) -> Row {
        Row { secret: true, process: true, ..self }
    }
    const fn file_only(self) -> Row {
        Row { file_only: true, ..self.secret() }
    }
    const fn on_terminal(self, yes: &'static str, no: &'static str) -> Row {
        Row { default: Default::OnTerminal { yes, no }, ..self }
    }
}

/// Every setting, in the order in which people look for them.
pub const TABLE: &[Row] = &[
    row(
        "database.url",
        "sqlite:mainstay.db",
        "URL",
        "The database: sqlite:PATH, sqlite::memory: or postgres://…",
        |s| &mut s.database.url,
    )
    .secret()
    .group(Group::Database),
    row("database.directUrl", "", "URL", "The same PostgreSQL past a pooler, for migrations and locks", |s| {
        &mut s.database.direct_url
    })
    .secret()
    .group(Group::Database),
    row("database.schema", "public", "NAME", "The PostgreSQL schema of every table; `migrate up` makes it", |s| {
        &mut s.database.schema
    })
    .process()
    .group(Group::Database),
    row(
        "owner",
        "",
        "NAME",
        "Whom the database belongs to, such as namespace/name/uid; another owner is refused",
        |s| &mut s.owner,
    )
    .process()
    .group(Group::Database),
    row("takeOverFrom", "", "NAME", "The owner whose place this one takes, such as namespace/name", |s| {
        &mut s.take_over_from
    })
    .process()
    .group(Group::Database),
    row("instance", "", "NAME", "This server's name among those of its database; else its host and process", |s| {
        &mut s.instance
    })
    .process(),
    row("listen", "127.0.0.1:8080", "ADDRESS", "Where clients connect; port 0 takes a free one", |s| &mut s.listen)
        .process(),
    row("adminListen", "127.0.0.1:9090", "ADDRESS", "Where probes and Prometheus connect", |s| &mut s.admin_listen)
        .process(),
    row(
        "adminKey",
        "",
        "KEY",
        "Lets its holder do everything; at least 20 characters; a file may hold one a line",
        |s| &mut s.admin_key,
    )
    .secret(),
    row("apiKeys", "", "FILE", "The keys of machines, with their roles", |s| &mut s.api_keys).file_only(),
    row("jwtKeys", "", "FILE", "The keys that sign tokens; /.well-known/jwks.json has their public halves", |s| {
        &mut s.jwt_keys
    })
    .file_only(),
    row("jwtSecret", "", "SECRET", "Signs tokens with HS256 in the place of keys; at least 32 bytes", |s| {
        &mut s.jwt_secret
    })
    .secret(),
    row("migrate", "auto", "auto|verify", "Apply safe migrations at start, or change nothing", |s| &mut s.migrate)
        .process(),
    row("shutdownGrace", "25s", "DURATION", "How long requests in flight may take at a stop", |s| {
        &mut s.shutdown_grace
    })
    .process(),
    row("drainDelay", "0s", "DURATION", "How long a stopping server still takes requests", |s| &mut s.drain_delay)
        .process(),
    row("logFormat", "text", "text|json", "The form of log lines", |s| &mut s.log_format)
        .process()
        .group(Group::Log)
        .on_terminal("text", "json"),
    row(
        "logLevel",
        "info,actix_server=warn,actix_http=off",
        "FILTER",
        "Which events are logged: error, warn, info, debug, or module=level,…",
        |s| &mut s.log_level,
    )
    .process()
    .group(Group::Log),
    row("database.pool.size", "10", "NUMBER", "Most connections to PostgreSQL, or readers of SQLite", |s| {
        &mut s.database.pool_size
    })
    .group(Group::Database),
    row("database.pool.wait", "5s", "DURATION", "How long a request waits for a connection before it is a 503", |s| {
        &mut s.database.pool_wait
    })
    .group(Group::Database),
    row("database.pool.lifetime", "30m", "DURATION", "A connection older than this is replaced", |s| {
        &mut s.database.pool_lifetime
    })
    .group(Group::Database),
    row(
        "auth.registration.enabled",
        "false",
        "true|false",
        "Whether anyone may become a user, by POST /api/v1/auth/register",
        |s| &mut s.auth.registration,
    ),
    row("auth.issuer", "mainstay", "NAME", "Who issues access tokens, and whom they are for: `iss` and `aud`", |s| {
        &mut s.auth.issuer
    }),
    row("auth.accessTokenLife", "15m", "DURATION", "How long an access token is valid: 1m to 1h", |s| {
        &mut s.auth.access_life
    }),
    row("auth.refreshTokenLife", "720h", "DURATION", "How long a session lasts when it is not refreshed", |s| {
        &mut s.auth.refresh_life
    }),
    row("auth.password.minLength", "8", "NUMBER", "Fewest characters of a new password: 8 to 64", |s| {
        &mut s.auth.min_length
    }),
    row("timeouts.request", "30s", "DURATION", "How long a request's statements may take", |s| &mut s.timeouts.request),
    row("timeouts.lock", "10s", "DURATION", "How long a statement may wait for a lock", |s| &mut s.timeouts.lock),
    row("timeouts.client", "10s", "DURATION", "How long the head or the body of a request may take to arrive", |s| {
        &mut s.timeouts.client
    }),
    row("limits.body", "1MiB", "SIZE", "Largest body", |s| &mut s.limits.body),
    row("limits.url", "8KiB", "SIZE", "Longest URL", |s| &mut s.limits.url),
    row("limits.headers", "32KiB", "SIZE", "Largest headers, all of them together", |s| &mut s.limits.headers),
    row("limits.connections", "10000", "NUMBER", "Most connections of clients at once; more wait", |s| {
        &mut s.limits.connections
    }),
    row("limits.depth", "32", "NUMBER", "Most levels of JSON in a body", |s| &mut s.limits.depth),
    row("limits.page.default", "20", "NUMBER", "Records of a page without `limit`", |s| &mut s.limits.page_default),
    row("limits.page.max", "200", "NUMBER", "The largest `limit`", |s| &mut s.limits.page_max),
    row(
        "cors.allowedOrigins",
        "",
        "LIST",
        "Origins that browsers may call from, such as https://app.example.com; * is all",
        |s| &mut s.cors.allowed_origins,
    ),
    row("cors.allowedMethods", "GET,HEAD,POST,PUT,PATCH,DELETE", "LIST", "Methods that they may call with", |s| {
        &mut s.cors.allowed_methods
    }),
    row("cors.allowedHeaders", "", "LIST", "Headers that they may send; without any named, all", |s| {
        &mut s.cors.allowed_headers
    }),
    row(
        "cors.allowCredentials",
        "false",
        "true|false",
        "Whether they may send cookies and what else a browser adds by itself; the API itself needs none",
        |s| &mut s.cors.allow_credentials,
    ),
    row("cors.maxAge", "10m", "DURATION", "How long a browser may remember what is allowed", |s| &mut s.cors.max_age),
    row("tls.certFile", "", "FILE", "The certificate for TLS on the clients' port, with its chain, as PEM", |s| {
        &mut s.tls.cert_file
    })
    .process(),
    row("tls.keyFile", "", "FILE", "The private key of the certificate, as PEM", |s| &mut s.tls.key_file).process(),
    row("telemetry.otlpEndpoint", "", "URL", "Where traces go by OTLP over HTTP, such as http://collector:4318", |s| {
        &mut s.telemetry.otlp_endpoint
    }),
    row("telemetry.sampleRatio", "1", "RATIO", "The part of the requests whose traces are kept, such as 0.01", |s| {
        &mut s.telemetry.sample_ratio
    }),
    row(
        "rateLimits",
        "",
        "POLICIES",
        "How many requests clients may make, as YAML: [{ name: default, by: ip, limit: 100, window: 60s }]",
        |s| &mut s.rate_limits,
    ),
    row(
        "proxies.trusted",
        "",
        "LIST",
        "Addresses of proxies that are believed about whom they were called by, such as 10.0.0.0/8,fd00::/8",
        |s| &mut s.proxies.trusted,
    ),
    row("proxies.header", "xForwardedFor", "xForwardedFor|forwarded", "The header that they write it to", |s| {
        &mut s.proxies.header
    }),
    row(
        "redis.url",
        "",
        "URL",
        "The Redis in which servers count requests together: redis://… or rediss://…",
        |s| &mut s.redis_url,
    )
    .secret(),
    row("redis.timeout", "50ms", "DURATION", "How long a request waits for Redis before it is counted here", |s| {
        &mut s.redis_timeout
    })
    .process(),
];

impl Settings {
    /// Values that no rule allows to stay: every row of the table writes its own.
    pub(super) fn blank() -> Settings {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Settings {
            database: Database {
                url: DatabaseUrl::SqliteTemporary,
                direct_url: None,
                schema: SchemaName::default(),
                pool_size: 0,
                pool_wait: Duration::ZERO,
                pool_lifetime: Duration::ZERO,
            },
            owner: None,
            take_over_from: None,
            instance: None,
            listen: nowhere,
            admin_listen: nowhere,
            admin_key: AdminKeys::default(),
            api_keys: ApiKeys::default(),
            jwt_keys: JwtKeys::default(),
            jwt_secret: JwtSecret::default(),
            auth: Auth::blank(),
            files: BTreeMap::new(),
            migrate: Migrate::Verify,
            shutdown_grace: Duration::ZERO,
            drain_delay: Duration::ZERO,
            log_format: LogFormat::Text,
            log_level: LogFilter::default(),
            timeouts: Timeouts { request: Duration::ZERO, lock: Duration::ZERO, client: Duration::ZERO },
            limits: Limits {
                body: Size(0),
                url: Size(0),
                headers: Size(0),
                connections: 0,
                depth: 0,
                page_default: 0,
                page_max: 0,
            },
            cors: Cors {
                allowed_origins: Vec::new(),
                allowed_methods: Methods::default(),
                allowed_headers: HeaderNames::default(),
                allow_credentials: false,
                max_age: Duration::ZERO,
            },
            tls: Tls::default(),
            telemetry: Telemetry::default(),
            rate_limits: RateLimits::default(),
            proxies: Proxies::default(),
            redis_url: RedisUrl::default(),
            redis_timeout: Duration::ZERO,
        }
    }
}
