//! Values on their way into a column: PostgreSQL's binary formats, SQLite's sortable texts.
//!
//! Called by [`super::statement`]; [`super::decode`] is the way back. Formats: the `*_recv` functions of
//! PostgreSQL's `src/backend/utils/adt`. A value of another kind than its column becomes null.

use mainstay_crds::Value;
use mainstay_crds::field::date::write_date;
use mainstay_crds::field::timestamp::write_rfc3339;
use mainstay_crds::sql::{ColumnType, ItemType};

/// Days from 1970-01-01 to 2000-01-01, PostgreSQL's day zero.
pub(super) const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
pub(super) const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// The bytes of a value in PostgreSQL's binary format; `None` is null.
pub(super) fn postgres(column: ColumnType, value: &Value<'_>) -> Option<Vec<u8>> {
    Some(match value {
        Value::Null => return None,
        Value::Text(text) | Value::Json(text) => text.as_bytes().to_vec(),
        Value::Integer(n) => n.to_be_bytes().to_vec(),
        Value::Number(n) => n.to_be_bytes().to_vec(),
        Value::Decimal(n) => match column {
            ColumnType::Decimal { scale, .. } => numeric(*n, scale),
            _ => return None,
        },
        Value::Boolean(b) => vec![u8::from(*b)],
        Value::Timestamp(micros) => (micros - EPOCH_MICROS).to_be_bytes().to_vec(),
        Value::Date(days) => (days - EPOCH_DAYS).to_be_bytes().to_vec(),
        Value::Uuid(uuid) => uuid.as_bytes().to_vec(),
        Value::List(items) => match column {
            ColumnType::List(item) => array(item, items),
            _ => return None,
        },
        Value::Bytes(bytes) => bytes.to_vec(),
    })
}

/// `numeric`: a header of four 16-bit words, then digits of base 10,000.
fn numeric(scaled: i64, scale: u8) -> Vec<u8> {
    let groups = u32::from(scale).div_ceil(4);
    let mut rest = u128::from(scaled.unsigned_abs()) * 10_u128.pow(4 * groups - u32::from(scale));
    let mut digits: Vec<u16> = Vec::new();
    while rest > 0 {
        // Below 10,000.
        digits.push((rest % 10_000) as u16);
        rest /= 10_000;
    }
    let sign: u16 = if scaled < 0 { 0x4000 } else { 0 };
    let weight = digits.len() as i16 - groups as i16 - 1;
    let header = [digits.len() as u16, weight as u16, sign, u16::from(scale)];
    header.into_iter().chain(digits.into_iter().rev()).flat_map(u16::to_be_bytes).collect()
}

/// An array: dimensions, null flag, type of the elements; for the one dimension its length and lower bound; the elements.
fn array(item: ItemType, items: &[Value<'_>]) -> Vec<u8> {
    // From PostgreSQL's pg_type.dat.
    let (oid, column) = match item {
        ItemType::Text => (25_u32, ColumnType::Text),
        ItemType::Integer => (20, ColumnType::Integer),
        ItemType::Uuid => (2950, ColumnType::Uuid),
    };
    let mut out = Vec::with_capacity(20 + items.len() * 12);
    let dimensions = u32::from(!items.is_empty());
    out.extend([dimensions, 0, oid].into_iter().flat_map(u32::to_be_bytes));
    if dimensions > 0 {
        out.extend([items.len() as u32, 1].into_iter().flat_map(u32::to_be_bytes));
    }
    for value in items {
        let bytes = postgres(column, value).unwrap_or_default();
        out.extend((bytes.len() as u32).to_be_bytes());
        out.extend(bytes);
    }
    out
}

/// What SQLite keeps as text.
pub(super) fn sqlite_text(value: Value<'static>) -> Option<String> {
    match value {
        Value::Text(text) | Value::Json(text) => Some(text.into_owned()),
        Value::Timestamp(micros) => written(|out| write_rfc3339(micros, out)),
        Value::Date(days) => written(|out| write_date(days, out)),
        Value::Uuid(uuid) => Some(uuid.to_string()),
        Value::List(items) => {
            let items = items.into_iter().map(|item| match item {
                Value::Integer(n) => serde_json::Value::from(n),
                Value::Uuid(uuid) => serde_json::Value::from(uuid.to_string()),
                Value::Text(text) => serde_json::Value::from(text.into_owned()),
                _ => serde_json::Value::Null,
            });
            Some(serde_json::Value::from_iter(items).to_string())
        }
        _ => None,
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Option<String> {
    let mut out = Vec::with_capacity(27);
    write(&mut out);
    String::from_utf8(out).ok()
}
