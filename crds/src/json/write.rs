//! JSON texts from strings, numbers and whole values, in the canonical form of RFC 8785.
//!
//! Called for every record that is answered. Appends to one buffer and allocates nothing but for sorting members.

use serde_json::Value as Json;

use super::MAX_SAFE_INTEGER;

/// Appends `text` as a JSON string: escaped is only what must be, as RFC 8785 has it.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut written = 0;
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    for (position, byte) in bytes.iter().copied().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[written..position]);
        written = position + 1;
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0c => b'f',
            0x0d => b'r',
            _ => {
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[high], HEX[low]]);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

/// Appends an integer.
pub fn write_integer(integer: i64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut start = digits.len();
    let mut rest = integer.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if integer < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends a double as ECMAScript prints it; −0 as `0`, and what is not finite, which JSON cannot say, as `null`.
pub fn write_double(double: f64, out: &mut Vec<u8>) {
    if double.is_finite() {
        out.extend_from_slice(ryu_js::Buffer::new().format_finite(double).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Canonical text (RFC 8785) of a value: members sorted by UTF-16 code units, numbers as ECMAScript prints them.
pub fn canonical(value: &Json) -> String {
    let mut out = Vec::new();
    write_canonical(value, &mut out);
    // Only whole strings and ASCII are appended, so this never replaces anything.
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn write_canonical(value: &Json, out: &mut Vec<u8>) {
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(true) => out.extend_from_slice(b"true"),
        Json::Bool(false) => out.extend_from_slice(b"false"),
        Json::Number(number) => match number.as_i64() {
            Some(integer) if integer.unsigned_abs() <= MAX_SAFE_INTEGER.unsigned_abs() => write_integer(integer, out),
            _ => write_double(number.as_f64().unwrap_or_default(), out),
        },
        Json::String(text) => write_string(text, out),
        Json::Array(elements) => {
            out.push(b'[');
            for (position, element) in elements.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_canonical(element, out);
            }
            out.push(b']');
        }
        Json::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (position, (name, member)) in members.into_iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_string(name, out);
                out.push(b':');
                write_canonical(member, out);
            }
            out.push(b'}');
        }
    }
}
