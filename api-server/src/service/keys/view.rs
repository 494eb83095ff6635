//! A key as it is answered: everything but its hash, and the key itself once, when it is made.
//!
//! Made from a stored key by the functions of [`super::manage`]. Members without a value are left out.

use mainstay_crds::field::timestamp::write_rfc3339;
use mainstay_crds::rate_limit::KeyRateLimit;
use serde::Serialize;

use crate::service::Error;
use crate::store::keys::StoredKey;

/// A key as it is answered.
#[derive(Debug, Serialize)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// For people.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// The roles of its holder, beside `machine`.
    pub roles: Vec<String>,
    /// Whether it opens anything.
    pub status: Status,
    /// When it was made.
    pub created_at: String,
    /// Who made it.
    pub created_by: String,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
    /// When it was last used, to a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
    /// The key that it was made in place of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// A limit of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<KeyRateLimit>,
    /// The key itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Whether a key opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It does.
    Active,
    /// Its time is over.
    Expired,
    /// Somebody has taken it back.
    Revoked,
}

impl Key {
    /// A stored key as it is at `now`. Errors: 500 for a row that no server has written.
    pub fn of(key: &StoredKey, now: i64) -> Result<Key, Error> {
        let status = match (key.revoked_at, key.expires_at) {
            (Some(_), _) => Status::Revoked,
            (None, Some(end)) if end <= now => Status::Expired,
            (None, _) => Status::Active,
        };
        let rate_limit = key.rate_limit.as_deref().map(serde_json::from_str).transpose();
        Ok(Key {
            id: key.id.to_string(),
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            roles: serde_json::from_str(&key.roles).map_err(Error::bug)?,
            status,
            created_at: time(key.created_at),
            created_by: key.created_by.clone(),
            expires_at: key.expires_at.map(time),
            revoked_at: key.revoked_at.map(time),
            last_used_at: key.last_used_at.map(time),
            replaces: key.replaces.map(|id| id.to_string()),
            rate_limit: rate_limit.map_err(Error::bug)?,
            key: None,
        })
    }
}

fn time(micros: i64) -> String {
    let mut text = Vec::new();
    write_rfc3339(micros, &mut text);
    String::from_utf8(text).unwrap_or_default()
}
