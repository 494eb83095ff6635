//! The hashes of a Backend's ApiKeys, in Secret `<backend>-api-keys` as `keys.yaml`, which servers mount.
//!
//! Called by `secrets`. Pure. Composed anew each time from the ApiKeys and their own Secrets: a key whose ApiKey is gone
//! is not in it, and so refused. Never holds a key.

use mainstay_crds::api_key::ApiKey;
use mainstay_crds::rate_limit::KeyRateLimit;
use serde::Serialize;

use super::held::{self, Content, Found};
use super::{Look, Part};
use crate::api_key::{Planned, Valid};

/// `keys.yaml`, as JSON.
#[derive(Serialize)]
struct File {
    keys: Vec<Entry>,
}

/// One key that servers take.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    /// `namespace/name` of the ApiKey.
    name: String,
    id: String,
    /// SHA-256 of the key, in hex.
    hash: String,
    roles: Vec<String>,
    /// In RFC 3339.
    expires_at: Option<String>,
    /// Servers that do not know it yet read past it.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<KeyRateLimit>,
}

/// The hashes as they shall be.
pub(super) fn plan(look: &Look<'_>, planned: &[(&ApiKey, Planned)]) -> Part {
    let backend = &*look.seen.backend;
    let name = format!("{}-api-keys", look.name);
    let secret = match held::found(backend, look.seen.api_key_hashes.as_ref()) {
        Found::Foreign => return Part::conflict(&name),
        Found::Leaving => return Part::soon(),
        Found::Absent => None,
        Found::Ours(secret) => Some(secret),
    };
    let keys = planned.iter().flat_map(|(key, planned)| planned.valid.iter().map(|valid| entry(key, valid)));
    let Ok(text) = serde_json::to_string(&File { keys: keys.collect() }) else { return Part::soon() };
    let content = Content { name, data: vec![("keys.yaml", text)], annotations: Vec::new() };
    Part { desired: held::write(backend, &look.name, secret, content), ..Part::default() }
}

fn entry(key: &ApiKey, valid: &Valid) -> Entry {
    let whole = [&key.metadata.namespace, &key.metadata.name].map(|part| part.as_deref().unwrap_or_default());
    Entry {
        name: whole.join("/"),
        id: valid.id.clone(),
        hash: valid.hash.clone(),
        roles: key.spec.roles.clone(),
        expires_at: valid.until.map(|until| until.to_string()),
        rate_limit: key.spec.rate_limit.clone(),
    }
}
