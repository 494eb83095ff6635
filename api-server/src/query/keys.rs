//! The parameters of a list of API keys: a page, newest first.
//!
//! Called by the service. There is nothing to filter or sort by, and so nothing that a cursor belongs to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mainstay_crds::{Problem, Problems};
use uuid::Uuid;

use super::{page, params};

/// What a list of keys asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct KeysQuery {
    /// At most this many keys.
    pub limit: u32,
    /// Those before this id.
    pub before: Option<Uuid>,
}

/// Reads the query string.
pub fn keys(raw: &str, limits: page::Limits) -> Result<KeysQuery, Vec<Problem>> {
    let mut problems = Problems::new();
    let all = params::Params::read(raw, &mut problems);
    let limit = all.one("limit", &mut problems, |text, problems| limits.limit(text, problems));
    let before = all.one("cursor", &mut problems, |text, problems| {
        let id = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| Uuid::from_slice(&bytes).ok());
        if id.is_none() {
            problems.hint("invalid_cursor", "the cursor is not one of ours", "use `meta.next_cursor` as it is");
        }
        id
    });
    all.refuse_others(&["limit", "cursor"], &mut problems);
    problems.finish(KeysQuery { limit: limit.unwrap_or(limits.default), before })
}

/// The cursor that continues behind the key with that id.
pub fn next_cursor(id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_goes_on_where_the_one_before_ended() {
        let limits = page::Limits { default: 20, max: 200 };
        assert_eq!(keys("", limits).unwrap(), KeysQuery { limit: 20, before: None });
        let id = Uuid::from_u128(7);
        let raw = format!("limit=3&cursor={}", next_cursor(id));
        assert_eq!(keys(&raw, limits).unwrap(), KeysQuery { limit: 3, before: Some(id) });
        for raw in ["limit=0", "limit=201", "cursor=", "cursor=AA", "cursor=!", "offset=1", "limit=1&limit=1"] {
            assert_eq!(keys(raw, limits).unwrap_err().len(), 1, "{raw}");
        }
    }
}
