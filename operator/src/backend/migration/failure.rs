//! What a failed Job means, and when the next one is made. Pure.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use mainstay_crds::conditions::Reason;

use super::Wait;
use super::job::{GENERATION, Run};
use crate::backend::report::Report;

/// The first wait and the longest.
const FIRST: i64 = 10;
const LONGEST: i64 = 300;

/// The most characters of a message in a status.
const MESSAGE: usize = 1000;

/// What the failure of a Job is called, and whether a person has to do something.
pub fn wait(report: &Report, attempt: u32) -> Wait {
    let (reason, stalled) = match report.reason.as_deref().unwrap_or_default() {
        "DatabaseInUse" => (Reason::DatabaseInUse, true),
        "DatabaseUnavailable" => (Reason::DatabaseUnavailable, false),
        "UnknownTable" | "PlanRefused" | "DocumentsInvalid" => (Reason::PlanRefused, true),
        "SettingsInvalid" => (Reason::InvalidSpec, true),
        "ContractOpen" => (Reason::ContractPending, false),
        "ApprovalRequired" => (Reason::ApprovalRequired, true),
        "PlanStale" => (Reason::Planning, false),
        "OldInstances" => (Reason::RollingOut, false),
        _ => (Reason::MigrationFailed, false),
    };
    Wait { reason, message: format!("{} (attempt {attempt}; it is tried again)", last_failure(report)), stalled }
}

/// What a report says went wrong, on one line.
pub fn last_failure(report: &Report) -> String {
    let said = report.message.as_deref().unwrap_or("the Job left no report");
    said.lines().next().unwrap_or_default().chars().take(MESSAGE).collect()
}

/// Whether a Job failed for this reason.
pub fn is(report: &Report, reason: &str) -> bool {
    report.reason.as_deref() == Some(reason)
}

/// How long until the next attempt after a failed one: twice as long each time, and not at all once the spec changed.
pub fn rest(run: &Run<'_>, generation: Option<i64>, now: Timestamp) -> Option<Duration> {
    let made_for = run.says(GENERATION).parse::<i64>().ok();
    if made_for.is_some() && made_for != generation {
        return None;
    }
    let doubled = FIRST.checked_shl(run.attempt.saturating_sub(1).min(16)).unwrap_or(LONGEST).min(LONGEST);
    let due = run.ended_at()?.checked_add(SignedDuration::from_secs(doubled)).ok()?;
    let left = due.duration_since(now);
    left.is_positive().then(|| left.unsigned_abs())
}
