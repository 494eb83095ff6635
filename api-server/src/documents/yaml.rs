//! YAML 1.2 (core schema) as JSON, with the line of every value.
//!
//! Called by [`super::load`]. Built on parser events, because no loader tells a duplicate key or counts what
//! aliases expand to. Refused by name: duplicate keys, keys that are not text, tags, numbers that do not fit,
//! too many levels or values. Never recursive, so that no text can exhaust the stack.

use std::collections::{BTreeMap, HashMap};
use std::mem;

use mainstay_crds::Problem;
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value as Json};

/// JSON Pointer → line, from 1. A member's line is that of its key.
pub type Lines = BTreeMap<String, usize>;

/// A line and what is wrong there.
pub type Wrong = (usize, Problem);

const MAX_DEPTH: usize = 64;
/// Values in one file after aliases are expanded; stops the billion laughs.
const MAX_VALUES: usize = 200_000;

/// The documents of one text that are not empty, and what is wrong with it, each with its line. After a
/// mistake in the syntax nothing more is read.
pub fn parse(text: &str) -> (Vec<(Json, Lines)>, Vec<Wrong>) {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let proceed = match event {
            Ok((event, span)) => builder.event(event, span.start.line()),
            Err(error) => {
                builder.problem(error.marker().line(), "syntax", format!("not YAML: {}", error.info()), None);
                false
            }
        };
        if !proceed {
            break;
        }
    }
    (builder.documents, builder.problems)
}

/// A list or map that is not yet closed.
enum Open {
    List(Vec<Json>),
    Map { members: Map<String, Json>, key: Option<String> },
}

struct Level {
    open: Open,
    anchor: usize,
    values_before: usize,
    /// Length of the path without this level's own step.
    path_before: usize,
    /// The value of a duplicate key: built, then dropped.
    dropped: bool,
}

#[derive(Default)]
struct Builder {
    documents: Vec<(Json, Lines)>,
    problems: Vec<Wrong>,
    lines: Lines,
    path: String,
    levels: Vec<Level>,
    /// By the parser's number: the value, and how many values it holds.
    anchors: HashMap<usize, (Json, usize)>,
    values: usize,
    /// The next value belongs to a duplicate key.
    drop_next: bool,
}

impl Builder {
    /// Takes one event; false when there is no use in going on.
    fn event(&mut self, event: Event<'_>, line: usize) -> bool {
        match event {
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag.as_deref(), line),
            Event::SequenceStart(anchor, tag) => self.start(Open::List(Vec::new()), anchor, tag.as_deref(), line),
            Event::MappingStart(anchor, tag) => {
                self.start(Open::Map { members: Map::new(), key: None }, anchor, tag.as_deref(), line)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.end(line);
                true
            }
            Event::Alias(anchor) => self.alias(anchor, line),
            Event::DocumentEnd => {
                self.anchors.clear();
                true
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => true,
        }
    }

    fn problem(&mut self, line: usize, code: &'static str, message: String, hint: Option<&str>) {
        let problem = Problem { path: self.path.clone(), code, message, hint: hint.map(ToOwned::to_owned) };
        self.problems.push((line, problem));
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, tag: Option<&Tag>, line: usize) -> bool {
        let is_text = self.tag(tag, line);
        let resolved = match is_text || style != ScalarStyle::Plain {
            true => Ok(Json::String(text.to_owned())),
            false => resolve(text),
        };
        if self.awaits_key() {
            self.key(text, resolved, line);
            return true;
        }
        let value = resolved.unwrap_or_else(|rule| {
            self.at_value(line, |builder| builder.problem(line, "number", rule, Some("write it in quotes")));
            Json::Null
        });
        self.leaf(value, 1, anchor, line)
    }

    /// Whether the tag says text. Every other tag is refused.
    fn tag(&mut self, tag: Option<&Tag>, line: usize) -> bool {
        let Some(tag) = tag else { return false };
        let text = tag.is_yaml_core_schema() && tag.suffix == "str";
        if !text {
            let message = format!("tag `{}{}` is not supported", tag.handle, tag.suffix);
            self.problem(line, "tag", message, Some("leave it out"));
        }
        text
    }

    fn awaits_key(&self) -> bool {
        matches!(self.levels.last(), Some(Level { open: Open::Map { key: None, .. }, .. }))
    }

    fn key(&mut self, text: &str, resolved: Result<Json, String>, line: usize) {
        if !matches!(resolved, Ok(Json::String(_))) {
            let message = format!("the key `{text}` is not text");
            self.problem(line, "key", message, Some("write it in quotes"));
        } else if text == "<<" {
            self.problem(
                line,
                "key",
                "merge keys (`<<`) are not part of YAML 1.2".to_owned(),
                Some("write the keys out"),
            );
        }
        let mut duplicate = false;
        if let Some(Level { open: Open::Map { members, key }, .. }) = self.levels.last_mut() {
            duplicate = members.contains_key(text);
            *key = Some(text.to_owned());
        }
        if duplicate {
            let path = format!("{}/{}", self.path, escape(text));
            let first = self.lines.get(&path).copied().unwrap_or_default();
            let length = mem::replace(&mut self.path, path).len();
            self.problem(
                line,
                "duplicate_key",
                format!("the key `{text}` is given twice"),
                Some(&format!("first on line {first}")),
            );
            self.path.truncate(length);
        } else {
            self.lines.insert(format!("{}/{}", self.path, escape(text)), line);
        }
        self.drop_next = duplicate;
    }

