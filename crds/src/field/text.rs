//! STUB
#![allow(missing_docs)]
use super::{FieldKind, Kind, KindRow};
use crate::filter::Op;
use crate::problem::Problems;
use crate::sql::ColumnType;
use crate::value::Value;
use serde_json::Value as Json;

/// The row in the table of kinds.
pub const ROW: KindRow = KindRow { name: "text", options: &[], build: |_, _| None };

#[derive(Clone, Debug)]
pub struct Text {
    pub min_length: Option<u32>,
    pub max_length: Option<u32>,
}

impl FieldKind for Text {
    fn name(&self) -> &'static str {
        ROW.name
    }
    fn column(&self) -> ColumnType {
        ColumnType::Text
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
fn _k(k: Text) -> Kind {
    Kind::Text(k)
}
