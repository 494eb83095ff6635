//! What a Backend's status says of what was seen and decided. Pure.

use k8s_openapi::jiff::Timestamp;
use mainstay_crds::backend::BackendStatus;

use super::documents::Documents;
use super::migration::Migration;
use super::observed::Observed;
use super::secrets::Secrets;
use crate::settings::Settings;

/// The status.
pub fn status(
    _seen: &Observed,
    _settings: &Settings,
    _documents: &Documents,
    _keys: &Secrets,
    _way: &Migration,
    _now: Timestamp,
) -> BackendStatus {
    BackendStatus::default()
}
