//! Binds written as literals, for DDL, where databases take no parameters.
//!
//! Called by `ddl` and `evolve`. Never used for queries: their values go beside the text. A literal cannot end
//! early whatever the value holds, with `standard_conforming_strings` on or off.

use super::{Bind, ColumnType, Dialect, ItemType, Sql};
use crate::field::date::write_date;
use crate::field::decimal::write_decimal;
use crate::field::timestamp::write_rfc3339;
use crate::value::Value;

/// The text with every bind written as a literal, for DDL.
pub fn inline(sql: &Sql, dialect: Dialect) -> String {
    let mut out = String::with_capacity(sql.text.len() + 16 * sql.binds.len());
    let mut done = 0;
    for Bind { at, column, value } in &sql.binds {
        out.push_str(sql.text.get(done..*at).unwrap_or_default());
        out.push_str(&literal(*column, value, dialect));
        done = *at;
    }
    out.push_str(sql.text.get(done..).unwrap_or_default());
    out
}

/// One value as a literal of the type of its column.
pub fn literal(column: ColumnType, value: &Value<'_>, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => postgres(column, value),
        Dialect::Sqlite => sqlite(column, value),
    }
}

fn postgres(column: ColumnType, value: &Value<'_>) -> String {
    match value {
        Value::Null => format!("NULL::{}", column.name(Dialect::Postgres)),
        Value::Text(text) => postgres_text(text),
        Value::Integer(n) => n.to_string(),
        Value::Number(n) => format!("'{n:?}'::double precision"),
        Value::Decimal(n) => decimal(*n, column),
        Value::Boolean(true) => "TRUE".to_owned(),
        Value::Boolean(false) => "FALSE".to_owned(),
        Value::Timestamp(t) => format!("'{}'::timestamptz", timestamp(*t)),
        Value::Date(d) => format!("'{}'::date", date(*d)),
        Value::Uuid(uuid) => format!("'{uuid}'::uuid"),
        Value::Json(text) => format!("{}::json", postgres_text(text)),
        Value::List(items) => {
            let item = item(column);
            let items: Vec<String> = items.iter().map(|value| postgres(item, value)).collect();
            format!("ARRAY[{}]::{}[]", items.join(", "), item.name(Dialect::Postgres))
        }
        Value::Bytes(bytes) => format!("E'\\\\x{}'::bytea", hex(bytes)),
    }
}

