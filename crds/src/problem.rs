//! What is wrong with a document or a body: where, by which rule, and what to do next.
//!
//! Every check collects [`Problems`] and goes on, so that a caller sees all of them at once.

use serde::Serialize;

/// One violated rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// JSON Pointer (RFC 6901) to the offending value; empty for the whole document.
    pub path: String,
    /// Stable, machine-readable name of the rule, such as `too_long`.
    pub code: &'static str,
    /// One sentence for people, naming the thing and the rule.
    pub message: String,
    /// The next step, such as "did you mean `maxLength`?".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A collector of problems that knows where it stands in the document.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<Problem>,
    path: String,
}

impl Problems {
    /// An empty collector at the document's root.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty collector at `path` (a JSON Pointer).
    pub fn at(path: impl Into<String>) -> Self {
        Self { found: Vec::new(), path: path.into() }
    }

    /// Runs `f` one step deeper, under the member or element `step` (escaped as RFC 6901 asks).
    pub fn within<T>(&mut self, step: impl std::fmt::Display, f: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        let step = step.to_string();
        self.path.push('/');
        if step.contains(['~', '/']) {
            self.path.push_str(&step.replace('~', "~0").replace('/', "~1"));
        } else {
            self.path.push_str(&step);
        }
        let result = f(self);
        self.path.truncate(length);
        result
    }

    /// Records a problem here.
    pub fn add(&mut self, code: &'static str, message: impl Into<String>) {
        self.push(code, message.into(), None);
    }

    /// Records a problem here, with the next step.
    pub fn hint(&mut self, code: &'static str, message: impl Into<String>, hint: impl Into<String>) {
        self.push(code, message.into(), Some(hint.into()));
    }

    /// Records a problem here, with the next step where there is one.
    pub fn push(&mut self, code: &'static str, message: String, hint: Option<String>) {
        self.found.push(Problem { path: self.path.clone(), code, message, hint });
    }

    /// Takes over problems that were found elsewhere, as they are.
    pub fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.found.extend(problems);
    }

    /// The JSON Pointer of the place under examination.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How many were found so far: equal before and after a step means that the step was clean.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The problems, in the order in which they were found.
    pub fn into_vec(self) -> Vec<Problem> {
        self.found
    }

    /// `value` when nothing was found, else every problem.
    pub fn finish<T>(self, value: T) -> Result<T, Vec<Problem>> {
        if self.found.is_empty() { Ok(value) } else { Err(self.found) }
    }
}
