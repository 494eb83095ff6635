//! Reads JSON texts as I-JSON (RFC 7493) and writes canonical ones (RFC 8785).
//!
//! Called for every body, document and stored `json` value. One pass over the bytes, so that the text of each
//! number and every member name is seen as it was written, and mistakes carry the path where they stand.
//! Knows nothing of fields: what a value must be is for its [kind](crate::field::Kind).

use std::ops::Range;

use serde_json::{Map, Number, Value as Json};

use crate::problem::Problem;

pub mod patch;
mod pointer;
mod write;

pub use write::{canonical, write_double, write_integer, write_string};

#[cfg(test)]
mod tests;

/// The greatest integer that every double around it tells apart: 2^53−1.
pub const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;
/// No text is read deeper than this, whatever is asked: the reader is recursive.
const DEEPEST: usize = 256;

/// Reads one JSON text (RFC 8259) as I-JSON (RFC 7493), at most `max_depth` arrays and objects deep (and never more than 256).
///
/// Refused, each with the path where it stands: bad syntax, bytes that are not UTF-8, lone surrogates (all `malformed`), a
/// member given twice (`duplicate_key`), integers beyond ±(2^53−1) (`integer_out_of_range`; written with a fraction or an
/// exponent they are doubles), numbers that overflow a double (`number_overflow`), too many levels (`too_deep`),
/// anything after the value. Broken structure ends the reading, everything else is collected.
pub fn parse(bytes: &[u8], max_depth: usize) -> Result<Json, Vec<Problem>> {
    let mut reader =
        Reader { bytes, at: 0, max_depth: max_depth.min(DEEPEST), steps: Vec::new(), problems: Vec::new() };
    match reader.document() {
        Ok(value) if reader.problems.is_empty() => Ok(value),
        _ => Err(reader.problems),
    }
}

/// The structure is broken; the problem is recorded already.
struct Stop;

