//! One value of one field, between JSON and a column.
//!
//! Parsed and printed by its [kind](crate::field::Kind), bound and read by the store. Borrowed while a row
//! is turned into JSON, owned (`Value<'static>`) in a record under change. It does not know its own field.

use std::borrow::Cow;

use uuid::Uuid;

/// A checked value. Which variants a field takes follows from its kind; `Null` is allowed by `required: false`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// No value; equal to nothing in filters, first in ascending order.
    Null,
    /// `text` and `enum`.
    Text(Cow<'a, str>),
    /// `integer`, within ±(2^53−1).
    Integer(i64),
    /// `number`: finite, never −0.
    Number(f64),
    /// `decimal`: the value times 10^scale, at most 18 digits.
    Decimal(i64),
    /// `boolean`.
    Boolean(bool),
    /// `timestamp`: microseconds since 1970-01-01T00:00:00Z, years 0001 to 9999.
    Timestamp(i64),
    /// `date`: days since 1970-01-01, years 0001 to 9999.
    Date(i32),
    /// `uuid` and `ref`.
    Uuid(Uuid),
    /// `json`: canonical text (RFC 8785).
    Json(Cow<'a, str>),
    /// `list`: elements of one scalar kind, none of them null.
    List(Vec<Value<'a>>),
    /// `bytes`.
    Bytes(Cow<'a, [u8]>),
}

impl Value<'_> {
    /// Whether this is `Null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The same value, owning its text.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Value::Integer(n) => Value::Integer(n),
            Value::Number(n) => Value::Number(n),
            Value::Decimal(n) => Value::Decimal(n),
            Value::Boolean(b) => Value::Boolean(b),
            Value::Timestamp(t) => Value::Timestamp(t),
            Value::Date(d) => Value::Date(d),
            Value::Uuid(u) => Value::Uuid(u),
            Value::Json(text) => Value::Json(Cow::Owned(text.into_owned())),
            Value::List(items) => Value::List(items.into_iter().map(Value::into_owned).collect()),
            Value::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.into_owned())),
        }
    }

    /// Order of two values of one kind as both databases have it; `None` when either is null or they cannot be compared.
    /// Text compares by code point (which UTF-8 bytes do too).
    pub fn compare(&self, other: &Value<'_>) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Value::Integer(a), Value::Integer(b)) | (Value::Decimal(a), Value::Decimal(b)) => Some(a.cmp(b)),
            (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
            (Value::Number(a), Value::Number(b)) => a.partial_cmp(b),
            (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
            (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
            (Value::Uuid(a), Value::Uuid(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            _ => None,
        }
    }
}

impl From<String> for Value<'static> {
    fn from(text: String) -> Self {
        Value::Text(Cow::Owned(text))
    }
}
