//! Files of keys: admin keys a line each, machines' API keys, and the keys that sign tokens.
//!
//! Parsed at the start and, by `serve`, whenever a file changes. A message names the rule and the place, never the
//! content.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use mainstay_crds::field::timestamp::parse_rfc3339;
use mainstay_crds::rate_limit::KeyRateLimit;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::parameter::{Parameter, Raw, text};
use crate::documents;
use crate::service::Machine;
use crate::service::keys::{ApiKey, KeyHash, hash};
use crate::service::signing::{SigningKey, State};

/// The keys that let their holder do everything, in the clear for as long as it takes to hash them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AdminKeys(Vec<String>);

/// The machines' keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeys(pub Vec<ApiKey>);

/// The keys that sign tokens.
#[derive(Clone, Debug, Default)]
pub struct JwtKeys(pub Vec<Arc<SigningKey>>);

impl AdminKeys {
    /// Whether one was given.
    pub fn is_given(&self) -> bool {
        !self.0.is_empty()
    }

    /// The first of them in the clear, for a command that calls a server.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }

    /// What is kept of them.
    pub fn hashes(&self) -> Vec<KeyHash> {
        self.0.iter().map(|key| hash(key)).collect()
    }
}

impl fmt::Debug for AdminKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show())
    }
}

impl Parameter for AdminKeys {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let keys = text(raw)?.lines().map(str::trim).filter(|line| !line.is_empty());
        let checked = keys.map(|key| match key.len() {
            ..20 => Err("a key has at least 20 characters; `openssl rand -hex 20` makes one".to_owned()),
            _ if key.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(key.to_owned()),
            _ => Err("a key is made of visible ASCII characters, for it travels in a header".to_owned()),
        });
        self.0 = checked.collect::<Result<_, _>>()?;
        Ok(())
    }

    fn show(&self) -> String {
        if self.is_given() { "********".to_owned() } else { String::new() }
    }
}

/// A file of API keys.
#[derive(Deserialize)]
struct ApiKeyFile {
    keys: Vec<ApiKeyEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiKeyEntry {
    name: String,
    id: String,
    hash: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    rate_limit: Option<KeyRateLimit>,
}

impl Parameter for ApiKeys {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let text = text(raw)?;
        let file: Option<ApiKeyFile> = read(text)?;
        let entries = file.map(|file| file.keys).unwrap_or_default();
        let keys =
            entries.into_iter().enumerate().map(|(at, entry)| api_key(entry).map_err(|e| format!("key {at}: {e}")));
        self.0 = keys.collect::<Result<_, _>>()?;
        Ok(())
    }

    fn show(&self) -> String {
        if self.0.is_empty() { String::new() } else { "********".to_owned() }
    }
}

fn api_key(entry: ApiKeyEntry) -> Result<ApiKey, String> {
    let ApiKeyEntry { name, id, hash, mut roles, expires_at, rate_limit } = entry;
    let hash = from_hex(&hash).ok_or("`hash` is 64 hex digits, the SHA-256 of the key")?;
    let expires_at = expires_at.map(|text| parse_rfc3339(&text)).transpose();
    let expires_at = expires_at.map_err(|rule| format!("`expiresAt` is not an RFC 3339 time: {rule}"))?;
    if roles.iter().any(String::is_empty) {
        return Err("a role has a name".to_owned());
    }
    roles.push("machine".to_owned());
    let rate_limit = rate_limit.map(|limit| limit.quota()).transpose().map_err(|problems| {
        let told: Vec<_> = problems.iter().map(|(member, rule)| format!("`rateLimit.{member}`: {rule}")).collect();
        told.join("; ")
    })?;
    Ok(ApiKey { id, hash, machine: Arc::new(Machine { name, roles, rate_limit }), expires_at })
}

fn from_hex(text: &str) -> Option<KeyHash> {
    let mut hash = KeyHash::default();
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(hash)
}

/// A file of signing keys.
#[derive(Deserialize)]
struct JwtKeyFile {
    keys: Vec<JwtKeyEntry>,
}

#[derive(Deserialize)]
struct JwtKeyEntry {
    kid: String,
    alg: String,
    #[serde(deserialize_with = "state")]
    state: State,
    jwk: Map<String, Json>,
}

fn state<'de, D: serde::Deserializer<'de>>(from: D) -> Result<State, D::Error> {
    match String::deserialize(from)?.as_str() {
        "published" => Ok(State::Published),
        "signing" => Ok(State::Signing),
        "retiring" => Ok(State::Retiring),
        _ => Err(serde::de::Error::custom("a state is published, signing or retiring")),
    }
}

impl Parameter for JwtKeys {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        let file: Option<JwtKeyFile> = read(text(raw)?)?;
        let entries = file.map(|file| file.keys).unwrap_or_default();
        if entries.iter().filter(|entry| entry.state == State::Signing).count() > 1 {
            return Err("at most one key is in the state `signing`".to_owned());
        }
        let mut seen = BTreeSet::new();
        if !entries.iter().all(|entry| seen.insert(entry.kid.clone())) {
            return Err("two keys have one `kid`".to_owned());
        }
        let keys = entries.into_iter().enumerate().map(|(at, JwtKeyEntry { kid, alg, state, jwk })| {
            SigningKey::from_jwk(kid, &alg, state, &jwk).map(Arc::new).map_err(|e| format!("key {at}: {e}"))
        });
        self.0 = keys.collect::<Result<_, _>>()?;
        Ok(())
    }

    fn show(&self) -> String {
        if self.0.is_empty() { String::new() } else { "********".to_owned() }
    }
}

/// A secret that signs tokens in the place of keys.
#[derive(Clone, Debug, Default)]
pub struct JwtSecret(pub Option<Arc<SigningKey>>);

impl Parameter for JwtSecret {
    fn parse(&mut self, raw: &Raw) -> Result<(), String> {
        self.0 = match text(raw)? {
            "" => None,
            // As many as the hash has, which RFC 7518 asks for.
            secret if secret.len() < 32 => {
                return Err("a secret has at least 32 bytes; `openssl rand -hex 32` makes one".to_owned());
            }
            secret => Some(Arc::new(SigningKey::from_secret(secret.as_bytes()))),
        };
        Ok(())
    }

    fn show(&self) -> String {
        if self.0.is_some() { "********".to_owned() } else { String::new() }
    }
}

/// A file's text as YAML, of which JSON is a part; none when it is blank.
fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<Option<T>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let json = documents::value(text)?;
    // What serde says may quote a value.
    let wrong = |_| "it does not have the form of a file of keys".to_owned();
    serde_json::from_value(json).map(Some).map_err(wrong)
}

#[cfg(test)]
mod tests;
