//! What the declared Collections mean: checked types that only [`crate::collection::check()`] can build.
//!
//! Read by every layer of the server. `#[non_exhaustive]` keeps the constructors in this crate, so a `Schema`
//! that exists is right: names resolve, defaults fit their kinds, filters fit their fields.

use std::sync::Arc;

use crate::field::Kind;
use crate::filter::Filter;
use crate::name::Name;
use crate::value::Value;
use crate::words::{Language, Words};

pub mod ddl;
pub mod evolve;
pub mod json_schema;
pub mod stored;

/// The built-in collection of people: `$auth.id` is the id of one of its records.
pub const USERS: &str = "users";
/// How many fields every record has before the declared ones: `id`, `version`, `created_at`, `updated_at`.
pub const SYSTEM_FIELDS: usize = 4;
/// Position of `id` in every collection.
pub const ID: usize = 0;
/// Position of `version`.
pub const VERSION: usize = 1;
/// Position of `created_at`.
pub const CREATED_AT: usize = 2;
/// Position of `updated_at`.
pub const UPDATED_AT: usize = 3;

/// Every collection of one backend, the built-in `users` among them, sorted by name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Schema {
    /// Sorted by name.
    pub collections: Vec<Arc<Collection>>,
}

impl Schema {
    /// The collection of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Collection>> {
        let found = self.collections.binary_search_by(|collection| collection.name.as_str().cmp(name));
        found.ok().map(|position| &self.collections[position])
    }

    /// The references to `name`, as pairs of a collection and the position of its `ref` field.
    pub fn referrers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Arc<Collection>, usize)> + 'a {
        self.collections.iter().flat_map(move |collection| {
            let fields = collection.fields.iter().enumerate();
            fields
                .filter(move |(_, field)| field.target().is_some_and(|target| target.as_str() == name))
                .map(move |(position, _)| (collection, position))
        })
    }
}

/// A typed set of records; one table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Collection {
    /// The name in URLs, such as `markets`.
    pub name: Name,
    /// The name of the table: `-` of the name is `_`.
    pub table: String,
    /// The name of one record, such as `market`; OpenAPI schemas are named after it.
    pub singular: String,
    /// For people.
    pub description: Option<String>,
    /// The four system fields, then the declared ones in order. A record is a row of values in this order.
    pub fields: Vec<Field>,
    /// Every uniqueness rule, those of `unique: true` fields first.
    pub unique: Vec<UniqueKey>,
    /// Declared indexes, and one for each `ref` field that no other index or key begins with.
    pub indexes: Vec<Index>,
    /// Rules between the fields of one record.
    pub checks: Vec<Check>,
    /// Who may do what.
    pub access: Access,
    /// How many earlier versions of each record are kept; `None` is none, and then no statement is spent on it.
    pub history: Option<u32>,
    /// What `q` searches; `None` takes no `q`.
    pub search: Option<Search>,
    /// Update and delete without `If-Match` are refused with 428.
    pub require_precondition: bool,
    /// As declared, for the applied schema.
    pub spec: crate::collection::CollectionSpec,
    /// What happens to the data when the collection or a field is removed.
    pub deletion_policy: DeletionPolicy,
}

impl Collection {
    /// Position of the field of that name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name.as_str() == name)
    }

    /// The declared fields with their positions.
    pub fn declared(&self) -> impl Iterator<Item = (usize, &Field)> {
        self.fields.iter().enumerate().skip(SYSTEM_FIELDS)
    }
}

/// One typed column.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Field {
    /// The name in JSON.
    pub name: Name,
    /// The name of the column: the name under which the field was first declared.
    pub column: String,
    /// Its type with the type's own options.
    pub kind: Kind,
    /// Not nullable; a create must give it unless there is a default.
    pub required: bool,
    /// What an absent value becomes on create and replace.
    pub default: Option<DefaultValue>,
    /// Set once: on create, or later while it is null.
    pub immutable: bool,
    /// Never answered, filtered or sorted by.
    pub write_only: bool,
    /// Takes only its default.
    pub read_only: bool,
    /// Roles that may read it; `None` is everyone who may read the record.
    pub read_roles: Option<Vec<String>>,
    /// Roles that may write it; `None` is everyone who may write the record.
    pub write_roles: Option<Vec<String>>,
    /// For people.
    pub description: Option<String>,
    /// An example, in JSON.
    pub example: Option<serde_json::Value>,
}

impl Field {
    /// The collection that a `ref` points to.
    pub fn target(&self) -> Option<&Name> {
        match &self.kind {
            Kind::Reference(reference) => Some(&reference.collection),
            _ => None,
        }
    }
}

/// The value of an absent field.
#[derive(Clone, Debug, PartialEq)]
pub enum DefaultValue {
    /// A constant.
    Value(Value<'static>),
    /// `$now`: the time of the request.
    Now,
    /// `$uuid`: a new UUIDv7.
    Uuid,
    /// `$auth.id`: the calling user's id, or null.
    AuthId,
}

/// No two records may agree on these fields. As in SQL, nulls never agree.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UniqueKey {
    /// Name of the database index, at most 63 bytes.
    pub name: String,
    /// Positions of the fields, at least one.
    pub fields: Vec<usize>,
    /// Text fields compare with A–Z folded.
    pub case_insensitive: bool,
    /// Only records for which this is true take part.
    pub condition: Option<Filter>,
}

/// An index for filters and sorts. The id is its last key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Index {
    /// Name of the database index, at most 63 bytes.
    pub name: String,
    /// Its keys, without the id.
    pub keys: Vec<SortKey>,
}

/// A field and a direction. Null is before every value ascending, after every value descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// Position of the field.
    pub field: usize,
    /// From high to low.
    pub descending: bool,
}

/// The words by which records are found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Search {
    /// Their column. It is no field, and what belongs to it in the database is named after it.
    pub column: String,
    /// Positions of the fields that hold them, at least one.
    pub fields: Vec<usize>,
    /// How they are stemmed.
    pub language: Language,
}

impl Search {
    /// The words of a record.
    pub fn words(&self, record: &[Value<'_>]) -> Words {
        let mut texts: Vec<&str> = Vec::new();
        for value in self.fields.iter().filter_map(|field| record.get(*field)) {
            let items = if let Value::List(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
            texts.extend(
                items.iter().filter_map(|item| if let Value::Text(text) = item { Some(&**text) } else { None }),
            );
        }
        Words::of(texts, self.language)
    }
}

/// A rule that no record may break: only false breaks it, unknown does not.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Check {
    /// Name of the database constraint, at most 63 bytes.
    pub name: String,
    /// What must not be false.
    pub that: Filter,
    /// What a caller is told when it is.
    pub message: String,
}

/// Who may do what: rules only grant. An action without a rule is for admin alone.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Access {
    /// Get, list, include.
    pub read: Vec<Rule>,
    /// Create.
    pub create: Vec<Rule>,
    /// Put and patch.
    pub update: Vec<Rule>,
    /// Delete.
    pub delete: Vec<Rule>,
}

/// Grants an action to roles, on the rows for which `condition` is true.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rule {
    /// Any one of these suffices. `anyone` is every caller.
    pub roles: Vec<String>,
    /// `None` is every row.
    pub condition: Option<Filter>,
}

/// What becomes of the data of a removed field or collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// Kept in the database, not served.
    #[default]
    Retain,
    /// Dropped, after approval.
    Delete,
}
