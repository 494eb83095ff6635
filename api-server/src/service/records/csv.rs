//! CSV (RFC 4180), one record at a time: written by exports, read by imports.
//!
//! Null is an empty field, an empty text is `""`, as PostgreSQL has it; that difference is why no library reads here. Values
//! are data: one that begins with `=` is written and read as it is. Lines are divided by the caller.

use mainstay_crds::Value;
use mainstay_crds::schema::Field;
use serde_json::{Map, Value as Json};

/// Appends the line of field names.
pub fn write_head<'a>(names: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) {
    out.extend_from_slice(names.collect::<Vec<_>>().join(",").as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends a record.
pub fn write<'a>(values: impl Iterator<Item = (&'a Field, &'a Value<'static>)>, out: &mut Vec<u8>) {
    let mut text = Vec::new();
    for (index, (field, value)) in values.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        text.clear();
        match value {
            Value::Null => continue,
            Value::Text(value) => text.extend_from_slice(value.as_bytes()),
            value => field.kind.write_json(value, &mut text),
        }
        // Times, decimals and the like are JSON strings that hold nothing to escape.
        let plain = match text.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) {
            Some(inner) if !matches!(value, Value::Text(_) | Value::Json(_)) => inner,
            _ => &text,
        };
        write_field(plain, out);
    }
    out.extend_from_slice(b"\r\n");
}

fn write_field(text: &[u8], out: &mut Vec<u8>) {
    let special = |byte: &u8| matches!(byte, b',' | b'"' | b'\r' | b'\n');
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    if !text.is_empty() && !text.iter().any(special) && !edge(text.first()) && !edge(text.last()) {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    for byte in text {
        out.extend_from_slice(if *byte == b'"' { b"\"\"" } else { std::slice::from_ref(byte) });
    }
    out.push(b'"');
}

/// The fields of one record; `None` is null. The error says what is wrong.
pub fn read(line: &[u8]) -> Result<Vec<Option<String>>, String> {
    let text = std::str::from_utf8(line).map_err(|error| format!("not UTF-8 at byte {}", error.valid_up_to() + 1))?;
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (field, after) = read_quoted(quoted)?;
                (Some(field), after)
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                if rest[..end].contains('"') {
                    return Err(
                        "a field that holds quotes begins and ends with one, and doubles those inside".to_owned()
                    );
                }
                ((end > 0).then(|| rest[..end].to_owned()), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err("a comma is expected after a closing quote".to_owned()),
        }
    }
}

fn read_quoted(mut rest: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    loop {
        let end = rest.find('"').ok_or_else(|| "a quoted field is not closed".to_owned())?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return Ok((field, rest)),
        }
    }
}

/// The JSON that a body would hold for these texts: text stays text, and what is JSON in a body is read as such. A text
/// that is no JSON is left as a text, so that the field's own rule says what is wrong with it.
pub fn record(columns: &[(String, Option<Field>)], fields: Vec<Option<String>>, depth: usize) -> Map<String, Json> {
    let pairs = columns.iter().zip(fields);
    let member = |((name, field), text): (&(String, Option<Field>), Option<String>)| {
        let json = match (text, field) {
            (None, _) => Json::Null,
            (Some(text), Some(field)) if is_json(field) => {
                mainstay_crds::json::parse(text.as_bytes(), depth).unwrap_or(Json::String(text))
            }
            (Some(text), _) => Json::String(text),
        };
        (name.clone(), json)
    };
    pairs.map(member).collect()
}

/// Kinds whose values are no JSON strings.
fn is_json(field: &Field) -> bool {
    matches!(field.kind.name(), "integer" | "number" | "boolean" | "json" | "list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let some = |text: &str| Some(text.to_owned());
        for (line, fields) in [
            ("a,b", vec![some("a"), some("b")]),
            ("", vec![None]),
            (",", vec![None, None]),
            ("\"\",x", vec![some(""), some("x")]),
            ("\"a,\"\"b\"\"\n\",", vec![some("a,\"b\"\n"), None]),
            ("=1+1,@SUM(A1)", vec![some("=1+1"), some("@SUM(A1)")]),
            ("é\u{1F600}", vec![some("é\u{1F600}")]),
        ] {
            assert_eq!(read(line.as_bytes()).unwrap(), fields, "{line}");
        }
        for bad in ["\"a", "a\"b", "\"a\"b", "x,\"", "\"a\" ,b"] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(read(b"a,\xff").unwrap_err(), "not UTF-8 at byte 3");
    }

    #[test]
    fn what_needs_quotes_gets_them() {
        for (text, written) in [
            ("plain", "plain"),
            ("", "\"\""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            (" edge", "\" edge\""),
            ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
        ] {
            let mut out = Vec::new();
            write_field(text.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out.clone()).unwrap(), written);
            assert_eq!(read(&out).unwrap(), [Some(text.to_owned())]);
        }
    }
}
