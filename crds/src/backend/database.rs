//! Where a Backend's records live: PostgreSQL by a URL in a Secret, or SQLite on a volume.
//!
//! Read by the operator. What would leave records behind cannot be changed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shape::{self, Rule};

/// Rules between fields of a database.
const RULES: &[Rule] = &[
    (
        "has(self.urlFrom) != has(self.embedded)",
        "a database is exactly one of `urlFrom` and `embedded`: set `urlFrom` for PostgreSQL or `embedded` for SQLite, and remove the other",
    ),
    (
        "!(has(self.embedded) && has(self.directUrlFrom))",
        "`directUrlFrom` is PostgreSQL past a pooler: remove it, or use `urlFrom` in place of `embedded`",
    ),
    (
        "!(has(self.embedded) && has(self.schema))",
        "`schema` is a schema of PostgreSQL: remove it, or use `urlFrom` in place of `embedded`",
    ),
    (
        "has(self.embedded) == has(oldSelf.embedded)",
        "a Backend does not move between `embedded` and `urlFrom`, for its records would stay behind: make another Backend and copy them",
    ),
    (
        "(has(self.schema) ? self.schema : 'public') == (has(oldSelf.schema) ? oldSelf.schema : 'public')",
        "`schema` cannot be changed, for the tables would stay behind: make another Backend, or put the old name back",
    ),
];

/// Rules of a volume.
const VOLUME: &[Rule] = &[
    (
        "self.size == oldSelf.size",
        "`size` cannot be changed, for the volume is kept as it was made: make another Backend and copy the file, or put the old size back",
    ),
    (
        "(has(self.storageClassName) ? self.storageClassName : '') == (has(oldSelf.storageClassName) ? oldSelf.storageClassName : '')",
        "`storageClassName` cannot be changed, for the volume is kept as it was made: make another Backend and copy the file, or put the old name back",
    ),
];

/// Where the records live: exactly one of `urlFrom` and `embedded`. A Backend does not move from one to the other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(transform = shape::rules(RULES))]
pub struct DatabaseSpec {
    /// A Secret of this namespace that holds a URL such as `postgres://user:password@host:5432/name`. When the Secret
    /// changes, servers read it again without a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_from: Option<SecretSource>,
    /// The same PostgreSQL database past any pooler, for migrations, which need a session of their own. Give it when
    /// `urlFrom` goes through a pooler such as PgBouncer. Absent: `urlFrom`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct_url_from: Option<SecretSource>,
    /// The PostgreSQL schema of the tables, at most 63 of a-z, 0-9 and _. Two Backends may share a database when their
    /// schemas differ. Cannot be changed. Absent: public.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        transform = shape::matching(
            63,
            "^[a-z_][a-z0-9_]*$",
            "this is no schema's name: write at most 63 of a-z, 0-9 and _, beginning with a letter or _",
        ),
        transform = shape::rules(&[(
            "!self.startsWith('pg_')",
            "schemas that begin with pg_ are PostgreSQL's own: choose another name",
        )]),
    )]
    pub schema: Option<String>,
    /// SQLite on a volume of its own, for one server: demos and the edge. There are no Jobs: the server changes the
    /// database when it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedded: Option<EmbeddedSpec>,
}

/// A value in a Secret of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretSource {
    /// The Secret and the key in it.
    pub secret_key_ref: SecretKeyRef,
}

/// A key of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = shape::atomic)]
pub struct SecretKeyRef {
    /// metadata.name of the Secret.
    #[schemars(transform = shape::object_name)]
    pub name: String,
    /// The key in its data, such as `url`.
    #[schemars(transform = shape::secret_key)]
    pub key: String,
}

/// A volume for an SQLite file. It is kept when the Backend goes, and found again by a Backend of the same name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = shape::rules(VOLUME))]
pub struct EmbeddedSpec {
    /// How large, as a quantity of bytes such as 1Gi. Cannot be changed.
    #[schemars(transform = shape::quantity)]
    pub size: String,
    /// The StorageClass. Cannot be changed. Absent: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::object_name)]
    pub storage_class_name: Option<String>,
}
