//! A Collection as a user types it: the custom resource, flat, with nothing resolved.
//!
//! The types are the one source of the CRD and of what [`check()`] accepts; [`check()`] turns them into a
//! [`crate::schema::Schema`]. Unknown keys are refused.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::conditions::Condition;
use crate::shape::{self, Rule};

pub mod check;

pub use check::{Document, check, check_stored};

/// The name is that of the table and of the paths.
const NAME: Rule = (
    "(has(self.spec.name) ? self.spec.name : self.metadata.name) \
     == (has(oldSelf.spec.name) ? oldSelf.spec.name : oldSelf.metadata.name)",
    "a collection's name cannot be changed, for its table and its paths are named by it: put `spec.name` back, or declare another Collection",
);

/// A Collection in a cluster belongs to one Backend.
const RULES: &[Rule] = &[
    (
        "has(self.backendRef)",
        "`backendRef` is missing: set `backendRef.name` to the Backend of this namespace that serves the Collection",
    ),
    (
        "!has(self.backendRef) || !has(oldSelf.backendRef) || self.backendRef.name == oldSelf.backendRef.name",
        "`backendRef` cannot be changed, for the records would stay behind: declare another Collection for the other Backend",
    ),
];

/// A Collection is a typed set of records: one table, and its part of the API. What is wrong with it, beyond what an
/// API server can judge, stands in `status.problems`.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "mainstay.dev",
    version = "v1alpha1",
    kind = "Collection",
    doc = "A Collection is a typed set of records: one table of its Backend's database, and its part of the API.",
    namespaced,
    category = "mainstay",
    shortname = "msc",
    status = "CollectionStatus",
    derive = "PartialEq",
    derive = "Default",
    validation = NAME,
    printcolumn = r#"{ "name": "Accepted", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Accepted\")].status", "description": "Whether it is served as declared." }"#,
    printcolumn = r#"{ "name": "Backend", "type": "string", "jsonPath": ".spec.backendRef.name", "description": "Who serves it." }"#,
    printcolumn = r#"{ "name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Accepted\")].reason", "description": "Why it is accepted or not." }"#,
    printcolumn = r#"{ "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" }"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(transform = shape::rules(RULES))]
pub struct CollectionSpec {
    /// The Backend that serves it, in the same namespace. Needed in a cluster and cannot be changed; ignored in a local
    /// file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend_ref: Option<BackendRef>,
    /// The collection's name, where metadata.name is taken or no name of a collection: a-z, 0-9 and -, beginning with a
    /// letter, at most 48. Cannot be changed. Absent: metadata.name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::text(48))]
    pub name: Option<String>,
    /// The name of one record, such as `market`; names the OpenAPI schemas. Absent: the name less its last s.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::text(48))]
    pub singular: Option<String>,
    /// For people; shown in the OpenAPI document.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::text(10_000))]
    pub description: Option<String>,
    /// The fields, such as `{name: title, type: text, required: true, maxLength: 200}`. Every record also has id, version,
    /// created_at and updated_at. At most 200.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::keyed(200, "name"))]
    pub fields: Vec<FieldSpec>,
    /// Uniqueness over several fields, or with a condition, such as `{fields: [creator, title]}`. At most 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::list(64, |_| ()))]
    pub unique: Vec<UniqueSpec>,
    /// Indexes for filters and sorts, such as `{fields: [status, -created_at]}`. At most 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::list(64, |_| ()))]
    pub indexes: Vec<IndexSpec>,
    /// Rules between the fields of one record, such as
    /// `{that: {closes_at: {gt: $field.opens_at}}, message: closes before it opens}`. At most 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::list(100, |_| ()))]
    pub checks: Vec<CheckSpec>,
    /// Who may do what, such as `read: [{roles: [anyone]}]`. An action without a rule is for admin alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessSpec>,
    /// Earlier versions of each record to keep, such as `{keep: 20}`. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<HistorySpec>,
    /// Full text that `q` searches, such as `{text: [title, description], language: english}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchSpec>,
    /// When true, update and delete without If-Match are refused with 428. Absent: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_precondition: Option<bool>,
    /// What happens to the data of a removed field or of the removed collection: Retain keeps it, unserved; Delete drops
    /// it, after approval. Absent: Retain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicySpec>,
}

/// What the operator tells of a Collection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CollectionStatus {
    /// The generation of the spec that this was judged by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Accepted: it is served as declared. When False, its last accepted state is served, if there was one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::keyed(16, "type"))]
    pub conditions: Vec<Condition>,
    /// The Backend that serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// The generation of the spec that was last accepted, and is served or about to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_generation: Option<i64>,
    /// Everything that is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ProblemStatus>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemStatus {
    /// Where, as a JSON Pointer: `/spec/fields/3/maxLength`.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Names a Backend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendRef {
    /// metadata.name of the Backend.
    #[schemars(transform = shape::backend_name)]
    pub name: String,
}

