//! Values on their way out of a column: the one reading of PostgreSQL's binary formats and of SQLite's storage.
//!
//! Called by [`super::conn`] for every column of every row, for JSON and for records alike. Data that the contract
//! cannot hold (written by another program) is an error that names the type, never a guess.

use std::borrow::Cow;

use diesel::sqlite::{SqliteType, SqliteValue};
use mainstay_crds::Value;
use mainstay_crds::field::date::parse_date;
use mainstay_crds::field::timestamp::parse_rfc3339;
use mainstay_crds::sql::{ColumnType, ItemType};
use uuid::Uuid;

use super::encode::{EPOCH_DAYS, EPOCH_MICROS};
use super::error::Error;

/// A value that is not null in PostgreSQL's binary format.
pub(super) fn postgres(column: ColumnType, bytes: &[u8]) -> Result<Value<'_>, Error> {
    from_postgres(column, bytes).ok_or_else(|| outside(column))
}

fn from_postgres(column: ColumnType, bytes: &[u8]) -> Option<Value<'_>> {
    Some(match column {
        ColumnType::Text => Value::Text(Cow::Borrowed(std::str::from_utf8(bytes).ok()?)),
        ColumnType::Integer => Value::Integer(i64::from_be_bytes(bytes.try_into().ok()?)),
        ColumnType::Number => Value::Number(f64::from_be_bytes(bytes.try_into().ok()?)).finite()?,
        ColumnType::Decimal { scale, .. } => Value::Decimal(numeric(bytes, scale)?),
        ColumnType::Boolean => Value::Boolean(*bytes.first()? != 0),
        ColumnType::Timestamp => {
            let micros = i64::from_be_bytes(bytes.try_into().ok()?);
            Value::Timestamp(micros.checked_add(EPOCH_MICROS).filter(|_| micros != i64::MIN)?)
        }
        ColumnType::Date => {
            let days = i32::from_be_bytes(bytes.try_into().ok()?);
            Value::Date(days.checked_add(EPOCH_DAYS).filter(|_| days != i32::MIN)?)
        }
        ColumnType::Uuid => Value::Uuid(Uuid::from_slice(bytes).ok()?),
        ColumnType::Json => Value::Json(Cow::Borrowed(std::str::from_utf8(bytes).ok()?)),
        ColumnType::List(item) => Value::List(array(item, bytes)?),
        ColumnType::Bytes => Value::Bytes(Cow::Borrowed(bytes)),
    })
}

trait Finite: Sized {
    fn finite(self) -> Option<Self>;
}

impl Finite for Value<'_> {
    fn finite(self) -> Option<Self> {
        match self {
            Value::Number(n) if !n.is_finite() => None,
            other => Some(other),
        }
    }
}