fn sqlite(column: ColumnType, value: &Value<'_>) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Text(text) | Value::Json(text) => quoted(text),
        Value::Integer(n) | Value::Decimal(n) => n.to_string(),
        Value::Number(n) => format!("{n:?}"),
        Value::Boolean(b) => u8::from(*b).to_string(),
        Value::Timestamp(t) => quoted(&timestamp(*t)),
        Value::Date(d) => quoted(&date(*d)),
        Value::Uuid(uuid) => format!("'{uuid}'"),
        Value::List(items) => quoted(&list(item(column), items)),
        Value::Bytes(bytes) => format!("X'{}'", hex(bytes)),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A backslash is an escape in a plain literal of old settings, so that text with one says how it is to be read.
fn postgres_text(text: &str) -> String {
    match text.contains('\\') {
        true => format!("E{}", quoted(&text.replace('\\', "\\\\"))),
        false => quoted(text),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn item(column: ColumnType) -> ColumnType {
    match column {
        ColumnType::List(ItemType::Integer) => ColumnType::Integer,
        ColumnType::List(ItemType::Uuid) => ColumnType::Uuid,
        _ => ColumnType::Text,
    }
}

/// The JSON array that SQLite keeps: the elements are text, integers or uuids.
fn list(column: ColumnType, items: &[Value<'_>]) -> String {
    let items = items.iter().map(|value| match value {
        Value::Integer(n) => serde_json::Value::from(*n),
        Value::Text(text) => serde_json::Value::from(text.as_ref()),
        Value::Uuid(uuid) => serde_json::Value::from(uuid.to_string()),
        other => serde_json::Value::from(sqlite(column, other)),
    });
    serde_json::Value::from_iter(items).to_string()
}

/// What one of the writers of [`crate::field`] writes, all of which write ASCII.
fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// A scaled integer as a decimal number with exactly the column's places.
fn decimal(scaled: i64, column: ColumnType) -> String {
    let ColumnType::Decimal { scale, .. } = column else { return scaled.to_string() };
    written(|out| write_decimal(scaled, scale, out))
}

fn date(days: i32) -> String {
    written(|out| write_date(days, out))
}

fn timestamp(micros: i64) -> String {
    written(|out| write_rfc3339(micros, out))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Dialect; 2] = [Dialect::Postgres, Dialect::Sqlite];

    #[test]
    fn every_type_has_a_literal_on_both_databases() {
        let uuid = uuid::Uuid::from_u128(0x0192_f0c1_2345_7abc_8def_0123_4567_89ab);
        let decimal = ColumnType::Decimal { precision: 18, scale: 4 };
        let whole = ColumnType::Decimal { precision: 9, scale: 0 };
        let cases: Vec<(ColumnType, Value<'static>, &str, &str)> = vec![
            (ColumnType::Text, Value::from("plain".to_owned()), "'plain'", "'plain'"),
            (ColumnType::Text, Value::from("it's".to_owned()), "'it''s'", "'it''s'"),
            (ColumnType::Text, Value::from("a\\'b".to_owned()), "E'a\\\\''b'", "'a\\''b'"),
            (ColumnType::Text, Value::from("Zoë 🦀\n".to_owned()), "'Zoë 🦀\n'", "'Zoë 🦀\n'"),
            (ColumnType::Text, Value::Null, "NULL::text", "NULL"),
            (ColumnType::Integer, Value::Integer(-5), "-5", "-5"),
            (ColumnType::Number, Value::Number(-0.1), "'-0.1'::double precision", "-0.1"),
            (ColumnType::Number, Value::Number(1e300), "'1e300'::double precision", "1e300"),
            (ColumnType::Number, Value::Number(3.0), "'3.0'::double precision", "3.0"),
            (decimal, Value::Decimal(-5), "-0.0005", "-5"),
            (decimal, Value::Decimal(123_456), "12.3456", "123456"),
            (whole, Value::Decimal(-7), "-7", "-7"),
            (ColumnType::Boolean, Value::Boolean(true), "TRUE", "1"),
            (
                ColumnType::Timestamp,
                Value::Timestamp(-1),
                "'1969-12-31T23:59:59.999999Z'::timestamptz",
                "'1969-12-31T23:59:59.999999Z'",
            ),
            (
                ColumnType::Timestamp,
                Value::Timestamp(1_706_702_400_000_001),
                "'2024-01-31T12:00:00.000001Z'::timestamptz",
                "'2024-01-31T12:00:00.000001Z'",
            ),
            (ColumnType::Date, Value::Date(19_782), "'2024-02-29'::date", "'2024-02-29'"),
            (ColumnType::Date, Value::Date(-719_162), "'0001-01-01'::date", "'0001-01-01'"),
            (ColumnType::Date, Value::Date(2_932_896), "'9999-12-31'::date", "'9999-12-31'"),
            (
                ColumnType::Uuid,
                Value::Uuid(uuid),
                "'0192f0c1-2345-7abc-8def-0123456789ab'::uuid",
                "'0192f0c1-2345-7abc-8def-0123456789ab'",
            ),
            (ColumnType::Json, Value::Json(r#"{"a":"\n'"}"#.into()), r#"E'{"a":"\\n''"}'::json"#, r#"'{"a":"\n''"}'"#),
            (
                ColumnType::List(ItemType::Text),
                Value::List(vec![Value::from("o'k\"".to_owned())]),
                "ARRAY['o''k\"']::text[]",
                r#"'["o''k\""]'"#,
            ),
            (ColumnType::List(ItemType::Integer), Value::List(vec![]), "ARRAY[]::bigint[]", "'[]'"),
            (
                ColumnType::List(ItemType::Integer),
                Value::List(vec![Value::Integer(1), Value::Integer(-2)]),
                "ARRAY[1, -2]::bigint[]",
                "'[1,-2]'",
            ),
            (ColumnType::Bytes, Value::Bytes(vec![0, 255].into()), "E'\\\\x00ff'::bytea", "X'00ff'"),
        ];
        for (column, value, on_postgres, on_sqlite) in cases {
            assert_eq!(literal(column, &value, Dialect::Postgres), on_postgres, "{value:?}");
            assert_eq!(literal(column, &value, Dialect::Sqlite), on_sqlite, "{value:?}");
        }
    }

    #[test]
    fn binds_land_where_they_were_pushed() {
        let mut sql = Sql::new();
        sql.push("a = ").bind(ColumnType::Integer, Value::Integer(1)).push(" AND é = ");
        sql.bind(ColumnType::Text, Value::from("?".to_owned())).bind(ColumnType::Integer, Value::Integer(2)).push(".");
        for dialect in BOTH {
            assert_eq!(inline(&sql, dialect), "a = 1 AND é = '?'2.");
        }
    }
}
