//! Bodies of sign-in requests: flat objects of texts, of which every problem is told at once.
//!
//! Called by the other files of this folder. A message never quotes what was sent, since it may be a password.

use mainstay_crds::name::did_you_mean;
use mainstay_crds::{Problems, json};
use serde_json::{Map, Value as Json};

use crate::service::{Code, Error, Service};

/// A member with the most characters that it may have.
pub type Member = (&'static str, usize);

/// The longest password that is looked at.
pub const PASSWORD: usize = 128;
/// The longest e-mail address (RFC 5321).
pub const EMAIL: usize = 254;

/// The members of a body.
///
/// Errors: 400 for what is not JSON, or no object.
pub fn object(service: &Service, body: &[u8]) -> Result<Map<String, Json>, Error> {
    let malformed = |problems: Vec<mainstay_crds::Problem>| {
        let message = problems.first().map_or_else(String::new, |problem| problem.message.clone());
        Error::with(Code::MalformedRequest, message, problems)
    };
    match json::parse(body, service.json_depth).map_err(malformed)? {
        Json::Object(members) => Ok(members),
        _ => Err(Error::at(Code::ValidationError, String::new(), "wrong_type", "the body is a JSON object".to_owned())),
    }
}

/// The texts of a body that holds these members and no other.
///
/// Errors: 400 with every problem.
pub fn texts<const N: usize>(service: &Service, body: &[u8], takes: [Member; N]) -> Result<[String; N], Error> {
    let mut members = object(service, body)?;
    let mut problems = Problems::new();
    let texts = takes.map(|(name, most)| {
        let given = members.remove(name);
        problems.within(name, |problems| text(given, most, problems))
    });
    for name in members.keys() {
        let hint = did_you_mean(name, takes.iter().map(|(name, _)| *name));
        problems.within(name, |problems| match hint {
            Some(hint) => problems.hint("unknown_field", "there is no such member", hint),
            None => problems.add("unknown_field", "there is no such member"),
        });
    }
    problems.finish(texts).map_err(Error::invalid)
}

/// A text of 1 to `most` characters.
pub fn text(given: Option<Json>, most: usize, problems: &mut Problems) -> String {
    match given {
        Some(Json::String(text)) if text.is_empty() => problems.add("too_short", "this is empty"),
        Some(Json::String(text)) if text.chars().count() > most => {
            problems.add("too_long", format!("this has at most {most} characters"));
        }
        Some(Json::String(text)) if text.contains('\0') => problems.add("nul", "text holds no NUL character"),
        Some(Json::String(text)) => return text,
        Some(_) => problems.add("wrong_type", "this is a text"),
        None => problems.add("required", "this is needed"),
    }
    String::new()
}
