//! `uuid`: any UUID of RFC 9562 in its textual form, answered in lower case.

use serde_json::{Value as Json, json};

use super::{DISTINCT, FieldKind, Kind, KindRow, string, write_null};
use crate::filter::Op;
use crate::problem::Problems;
use crate::sql::ColumnType;
use crate::value::Value;

/// The row in the table of kinds.
pub const ROW: KindRow = KindRow { name: "uuid", options: &[], build: |_, _| Some(Kind::Uuid(Uuid {})) };

/// A `uuid` field. It has no options.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Uuid {}

/// A UUID from its text with hyphens, in any case; `None` for every other form (braces, `urn:`, no hyphens).
pub fn parse_uuid(text: &str) -> Option<uuid::Uuid> {
    let bytes = text.as_bytes();
    let hyphens = bytes.len() == 36 && [8, 13, 18, 23].iter().all(|at| bytes[*at] == b'-');
    if !hyphens {
        return None;
    }
    uuid::Uuid::try_parse(text).ok()
}

/// Appends the UUID in lower case with hyphens, without quotes.
pub fn write_uuid(uuid: &uuid::Uuid, out: &mut Vec<u8>) {
    let mut text = uuid::Uuid::encode_buffer();
    out.extend_from_slice(uuid.hyphenated().encode_lower(&mut text).as_bytes());
}

pub(super) fn read(text: &str, problems: &mut Problems) -> Option<Value<'static>> {
    let uuid = parse_uuid(text);
    if uuid.is_none() {
        problems.add("malformed", "must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057");
    }
    uuid.map(Value::Uuid)
}

pub(super) fn parse(json: &Json, problems: &mut Problems) -> Option<Value<'static>> {
    read(string("a string that holds a UUID", json, problems)?, problems)
}

pub(super) fn write(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Uuid(uuid) => super::write_quoted(out, |out| write_uuid(uuid, out)),
        _ => write_null(out),
    }
}

pub(super) fn schema() -> Json {
    let pattern = "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$";
    json!({ "type": "string", "format": "uuid", "pattern": pattern })
}

impl FieldKind for Uuid {
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
        parse(json, problems)
    }

    fn parse_parameter(&self, text: &str, problems: &mut Problems) -> Option<Value<'static>> {
        read(text, problems)
    }

    fn write_json(&self, value: &Value<'_>, out: &mut Vec<u8>) {
        write(value, out);
    }

    fn json_schema(&self) -> Json {
        schema()
    }
}
