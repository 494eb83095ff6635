//! The applied schema as kept in the database and given to `migrate plan --applied`.
//!
//! Read and written by the store through JSON, compared by `evolve`. Holds documents and the names that the
//! database knows them by, never anything that can be computed from the documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Collection, Schema};
use crate::Problem;
use crate::collection::{CollectionSpec, Columns, Document, FieldSpec, check_stored};

/// The applied schema. Its JSON is the `schema` of `mainstay migrate status --output json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// 0 for an empty database.
    pub revision: i64,
    /// Sorted by name; `users` among them.
    pub collections: Vec<StoredCollection>,
    /// Collections that are declared no longer and whose tables are still there; sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Removed>,
}

/// One collection as applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StoredCollection {
    /// Its name.
    pub name: String,
    /// As declared, without what the database does not depend on: `backendRef` and `name`.
    pub spec: CollectionSpec,
    /// Field name → column name, where they differ.
    #[serde(default)]
    pub columns: Columns,
    /// Name by the documents → name in the database, of indexes, unique keys, checks and the column of words, where they
    /// differ.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub objects: BTreeMap<String, String>,
    /// Columns of fields that are declared no longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retained: Vec<Retained>,
}

/// A column that no field of the documents has: kept with its data, or waiting for the contract that drops it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retained {
    /// The field as it was declared last.
    pub field: FieldSpec,
    /// Its column.
    pub column: String,
    /// Whether the column takes null.
    pub nullable: bool,
    /// What the open contract does to it.
    #[serde(default)]
    pub fate: Fate,
    /// Indexes and unique keys over it that are still there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<String>,
}

/// A table that no collection of the documents has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// The collection's name.
    pub name: String,
    /// Its table.
    pub table: String,
    /// What the open contract does to it.
    #[serde(default)]
    pub fate: Fate,
    /// Its fields, and those that it had retained itself.
    pub fields: Vec<Retained>,
    /// Indexes over system fields alone that are still there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<String>,
    /// Its checks (PostgreSQL).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// The column of its words, while it is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
}

/// What the contract does to a column or a table that is declared no longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fate {
    /// Nothing, or it has been done.
    #[default]
    Keep,
    /// Its indexes and its reference go, the data stays.
    Release,
    /// It goes.
    Drop,
}

impl Stored {
    /// What `schema`, whose columns are resolved, is stored as. `objects` are the names of [`StoredCollection::objects`],
    /// by collection.
    pub(super) fn of(schema: &Schema, revision: i64, objects: &BTreeMap<String, BTreeMap<String, String>>) -> Stored {
        let collections = schema.collections.iter().map(|collection| {
            let name = collection.name.to_string();
            let spec = CollectionSpec { backend_ref: None, name: None, ..collection.spec.clone() };
            let objects = objects.get(&name).cloned().unwrap_or_default();
            StoredCollection { name, spec, columns: columns(collection), objects, retained: Vec::new() }
        });
        Stored { revision, collections: collections.collect(), removed: Vec::new() }
    }

    /// As it is once the contract is done: what waits for it is gone or free.
    pub fn contracted(&self) -> Stored {
        let settle = |fields: &mut Vec<Retained>| {
            fields.retain(|one| one.fate != Fate::Drop);
            for one in fields.iter_mut().filter(|one| one.fate == Fate::Release) {
                (one.fate, one.indexes) = (Fate::Keep, Vec::new());
            }
        };
        let mut stored = self.clone();
        for collection in &mut stored.collections {
            settle(&mut collection.retained);
        }
        stored.removed.retain(|one| one.fate != Fate::Drop);
        for one in stored.removed.iter_mut().filter(|one| one.fate == Fate::Release) {
            (one.fate, one.indexes, one.search) = (Fate::Keep, Vec::new(), None);
            settle(&mut one.fields);
        }
        stored
    }

    /// The collection of that name.
    pub fn get(&self, name: &str) -> Option<&StoredCollection> {
        self.collections.iter().find(|collection| collection.name == name)
    }

    /// The checked schema, with the stored columns and names. An empty database has no collection, not even `users`.
    ///
    /// An error is one list of problems a collection: they were written by a newer server.
    pub fn schema(&self) -> Result<Schema, Vec<Vec<Problem>>> {
        let documents: Result<Vec<Document>, Vec<Vec<Problem>>> =
            self.collections.iter().map(StoredCollection::document).collect();
        let checked = check_stored(&documents?)?;
        let applied = checked.collections.iter().filter_map(|collection| {
            let stored = self.get(collection.name.as_str())?;
            let mut collection = Collection::clone(collection);
            stored.resolve(&mut collection);
            Some(Arc::new(collection))
        });
        Ok(Schema { collections: applied.collect() })
    }
}

impl StoredCollection {
    fn document(&self) -> Result<Document, Vec<Vec<Problem>>> {
        Document::new(&self.name, &self.spec).map_err(|error| {
            let message = format!("the applied collection `{}` cannot be written as JSON: {error}", self.name);
            vec![vec![Problem { path: String::new(), code: "unreadable", message, hint: None }]]
        })
    }

    /// Puts the names of the database into a collection that was checked from this document.
    fn resolve(&self, collection: &mut Collection) {
        for field in &mut collection.fields {
            if let Some(column) = self.columns.get(field.name.as_str()) {
                field.column.clone_from(column);
            }
        }
        let unique = collection.unique.iter_mut().map(|key| &mut key.name);
        let indexes = collection.indexes.iter_mut().map(|index| &mut index.name);
        let checks = collection.checks.iter_mut().map(|check| &mut check.name);
        let search = collection.search.iter_mut().map(|search| &mut search.column);
        for name in unique.chain(indexes).chain(checks).chain(search) {
            if let Some(known) = self.objects.get(name) {
                name.clone_from(known);
            }
        }
    }
}

fn columns(collection: &Collection) -> Columns {
    let renamed = collection.fields.iter().filter(|field| field.name.as_str() != field.column);
    renamed.map(|field| (field.name.to_string(), field.column.clone())).collect()
}
