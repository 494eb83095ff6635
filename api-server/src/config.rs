//! Settings: what the flags, the environment and a Backend document say, checked, with the origin of each.
//!
//! Called by the commands. One [`table`] gives every setting its flag, variable, path, default, parser and help.
//! The only module that reads the environment, once, into a value that tests make themselves.

use std::collections::BTreeMap;
use std::fs;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mainstay_crds::Problem;
use mainstay_crds::backend::check_backend;
use mainstay_crds::name::did_you_mean;
use serde_json::{Value as Json, json};

use crate::client_address::Proxies;
use crate::documents::{Document, Finding};
use crate::store::DatabaseUrl;

mod auth;
mod credentials;
mod limits;
mod parameter;
pub mod table;
mod telemetry;
#[cfg(test)]
mod tests;
mod web;

pub use auth::Auth;
pub use credentials::{AdminKeys, ApiKeys, JwtKeys, JwtSecret};
pub use limits::{RateLimits, RedisUrl};
pub use parameter::{LogFilter, LogFormat, Migrate, Parameter, Raw, SchemaName, Size};
use table::{Default, Row, TABLE};
pub use telemetry::{OtlpEndpoint, Ratio, Telemetry};
pub use web::{HeaderNames, Methods};

/// Everything that can be set. Durations, sizes and addresses are checked; relations between them too.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where records live.
    pub database: Database,
    /// Whom the database belongs to; none is not checked.
    pub owner: Option<String>,
    /// The owner whose place it takes.
    pub take_over_from: Option<String>,
    /// This server's name among those of its database.
    pub instance: Option<String>,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where probes and Prometheus connect.
    pub admin_listen: SocketAddr,
    /// Let their holder do everything.
    pub admin_key: AdminKeys,
    /// What machines call with.
    pub api_keys: ApiKeys,
    /// What signs tokens.
    pub jwt_keys: JwtKeys,
    /// What signs tokens in their place.
    pub jwt_secret: JwtSecret,
    /// How people sign in.
    pub auth: Auth,
    /// The files that secrets were read from, by the setting's path.
    pub files: BTreeMap<&'static str, PathBuf>,
    /// Whether a start changes the database.
    pub migrate: Migrate,
    /// How long requests in flight may take at a stop.
    pub shutdown_grace: Duration,
    /// How long a stopping server still takes requests, so that load balancers notice first.
    pub drain_delay: Duration,
    /// Text or JSON.
    pub log_format: LogFormat,
    /// Which events are logged.
    pub log_level: LogFilter,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// What one request may cost.
    pub limits: Limits,
    /// Where traces go, and which.
    pub telemetry: Telemetry,
    /// How many requests clients may make.
    pub rate_limits: RateLimits,
    /// Who is believed about clients' addresses.
    pub proxies: Proxies,
    /// Where servers share what they count.
    pub redis_url: RedisUrl,
    /// How long a request waits for it.
    pub redis_timeout: Duration,
    /// Which web pages may call.
    pub cors: Cors,
    /// What proves to clients who the server is.
    pub tls: Tls,
}

/// Which web pages may call, and how.
#[derive(Clone, Debug)]
pub struct Cors {
    /// Their origins.
    pub allowed_origins: Vec<String>,
    /// With which methods.
    pub allowed_methods: Methods,
    /// With which headers; none named is any.
    pub allowed_headers: HeaderNames,
    /// Whether with cookies, and whatever else the browser adds by itself.
    pub allow_credentials: bool,
    /// How long a browser may remember this.
    pub max_age: Duration,
}

/// The files of a certificate; without them there is no TLS.
#[derive(Clone, Debug, std::default::Default)]
pub struct Tls {
    /// The chain, the server's own certificate first, as PEM.
    pub cert_file: Option<PathBuf>,
    /// Its private key, as PEM.
    pub key_file: Option<PathBuf>,
}

/// The database and the pool over it.
#[derive(Clone, Debug)]
pub struct Database {
    /// Where records live.
    pub url: DatabaseUrl,
    /// The same database past any pooler, for migrations.
    pub direct_url: Option<DatabaseUrl>,
    /// The PostgreSQL schema of every table.
    pub schema: SchemaName,
    /// Most connections.
    pub pool_size: usize,
    /// How long a request waits for a connection.
    pub pool_wait: Duration,
    /// A connection older than this is replaced.
    pub pool_lifetime: Duration,
}

/// How long things may take.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// One request's statements.
    pub request: Duration,
    /// Waiting for a lock of the database.
    pub lock: Duration,
    /// The arrival of a request's head or body.
    pub client: Duration,
}

/// What one request may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a body.
    pub body: Size,
    /// Bytes of a URL.
    pub url: Size,
    /// Bytes of the headers.
    pub headers: Size,
    /// Connections of clients at once.
    pub connections: usize,
    /// Levels of JSON in a body.
    pub depth: usize,
    /// Records of a page without `limit`.
    pub page_default: u32,
    /// The largest `limit`.
    pub page_max: u32,
}

