//! Servers that a command talks to: one HTTP client, and failures in words.
//!
//! Used by `check --against`, `import`, `export` and `keys`. TLS is the OpenSSL that libpq brings along, with the certificates of the
//! system. Keeps nothing between calls.

use std::io::Read;
use std::time::Duration;

use reqwest::blocking::{Client, Response};
use reqwest::{StatusCode, Url};
use serde_json::Value as Json;

use super::{Exit, Failure, Reason};

/// How long a server may take to be reached.
const CONNECT: Duration = Duration::from_secs(10);
/// How long it may say nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// Whether what was typed is a URL and no file.
pub fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// A URL as typed.
pub fn url(text: &str) -> Result<Url, Failure> {
    let wrong =
        |rule: String| Failure::new(Exit::Settings, format!("`{text}`: {rule}; give http://HOST or https://HOST"));
    let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(wrong(format!("{other} is no scheme of a server"))),
    }
}

/// A client. Without a limit for a whole answer, for some are as long as a collection.
pub fn client() -> Result<Client, Failure> {
    let agent = concat!("mainstay/", env!("CARGO_PKG_VERSION"));
    let client = Client::builder().user_agent(agent).connect_timeout(CONNECT).timeout(None);
    client.build().map_err(|error| Failure::new(Exit::Bug, format!("cannot make an HTTP client: {}", told(&error))))
}

/// Reads a document of at most `most` bytes.
pub fn get(url: &Url, most: u64) -> Result<Vec<u8>, Failure> {
    let answer = client()?.get(url.clone()).timeout(SILENCE).send().map_err(|error| away(url, &error))?;
    let status = answer.status();
    if !status.is_success() {
        return Err(refused(url, status, answer));
    }
    let mut bytes = Vec::new();
    match answer.take(most + 1).read_to_end(&mut bytes) {
        Err(error) => Err(unavailable(format!("{url} broke off: {error}"))),
        Ok(_) if bytes.len() as u64 > most => {
            Err(Failure::new(Exit::Data, format!("{url} answers more than {most} bytes: it is no document of ours")))
        }
        Ok(_) => Ok(bytes),
    }
}

/// A server that cannot be reached.
pub fn away(url: &Url, error: &reqwest::Error) -> Failure {
    unavailable(format!("cannot reach {url}: {}; check the address and that the server runs", told(error)))
}

/// A server that answered with a failure: what it said, in its own words where they are ours.
pub fn refused(url: &Url, status: StatusCode, answer: Response) -> Failure {
    let said = answer.json::<Json>().unwrap_or_default();
    let text = |json: &Json, name: &str| json[name].as_str().unwrap_or_default().to_owned();
    let error = text(&said, "error");
    let details = said["details"].as_array().into_iter().flatten();
    let details = details.map(|one| format!("\n{}: {}", text(one, "path"), text(one, "message")));
    let colon = if error.is_empty() { "" } else { ": " };
    let message = format!("{url} answers {status}{colon}{error}{}", details.collect::<String>());
    match status.as_u16() {
        401 | 403 => Failure::new(Exit::Settings, message),
        400..=499 if status != StatusCode::NOT_FOUND => Failure::new(Exit::Data, message),
        _ => unavailable(message),
    }
}

fn unavailable(message: String) -> Failure {
    Failure::new(Exit::Unavailable, message).because(Reason::ServerUnavailable)
}

/// The innermost cause: reqwest's own words only say that something failed.
pub fn told(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.last().map_or_else(|| error.to_string(), ToString::to_string)
}
