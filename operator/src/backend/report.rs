//! The report that a migration Job prints as its last line: what the server image found or did.
//!
//! Read by `observe` from the log of a finished Job. The line carries the SHA-256 of its JSON, so that a log that was
//! cut is never taken for a whole one.

use mainstay_crds::plan::Plan;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What the server image found or did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// The form of this report.
    pub version: u32,
    /// The server's version.
    pub server: String,
    /// planned, applied or failed.
    pub outcome: Outcome,
    /// The plan, when there is one.
    pub plan: Option<Plan>,
    /// What the database had when the Job ended, as the image wrote it: a newer one knows more than this operator.
    pub applied: Option<serde_json::Value>,
    /// The oldest revision whose servers may run; equal to the applied revision when no contract is open.
    pub compatible_from: i64,
    /// What the plan leaves as it is.
    pub notes: Vec<String>,
    /// One CamelCase word, only of a failure.
    pub reason: Option<String>,
    /// One line for people, only of a failure.
    pub message: Option<String>,
}

/// How a Job ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// There is a plan, or nothing to do.
    Planned,
    /// The phases are done.
    Applied,
    /// Neither.
    #[default]
    Failed,
}

/// What the line begins with.
const MARK: &str = "mainstay-report ";

/// The report in a log, if it holds a whole one: the last line that begins as one counts.
pub fn read(log: &str) -> Option<Report> {
    let line = log.lines().rev().find_map(|line| line.strip_prefix(MARK))?;
    let (hash, json) = line.split_once(' ')?;
    let found: String = Sha256::digest(json.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    (found == hash).then(|| serde_json::from_str(json).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(json: &str) -> String {
        let hash: String = Sha256::digest(json.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{MARK}{hash} {json}")
    }

    #[test]
    fn the_last_whole_report_is_read() {
        let json = r#"{"version":1,"server":"0.1.0","outcome":"failed","reason":"DatabaseInUse","message":"no"}"#;
        let log = format!("{{\"level\":\"INFO\"}}\n{}\n{{\"level\":\"INFO\"}}\n", line(json));
        let report = read(&log).unwrap();
        assert_eq!((report.outcome, report.reason.as_deref()), (Outcome::Failed, Some("DatabaseInUse")));
    }

    #[test]
    fn a_cut_or_changed_line_is_none() {
        let whole = line(r#"{"version":1,"outcome":"planned"}"#);
        assert!(read(&whole).is_some());
        assert_eq!(read(&whole[..whole.len() - 1]), None);
        assert_eq!(read(&whole.replace("planned", "applied")), None);
        assert_eq!(read("nothing"), None);
    }
}