/// One field: its kind, the options of all kinds, and those of its own kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldSpec {
    /// Its name in JSON: a-z, 0-9 and _, beginning with a letter, at most 48.
    #[schemars(transform = shape::text(48))]
    pub name: String,
    /// Its kind: text, integer, number, decimal, boolean, timestamp, date, uuid, enum, ref, json, list or bytes.
    #[serde(rename = "type")]
    #[schemars(transform = shape::text(64))]
    pub kind: String,
    /// Never null. Absent: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// What an absent value becomes: a value, $now, $uuid or $auth.id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any")]
    pub default: Option<Json>,
    /// No two records share a value. Absent: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
    /// Cannot be changed once set. Absent: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub immutable: bool,
    /// Never answered, filtered or sorted by. Absent: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub write_only: bool,
    /// Takes only its default. Absent: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// Roles that may read it. Absent: all that may read the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::set(100, shape::text(64)))]
    pub read_roles: Option<Vec<String>>,
    /// Roles that may write it. Absent: all that may write the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::set(100, shape::text(64)))]
    pub write_roles: Option<Vec<String>>,
    /// For people; shown in the OpenAPI document.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::text(10_000))]
    pub description: Option<String>,
    /// An example value; shown in the OpenAPI document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any")]
    pub example: Option<Json>,
    /// The name that it had before; keeps its data.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::text(48))]
    pub renamed_from: Option<String>,
    /// text: fewest characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_length: Option<u32>,
    /// text: most characters. bytes: most bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// text: a regular expression that the whole text matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::text(2000))]
    pub pattern: Option<String>,
    /// text: email, url, slug or hostname.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::text(64))]
    pub format: Option<String>,
    /// integer, number, decimal, timestamp, date: the least value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any")]
    pub minimum: Option<Json>,
    /// integer, number, decimal, timestamp, date: the greatest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any")]
    pub maximum: Option<Json>,
    /// decimal: all digits, 1 to 18.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<u32>,
    /// decimal: digits after the point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<u32>,
    /// enum, and list of enum: the values, at most 1000 of at most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::list(1000, shape::text(200)))]
    pub values: Option<Vec<String>>,
    /// ref: the name of the collection that it points to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::text(48))]
    pub collection: Option<String>,
    /// ref: what the removal of the other record does: restrict, cascade or setNull.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::text(64))]
    pub on_delete: Option<String>,
    /// json: a JSON Schema (2020-12) of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any")]
    pub schema: Option<Json>,
    /// list: text, integer, uuid or enum.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::text(64))]
    pub items: Option<String>,
    /// list: fewest items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_items: Option<u32>,
    /// list: most items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_items: Option<u32>,
    /// list: no item twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique_items: bool,
}

/// Uniqueness over fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UniqueSpec {
    /// The fields that together are unique. At most 16.
    #[schemars(transform = shape::list(16, shape::text(48)))]
    pub fields: Vec<String>,
    /// Text compares with A-Z folded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub case_insensitive: bool,
    /// A filter tree: only records for which it is true take part.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any")]
    pub condition: Option<Json>,
}

/// An index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IndexSpec {
    /// Its keys in order; a leading - is descending. At most 16.
    #[schemars(transform = shape::list(16, shape::text(49)))]
    pub fields: Vec<String>,
}

/// Full text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SearchSpec {
    /// The fields whose words are searched: text, and lists of text. At most 16.
    #[schemars(transform = shape::list(16, shape::text(48)))]
    pub text: Vec<String>,
    /// Finds words by their stems: english, french, german and fifteen more. Absent: simple, words as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::text(64))]
    pub language: Option<String>,
}

/// A rule between fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckSpec {
    /// A filter tree on the record's own fields; a record for which it is false is refused.
    #[schemars(schema_with = "any")]
    pub that: Json,
    /// What a caller is told.
    #[schemars(transform = shape::text(1000))]
    pub message: String,
}

/// Rules for each action.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AccessSpec {
    /// Who may get and list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::list(100, |_| ()))]
    pub read: Vec<RuleSpec>,
    /// Who may create.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::list(100, |_| ()))]
    pub create: Vec<RuleSpec>,
    /// Who may put and patch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::list(100, |_| ()))]
    pub update: Vec<RuleSpec>,
    /// Who may delete.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::list(100, |_| ()))]
    pub delete: Vec<RuleSpec>,
}

/// Grants an action to roles.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleSpec {
    /// Any of these; `anyone` is every caller.
    #[schemars(transform = shape::set(100, shape::text(64)))]
    pub roles: Vec<String>,
    /// A filter tree: only on rows for which it is true.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any")]
    pub condition: Option<Json>,
}

/// Earlier versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistorySpec {
    /// How many of each record, 1 to 1000. When there are more, the oldest go.
    #[schemars(transform = shape::number(1, 1000))]
    pub keep: u32,
}

/// Retain or Delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = shape::choice)]
pub enum DeletionPolicySpec {
    /// Kept in the database, not served.
    #[default]
    Retain,
    /// Dropped, after approval.
    Delete,
}

/// Any JSON, kept as it is by an API server.
fn any(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
}

/// Names of collections with the columns that their fields map to, as kept in the applied schema.
pub type Columns = BTreeMap<String, String>;
