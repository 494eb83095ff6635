//! The kinds of fields: one file a kind, one table of kinds.
//!
//! Everything that a kind decides (its options, its column, its JSON, its operators) is behind [`FieldKind`];
//! no other module matches on [`Kind`] but to single out references. To add a kind: its file, its variant, its row.

use serde_json::Value as Json;

use crate::collection::FieldSpec;
use crate::filter::Op;
use crate::problem::Problems;
use crate::sql::ColumnType;
use crate::value::Value;

pub mod boolean;
mod bounds;
pub mod bytes;
pub mod date;
pub mod decimal;
pub mod enumeration;
pub mod integer;
pub mod json;
pub mod list;
pub mod number;
pub mod pattern;
mod range;
pub mod reference;
pub mod text;
pub mod timestamp;
pub mod uuid;

#[cfg(test)]
mod tests;

/// What a kind decides.
pub trait FieldKind {
    /// Its name in documents, such as `text`.
    fn name(&self) -> &'static str;
    /// The type of its column.
    fn column(&self) -> ColumnType;
    /// What may be asked of it, in the order of [`Op::ALL`].
    fn operators(&self) -> &'static [Op];
    /// Whether records may be sorted by it and indexes may hold it.
    fn sortable(&self) -> bool;
    /// The most bytes that a value takes in a B-tree row; `None` when nothing bounds it.
    fn key_bytes(&self) -> Option<usize>;
    /// A value from a body. Not called for null. Every problem is recorded; `None` when there was one.
    fn parse(&self, json: &Json, problems: &mut Problems) -> Option<Value<'static>>;
    /// A value from a query parameter: the text without JSON's quotes. Only form and range are judged, not `minLength` and the like.
    fn parse_parameter(&self, text: &str, problems: &mut Problems) -> Option<Value<'static>>;
    /// Appends the value as canonical JSON. A value of another kind cannot come here and is written as null.
    fn write_json(&self, value: &Value<'_>, out: &mut Vec<u8>);
    /// The JSON Schema (2020-12) of a value that is not null.
    fn json_schema(&self) -> Json;
    /// The kind of one element, for `has`.
    fn item(&self) -> Option<&dyn FieldKind> {
        None
    }
}

/// A kind with its options.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `text`
    Text(text::Text),
    /// `integer`
    Integer(integer::Integer),
    /// `number`
    Number(number::Number),
    /// `decimal`
    Decimal(decimal::Decimal),
    /// `boolean`
    Boolean(boolean::Boolean),
    /// `timestamp`
    Timestamp(timestamp::Timestamp),
    /// `date`
    Date(date::Date),
    /// `uuid`
    Uuid(uuid::Uuid),
    /// `enum`
    Enumeration(enumeration::Enumeration),
    /// `ref`
    Reference(reference::Reference),
    /// `json`
    Json(json::JsonText),
    /// `list`
    List(list::List),
    /// `bytes`
    Bytes(bytes::Bytes),
}

impl Kind {
    /// Whether a request may set this value, which an earlier kind may have stored; null is not asked for here.
    pub fn takes(&self, value: &Value<'_>) -> bool {
        let mut text = Vec::new();
        self.write_json(value, &mut text);
        serde_json::from_slice(&text).is_ok_and(|json: Json| self.parse(&json, &mut Problems::new()).is_some())
    }
}

impl std::ops::Deref for Kind {
    type Target = dyn FieldKind + Send + Sync;

    fn deref(&self) -> &Self::Target {
        match self {
            Kind::Text(kind) => kind,
            Kind::Integer(kind) => kind,
            Kind::Number(kind) => kind,
            Kind::Decimal(kind) => kind,
            Kind::Boolean(kind) => kind,
            Kind::Timestamp(kind) => kind,
            Kind::Date(kind) => kind,
            Kind::Uuid(kind) => kind,
            Kind::Enumeration(kind) => kind,
            Kind::Reference(kind) => kind,
            Kind::Json(kind) => kind,
            Kind::List(kind) => kind,
            Kind::Bytes(kind) => kind,
        }
    }
}

/// A row of the table of kinds.
pub struct KindRow {
    /// Its name in documents.
    pub name: &'static str,
    /// The options that it takes beside those of all kinds, as written in documents.
    pub options: &'static [&'static str],
    /// Builds the kind from its options, recording every problem.
    pub build: fn(&FieldSpec, &mut Problems) -> Option<Kind>,
}

/// Every kind.
pub const KINDS: &[KindRow] = &[
    text::ROW,
    integer::ROW,
    number::ROW,
    decimal::ROW,
    boolean::ROW,
    timestamp::ROW,
    date::ROW,
    uuid::ROW,
    enumeration::ROW,
    reference::ROW,
    json::ROW,
    list::ROW,
    bytes::ROW,
];

/// The operators of kinds whose values have an order.
const ORDERED: &[Op] = &[Op::Eq, Op::Ne, Op::Gt, Op::Gte, Op::Lt, Op::Lte, Op::In, Op::Nin, Op::Isnull];
/// The operators of kinds whose values are only the same or not.
const DISTINCT: &[Op] = &[Op::Eq, Op::Ne, Op::In, Op::Nin, Op::Isnull];
/// The operators of kinds whose values cannot be compared.
const OPAQUE: &[Op] = &[Op::Isnull];

/// Records `wrong_type`: `expected` is what the kind takes, with its article.
fn wrong_type(expected: &str, json: &Json, problems: &mut Problems) {
    let got = match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    };
    problems.add("wrong_type", format!("must be {expected}, is {got}"));
}

/// The text of a JSON string, or `wrong_type`.
fn string<'a>(expected: &str, json: &'a Json, problems: &mut Problems) -> Option<&'a str> {
    if !json.is_string() {
        wrong_type(expected, json, problems);
    }
    json.as_str()
}

/// Appends ASCII text in JSON's quotes.
fn write_quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// Appends JSON's null: what a value of another kind is written as.
fn write_null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"null");
}
