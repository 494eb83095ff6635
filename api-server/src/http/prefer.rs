//! `Prefer` (RFC 7240): whether the answer to a write holds the record. Preferences that are not known are ignored.

use actix_web::HttpResponseBuilder;
use actix_web::http::header::{HeaderMap, HeaderName};

const PREFER: &str = "prefer";
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What the client wants back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefer {
    /// The record as it is now; the default.
    Representation,
    /// Nothing but the head.
    Minimal,
}

impl Prefer {
    /// Reads the header. Of a preference that is given twice the first one counts (section 2).
    pub fn of(headers: &HeaderMap) -> Prefer {
        let values = headers.get_all(PREFER).filter_map(|value| value.to_str().ok());
        let mut returns = values.flat_map(preferences).filter(|(name, _)| name.eq_ignore_ascii_case("return"));
        match returns.next() {
            Some((_, "minimal")) => Prefer::Minimal,
            _ => Prefer::Representation,
        }
    }

    /// Tells the client that its preference was followed.
    pub fn applied(self, response: &mut HttpResponseBuilder) {
        if self == Prefer::Minimal {
            response.insert_header((APPLIED, "return=minimal"));
        }
    }
}

/// The preferences of one line, each with its value and without its parameters. A comma or semicolon within quotes divides
/// nothing.
fn preferences(line: &str) -> impl Iterator<Item = (&str, &str)> {
    divided(line, ',').map(|preference| {
        let main = divided(preference, ';').next().unwrap_or_default();
        let (name, value) = main.split_once('=').unwrap_or((main, ""));
        (name.trim(), value.trim().trim_matches('"'))
    })
}

fn divided(text: &str, at: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        let divides = c == at && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
        divides
    })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn the_first_return_counts_and_the_rest_is_ignored() {
        for (lines, minimal) in [
            (vec![], false),
            (vec!["return=minimal"], true),
            (vec!["Return = \"minimal\" ; foo=bar"], true),
            (vec!["return=representation, return=minimal"], false),
            (vec!["return=minimal, return=representation"], true),
            (vec!["respond-async, wait=10", "handling=lenient; x, return=minimal"], true),
            (vec!["x=\"a, return=minimal\""], false),
            (vec!["x=\"\\\", return=minimal\""], false),
            (vec!["return"], false),
            (vec!["return=MINIMAL"], false),
            (vec![",;=,,return=minimal"], true),
            (vec!["x; return=minimal"], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(HeaderName::from_static(PREFER), HeaderValue::from_str(line).unwrap());
            }
            assert_eq!(Prefer::of(&headers) == Prefer::Minimal, minimal, "{lines:?}");
        }
    }
}
