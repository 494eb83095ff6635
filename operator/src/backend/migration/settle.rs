//! Changes settle before they are planned: one `kubectl apply` of many documents is one plan. Pure.
//!
//! Measured by what the cluster keeps anyway, so that a restart changes nothing: when the ConfigMaps of documents were
//! made, and when the Backend's spec was written last.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::target::Target;
use crate::backend::observed::Observed;

/// Nothing changed for so long: two seconds, and one because times are cut to seconds.
const QUIET: SignedDuration = SignedDuration::from_secs(3);
/// However often it changes.
const LONGEST: SignedDuration = SignedDuration::from_secs(10);

/// How long the target has still to settle.
pub fn settles(seen: &Observed, target: &Target, now: Timestamp) -> Option<Duration> {
    let prefix = format!("{}-r", seen.backend.name_any());
    let own = format!("{prefix}{}-0", target.documents);
    let maps =
        seen.config_maps.iter().filter_map(|map| Some((map.name.as_deref()?, map.creation_timestamp.as_ref()?.0)));
    let mut times: Vec<Timestamp> = maps.filter(|(name, _)| name.starts_with(&prefix)).map(|(_, made)| made).collect();
    let newest = seen.config_maps.iter().find(|map| map.name.as_deref() == Some(&own));
    if newest.is_none() && target.parts > 0 {
        // Its ConfigMap is written with this very reconciliation.
        times.push(now);
    }
    times.extend(spec_written(seen));
    times.sort_unstable_by(|a, b| b.cmp(a));
    let last = *times.first()?;
    let mut first = last;
    for time in times {
        if first.duration_since(time) > QUIET {
            break;
        }
        first = time;
    }
    let due = last.checked_add(QUIET).ok()?.min(first.checked_add(LONGEST).ok()?);
    let left = due.duration_since(now);
    // A clock that is far behind the cluster's must not stop everything.
    left.is_positive().then(|| left.min(LONGEST).unsigned_abs())
}

/// When someone last wrote to the Backend beside its status.
fn spec_written(seen: &Observed) -> Option<Timestamp> {
    let entries = seen.backend.managed_fields().iter().filter(|entry| entry.subresource.is_none());
    let written = entries.filter_map(|entry| entry.time.as_ref()).map(|time| time.0).max();
    written.or_else(|| seen.backend.creation_timestamp().map(|time| time.0))
}
