//! Problems of documents with the file and the line where they stand, printed for people.
//!
//! Made while documents are loaded and checked; printed by the commands, all at once.

use std::collections::BTreeSet;
use std::fmt;

use mainstay_crds::Problem;
use serde::Serialize;

/// One problem and its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// As the user would write it; `-` is standard input.
    pub file: String,
    /// From 1; `None` when the file itself is the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What is wrong.
    #[serde(flatten)]
    pub problem: Problem,
}

impl Finding {
    /// `file:line: path`.
    pub fn place(&self) -> String {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        let separator = if self.problem.path.is_empty() { "" } else { ": " };
        format!("{}{line}{separator}{}", self.file, self.problem.path)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.problem.message)?;
        match &self.problem.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with the documents. Prints a line a problem and their count.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order of the documents.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Records a problem of a whole file.
    pub(super) fn file(&mut self, file: &str, code: &'static str, message: &str, hint: Option<&str>) {
        let problem =
            Problem { path: String::new(), code, message: message.to_owned(), hint: hint.map(ToOwned::to_owned) };
        self.findings.push(Finding { file: file.to_owned(), line: None, problem });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let files = self.findings.iter().map(|finding| &finding.file).collect::<BTreeSet<_>>().len();
        write!(f, "{} in {}", count(self.findings.len(), "problem"), count(files, "file"))
    }
}

/// `1 problem`, `2 problems`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
