//! `If-Match` and `If-None-Match` (RFC 9110, section 13.1), `ETag`, and what compression does to it.

use actix_web::http::header::{HeaderMap, IF_MATCH, IF_NONE_MATCH};

use crate::service::records::Preconditions;
use crate::service::records::version::Condition;
use crate::service::{Code, Error};

/// What a compressed answer carries inside the quotes of its tag.
pub const SUFFIXES: &[&str] = &["gzip", "br", "zstd", "deflate"];

/// Reads both headers.
///
/// Errors: 400 for a header that is neither `*` nor a list of entity tags.
pub fn read(headers: &HeaderMap) -> Result<Preconditions, Error> {
    Ok(Preconditions {
        if_match: condition(headers, IF_MATCH.as_str(), false)?,
        if_none_match: condition(headers, IF_NONE_MATCH.as_str(), true)?,
    })
}

fn condition(headers: &HeaderMap, name: &'static str, weak: bool) -> Result<Option<Condition>, Error> {
    let malformed = || {
        let message = format!("{name} is `*` or a list of entity tags in double quotes");
        Error::new(Code::MalformedRequest, message)
    };
    let mut tags = Vec::new();
    let mut any = false;
    for value in headers.get_all(name) {
        let text = value.to_str().map_err(|_| malformed())?.trim();
        match text {
            "*" => any = true,
            text => entity_tags(text, weak, &mut tags).ok_or_else(malformed)?,
        }
    }
    match (any, headers.contains_key(name)) {
        (_, false) => Ok(None),
        (true, _) if tags.is_empty() => Ok(Some(Condition::Any)),
        (true, _) => Err(malformed()),
        (false, _) => Ok(Some(Condition::Tags(tags))),
    }
}

/// Reads a list of at least one tag. A weak tag counts only where comparison is weak; elsewhere it matches nothing.
fn entity_tags(text: &str, weak: bool, out: &mut Vec<String>) -> Option<()> {
    let mut rest = text;
    let mut found = false;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return found.then_some(());
        }
        let (is_weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |rest| (true, rest));
        let (tag, after) = quoted.strip_prefix('"')?.split_once('"')?;
        found = tag.bytes().all(|byte| byte.is_ascii_graphic()).then_some(true)?;
        if weak || !is_weak {
            out.push(plain(tag).to_owned());
        }
        rest = after.trim_start();
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
}

/// The tag without the mark of a compressed answer.
fn plain(tag: &str) -> &str {
    let marked = tag.rsplit_once('-').filter(|(_, suffix)| SUFFIXES.contains(suffix));
    marked.map_or(tag, |(tag, _)| tag)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn reads_lists_and_refuses_what_is_none() {
        let tags = |tags: &[&str]| Ok(Some(Condition::Tags(tags.iter().map(|tag| (*tag).to_owned()).collect())));
        for (text, expected) in [
            ("*", Ok(Some(Condition::Any))),
            ("\"1-a\"", tags(&["1-a"])),
            ("\"1-a\", \"2-b-gzip\"", tags(&["1-a", "2-b"])),
            ("W/\"1-a\"", tags(&[])),
            ("\"1-a\" \"2\"", Err(())),
            ("1-a", Err(())),
            ("", Err(())),
            (" , ", Err(())),
            (", \"1-a\",", tags(&["1-a"])),
            ("\"1 a\"", Err(())),
            ("\"1-a", Err(())),
            ("*, \"1\"", Err(())),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, HeaderValue::from_static(text));
            let got = read(&headers).map(|conditions| conditions.if_match).map_err(drop);
            assert_eq!(got, expected, "{text}");
        }
        assert_eq!(read(&HeaderMap::new()).unwrap(), Preconditions::default());
    }
}
