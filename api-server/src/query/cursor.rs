//! Opaque cursors: where a page ended, bound to the sort and the filter that it was made with.
//!
//! base64url of a JSON array: the fingerprint, then the value of each sort key. Not signed: a forged one can only
//! begin a list elsewhere, under the same access rules.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mainstay_crds::schema::{Collection, SortKey};
use mainstay_crds::{Problems, Value};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

/// A number that changes when the collection, the order or any filter does.
pub fn fingerprint(collection: &Collection, sort: &[SortKey], filters: &[(&str, &str)]) -> u64 {
    let mut hash = Sha256::new();
    hash.update(collection.name.as_str());
    for key in sort {
        hash.update([0, u8::from(key.descending)]);
        hash.update(collection.fields[key.field].name.as_str());
    }
    for (name, value) in filters {
        hash.update([1]);
        hash.update(name);
        hash.update([2]);
        hash.update(value);
    }
    let digest = hash.finalize();
    // 52 bits, so that the number is exact in JSON.
    digest.iter().take(8).fold(0u64, |sum, byte| sum << 8 | u64::from(*byte)) >> 12
}

/// The cursor that continues after a record with these values of the sort keys.
pub fn encode(collection: &Collection, sort: &[SortKey], fingerprint: u64, values: &[Value<'_>]) -> String {
    let mut text = format!("[{fingerprint}").into_bytes();
    for (key, value) in sort.iter().zip(values) {
        text.push(b',');
        match value {
            Value::Null => text.extend_from_slice(b"null"),
            value => collection.fields[key.field].kind.write_json(value, &mut text),
        }
    }
    text.push(b']');
    URL_SAFE_NO_PAD.encode(text)
}

/// Reads `cursor`: the values of the sort keys.
pub fn decode(
    text: &str,
    collection: &Collection,
    sort: &[SortKey],
    fingerprint: u64,
    problems: &mut Problems,
) -> Option<Vec<Value<'static>>> {
    let values = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(Json::Array(items)) = values else {
        problems.hint("invalid_cursor", "the cursor is not one of ours", "use `meta.next_cursor` as it is");
        return None;
    };
    if items.first().and_then(Json::as_u64) != Some(fingerprint) || items.len() != sort.len() + 1 {
        let hint = "start again without `cursor`, or with the parameters that it was made with";
        problems.hint("invalid_cursor", "the cursor belongs to another sort or filter", hint);
        return None;
    }
    let mut scratch = Problems::new();
    // As a parameter: a stored value may be older than a tightened rule, and the page must go on from it.
    let read = |(key, item): (&SortKey, &Json)| {
        let kind = &collection.fields[key.field].kind;
        match item {
            Json::Null => Some(Value::Null),
            Json::String(text) => kind.parse_parameter(text, &mut scratch),
            item => kind.parse_parameter(&item.to_string(), &mut scratch),
        }
    };
    let values: Option<Vec<_>> = sort.iter().zip(&items[1..]).map(read).collect();
    if values.is_none() {
        problems.hint("invalid_cursor", "the cursor is not one of ours", "use `meta.next_cursor` as it is");
    }
    values
}
