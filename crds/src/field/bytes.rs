//! `bytes`: any bytes, as standard base64 with padding (RFC 4648, section 4) in JSON.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::{FieldKind, Kind, KindRow, OPAQUE, string, write_null};
use crate::filter::Op;
use crate::problem::Problems;
use crate::sql::ColumnType;
use crate::value::Value;

/// The row in the table of kinds.
pub const ROW: KindRow = KindRow {
    name: "bytes",
    options: &["maxLength"],
    build: |spec, _| Some(Kind::Bytes(Bytes { max_length: spec.max_length })),
};

/// A `bytes` field.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Bytes {
    /// Most bytes, before base64.
    pub max_length: Option<u32>,
}

impl Bytes {
    fn read(text: &str, problems: &mut Problems) -> Option<Vec<u8>> {
        // The engine is strict: no missing padding, no other alphabet, no line breaks, no stray bits at the end.
        let bytes = STANDARD.decode(text).ok();
        if bytes.is_none() {
            problems.add("malformed", "must be standard base64 with padding (RFC 4648)");
        }
        bytes
    }
}

impl FieldKind for Bytes {
    fn name(&self) -> &'static str {
        ROW.name
    }

    fn column(&self) -> ColumnType {
        ColumnType::Bytes
    }

    fn operators(&self) -> &'static [Op] {
        OPAQUE
    }

    fn sortable(&self) -> bool {
        false
    }

    fn key_bytes(&self) -> Option<usize> {
        None
    }

    fn parse(&self, json: &Json, problems: &mut Problems) -> Option<Value<'static>> {
        let bytes = Self::read(string("a string that holds base64", json, problems)?, problems)?;
        match self.max_length {
            Some(most) if bytes.len() > most as usize => {
                problems.add("too_long", format!("has {} bytes, at most {most} are allowed", bytes.len()));
                None
            }
            _ => Some(Value::Bytes(Cow::Owned(bytes))),
        }
    }

    fn parse_parameter(&self, text: &str, problems: &mut Problems) -> Option<Value<'static>> {
        Self::read(text, problems).map(|bytes| Value::Bytes(Cow::Owned(bytes)))
    }

    fn write_json(&self, value: &Value<'_>, out: &mut Vec<u8>) {
        let Value::Bytes(bytes) = value else { return write_null(out) };
        out.push(b'"');
        let start = out.len();
        out.resize(start + bytes.len().div_ceil(3) * 4, b'=');
        // The room is exactly what the encoding takes, so this cannot fail.
        let written = STANDARD.encode_slice(bytes.as_ref(), &mut out[start..]).unwrap_or_default();
        out.truncate(start + written);
        out.push(b'"');
    }

    fn json_schema(&self) -> Json {
        const QUAD: &str = "[A-Za-z0-9+/]{4}";
        const ONE: &str = "[A-Za-z0-9+/][AQgw]==";
        const TWO: &str = "[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=";
        let mut schema = json!({ "type": "string", "contentEncoding": "base64" });
        let pattern = match self.max_length {
            // Counted repetitions end at 1000 in RE2; beyond, `maxLength` of the text has to do.
            Some(most) if most / 3 <= 1000 => {
                let quads = most / 3;
                let full = match most % 3 {
                    0 => format!("(?:{QUAD}){{0,{quads}}}"),
                    1 => format!("(?:{QUAD}){{0,{quads}}}(?:{ONE})?"),
                    _ => format!("(?:{QUAD}){{0,{quads}}}(?:{ONE}|{TWO})?"),
                };
                match quads.checked_sub(1) {
                    Some(less) if most % 3 < 2 => format!("(?:{full}|(?:{QUAD}){{0,{less}}}(?:{ONE}|{TWO}))"),
                    _ => full,
                }
            }
            _ => format!("(?:{QUAD})*(?:{ONE}|{TWO})?"),
        };
        schema["pattern"] = json!(format!("^{pattern}$"));
        if let Some(most) = self.max_length {
            schema["maxLength"] = json!(u64::from(most).div_ceil(3) * 4);
        }
        schema
    }
}
