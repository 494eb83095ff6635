//! `--report`: the outcome of `migrate plan` and `migrate up` as the last line of standard output, for a program that
//! reads the log of a Job.
//!
//! Whatever happened, also before the database was asked, the line is there; its hash tells a line that was cut.

use std::io::{self, Write};

use mainstay_crds::plan::Plan;
use mainstay_crds::schema::evolve::sha256_hex;
use mainstay_crds::schema::stored::Stored;
use serde::Serialize;

use super::super::{Exit, Failure, Reason};
use crate::store::schema::Applied;

/// The most bytes of a message; a log line is not the place for a thousand problems.
const MESSAGE: usize = 4000;

/// What a run has found out so far.
#[derive(Default)]
pub struct Found {
    /// The plan, from the moment it is known.
    pub plan: Option<Plan>,
    /// What the database said of itself last.
    pub applied: Option<Applied>,
    /// What the plan leaves as it is.
    pub notes: Vec<String>,
}

/// The line's JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    version: u32,
    server: &'static str,
    outcome: &'static str,
    plan: Option<&'a Plan>,
    applied: Option<&'a Stored>,
    compatible_from: i64,
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Prints the line; `outcome` is what the run is when it did not fail.
pub fn print(found: &Found, outcome: &'static str, done: &Result<(), Failure>) -> Result<(), Failure> {
    let text = text(found, outcome, done)?;
    let hash = sha256_hex(text.as_bytes());
    Ok(writeln!(io::stdout(), "mainstay-report {hash} {text}")?)
}

fn text(found: &Found, outcome: &'static str, done: &Result<(), Failure>) -> Result<String, Failure> {
    let failure = done.as_ref().err();
    let line = Line {
        version: 1,
        server: env!("CARGO_PKG_VERSION"),
        outcome: if failure.is_some() { "failed" } else { outcome },
        plan: found.plan.as_ref(),
        applied: found.applied.as_ref().map(|applied| &applied.stored),
        compatible_from: found.applied.as_ref().map_or(0, |applied| applied.compatible_from),
        notes: &found.notes,
        reason: failure.map(|failure| failure.reason),
        message: failure.map(|failure| one_line(&failure.message)),
    };
    serde_json::to_string(&line).map_err(|error| Failure::new(Exit::Bug, error.to_string()))
}

fn one_line(message: &str) -> String {
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut text = lines.join("; ");
    if text.len() > MESSAGE {
        let end = (0..=MESSAGE).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_on_one_line() {
        let failure = Failure::new(Exit::Data, "a: b\n  c: d\n\n2 problems\n");
        let text = text(&Found::default(), "planned", &Err(failure)).unwrap();
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "a: b; c: d; 2 problems");
        assert_eq!((&line["outcome"], &line["reason"]), (&"failed".into(), &"DocumentsInvalid".into()));
        assert!(one_line(&"ü".repeat(5000)).len() < MESSAGE + 5);
    }

    #[test]
    fn an_outcome_has_neither_reason_nor_message() {
        let text = text(&Found::default(), "planned", &Ok(())).unwrap();
        assert_eq!(
            text,
            format!(
                r#"{{"version":1,"server":"{}","outcome":"planned","plan":null,"applied":null,"compatibleFrom":0,"notes":[]}}"#,
                env!("CARGO_PKG_VERSION")
            )
        );
    }
}