/// One step of the path, cheap to take: names are decoded only when a problem is recorded.
enum Step {
    Member(Range<usize>),
    Element(usize),
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    max_depth: usize,
    steps: Vec<Step>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Json, Stop> {
        let value = self.value(0)?;
        self.space();
        if self.at < self.bytes.len() {
            return Err(self.stop("the end of the text is expected"));
        }
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> Result<Json, Stop> {
        self.space();
        match self.peek() {
            Some(b'{' | b'[') if depth == self.max_depth => self.skip_deep(),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => {
                let quoted = self.quoted()?;
                Ok(self.decode(quoted).map_or(Json::Null, Json::String))
            }
            Some(b'-' | b'0'..=b'9') => Ok(self.number()),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => Err(self.stop("a JSON value is expected")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, Stop> {
        let mut members = Map::new();
        self.at += 1;
        self.space();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.stop("a member name in double quotes is expected"));
            }
            let quoted = self.quoted()?;
            self.steps.push(Step::Member(quoted.clone()));
            let mut name = self.decode(quoted);
            if name.as_ref().is_some_and(|name| members.contains_key(name)) {
                self.problem("duplicate_key", "the member is given twice".to_owned());
                name = None;
            }
            self.space();
            if !self.take(b':') {
                return Err(self.stop("`:` is expected"));
            }
            let value = self.value(depth)?;
            self.steps.pop();
            if let Some(name) = name {
                members.insert(name, value);
            }
            self.space();
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.take(b',') {
                return Err(self.stop("`,` or `}` is expected"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, Stop> {
        let mut elements = Vec::new();
        self.at += 1;
        self.space();
        if self.take(b']') {
            return Ok(Json::Array(elements));
        }
        loop {
            self.steps.push(Step::Element(elements.len()));
            let value = self.value(depth)?;
            self.steps.pop();
            elements.push(value);
            self.space();
            if self.take(b']') {
                return Ok(Json::Array(elements));
            }
            if !self.take(b',') {
                return Err(self.stop("`,` or `]` is expected"));
            }
        }
    }

    /// The extent of a string with its quotes. What is between them is judged by [`Reader::decode`].
    fn quoted(&mut self) -> Result<Range<usize>, Stop> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => {
                    self.at = self.bytes.len();
                    return Err(self.stop("a string is not closed"));
                }
            }
        }
        self.at += 1;
        Ok(start..self.at)
    }

    fn decode(&mut self, quoted: Range<usize>) -> Option<String> {
        match serde_json::from_slice::<String>(&self.bytes[quoted]) {
            Ok(text) => Some(text),
            Err(error) => {
                // serde_json says "... at line 1 column 5", counted from the string's own quote.
                let error = error.to_string();
                let rule = error.split(" at line ").next().unwrap_or_default();
                self.problem("malformed", format!("the string is not valid: {rule}"));
                None
            }
        }
    }

    fn number(&mut self) -> Json {
        let start = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        let text = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or_default();
        match number(text) {
            Ok(number) => Json::Number(number),
            Err((code, message)) => {
                self.problem(code, message.to_owned());
                Json::Null
            }
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, Stop> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.stop("a JSON value is expected"));
        }
        self.at += word.len();
        Ok(value)
    }

    /// Steps over an array or object without recursion.
    fn skip_deep(&mut self) -> Result<Json, Stop> {
        self.problem("too_deep", format!("arrays and objects are more than {} levels deep", self.max_depth));
        let mut open = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.quoted()?;
                    continue;
                }
                b'[' | b'{' => open += 1,
                b']' | b'}' => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return Ok(Json::Null);
            }
        }
        Err(self.stop("an array or object is not closed"))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn stop(&mut self, expected: &str) -> Stop {
        let before = &self.bytes[..self.at.min(self.bytes.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
        self.problem("malformed", format!("not JSON: {expected} at line {line}, column {column}"));
        Stop
    }

    fn problem(&mut self, code: &'static str, message: String) {
        let mut path = String::new();
        for step in &self.steps {
            path.push('/');
            match step {
                Step::Element(position) => path.push_str(&position.to_string()),
                Step::Member(quoted) => {
                    let raw = &self.bytes[quoted.clone()];
                    let name = serde_json::from_slice::<String>(raw)
                        .unwrap_or_else(|_| String::from_utf8_lossy(&raw[1..raw.len() - 1]).into_owned());
                    path.push_str(&name.replace('~', "~0").replace('/', "~1"));
                }
            }
        }
        self.problems.push(Problem { path, code, message, hint: None });
    }
}

/// A number from its JSON text; the error is a code and a sentence.
pub(crate) fn number(text: &str) -> Result<Number, (&'static str, &'static str)> {
    let integral = is_number(text) && !text.contains(['.', 'e', 'E']);
    if !integral {
        return double(text).and_then(|double| Number::from_f64(double).ok_or(OVERFLOW));
    }
    match text.parse::<i64>() {
        Ok(integer) if integer.unsigned_abs() <= MAX_SAFE_INTEGER.unsigned_abs() => Ok(Number::from(integer)),
        _ => Err(("integer_out_of_range", "integers are within ±9007199254740991")),
    }
}

const OVERFLOW: (&str, &str) = ("number_overflow", "the number is greater than a double can be");

/// The double nearest to a number's JSON text, whether it is written as an integer or not.
pub(crate) fn double(text: &str) -> Result<f64, (&'static str, &'static str)> {
    if !is_number(text) {
        return Err(("malformed", "not a JSON number"));
    }
    text.parse::<f64>().ok().filter(|double| double.is_finite()).ok_or(OVERFLOW)
}

/// The grammar of RFC 8259, section 6.
fn is_number(text: &str) -> bool {
    fn digits(text: &str) -> Option<&str> {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        (rest.len() < text.len()).then_some(rest)
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let whole = unsigned.strip_prefix('0').or_else(|| digits(unsigned));
    let fraction = whole.and_then(|rest| rest.strip_prefix('.').map_or(Some(rest), digits));
    let exponent = fraction.and_then(|rest| match rest.strip_prefix(['e', 'E']) {
        Some(rest) => digits(rest.strip_prefix(['+', '-']).unwrap_or(rest)),
        None => Some(rest),
    });
    exponent.is_some_and(str::is_empty)
}
