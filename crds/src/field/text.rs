//! `text`: valid Unicode without NUL, stored as it came, compared and sorted by code point.
//!
//! A format is nothing but a pattern and a greatest length, and the published pattern is the enforced one.

use serde_json::{Value as Json, json};

use super::pattern::Pattern;
use super::{FieldKind, Kind, KindRow, bounds, string, write_null};
use crate::collection::FieldSpec;
use crate::filter::Op;
use crate::json::write_string;
use crate::name::did_you_mean;
use crate::problem::Problems;
use crate::sql::ColumnType;
use crate::value::Value;

/// The row in the table of kinds.
pub const ROW: KindRow = KindRow { name: "text", options: &["minLength", "maxLength", "pattern", "format"], build };

/// Text that databases and published patterns agree on.
pub const NO_NUL: &str = r"^[^\x00]*$";

/// A named form of text.
#[derive(Debug)]
#[non_exhaustive]
pub struct Format {
    /// Its name in documents.
    pub name: &'static str,
    /// What the whole text matches.
    pub pattern: &'static str,
    /// Most characters, where the standard says so.
    pub max_length: Option<u32>,
    /// Its name in JSON Schema, where there is one that says no more than the pattern.
    published: Option<&'static str>,
}

macro_rules! label {
    () => {
        "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    };
}
macro_rules! host {
    () => {
        concat!(label!(), r"(?:\.", label!(), ")*")
    };
}

/// Every format.
pub const FORMATS: &[Format] = &[
    // The rule of HTML's `<input type=email>`; the length is RFC 5321's for a path, less its brackets.
    Format {
        name: "email",
        pattern: concat!(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@", host!()),
        max_length: Some(254),
        published: Some("email"),
    },
    // Absolute http and https, characters of RFC 3986, no user information (RFC 9110, section 4.2.4).
    Format {
        name: "url",
        pattern: concat!(
            r"[Hh][Tt][Tt][Pp][Ss]?:\/\/(?:",
            host!(),
            r"|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?",
            r"(?:[/?#](?:[A-Za-z0-9._~:/?#@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?"
        ),
        max_length: None,
        published: None,
    },
    Format { name: "slug", pattern: "[a-z0-9]+(?:-[a-z0-9]+)*", max_length: None, published: None },
    // RFC 1123.
    Format { name: "hostname", pattern: host!(), max_length: Some(253), published: Some("hostname") },
];

/// A `text` field, or an item of a list.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Text {
    /// Fewest characters (Unicode scalar values).
    pub min_length: Option<u32>,
    /// Most characters: as declared or as the format has it, whichever is less.
    pub max_length: Option<u32>,
    /// What the whole text matches.
    pub pattern: Option<Pattern>,
    /// Its form, with the compiled pattern.
    pub format: Option<(&'static Format, Pattern)>,
}

fn build(spec: &FieldSpec, problems: &mut Problems) -> Option<Kind> {
    let before = problems.len();
    bounds::counts("minLength", spec.min_length, spec.max_length, problems);
    let mut compile = |option: &'static str, source: &str| {
        Pattern::new(source).map_err(|rule| problems.within(option, |p| p.add("invalid_option", rule))).ok()
    };
    let pattern = spec.pattern.as_ref().and_then(|source| compile("pattern", source));
    let format = spec.format.as_ref().and_then(|name| FORMATS.iter().find(|format| format.name == name));
    let compiled = format.and_then(|format| Some((format, compile("format", format.pattern)?)));
    if let (Some(name), None) = (&spec.format, format) {
        let hint = did_you_mean(name, FORMATS.iter().map(|format| format.name));
        let message = "`format` is email, url, slug or hostname".to_owned();
        problems.within("format", |problems| problems.push("invalid_option", message, hint));
    }
    let max_length = match (spec.max_length, format.and_then(|format| format.max_length)) {
        (Some(declared), Some(standard)) => Some(declared.min(standard)),
        (declared, standard) => declared.or(standard),
    };
    let kind = Text { min_length: spec.min_length, max_length, pattern, format: compiled };
    (problems.len() == before).then_some(Kind::Text(kind))
}

impl Text {
    /// Text without rules of its own: that of list items.
    pub const ANY: Text = Text { min_length: None, max_length: None, pattern: None, format: None };

    fn judge(&self, text: &str, problems: &mut Problems) {
        let length = text.chars().count();
        if let Some(least) = self.min_length
            && length < least as usize
        {
            problems.add("too_short", format!("has {length} characters, at least {least} are needed"));
        }
        if let Some(most) = self.max_length
            && length > most as usize
        {
            problems.add("too_long", format!("has {length} characters, at most {most} are allowed"));
        }
        if let Some((format, pattern)) = &self.format
            && !pattern.is_match(text)
        {
            problems.add("format", format!("is not a valid {}", format.name));
        }
        if let Some(pattern) = &self.pattern
            && !pattern.is_match(text)
        {
            problems.add("pattern", format!("must match {}", pattern.published()));
        }
    }
}

fn refuse_nul(text: &str, problems: &mut Problems) {
    if text.contains('\0') {
        problems.add("nul", "text holds no NUL character");
    }
}

impl FieldKind for Text {
    fn name(&self) -> &'static str {
        ROW.name
    }

    fn column(&self) -> ColumnType {
        ColumnType::Text
    }

    fn operators(&self) -> &'static [Op] {
        &[
            Op::Eq,
            Op::Ne,
            Op::Gt,
            Op::Gte,
            Op::Lt,
            Op::Lte,
            Op::In,
            Op::Nin,
            Op::Contains,
            Op::Icontains,
            Op::Startswith,
            Op::Isnull,
        ]
    }

    fn sortable(&self) -> bool {
        true
    }

    fn key_bytes(&self) -> Option<usize> {
        self.max_length.map(|most| 4 * most as usize)
    }

    fn parse(&self, json: &Json, problems: &mut Problems) -> Option<Value<'static>> {
        let text = string("a string", json, problems)?;
        let before = problems.len();
        refuse_nul(text, problems);
        self.judge(text, problems);
        (problems.len() == before).then(|| Value::from(text.to_owned()))
    }

    fn parse_parameter(&self, text: &str, problems: &mut Problems) -> Option<Value<'static>> {
        let before = problems.len();
        refuse_nul(text, problems);
        (problems.len() == before).then(|| Value::from(text.to_owned()))
    }

    fn write_json(&self, value: &Value<'_>, out: &mut Vec<u8>) {
        match value {
            Value::Text(text) => write_string(text, out),
            _ => write_null(out),
        }
    }

    fn json_schema(&self) -> Json {
        let mut schema = json!({ "type": "string" });
        if let Some(least) = self.min_length {
            schema["minLength"] = json!(least);
        }
        if let Some(most) = self.max_length {
            schema["maxLength"] = json!(most);
        }
        if let Some(name) = self.format.as_ref().and_then(|(format, _)| format.published) {
            schema["format"] = json!(name);
        }
        let pattern = self.pattern.as_ref().map(Pattern::published);
        let form = self.format.as_ref().map(|(_, pattern)| pattern.published());
        if let (Some(_), Some(form)) = (&pattern, &form) {
            schema["allOf"] = json!([{ "pattern": form }]);
        } else if self.pattern.as_ref().is_some_and(Pattern::holds_nul) {
            // Not `allOf`: generators of clients would make a type of their own of it.
            schema["not"] = json!({ "pattern": "\\x00" });
        }
        schema["pattern"] = json!(pattern.or(form).unwrap_or_else(|| NO_NUL.to_owned()));
        schema
    }
}
