//! What `import`, `export` and `keys` share: the database opened as an admin's, or a server and its key.
//!
//! The applied schema is in the database, so none of them takes documents.

use std::path::Path;

use mainstay_crds::schema::stored::Stored;
use reqwest::Url;
use reqwest::blocking::RequestBuilder;

use super::migrate::refused;
use super::{DatabaseFlags, Environment, Exit, Failure, migrate, remote, serve, settings};
use crate::config::Settings;
use crate::http::clock;
use crate::query::export::Format;
use crate::query::page;
use crate::service::{Caller, Ctx, Error, Service};
use crate::store::schema;
use crate::telemetry;

/// Where the records are.
#[derive(clap::Args)]
pub struct Place {
    /// A server to ask, with the key of MAINSTAY_ADMIN_KEY or MAINSTAY_ADMIN_KEY_FILE; else the database is opened
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    flags: DatabaseFlags,
}

/// How records are written, as typed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FormatName {
    /// A JSON object a line.
    Ndjson,
    /// Comma-separated values with names first.
    Csv,
}

impl FormatName {
    /// As typed, else by the file's extension, else lines of JSON.
    pub fn of(typed: Option<FormatName>, file: Option<&Path>) -> FormatName {
        let extension = file.and_then(Path::extension).and_then(|extension| extension.to_str());
        let named = extension.is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        typed.unwrap_or(if named { FormatName::Csv } else { FormatName::Ndjson })
    }

    pub fn format(self) -> Format {
        match self {
            FormatName::Ndjson => Format::Ndjson,
            FormatName::Csv => Format::Csv,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            FormatName::Ndjson => "ndjson",
            FormatName::Csv => "csv",
        }
    }
}

/// Where a transfer goes.
pub enum Target {
    /// The database, with an admin's rights.
    Direct(Box<Settings>),
    /// A server, by its address and a key.
    Server(Url, Option<String>),
}

impl Place {
    pub fn target(&self, environment: &Environment) -> Result<Target, Failure> {
        let settings = settings(&self.flags.0, environment, None)?.settings;
        if let Some(server) = &self.server {
            let key = settings.admin_key.first().map(str::to_owned);
            return Ok(Target::Server(remote::url(server)?, key));
        }
        telemetry::init(settings.log_format, &settings.log_level).map_err(|error| Failure::new(Exit::Bug, error))?;
        Ok(Target::Direct(Box::new(settings)))
    }
}

/// A service over the applied schema.
pub async fn open(settings: &Settings) -> Result<(Service, Ctx), Failure> {
    if !migrate::exists(settings) {
        let message = format!("there is no database at {}; `mainstay serve` makes it", settings.database.url);
        return Err(Failure::new(Exit::Unavailable, message));
    }
    let store = serve::open(&settings.database.url, "database.url", settings)?;
    let claim = migrate::claim(settings);
    let asked = store.session(move |conn| {
        let judged = claim.judge(conn);
        Ok((judged, schema::applied(conn)?.stored, schema::pending(conn)?))
    });
    let (judged, stored, lacking): (_, Stored, _) = asked.await?;
    judged?;
    if stored.revision == 0 {
        let message = "the database is empty: `mainstay migrate up` or `mainstay serve` makes its tables";
        return Err(Failure::new(Exit::Unavailable, message));
    }
    if !lacking.is_empty() {
        let message = format!(
            "the system tables of the database lack {}: `mainstay migrate up` or `mainstay serve` makes them",
            lacking.join(", ")
        );
        return Err(Failure::new(Exit::Unavailable, message));
    }
    let schema = stored.schema().map_err(|problems| refused(&problems.concat()))?;
    let limits = &settings.limits;
    let page = page::Limits { default: limits.page_default, max: limits.page_max };
    let ctx = Ctx { caller: Caller::Admin, now: clock::now(), once: None };
    Ok((Service::new(store, schema, page, limits.depth), ctx))
}

/// The address of a collection's export or import.
pub fn address(server: &Url, collection: &str, verb: &str, query: &[(&str, &str)]) -> Url {
    let mut url = server.clone();
    let path = format!("{}/api/v1/{collection}/{verb}", server.path().trim_end_matches('/'));
    url.set_path(&path);
    url.query_pairs_mut().extend_pairs(query);
    url
}

/// The same parameters as a query string.
pub fn raw(query: &[(&str, &str)]) -> String {
    let url = Url::parse_with_params("http://localhost", query);
    url.ok().and_then(|url| url.query().map(str::to_owned)).unwrap_or_default()
}

/// Adds the key.
pub fn with_key(request: RequestBuilder, key: Option<&String>) -> RequestBuilder {
    match key {
        Some(key) => request.header("X-API-Key", key),
        None => request,
    }
}

/// A refusal of the service as a failure of the command.
pub fn failure(error: &Error) -> Failure {
    use crate::service::Code;
    let lines = error.details.iter().map(|problem| {
        let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}: {}{hint}\n", problem.path, problem.message)
    });
    let exit = match error.code {
        Code::Unavailable | Code::Timeout => Exit::Unavailable,
        Code::InternalError => Exit::Bug,
        _ => Exit::Data,
    };
    Failure::new(exit, format!("{}{}", lines.collect::<String>(), error.message))
}
