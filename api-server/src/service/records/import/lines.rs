//! Lines out of a stream of bytes: each with its number, none longer than allowed, however the bytes are cut.
//!
//! Used by the import. A line that is too long is passed over without being kept. In CSV a line break between quotes is part
//! of the record, which has the number of its first line.

/// One line without its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: u64,
    /// `None` when it was too long to keep.
    pub text: Option<Vec<u8>>,
}

/// Divides what is pushed.
pub struct Lines {
    limit: usize,
    /// Whether quotes hide line breaks.
    quotes: bool,
    quoted: bool,
    begun: Vec<u8>,
    too_long: bool,
    /// The number of the line that has begun, and of the physical line.
    first: u64,
    here: u64,
}

impl Lines {
    /// Lines of at most `limit` bytes.
    pub fn new(limit: usize, quotes: bool) -> Lines {
        Lines { limit, quotes, quoted: false, begun: Vec::new(), too_long: false, first: 1, here: 1 }
    }

    /// The next whole line of `bytes`, which then begin after it; `None` when they end before it does.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Line> {
        loop {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let (part, rest) = match end {
                Some(end) => (&bytes[..end], &bytes[end + 1..]),
                None => (*bytes, &[][..]),
            };
            *bytes = rest;
            if self.quotes && part.iter().filter(|byte| **byte == b'"').count() % 2 == 1 {
                self.quoted = !self.quoted;
            }
            self.keep(part);
            end?;
            self.here += 1;
            // A record without end would swallow everything behind it: what is too long ends with its line.
            if self.quoted && !self.too_long {
                self.keep(b"\n");
                continue;
            }
            return Some(self.take());
        }
    }

    /// What is left when the bytes have ended: a last line without a line break.
    pub fn finish(&mut self) -> Option<Line> {
        (self.too_long || !self.begun.is_empty()).then(|| self.take())
    }

    fn keep(&mut self, part: &[u8]) {
        if self.too_long || self.begun.len() + part.len() > self.limit {
            self.too_long = true;
            self.begun = Vec::new();
        } else {
            self.begun.extend_from_slice(part);
        }
    }

    fn take(&mut self) -> Line {
        let mut text = std::mem::take(&mut self.begun);
        if text.last() == Some(&b'\r') {
            text.pop();
        }
        if self.first == 1 && text.starts_with(b"\xef\xbb\xbf") {
            text.drain(..3);
        }
        let text = (!std::mem::take(&mut self.too_long)).then_some(text);
        self.quoted = false;
        Line { number: std::mem::replace(&mut self.first, self.here), text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divided(text: &[u8], quotes: bool, chunk: usize) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::new(8, quotes);
        let mut found = Vec::new();
        for mut bytes in text.chunks(chunk) {
            while let Some(line) = lines.next(&mut bytes) {
                found.push(line);
            }
        }
        found.extend(lines.finish());
        let text = |line: Line| (line.number, line.text.map(|text| String::from_utf8(text).unwrap()));
        found.into_iter().map(text).collect()
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_are_cut() {
        let line = |number: u64, text: &str| (number, Some(text.to_owned()));
        for (text, quotes, expected) in [
            ("a\nb\n", false, vec![line(1, "a"), line(2, "b")]),
            ("a\r\n\r\nb", false, vec![line(1, "a"), line(2, ""), line(3, "b")]),
            ("", false, vec![]),
            ("\u{feff}a\n\u{feff}b", false, vec![line(1, "a"), line(2, "\u{feff}b")]),
            ("12345678\n123456789\nx", false, vec![line(1, "12345678"), (2, None), line(3, "x")]),
            ("\"a\nb\"\nc\n", true, vec![line(1, "\"a\nb\""), line(3, "c")]),
            ("\"a\"\"\n\"\nc", true, vec![line(1, "\"a\"\"\n\""), line(3, "c")]),
            ("\"a\nbbbbbbbbbbbbbb\nc\nd", true, vec![(1, None), line(3, "c"), line(4, "d")]),
            ("\"a\nb\nc", true, vec![line(1, "\"a\nb\nc")]),
        ] {
            for chunk in 1..=text.len().max(1) {
                assert_eq!(divided(text.as_bytes(), quotes, chunk), expected, "{text:?} by {chunk}");
            }
        }
    }
}
