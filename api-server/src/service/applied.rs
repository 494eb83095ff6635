//! What is served and what the database has applied, for people who look for the difference.
//!
//! Called by the admin port. Changes nothing.

use mainstay_crds::collection::CollectionSpec;
use mainstay_crds::schema::stored::Stored;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Error, Service};
use crate::store::schema::{self, Applied};

/// A collection as it is served.
#[derive(Debug, Serialize)]
pub struct Served {
    /// Its name.
    pub name: String,
    /// As declared.
    pub spec: CollectionSpec,
}

/// The newest revision of the database.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Newest {
    /// Its number; 0 of an empty database.
    pub revision: i64,
    /// The oldest revision whose servers may run.
    pub compatible_from: i64,
    /// Whether contract steps are still to be done.
    pub contract_open: bool,
    /// SHA-256 of the schema's JSON: equal where the schema is.
    pub hash: String,
    /// The schema.
    pub schema: Stored,
}

impl Service {
    /// What this server serves.
    pub fn served(&self) -> Vec<Served> {
        let schema = self.schema();
        let collections = schema.collections.iter();
        collections.map(|one| Served { name: one.name.to_string(), spec: one.spec.clone() }).collect()
    }

    /// What the database has. Errors: 503 while it is away.
    pub async fn applied(&self) -> Result<Newest, Error> {
        let Applied { stored, compatible_from, is_open, .. } = self.read(|conn| Ok(schema::applied(conn)?)).await?;
        let text = serde_json::to_string(&stored).map_err(Error::bug)?;
        let hash = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let revision = stored.revision;
        Ok(Newest { revision, compatible_from, contract_open: is_open, hash, schema: stored })
    }
}