/// A value that is not null as SQLite holds it.
pub(super) fn sqlite(column: ColumnType, mut raw: SqliteValue<'_, '_, '_>) -> Result<Value<'static>, Error> {
    from_sqlite(column, &mut raw).ok_or_else(|| outside(column))
}

fn from_sqlite(column: ColumnType, raw: &mut SqliteValue<'_, '_, '_>) -> Option<Value<'static>> {
    let stored = raw.value_type()?;
    let fits = match column {
        ColumnType::Integer | ColumnType::Decimal { .. } | ColumnType::Boolean => stored == SqliteType::Long,
        ColumnType::Number => matches!(stored, SqliteType::Double | SqliteType::Long),
        ColumnType::Bytes => stored == SqliteType::Binary,
        _ => stored == SqliteType::Text,
    };
    if !fits {
        return None;
    }
    Some(match column {
        ColumnType::Text => Value::from(raw.read_text().to_owned()),
        ColumnType::Integer => Value::Integer(raw.read_long()),
        ColumnType::Number => Value::Number(raw.read_double()).finite()?,
        ColumnType::Decimal { .. } => Value::Decimal(raw.read_long()),
        ColumnType::Boolean => Value::Boolean(raw.read_long() != 0),
        ColumnType::Timestamp => Value::Timestamp(parse_rfc3339(raw.read_text()).ok()?),
        ColumnType::Date => Value::Date(parse_date(raw.read_text())?),
        ColumnType::Uuid => Value::Uuid(Uuid::try_parse(raw.read_text()).ok()?),
        ColumnType::Json => Value::Json(Cow::Owned(raw.read_text().to_owned())),
        ColumnType::List(item) => Value::List(json_array(item, raw.read_text())?),
        ColumnType::Bytes => Value::Bytes(Cow::Owned(raw.read_blob().to_vec())),
    })
}

fn outside(column: ColumnType) -> Error {
    Error::Other(format!(
        "a column of type {column:?} holds a value outside of its contract, written by another program"
    ))
}

fn json_array(item: ItemType, text: &str) -> Option<Vec<Value<'static>>> {
    Some(match item {
        ItemType::Text => serde_json::from_str::<Vec<String>>(text).ok()?.into_iter().map(Value::from).collect(),
        ItemType::Integer => serde_json::from_str::<Vec<i64>>(text).ok()?.into_iter().map(Value::Integer).collect(),
        ItemType::Uuid => {
            let texts = serde_json::from_str::<Vec<String>>(text).ok()?;
            texts.iter().map(|text| Uuid::try_parse(text).ok().map(Value::Uuid)).collect::<Option<_>>()?
        }
    })
}

fn word(bytes: &[u8], index: usize) -> Option<u16> {
    bytes.get(2 * index..2 * index + 2).and_then(|two| two.try_into().ok()).map(u16::from_be_bytes)
}

/// `numeric` as an integer scaled by 10^`scale`.
fn numeric(bytes: &[u8], scale: u8) -> Option<i64> {
    let (count, weight, sign) = (word(bytes, 0)?, word(bytes, 1)? as i16, word(bytes, 2)?);
    if sign & 0x8000 != 0 {
        return None; // NaN and the infinities.
    }
    let mut digits: i128 = 0;
    for index in 0..usize::from(count) {
        digits = digits.checked_mul(10_000)?.checked_add(i128::from(word(bytes, 4 + index)?))?;
    }
    let exponent = 4 * (i32::from(weight) + 1 - i32::from(count)) + i32::from(scale);
    let power = 10_i128.checked_pow(exponent.unsigned_abs());
    let scaled = match (digits, exponent) {
        (0, _) => 0,
        (_, 0..) => digits.checked_mul(power?)?,
        _ => Some(digits / power?).filter(|n| n.checked_mul(10_i128.pow(exponent.unsigned_abs())) == Some(digits))?,
    };
    i64::try_from(if sign == 0x4000 { -scaled } else { scaled }).ok()
}

fn array(item: ItemType, mut bytes: &[u8]) -> Option<Vec<Value<'_>>> {
    fn int(bytes: &mut &[u8]) -> Option<i32> {
        let (head, rest) = bytes.split_first_chunk::<4>()?;
        *bytes = rest;
        Some(i32::from_be_bytes(*head))
    }
    let column = match item {
        ItemType::Text => ColumnType::Text,
        ItemType::Integer => ColumnType::Integer,
        ItemType::Uuid => ColumnType::Uuid,
    };
    let dimensions = int(&mut bytes)?;
    let (_nulls, _oid) = (int(&mut bytes)?, int(&mut bytes)?);
    if dimensions == 0 {
        return Some(Vec::new());
    }
    let (length, _lower_bound) = (int(&mut bytes)?, int(&mut bytes)?);
    if dimensions != 1 {
        return None;
    }
    let mut items = Vec::with_capacity(usize::try_from(length).ok()?.min(bytes.len()));
    for _ in 0..length {
        let size = usize::try_from(int(&mut bytes)?).ok()?;
        let (head, rest) = bytes.split_at_checked(size)?;
        items.push(from_postgres(column, head)?);
        bytes = rest;
    }
    Some(items)
}
