//! JSON Pointers (RFC 6901), as the operations of a patch use them.
//!
//! Called by [`super::patch`]. A pointer is only a path; whether something is there is asked of a value.

use serde_json::Value as Json;

use super::patch::Why;

/// The steps from a document to a value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// Reads a pointer; `None` for what is none.
    pub fn parse(text: &str) -> Option<Pointer> {
        if text.is_empty() {
            return Some(Pointer(Vec::new()));
        }
        text.strip_prefix('/')?.split('/').map(unescape).collect::<Option<Vec<_>>>().map(Pointer)
    }

    /// The first step; `None` for the whole document.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }

    /// How many steps it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is the whole document.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `other` points into the value of this one.
    pub(super) fn contains(&self, other: &Pointer) -> bool {
        other.0.len() > self.0.len() && other.0.starts_with(&self.0)
    }

    /// What holds the value, and the last step.
    pub(super) fn split_last(&self) -> Option<(Steps<'_>, &str)> {
        self.0.split_last().map(|(last, parents)| (Steps(parents), last.as_str()))
    }

    pub(super) fn find<'a>(&self, document: &'a Json) -> Result<&'a Json, Why> {
        self.0.iter().try_fold(document, |at, step| match at {
            Json::Object(members) => members.get(step).ok_or(Why::Missing),
            Json::Array(elements) => match Place::of(step)? {
                Place::At(position) => elements.get(position).ok_or(Why::Missing),
                Place::End => Err(Why::Missing),
            },
            _ => Err(Why::Missing),
        })
    }

    pub(super) fn find_mut<'a>(&self, document: &'a mut Json) -> Result<&'a mut Json, Why> {
        Steps(&self.0).find_mut(document)
    }
}

/// The first steps of a pointer.
pub(super) struct Steps<'a>(&'a [String]);

impl Steps<'_> {
    pub(super) fn find_mut<'a>(&self, document: &'a mut Json) -> Result<&'a mut Json, Why> {
        self.0.iter().try_fold(document, |at, step| match at {
            Json::Object(members) => members.get_mut(step).ok_or(Why::Missing),
            Json::Array(elements) => match Place::of(step)? {
                Place::At(position) => elements.get_mut(position).ok_or(Why::Missing),
                Place::End => Err(Why::Missing),
            },
            _ => Err(Why::Missing),
        })
    }
}

/// A step within an array.
pub(super) enum Place {
    At(usize),
    /// `-`: after the last element.
    End,
}

impl Place {
    /// Digits without leading zeros, or `-`.
    pub(super) fn of(step: &str) -> Result<Place, Why> {
        let digits = !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
        match step {
            "-" => Ok(Place::End),
            _ if !digits || (step.starts_with('0') && step.len() > 1) => Err(Why::NoIndex),
            // One that no machine can count to is beyond every end.
            _ => Ok(Place::At(step.parse().unwrap_or(usize::MAX))),
        }
    }
}

/// `~1` is `/` and `~0` is `~`; any other `~` is a mistake.
fn unescape(step: &str) -> Option<String> {
    let mut parts = step.split('~');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let (code, rest) = part.split_at_checked(1)?;
        out.push(match code {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        out.push_str(rest);
    }
    Some(out)
}