    /// The step to the value that comes next: a key or a position.
    fn step(&self) -> Option<String> {
        match &self.levels.last()?.open {
            Open::List(items) => Some(items.len().to_string()),
            Open::Map { key, .. } => key.as_deref().map(escape),
        }
    }

    /// Runs `f` with the path of the value that comes next, whose line is noted.
    fn at_value(&mut self, line: usize, f: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if let Some(step) = self.step() {
            self.path.push('/');
            self.path.push_str(&step);
        }
        self.lines.entry(self.path.clone()).or_insert(line);
        f(self);
        self.path.truncate(length);
    }

    fn start(&mut self, open: Open, anchor: usize, tag: Option<&Tag>, line: usize) -> bool {
        self.tag(tag, line);
        if self.awaits_key() {
            self.problem(line, "key", "a key is a list or a map, not text".to_owned(), None);
            return false;
        }
        if self.levels.len() >= MAX_DEPTH {
            self.problem(line, "too_deep", format!("more than {MAX_DEPTH} levels"), None);
            return false;
        }
        let path_before = self.path.len();
        if let Some(step) = self.step() {
            self.path.push('/');
            self.path.push_str(&step);
        }
        self.lines.entry(self.path.clone()).or_insert(line);
        let dropped = mem::take(&mut self.drop_next);
        self.levels.push(Level { open, anchor, values_before: self.values, path_before, dropped });
        self.count(1, line)
    }

    fn end(&mut self, line: usize) {
        let Some(level) = self.levels.pop() else { return };
        self.path.truncate(level.path_before);
        let value = match level.open {
            Open::List(items) => Json::Array(items),
            Open::Map { members, .. } => Json::Object(members),
        };
        if level.anchor > 0 {
            self.anchors.insert(level.anchor, (value.clone(), self.values - level.values_before));
        }
        self.drop_next = level.dropped;
        self.put(value, line);
    }

    fn alias(&mut self, anchor: usize, line: usize) -> bool {
        if self.awaits_key() {
            self.problem(line, "key", "a key is an alias, not text".to_owned(), None);
            return false;
        }
        let Some((_, values)) = self.anchors.get(&anchor) else {
            self.problem(line, "alias", "an alias refers to a value that holds it".to_owned(), None);
            return false;
        };
        let values = *values;
        if !self.count(values, line) {
            return false;
        }
        let value = self.anchors.get(&anchor).map(|(value, _)| value.clone()).unwrap_or_default();
        self.leaf(value, 0, 0, line)
    }

    fn leaf(&mut self, value: Json, values: usize, anchor: usize, line: usize) -> bool {
        self.at_value(line, |_| ());
        if anchor > 0 {
            self.anchors.insert(anchor, (value.clone(), 1));
        }
        self.put(value, line);
        self.count(values, line)
    }

    /// Counts values that were added; false when there are too many.
    fn count(&mut self, values: usize, line: usize) -> bool {
        self.values += values;
        let fits = self.values <= MAX_VALUES;
        if !fits {
            let message = format!("more than {MAX_VALUES} values, aliases expanded");
            self.problem(line, "too_large", message, Some("write fewer aliases or split the file"));
        }
        fits
    }

    /// Puts a finished value where it belongs.
    fn put(&mut self, value: Json, _line: usize) {
        let dropped = mem::take(&mut self.drop_next);
        match self.levels.last_mut().map(|level| &mut level.open) {
            Some(Open::List(items)) => items.push(value),
            Some(Open::Map { members, key }) => {
                if let Some(key) = key.take()
                    && !dropped
                {
                    members.insert(key, value);
                }
            }
            None => {
                let lines = mem::take(&mut self.lines);
                if !value.is_null() {
                    self.documents.push((value, lines));
                }
            }
        }
    }
}

/// One step of a JSON Pointer (RFC 6901).
fn escape(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

/// A plain scalar by the core schema (YAML 1.2.2, 10.3.2). The error is the rule that a number breaks.
fn resolve(text: &str) -> Result<Json, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Json::Null),
        "true" | "True" | "TRUE" => return Ok(Json::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Json::Bool(false)),
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err(format!("`{text}` is not a number in JSON"));
    }
    let too_large = || format!("the number {text} does not fit");
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|c| c.is_digit(radix))
        {
            return i64::from_str_radix(digits, radix).map(Json::from).map_err(|_| too_large());
        }
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse::<i64>().map(Json::from).map_err(|_| too_large());
    }
    if is_float(unsigned) {
        let number = text.parse::<f64>().ok().and_then(serde_json::Number::from_f64);
        return number.map(Json::Number).ok_or_else(too_large);
    }
    Ok(Json::String(text.to_owned()))
}

/// `\. [0-9]+ | [0-9]+ ( \. [0-9]* )?`, then `( [eE] [-+]? [0-9]+ )?`.
fn is_float(unsigned: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}
