//! STUB
#![allow(missing_docs)]
use super::{FieldKind, Kind, KindRow};
use crate::filter::Op;
use crate::problem::Problems;
use crate::sql::ColumnType;
use crate::value::Value;
use serde_json::Value as Json;

/// The row in the table of kinds.
pub const ROW: KindRow = KindRow { name: "ref", options: &[], build: |_, _| None };

#[derive(Clone, Debug)]
pub struct Reference {
    pub collection: crate::name::Name,
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

impl FieldKind for Reference {
    fn name(&self) -> &'static str {
        ROW.name
    }
    fn column(&self) -> ColumnType {
        ColumnType::Uuid
    }
    fn operators(&self) -> &'static [Op] {
        &[]
    }
    fn sortable(&self) -> bool {
        false
    }
    fn key_bytes(&self) -> Option<usize> {
        None
    }
    fn parse(&self, _: &Json, _: &mut Problems) -> Option<Value<'static>> {
        None
    }
    fn parse_parameter(&self, _: &str, _: &mut Problems) -> Option<Value<'static>> {
        None
    }
    fn write_json(&self, _: &Value<'_>, _: &mut Vec<u8>) {}
    fn json_schema(&self) -> Json {
        Json::Null
    }
}
#[allow(unused)]
fn _k(k: Reference) -> Kind {
    Kind::Reference(k)
}
