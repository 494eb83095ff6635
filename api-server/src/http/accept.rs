//! `Accept` (RFC 9110, section 12.5.1): whether a client takes JSON, and in which form it wants errors.
//!
//! Called by [`super::middleware`]. A range that cannot be read counts as absent.

use actix_web::http::header::{ACCEPT, HeaderMap};

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// Whether the client takes JSON in any form that we have. One that says nothing takes everything.
pub fn accepts_json(headers: &HeaderMap) -> bool {
    !headers.contains_key(ACCEPT) || [JSON, PROBLEM].iter().any(|media| quality(headers, media) > 0.0)
}

/// Whether errors are to be rendered by RFC 9457: it is asked for by name, and no less than plain JSON.
pub fn prefers_problem(headers: &HeaderMap) -> bool {
    let named = ranges(headers).any(|(media, _)| media == PROBLEM);
    let wanted = quality(headers, PROBLEM);
    named && wanted > 0.0 && wanted >= quality(headers, JSON)
}

/// Whether the client takes a media type. One that says nothing takes everything.
pub fn accepts(headers: &HeaderMap, media: &str) -> bool {
    !headers.contains_key(ACCEPT) || quality(headers, media) > 0.0
}

/// What the most specific range that fits says, from 0 (never) to 1.
fn quality(headers: &HeaderMap, media: &str) -> f32 {
    let family = media.split_once('/').map_or(media, |(family, _)| family);
    let fits = |range: &str| match range.strip_suffix("/*") {
        Some("*") => Some(0),
        Some(named) => (named == family).then_some(1),
        None if range.is_empty() => Some(0),
        None => (range == media).then_some(2),
    };
    let fitting = ranges(headers).filter_map(|(range, quality)| Some((fits(&range)?, quality)));
    let mut best = (-1, 0.0);
    for (specific, quality) in fitting {
        if specific > best.0 || (specific == best.0 && quality > best.1) {
            best = (specific, quality);
        }
    }
    best.1
}

/// Each media range in lower case, without its parameters, and its `q`.
fn ranges(headers: &HeaderMap) -> impl Iterator<Item = (String, f32)> + '_ {
    let values = headers.get_all(ACCEPT).filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    values.map(|range| {
        let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
        let media = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        (media, quality.unwrap_or(1.0))
    })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn the_most_specific_range_decides() {
        for (accept, json, problem) in [
            ("application/json", true, false),
            ("application/problem+json", true, true),
            ("APPLICATION/JSON; charset=utf-8", true, false),
            ("*/*;q=0.1", true, false),
            ("application/json;q=0", false, false),
            ("application/*;q=0", false, false),
            ("application/*;q=0, application/json", true, false),
            ("application/json;q=0, */*", true, false),
            ("application/json, application/problem+json", true, true),
            ("application/json, application/problem+json;q=0.1", true, false),
            ("application/problem+json;q=0, application/json", true, false),
            ("application/problem+json, text/html", true, true),
            ("text/html, text/*", false, false),
            ("", true, false),
            ("application/json;q=abc", true, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!((accepts_json(&headers), prefers_problem(&headers)), (json, problem), "{accept}");
        }
        assert!(accepts_json(&HeaderMap::new()) && !prefers_problem(&HeaderMap::new()));
    }
}
