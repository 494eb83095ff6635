//! The hashes of a Backend's ApiKeys, in Secret `<backend>-api-keys` as `keys.yaml`, which servers mount.
//!
//! Called by `secrets`. Pure. Composed anew each time from the ApiKeys and their own Secrets: a key whose ApiKey is gone
//! is not in it, and so refused. Never holds a key.

use serde::Serialize;

use super::held::{self, Content, Found};
use super::{Look, Part};
use crate::api_key::{self, Valid};

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
}

/// The hashes as they shall be.
pub(super) fn plan(look: &Look<'_>) -> Part {
    let backend = &*look.seen.backend;
    let name = format!("{}-api-keys", look.name);
    let secret = match held::found(backend, look.seen.api_key_hashes.as_ref()) {
        Found::Foreign => return Part::conflict(&name),
        Found::Leaving => return Part::soon(),
        Found::Absent => None,
        Found::Ours(secret) => Some(secret),
    };
    let mut part = Part::default();
    let mut file = File { keys: Vec::new() };
    for key in &look.seen.api_keys {
        let own = key.metadata.name.as_ref().and_then(|name| look.seen.api_key_secrets.get(name));
        for Valid { id, hash, until } in api_key::valid(key, own, look.now) {
            let whole = [key.metadata.namespace.as_deref(), key.metadata.name.as_deref()];
            file.keys.push(Entry {
                name: whole.map(Option::unwrap_or_default).join("/"),
                id,
                hash,
                roles: key.spec.roles.clone(),
                expires_at: until.map(|until| until.to_string()),
            });
            let left = until.map(|until| held::age(look.now, until));
            part.again = part.again.into_iter().chain(left).min();
        }
    }
    let Ok(text) = serde_json::to_string(&file) else { return Part::soon() };
    let content = Content { name, data: vec![("keys.yaml", text)], annotations: Vec::new() };
    part.desired = held::write(backend, &look.name, secret, content);
    part
}
