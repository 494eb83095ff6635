//! `mainstay keys`: API keys made, listed, revoked and rotated, in the database or at a server.
//!
//! A new key stands alone on standard output, so that a script can take it; all else about it goes to standard error. The
//! rules are the service's, or the server's: this file only asks and prints.

use std::io::{self, Write};

use actix_web::rt::System;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::transfer::{Place, Target};
use super::{Environment, Exit, Failure, Output, complain};
use crate::documents;
use asked::Asked;

mod asked;
mod table;

/// The subcommands.
#[derive(Subcommand)]
pub enum Keys {
    /// Make a key and print it, once
    Create(Create),
    /// List all keys, newest first
    List(List),
    /// Take a key back: servers refuse it within five seconds
    Revoke(Revoke),
    /// Make a key in the place of another one, which stays valid for a while
    Rotate(Rotate),
}

/// The arguments of `create`.
#[derive(Args)]
pub struct Create {
    /// What the key is for
    name: String,
    /// A role of its holder, as access rules name it; repeatable
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// How long the key lives, such as 90d; without end when absent
    #[arg(long, value_name = "TIME")]
    expires_after: Option<String>,
    /// A limit of its own, such as '{ limit: 100, window: 60s }'
    #[arg(long, value_name = "YAML")]
    rate_limit: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// The arguments of `list`.
#[derive(Args)]
pub struct List {
    #[command(flatten)]
    common: Common,
}

/// The arguments of `revoke`.
#[derive(Args)]
pub struct Revoke {
    /// The key's id, as `list` shows it
    id: Uuid,
    #[command(flatten)]
    common: Common,
}

/// The arguments of `rotate`.
#[derive(Args)]
pub struct Rotate {
    /// The key's id, as `list` shows it
    id: Uuid,
    /// How long the key before stays valid, such as 1h, or 0s
    #[arg(long, value_name = "TIME", default_value = "24h")]
    overlap: String,
    /// How long the new key lives; as long as the one before when absent
    #[arg(long, value_name = "TIME")]
    expires_after: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// What all of them take.
#[derive(Args)]
struct Common {
    /// How the answer is written
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    #[command(flatten)]
    place: Place,
}

impl Keys {
    pub(super) fn run(self, environment: &Environment) -> Result<(), Failure> {
        match self {
            Keys::Create(create) => {
                let body = create.body()?;
                create.common.ask(environment, &Asked::Create(body)).and_then(|answer| create.common.tell(&answer))
            }
            Keys::Rotate(Rotate { id, overlap, expires_after, common }) => {
                let mut body = json!({ "overlap": overlap });
                if let Some(life) = expires_after {
                    body["expires_after"] = json!(life);
                }
                common.ask(environment, &Asked::Rotate(id, body)).and_then(|answer| common.tell(&answer))
            }
            Keys::List(List { common }) => {
                let keys = common.ask(environment, &Asked::List)?;
                match common.output {
                    Output::Json => Ok(writeln!(io::stdout(), "{keys}")?),
                    Output::Text => Ok(io::stdout().write_all(table::text(&keys).as_bytes())?),
                }
            }
            Keys::Revoke(Revoke { id, common }) => {
                common.ask(environment, &Asked::Revoke(id))?;
                match common.output {
                    Output::Json => Ok(writeln!(io::stdout(), "{}", json!({ "revoked": id.to_string() }))?),
                    Output::Text => Ok(writeln!(io::stdout(), "{id} is revoked")?),
                }
            }
        }
    }
}

impl Create {
    fn body(&self) -> Result<Json, Failure> {
        let mut body = Map::from_iter([("name".to_owned(), json!(self.name)), ("roles".to_owned(), json!(self.roles))]);
        body.extend(self.expires_after.as_ref().map(|life| ("expires_after".to_owned(), json!(life))));
        if let Some(text) = &self.rate_limit {
            let limit =
                documents::value(text).map_err(|rule| Failure::new(Exit::Settings, format!("--rate-limit: {rule}")))?;
            body.insert("rate_limit".to_owned(), limit);
        }
        Ok(Json::Object(body))
    }
}

impl Common {
    fn ask(&self, environment: &Environment, asked: &Asked) -> Result<Json, Failure> {
        match self.place.target(environment)? {
            Target::Direct(settings) => System::new().block_on(asked.of_database(&settings)),
            Target::Server(server, key) => asked.of_server(&server, key.as_ref()),
        }
    }

    /// A key that was made.
    fn tell(&self, answer: &Json) -> Result<(), Failure> {
        let key = &answer["data"];
        let text = |name: &str| key[name].as_str().unwrap_or_default();
        let warnings = answer["meta"]["warnings"].as_array();
        for warning in warnings.into_iter().flatten() {
            let hint = warning["hint"].as_str().map(|hint| format!(" ({hint})")).unwrap_or_default();
            complain(&format!("warning: {}{hint}", warning["message"].as_str().unwrap_or_default()));
        }
        if self.output == Output::Json {
            return Ok(writeln!(io::stdout(), "{key}")?);
        }
        let end = key["expires_at"].as_str().map_or_else(|| "without end".to_owned(), |end| format!("until {end}"));
        complain(&format!("the key `{}` ({}), {end}; it is shown this once:", text("name"), text("id")));
        Ok(writeln!(io::stdout(), "{}", text("key"))?)
    }
}

/// The method and the path below the server's address.
fn route(asked: &Asked) -> (Method, String) {
    let keys = "/api/v1/keys";
    match asked {
        Asked::Create(_) => (Method::POST, keys.to_owned()),
        Asked::List => (Method::GET, keys.to_owned()),
        Asked::Revoke(id) => (Method::DELETE, format!("{keys}/{id}")),
        Asked::Rotate(id, _) => (Method::POST, format!("{keys}/{id}/rotate")),
    }
}
