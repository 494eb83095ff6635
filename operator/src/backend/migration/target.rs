//! Where a Backend is to get: an image over documents in a database, and names that follow from it. Pure.

use mainstay_crds::backend::Backend;
use mainstay_crds::json::canonical;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::applied::Applied;
use crate::backend::documents::Documents;
use crate::settings::Settings;

/// Where a Backend is to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The servers' image.
    pub image: String,
    /// The hash of the accepted documents.
    pub documents: String,
    /// How many ConfigMaps they fill.
    pub parts: usize,
    /// Tells one database of the spec from another, without a secret.
    pub database: String,
}

impl Target {
    /// As the spec and the accepted documents say.
    pub fn of(backend: &Backend, settings: &Settings, documents: &Documents) -> Target {
        let database = backend.spec.database.clone().unwrap_or_default();
        let mut database = json!([database.url_from, database.schema, database.embedded.is_some()]);
        if let (Some(former), Some(parts)) = (&backend.spec.take_over_from, database.as_array_mut()) {
            // Only a Job takes it over: one that is told to looks again, though all else is as it was.
            parts.push(json!(former));
        }
        let database = canonical(&database);
        Target {
            image: backend.spec.image.clone().unwrap_or_else(|| settings.server_image.clone()),
            documents: documents.hash.clone(),
            parts: documents.parts,
            database: digest(&database, 12),
        }
    }

    /// Names the plan Jobs from what is applied to here; another word for each plan that turned out to be stale.
    pub fn key(&self, applied: Option<&Applied>, stale: &str) -> String {
        let applied = applied.map(|applied| (applied.revision, applied.open, applied.database.as_str()));
        digest(&canonical(&json!([self.image, self.documents, self.database, applied, stale])), 8)
    }

    /// Whether the database has it already.
    pub fn is_reached(&self, applied: &Applied) -> bool {
        applied.image == self.image && applied.documents == self.documents && applied.database == self.database
    }
}

/// The first hex digits of the SHA-256 of a text.
pub fn digest(text: &str, digits: usize) -> String {
    let hex: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    hex.chars().take(digits).collect()
}
