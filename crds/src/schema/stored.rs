//! STUB The applied schema as kept in the database and given to `migrate plan --applied`.
use super::Schema;
use crate::collection::{CollectionSpec, Columns};
use serde::{Deserialize, Serialize};

/// The applied schema. Its JSON is the `schema` of `mainstay migrate status --output json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// 0 for an empty database.
    pub revision: i64,
    /// Sorted by name; `users` among them.
    pub collections: Vec<StoredCollection>,
}

/// One collection as applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StoredCollection {
    /// Its name.
    pub name: String,
    /// As declared.
    pub spec: CollectionSpec,
    /// Field name → column name, where they differ.
    pub columns: Columns,
}

impl Stored {
    /// The checked schema, with the stored columns.
    pub fn schema(&self) -> Result<Schema, Vec<Vec<crate::Problem>>> {
        Err(vec![])
    }
}
