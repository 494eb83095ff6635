//! A Secret that the operator keeps: whose it is, what it says, and how it is written back.
//!
//! Called by the planners of keys, of Backends and of ApiKeys. Pure. Never touches a Secret that another owner made, and
//! keeps labels, annotations and data that others added to one of ours.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::core::Resource;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::desired::{Desired, How, labels};
use crate::kind;

/// When each key of a Secret came into its state: `id=time,id=time`, times in RFC 3339.
pub const TIMES: &str = "mainstay.dev/key-times";

/// Whose a Secret is, as `Kind/name`: one that lost its owner reference by an orphaning deletion or a restored backup is
/// taken up again.
const OWNER: &str = "mainstay.dev/key-owner";

/// A time that lies further ahead than this was written under a clock that has been set back since.
const SKEW: Duration = Duration::from_secs(300);

/// Whose a Secret is.
#[derive(Clone, Copy)]
pub enum Found<'a> {
    /// There is none.
    Absent,
    /// It belongs to someone else.
    Foreign,
    /// It is on its way out, by itself or with a namesake of the owner that is gone.
    Leaving,
    /// It is ours.
    Ours(&'a Secret),
}

/// Whose a Secret is, as its controller says, or its annotation where there is none.
pub fn found<'a, K>(owner: &K, secret: Option<&'a Secret>) -> Found<'a>
where
    K: Resource<DynamicType = ()>,
{
    let Some(secret) = secret else { return Found::Absent };
    let controller = secret.owner_references().iter().find(|reference| reference.controller == Some(true));
    let ours = match controller {
        Some(controller) if controller.kind != K::kind(&()) => return Found::Foreign,
        Some(controller) if owner.meta().name.as_ref() != Some(&controller.name) => return Found::Foreign,
        Some(controller) => owner.meta().uid.as_ref() == Some(&controller.uid),
        None if secret.annotations().get(OWNER) == Some(&owner_text(owner)) => true,
        None => return Found::Foreign,
    };
    if ours && secret.metadata.deletion_timestamp.is_none() { Found::Ours(secret) } else { Found::Leaving }
}

fn owner_text<K: Resource<DynamicType = ()>>(owner: &K) -> String {
    format!("{}/{}", K::kind(&()), owner.meta().name.as_deref().unwrap_or_default())
}

/// What shall be in a Secret.
pub struct Content<'a> {
    /// Its name.
    pub name: String,
    /// Text by key.
    pub data: Vec<(&'a str, String)>,
    /// Annotations; one without a value is taken away.
    pub annotations: Vec<(&'a str, Option<String>)>,
}

/// The Secret as it shall be, guarded by the version that was seen; `None` when it is so already.
pub fn write<K>(owner: &K, backend: &str, seen: Option<&Secret>, content: Content<'_>) -> Option<Desired>
where
    K: Resource<DynamicType = ()>,
{
    let mut data = seen.and_then(|seen| seen.data.clone()).unwrap_or_default();
    data.extend(content.data.into_iter().map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes()))));
    let mut annotations = seen.map(|seen| seen.annotations().clone()).unwrap_or_default();
    annotations.insert(OWNER.to_owned(), owner_text(owner));
    for (key, value) in content.annotations {
        match value {
            Some(value) => annotations.insert(key.to_owned(), value),
            None => annotations.remove(key),
        };
    }
    let mut marks = seen.map(|seen| seen.labels().clone()).unwrap_or_default();
    marks.extend(labels(backend).map(|(key, value)| (key.to_owned(), value)));
    let same = |seen: &Secret| {
        let owned = seen.owner_references().iter().any(|reference| reference.controller == Some(true));
        owned && seen.data.as_ref() == Some(&data) && *seen.annotations() == annotations && *seen.labels() == marks
    };
    if seen.is_some_and(same) {
        return None;
    }
    let encoded: BTreeMap<&String, String> = data.iter().map(|(key, bytes)| (key, STANDARD.encode(&bytes.0))).collect();
    let finalizers = seen.and_then(|seen| seen.metadata.finalizers.clone());
    let whole: Json = json!({
        "metadata": { "annotations": annotations, "labels": marks, "finalizers": finalizers },
        "type": "Opaque",
        "data": encoded,
    });
    let how = How::Guarded(seen.and_then(|seen| seen.metadata.resource_version.clone()));
    Some(Desired::new(owner, &kind::SECRET, content.name, backend, whole, how))
}

/// What a Secret has under `key`, when it is text.
pub fn text<'a>(secret: &'a Secret, key: &str) -> Option<&'a str> {
    std::str::from_utf8(&secret.data.as_ref()?.get(key)?.0).ok()
}

/// What `TIMES` says; entries that say nothing are left out.
pub fn times(secret: &Secret) -> BTreeMap<String, Timestamp> {
    let all = secret.annotations().get(TIMES).map(String::as_str).unwrap_or_default();
    let pairs = all.split(',').filter_map(|entry| entry.split_once('='));
    pairs.filter_map(|(id, time)| Some((id.to_owned(), time.parse().ok()?))).collect()
}

/// The text of `TIMES`.
pub fn times_text<'a>(times: impl Iterator<Item = (&'a str, Timestamp)>) -> String {
    times.map(|(id, time)| format!("{id}={time}")).collect::<Vec<_>>().join(",")
}

/// A time that was stored, or now when it cannot be true.
pub fn credible(stored: Timestamp, now: Timestamp) -> Timestamp {
    if stored > later(now, SKEW) { now } else { stored }
}

/// How long ago a time was; nothing for one that is still to come.
pub fn age(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// A time and a while, at most the last time that there is.
pub fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// A time without its fraction of a second, as it is stored.
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// What a duration of a spec says; one that says nothing counts as absent.
pub fn duration(text: Option<&String>) -> Option<Duration> {
    text.and_then(|text| mainstay_crds::duration::parse(text))
}

/// SHA-256 in hex.
pub fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// What people may see of a key: the first 8 hex digits of its SHA-256.
pub fn id(key: &str) -> String {
    let mut id = sha256(key);
    id.truncate(8);
    id
}

/// The value of an annotation as it is remembered: short, whatever people wrote.
pub fn remembered(value: &str) -> String {
    let mut hash = sha256(value);
    hash.truncate(16);
    hash
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
