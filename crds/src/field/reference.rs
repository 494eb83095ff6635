//! `ref`: the id of a record of another collection, and what becomes of this record when that one is deleted.
//!
//! Whether the target exists is asked of the database, never here.

use serde_json::{Value as Json, json};

use super::{DISTINCT, FieldKind, Kind, KindRow, uuid};
use crate::collection::FieldSpec;
use crate::filter::Op;
use crate::name::{Name, did_you_mean};
use crate::problem::Problems;
use crate::sql::ColumnType;
use crate::value::Value;

/// The row in the table of kinds.
pub const ROW: KindRow = KindRow { name: "ref", options: &["collection", "onDelete"], build };

/// A `ref` field.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reference {
    /// The collection it points to.
    pub collection: Name,
    /// What the server does with the referring records when the target is deleted.
    pub on_delete: OnDelete,
}

/// What the server does with the referring records when the target is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDelete {
    /// Refuse the delete.
    #[default]
    Restrict,
    /// Delete them too.
    Cascade,
    /// Set the reference to null.
    SetNull,
}

const ON_DELETE: [(&str, OnDelete); 3] =
    [("restrict", OnDelete::Restrict), ("cascade", OnDelete::Cascade), ("setNull", OnDelete::SetNull)];

fn build(spec: &FieldSpec, problems: &mut Problems) -> Option<Kind> {
    let before = problems.len();
    let collection = match &spec.collection {
        None => {
            problems.add("missing_option", "a ref needs `collection`, the collection it points to");
            None
        }
        Some(name) => {
            let checked = Name::collection(name);
            checked.map_err(|rule| problems.within("collection", |p| p.add("invalid_option", rule))).ok()
        }
    };
    let on_delete = problems.within("onDelete", |problems| on_delete(spec, problems));
    (problems.len() == before).then_some(Kind::Reference(Reference { collection: collection?, on_delete: on_delete? }))
}

fn on_delete(spec: &FieldSpec, problems: &mut Problems) -> Option<OnDelete> {
    let Some(typed) = &spec.on_delete else { return Some(OnDelete::default()) };
    let found = ON_DELETE.iter().find(|(name, _)| name == typed).map(|(_, rule)| *rule);
    if found.is_none() {
        let hint = did_you_mean(typed, ON_DELETE.iter().map(|(name, _)| *name));
        problems.push("invalid_option", "`onDelete` is restrict, cascade or setNull".to_owned(), hint);
    }
    if found == Some(OnDelete::SetNull) && spec.required {
        problems.hint(
            "invalid_option",
            "`setNull` would empty a field that is required",
            "leave out `required`, or take restrict or cascade",
        );
    }
    found
}

impl FieldKind for Reference {
    fn name(&self) -> &'static str {
        ROW.name
    }

    fn column(&self) -> ColumnType {
        ColumnType::Uuid
    }

    fn operators(&self) -> &'static [Op] {
        DISTINCT
    }

    fn sortable(&self) -> bool {
        true
    }

    fn key_bytes(&self) -> Option<usize> {
        Some(36)
    }

    fn parse(&self, json: &Json, problems: &mut Problems) -> Option<Value<'static>> {
        uuid::parse(json, problems)
    }

    fn parse_parameter(&self, text: &str, problems: &mut Problems) -> Option<Value<'static>> {
        uuid::read(text, problems)
    }

    fn write_json(&self, value: &Value<'_>, out: &mut Vec<u8>) {
        uuid::write(value, out);
    }

    fn json_schema(&self) -> Json {
        let mut schema = uuid::schema();
        // For comparisons of documents: nothing else says where it points.
        schema["x-collection"] = json!(self.collection.as_str());
        schema
    }
}