/// What the process was started with, beside its arguments.
#[derive(Clone, Debug, std::default::Default)]
pub struct Environment {
    /// The variables that begin with `MAINSTAY_`.
    pub variables: BTreeMap<String, String>,
    /// Whether standard output is a terminal.
    pub terminal: bool,
}

impl Environment {
    /// Reads the process's own. A value that is not Unicode keeps its place with replacement characters.
    pub fn of_process() -> Self {
        let ours = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with("MAINSTAY_"))?;
            Some((name, value.to_string_lossy().into_owned()))
        });
        Environment { variables: ours.collect(), terminal: std::io::stdout().is_terminal() }
    }
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// A variable.
    Environment,
    /// The file that a `_FILE` variable names.
    File,
    /// The Backend document.
    Document,
    /// Nothing was said.
    Default,
}

impl Origin {
    /// One word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Flag => "flag",
            Origin::Environment => "environment",
            Origin::File => "file",
            Origin::Document => "document",
            Origin::Default => "default",
        }
    }
}

/// Checked settings with the origin of each.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What to run with.
    pub settings: Settings,
    /// In the order of the table.
    pub origins: Vec<Origin>,
    /// Variables that look like ours and are none.
    pub warnings: Vec<String>,
}

impl Resolved {
    /// Each setting's row, value as text with secrets masked, and origin.
    pub fn rows(&self) -> impl Iterator<Item = (&'static Row, String, Origin)> + '_ {
        let mut settings = self.settings.clone();
        TABLE.iter().zip(&self.origins).map(move |(row, origin)| (row, (row.place)(&mut settings).show(), *origin))
    }

    /// The same as one object, by the settings' paths.
    pub fn to_json(&self) -> Json {
        let member = |(row, value, origin): (&Row, String, Origin)| {
            (row.path.to_owned(), json!({ "value": value, "origin": origin.as_str() }))
        };
        Json::Object(self.rows().map(member).collect())
    }
}

/// Settings from what was typed (setting's path → text), the environment and the Backend document, in this
/// order of precedence, or everything that is wrong with them, a line each.
pub fn resolve(
    flags: &BTreeMap<&'static str, String>,
    environment: &Environment,
    backend: Option<&Document>,
) -> Result<Resolved, Vec<String>> {
    let mut problems = Vec::new();
    if let Some(Err(wrong)) = backend.map(|document| check_backend(&document.value)) {
        problems
            .extend(backend.iter().flat_map(|document| wrong.iter().map(|p| document.locate(p.clone()).to_string())));
    }
    let mut settings = Settings::blank();
    let mut origins = Vec::new();
    for row in TABLE {
        match given(row, flags, environment, backend) {
            Ok((origin, raw, name)) => {
                if let Err(rule) = (row.place)(&mut settings).parse(&raw) {
                    problems.push(format!("{name}: {rule}"));
                }
                if let Some(path) = environment.variables.get(&name).filter(|_| origin == Origin::File) {
                    settings.files.insert(row.path, path.into());
                }
                origins.push(origin);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        relations(&settings, &mut problems);
    }
    let warnings = unknown_variables(environment);
    if problems.is_empty() { Ok(Resolved { settings, origins, warnings }) } else { Err(problems) }
}

/// What is wrong with a Backend document: its structure, and the values in its `spec.config`.
pub fn check_document(backend: &Document) -> Vec<Finding> {
    let structural = check_backend(&backend.value).err().unwrap_or_default();
    let mut settings = Settings::blank();
    let values = TABLE.iter().filter_map(|row| {
        let (pointer, raw) = documented(row, backend)?;
        let message = (row.place)(&mut settings).parse(&raw).err()?;
        Some(Problem { path: pointer, code: "invalid", message, hint: None })
    });
    let all: Vec<_> = structural.into_iter().chain(values).collect();
    all.into_iter().map(|problem| backend.locate(problem)).collect()
}

fn given(
    row: &'static Row,
    flags: &BTreeMap<&'static str, String>,
    environment: &Environment,
    backend: Option<&Document>,
) -> Result<(Origin, Raw, String), String> {
    if let Some(text) = flags.get(row.path) {
        return Ok((Origin::Flag, Raw::Text(text.clone()), format!("--{}", row.flag())));
    }
    let variable = row.variable();
    let file_variable = format!("{variable}_FILE");
    let file = environment.variables.get(&file_variable).filter(|_| row.secret);
    match (environment.variables.get(&variable), file) {
        (Some(_), None) if row.file_only => return Err(format!("{variable} is not read: give {file_variable}")),
        (Some(_), Some(_)) => return Err(format!("{variable} and {file_variable} are both set: unset one of them")),
        (Some(text), None) => return Ok((Origin::Environment, Raw::Text(text.clone()), variable)),
        (None, Some(path)) => {
            let text = fs::read_to_string(path);
            let text = text.map_err(|error| format!("{file_variable}: cannot read `{path}`: {error}"))?;
            let text = text.trim_end_matches(['\r', '\n']).to_owned();
            return Ok((Origin::File, Raw::Text(text), file_variable));
        }
        (None, None) => {}
    }
    if let Some((document, (pointer, raw))) = backend.and_then(|document| Some((document, documented(row, document)?)))
    {
        let nothing = Problem { path: pointer, code: "", message: String::new(), hint: None };
        return Ok((Origin::Document, raw, document.locate(nothing).place()));
    }
    let text = match row.default {
        Default::Fixed(text) => text,
        Default::OnTerminal { yes, .. } if environment.terminal => yes,
        Default::OnTerminal { no, .. } => no,
    };
    Ok((Origin::Default, Raw::Text(text.to_owned()), format!("the default of --{}", row.flag())))
}

/// The row's value in the document, with its JSON Pointer. A value of a wrong type is a structural problem.
fn documented(row: &Row, backend: &Document) -> Option<(String, Raw)> {
    let pointer = row.pointer()?;
    let raw = match backend.value.pointer(&pointer)? {
        Json::String(text) => Raw::Text(text.clone()),
        Json::Number(number) => Raw::Text(number.to_string()),
        Json::Bool(yes) => Raw::Text(yes.to_string()),
        Json::Array(items) => match items.iter().map(|item| item.as_str().map(str::to_owned)).collect() {
            Some(texts) => Raw::List(texts),
            None => Raw::Objects(items.clone()),
        },
        Json::Null | Json::Object(_) => return None,
    };
    Some((pointer, raw))
}

/// Rules between settings, and bounds.
fn relations(settings: &Settings, problems: &mut Vec<String>) {
    let Settings { limits, database, timeouts, cors, tls, .. } = settings;
    let mut rule = |holds: bool, text: &str| {
        if !holds {
            problems.push(text.to_owned());
        }
    };
    rule(limits.page_default <= limits.page_max, "--limits-page-default is larger than --limits-page-max");
    rule(limits.page_default > 0, "--limits-page-default is at least 1");
    rule((1..=128).contains(&limits.depth), "--limits-depth is 1 to 128");
    rule(limits.body.0 > 0, "--limits-body is at least 1");
    rule((64..=65_536).contains(&limits.url.0), "--limits-url is 64 bytes to 64KiB");
    rule((1024..=131_072).contains(&limits.headers.0), "--limits-headers is 1KiB to 128KiB");
    rule((1..=1_000_000).contains(&limits.connections), "--limits-connections is 1 to 1000000");
    rule(
        !(cors.allow_credentials && cors.allowed_origins.iter().any(|origin| origin == "*")),
        "--cors-allow-credentials would let every web page act for its visitors: name the origins instead of *",
    );
    rule(
        tls.cert_file.is_some() == tls.key_file.is_some(),
        "--tls-cert-file and --tls-key-file belong together: give both, or neither",
    );
    rule((1..=1000).contains(&database.pool_size), "--database-pool-size is 1 to 1000");
    rule(!timeouts.request.is_zero(), "--timeouts-request is more than 0s");
    rule(!timeouts.client.is_zero(), "--timeouts-client is more than 0s");
    rule(!settings.redis_timeout.is_zero(), "--redis-timeout is more than 0s");
    settings.auth.relations().into_iter().for_each(|(holds, text)| rule(holds, text));
    let one = settings.jwt_keys.0.is_empty() || settings.jwt_secret.0.is_none();
    rule(one, "MAINSTAY_JWT_KEYS_FILE and --jwt-secret are both given: give one of them");
    let same =
        |direct: &DatabaseUrl| matches!((direct, &database.url), (DatabaseUrl::Postgres(_), DatabaseUrl::Postgres(_)));
    let direct = database.direct_url.as_ref().is_none_or(same);
    rule(
        direct,
        "--database-direct-url is for PostgreSQL behind a pooler: give it only beside a postgres:// --database-url",
    );
}

/// A mistyped variable would be ignored in silence; an error would stop pods beside a Service named `mainstay`,
/// for which Kubernetes sets `MAINSTAY_PORT` and more.
fn unknown_variables(environment: &Environment) -> Vec<String> {
    let known: Vec<String> = TABLE
        .iter()
        .flat_map(|row| {
            let variable = row.variable();
            [row.secret.then(|| format!("{variable}_FILE")), (!row.file_only).then_some(variable)]
        })
        .flatten()
        .collect();
    let unknown = environment.variables.keys().filter(|name| !known.contains(name));
    let hinted = unknown.filter_map(|name| {
        let hint = did_you_mean(name, known.iter().map(String::as_str))?;
        Some(format!("{name} is no setting: {hint}"))
    });
    hinted.collect()
}
