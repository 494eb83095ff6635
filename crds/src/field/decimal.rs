//! STUB
#![allow(missing_docs)]
use super::{FieldKind, Kind, KindRow};
use crate::filter::Op;
use crate::problem::Problems;
use crate::sql::ColumnType;
use crate::value::Value;
use serde_json::Value as Json;

/// The row in the table of kinds.
pub const ROW: KindRow = KindRow { name: "decimal", options: &[], build: |_, _| None };

#[derive(Clone, Debug)]
pub struct Decimal {
    pub precision: u8,
    pub scale: u8,
    pub minimum: Option<i64>,
    pub maximum: Option<i64>,
}

impl FieldKind for Decimal {
    fn name(&self) -> &'static str {
        ROW.name
    }
    fn column(&self) -> ColumnType {
        ColumnType::Decimal { precision: self.precision, scale: self.scale }
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
fn _k(k: Decimal) -> Kind {
    Kind::Decimal(k)
}
