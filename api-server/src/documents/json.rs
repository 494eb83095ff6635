//! What JSON writes otherwise than YAML 1.2, which all but contains it: characters beyond the BMP are two escapes there.
//!
//! Called by [`super::load`] for every text; one that is no JSON stays as it is. Keeps the lines.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// The text with each pair of surrogate escapes (RFC 8259, section 7) as the character that it stands for.
pub fn as_yaml(text: &str) -> Cow<'_, str> {
    if !text.contains("\\u") || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('\\') {
        let (before, escape) = rest.split_at(start);
        out.push_str(before);
        rest = match pair(escape) {
            Some(character) => {
                out.push(character);
                &escape[12..]
            }
            None => {
                // With what follows the backslash, which may be another one. Both are ASCII in JSON.
                let (escape, rest) = escape.split_at(2);
                out.push_str(escape);
                rest
            }
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character of two escapes such as `\ud83d\ude00`.
fn pair(text: &str) -> Option<char> {
    let unit = |text: &str| u16::from_str_radix(text.strip_prefix("\\u")?, 16).ok();
    let units = [unit(text.get(..6)?)?, unit(text.get(6..12)?)?];
    let mut decoded = char::decode_utf16(units);
    decoded.next()?.ok().filter(|character| character.len_utf16() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_characters_in_json_alone() {
        for (text, expected) in [
            (r#"{"a": "\ud83d\ude00!\uD83D\uDE00"}"#, r#"{"a": "😀!😀"}"#),
            (r#"{"a": "\\ud83d\\ude00 \n \u00e9\u00e8"}"#, r#"{"a": "\\ud83d\\ude00 \n \u00e9\u00e8"}"#),
            (r#"{"a": "\\\ud83d\ude00"}"#, r#"{"a": "\\😀"}"#),
            (r"a: '\ud83d\ude00'", r"a: '\ud83d\ude00'"),
            (r#"{"a": "\ud83d"}"#, r#"{"a": "\ud83d"}"#),
        ] {
            assert_eq!(as_yaml(text), expected);
        }
    }
}
