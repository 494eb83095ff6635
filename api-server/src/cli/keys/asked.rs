//! What `mainstay keys` asks, and the same answer from a database and from a server.
//!
//! Called by the subcommands. Knows no rule: a body is judged by whoever answers.

use reqwest::{StatusCode, Url};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::super::transfer::{self, with_key};
use super::super::{Exit, Failure, remote};
use super::route;
use crate::config::Settings;
use crate::service::keys::manage::{self, Made};
use crate::service::{Ctx, Error, Service};

/// A question.
pub enum Asked {
    /// A new key, by the body of a request.
    Create(Json),
    /// All keys.
    List,
    /// A key is to open nothing any more.
    Revoke(Uuid),
    /// A new key in the place of one.
    Rotate(Uuid, Json),
}

impl Asked {
    /// Asks the database, as an admin.
    pub async fn of_database(&self, settings: &Settings) -> Result<Json, Failure> {
        let (service, ctx) = transfer::open(settings).await?;
        let answer = match self {
            Asked::Create(body) => manage::create(&service, &ctx, "", &bytes(body)).await.map(made),
            Asked::Rotate(id, body) => {
                manage::rotate(&service, &ctx, &id.to_string(), "", &bytes(body)).await.map(made)
            }
            Asked::Revoke(id) => manage::revoke(&service, &ctx, &id.to_string(), "").await.map(|_| Json::Null),
            Asked::List => return every(&service, &ctx).await,
        };
        answer.map_err(|error| transfer::failure(&error))
    }

    /// Asks a server.
    pub fn of_server(&self, server: &Url, key: Option<&String>) -> Result<Json, Failure> {
        let client = remote::client()?;
        let mut keys = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let (method, path) = route(self);
            let mut url = server.clone();
            url.set_path(&format!("{}{path}", server.path().trim_end_matches('/')));
            if let Some(cursor) = &cursor {
                url.query_pairs_mut().append_pair("cursor", cursor);
            }
            let request = client.request(method, url.clone());
            let request = match self {
                Asked::Create(body) | Asked::Rotate(_, body) => request.json(body),
                Asked::List | Asked::Revoke(_) => request,
            };
            let answer = with_key(request, key).send().map_err(|error| remote::away(&url, &error))?;
            let status = answer.status();
            if !status.is_success() {
                let failure = remote::refused(&url, status, answer);
                // Of a server's own paths it is the key that is not there.
                let key_is_missing =
                    status == StatusCode::NOT_FOUND && matches!(self, Asked::Revoke(_) | Asked::Rotate(..));
                return Err(if key_is_missing { Failure { exit: Exit::Data, ..failure } } else { failure });
            }
            if matches!(self, Asked::Revoke(_)) {
                return Ok(Json::Null);
            }
            let mut said: Json = answer.json().map_err(|error| remote::away(&url, &error))?;
            if !matches!(self, Asked::List) {
                return Ok(said);
            }
            keys.append(said["data"].as_array_mut().unwrap_or(&mut Vec::new()));
            cursor = said["meta"]["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return Ok(Json::Array(keys));
            }
        }
    }
}

/// Every page.
async fn every(service: &Service, ctx: &Ctx) -> Result<Json, Failure> {
    let mut keys = Vec::new();
    let mut raw = String::new();
    loop {
        let page = manage::list(service, ctx, &raw).await.map_err(|error| transfer::failure(&error))?;
        for row in 0..page.rows.len() {
            let key = serde_json::from_slice::<Json>(page.rows.object(row).unwrap_or_default());
            keys.push(key.map_err(|error| transfer::failure(&Error::bug(error)))?);
        }
        match page.next_cursor {
            Some(cursor) => raw = format!("cursor={cursor}"),
            None => return Ok(Json::Array(keys)),
        }
    }
}

fn made(made: Made) -> Json {
    json!({ "data": made.key, "meta": { "warnings": made.warnings } })
}

fn bytes(body: &Json) -> Vec<u8> {
    body.to_string().into_bytes()
}
