//! How a Backend's database is changed: which steps wait for whom, when, and for how long.
//!
//! Read by the operator. A local server has flags for the same.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ResourcesSpec;
use crate::shape;

/// How the database is changed. Each change is a MigrationPlan in two phases: *expand*, which old servers do not notice,
/// before the rollout, and *contract*, which takes away what only old servers need, after it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MigrationsSpec {
    /// What happens to each class of step: Auto, Approve or Forbid. Absent: safe and locking steps run, dataDependent
    /// and destructive ones wait for approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<MigrationPolicy>,
    /// Approval hashes: 64 hex digits each, as `status.plan.approvalHash` and `mainstay migrate plan` print them. A hash
    /// covers what is lost or may fail, and not the SQL, the image or other steps, so it can be committed together
    /// with the change. At most 100; those of plans that are done can be removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::set(100, shape::matching(
        64,
        "^[0-9a-f]{64}$",
        "this is no approval hash: copy the 64 lower-case hex digits of `status.plan.approvalHash`",
    )))]
    pub approve: Vec<String>,
    /// When steps that wait for approval may begin. Absent: at any time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowSpec>,
    /// How long one phase may take before its Job is ended, such as 30m. Absent: 1h.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::long_span)]
    pub timeout: Option<String>,
    /// How often the pod of a Job is started again before the Job has failed: 0 to 20. Absent: 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::number(0, 20))]
    pub backoff_limit: Option<u32>,
    /// How long new servers run before the contract phase, so that a rollback is still possible, such as 30m or 1d.
    /// `0s` is no wait. Absent: 10m.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = shape::span)]
    pub soak: Option<String>,
    /// Which classes of steps wait for a backup. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupSpec>,
    /// CPU and memory of the Jobs. Absent: `requests: {cpu: 50m, memory: 64Mi}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesSpec>,
}

/// What happens to a step, by its class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MigrationPolicy {
    /// Steps that neither block nor fail, such as a new table or an optional field. Absent: Auto.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safe: Option<Gate>,
    /// Steps that may hold a lock for as long as the table is large. Absent: Auto.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locking: Option<Gate>,
    /// Steps that fail when the data breaks the new rule, such as a new unique key. Absent: Approve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dependent: Option<Gate>,
    /// Steps that lose data, such as a dropped field. Absent: Approve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destructive: Option<Gate>,
}

/// Whether a step runs: Auto without asking, Approve when its hash is in `approve`, Forbid never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = shape::choice)]
pub enum Gate {
    /// Without asking.
    Auto,
    /// When its hash is in `approve`.
    Approve,
    /// Never.
    Forbid,
}

/// A time of the day, in UTC, such as `{start: "02:00", duration: 2h, days: [Sat, Sun]}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WindowSpec {
    /// When it opens, in UTC, as hours and minutes from 00:00 to 23:59, quoted: `"02:00"`.
    #[schemars(transform = shape::matching(
        5,
        "^([01][0-9]|2[0-3]):[0-5][0-9]$",
        "this is no time of the day: write hours and minutes in UTC from 00:00 to 23:59, such as \"02:00\"",
    ))]
    pub start: String,
    /// How long it stays open, such as 2h. A phase that began in it is finished after it.
    #[schemars(transform = shape::long_span)]
    pub duration: String,
    /// On which days it opens: Mon, Tue, Wed, Thu, Fri, Sat, Sun. Absent: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = shape::set(7, |_| ()))]
    pub days: Vec<Weekday>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = shape::choice)]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// Which steps wait for a backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupSpec {
    /// Classes of steps: safe, locking, dataDependent, destructive. A plan with such a step waits until the Backend's
    /// annotation `mainstay.dev/backup` holds the plan's name, which says that a backup is done.
    #[schemars(transform = shape::set(4, |_| ()), transform = shape::filled)]
    pub before: Vec<StepClass>,
}

/// How dangerous a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = shape::choice)]
pub enum StepClass {
    /// Neither blocks nor fails.
    Safe,
    /// May hold a lock for as long as the table is large.
    Locking,
    /// Fails when the data breaks the new rule.
    DataDependent,
    /// Loses data.
    Destructive,
}
