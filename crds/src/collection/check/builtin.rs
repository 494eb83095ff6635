//! What every backend has without declaring it: the system fields and the fields of `users`.
//!
//! Called by the check alone. Records of `users` are for admin until rules are declared.

use serde_json::json;

use crate::collection::FieldSpec;
use crate::field::{Kind, integer, timestamp, uuid};
use crate::name::Name;
use crate::schema::Field;

/// The system fields by name, in the order of their positions in [`crate::schema`].
pub const SYSTEM: [&str; 4] = ["id", "version", "created_at", "updated_at"];

/// The system fields of every collection. That callers cannot write them is the service's rule.
pub fn system() -> Vec<Field> {
    let time = || Kind::Timestamp(timestamp::Timestamp { minimum: None, maximum: None });
    let version = Kind::Integer(integer::Integer { minimum: Some(1), maximum: None });
    let kinds = [
        (Kind::Uuid(uuid::Uuid {}), "The record's identity."),
        (version, "Counts the record's changes, from 1."),
        (time(), "When the record was created."),
        (time(), "When the record last changed."),
    ];
    let fields = SYSTEM.into_iter().zip(kinds).filter_map(|(name, (kind, description))| {
        Some(Field {
            name: Name::field(name).ok()?,
            column: name.to_owned(),
            kind,
            required: true,
            default: None,
            immutable: false,
            write_only: false,
            read_only: false,
            read_roles: None,
            write_roles: None,
            description: Some(description.to_owned()),
            example: None,
        })
    });
    fields.collect()
}

/// The fields that `users` has from the start.
pub fn users() -> Vec<FieldSpec> {
    let field = |name: &str, kind: &str, description: &str| FieldSpec {
        name: name.to_owned(),
        kind: kind.to_owned(),
        description: Some(description.to_owned()),
        ..FieldSpec::default()
    };
    // What a person is granted, nobody grants himself: a rule that lets people change their own record leaves these alone.
    let for_admin = || Some(vec!["admin".to_owned()]);
    vec![
        FieldSpec {
            required: true,
            format: Some("email".to_owned()),
            max_length: Some(254),
            ..field("email", "text", "The address; no two users share one, whatever its case.")
        },
        FieldSpec { max_length: Some(200), ..field("name", "text", "What people call the user.") },
        FieldSpec {
            items: Some("text".to_owned()),
            default: Some(json!([])),
            write_roles: for_admin(),
            ..field("roles", "list", "The user's roles.")
        },
        FieldSpec {
            default: Some(json!(false)),
            write_roles: for_admin(),
            ..field("disabled", "boolean", "Whether the user is locked out.")
        },
    ]
}
