//! Patterns of text: the regular expressions that RE2 and ECMA-262 read alike, enforced in linear time.
//!
//! Called by `text` for `pattern` and for its formats. A pattern is read once, by hand, and what both dialects do not
//! read alike is refused by name; what is left is rewritten for the regex crate so that `\d \w \s` are ASCII and `.`
//! is ECMA-262's.

use regex::Regex;

/// Counted repetitions end here, as in RE2.
const MAX_COUNT: u32 = 1000;
/// Longer patterns are refused.
const MAX_LENGTH: usize = 2000;

/// A checked pattern. The whole text must match it.
#[derive(Clone, Debug)]
pub struct Pattern {
    source: String,
    regex: Regex,
    holds_nul: bool,
}

impl Pattern {
    /// Checks and compiles a pattern. The error is a sentence that names what is wrong.
    pub fn new(source: &str) -> Result<Pattern, String> {
        if source.len() > MAX_LENGTH {
            return Err(format!("a pattern has at most {MAX_LENGTH} bytes"));
        }
        let mut reader =
            Reader { rest: source, out: String::from("^(?:"), depth: 0, repeatable: false, holds_nul: false };
        reader.read()?;
        reader.out.push_str(")$");
        let compiled = Regex::new(&reader.out);
        let regex = compiled.map_err(|_| "the pattern is not valid, or too large when compiled".to_owned())?;
        Ok(Pattern { source: source.to_owned(), regex, holds_nul: reader.holds_nul })
    }

    /// Whether the whole text matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// As declared.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether NUL, which no text holds, would match somewhere: `.` and `[^a]` take it.
    pub(super) fn holds_nul(&self) -> bool {
        self.holds_nul
    }

    /// As published in JSON Schema: anchored at both ends.
    pub fn published(&self) -> String {
        format!("^(?:{})$", self.source)
    }
}

struct Reader<'a> {
    rest: &'a str,
    out: String,
    depth: usize,
    /// Whether a quantifier may follow.
    repeatable: bool,
    holds_nul: bool,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), String> {
        while let Some(c) = self.next() {
            self.holds_nul |= c == '.';
            match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.open()?,
                ')' => self.close()?,
                '*' | '+' | '?' => self.quantifier(c.to_string())?,
                '{' => {
                    let counts = self.counts()?;
                    self.quantifier(counts)?;
                }
                '}' | ']' => return Err(format!("`{c}` stands alone; write `\\{c}` for the character")),
                '|' => self.plain("|", false),
                '^' | '$' => self.plain(&c.to_string(), false),
                '.' => self.plain(r"[^\n\r\x{2028}\x{2029}]", true),
                '\0' => return Err("text holds no NUL character, so a pattern holds none".to_owned()),
                _ => self.plain(&regex::escape(&c.to_string()), true),
            }
        }
        if self.depth > 0 { Err("a `(` is not closed".to_owned()) } else { Ok(()) }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn take(&mut self, prefix: &str) -> bool {
        let rest = self.rest.strip_prefix(prefix);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn plain(&mut self, text: &str, repeatable: bool) {
        self.out.push_str(text);
        self.repeatable = repeatable;
    }

    fn open(&mut self) -> Result<(), String> {
        if self.rest.starts_with('?') && !self.take("?:") {
            return Err(
                "of the groups that begin with `(?`, only `(?:…)` is taken: no look-around, names or flags".into()
            );
        }
        self.depth += 1;
        self.plain("(?:", false);
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        self.depth = self.depth.checked_sub(1).ok_or("a `)` closes nothing; write `\\)` for the character")?;
        self.plain(")", true);
        Ok(())
    }

    fn quantifier(&mut self, quantifier: String) -> Result<(), String> {
        if !self.repeatable {
            return Err(format!("`{quantifier}` has nothing to repeat"));
        }
        self.plain(&quantifier, false);
        if self.take("?") {
            self.out.push('?');
        }
        Ok(())
    }

    /// The rest of `{2}`, `{2,}` or `{2,5}`.
    fn counts(&mut self) -> Result<String, String> {
        let (inside, rest) = self.rest.split_once('}').ok_or("`{` stands alone; write `\\{` for the character")?;
        self.rest = rest;
        let (least, greatest) = inside.split_once(',').unwrap_or((inside, inside));
        let count = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u32>().ok().filter(|count| digits && *count <= MAX_COUNT)
        };
        let order = match (count(least), count(greatest)) {
            (Some(least), Some(greatest)) => least <= greatest,
            (Some(_), None) => greatest.is_empty(),
            _ => false,
        };
        if !order {
            return Err(format!("`{{{inside}}}` is not a repetition with counts up to {MAX_COUNT}"));
        }
        Ok(format!("{{{inside}}}"))
    }

    fn escape(&mut self) -> Result<(), String> {
        if self.take("b") {
            self.plain(r"(?-u:\b)", false);
            return Ok(());
        }
        let text = self.escaped(false)?;
        self.plain(&text, true);
        Ok(())
    }

    /// What stands for an escape, after its backslash. Inside a class it may be a class of its own.
    fn escaped(&mut self, in_class: bool) -> Result<String, String> {
        let c = self.next().ok_or("the pattern ends with `\\`")?;
        self.holds_nul |= matches!(c, 'D' | 'W' | 'S') || c == 'x' && self.rest.starts_with("00");
        Ok(match c {
            'd' => "[0-9]".to_owned(),
            'D' => "[^0-9]".to_owned(),
            'w' => "[0-9A-Za-z_]".to_owned(),
            'W' => "[^0-9A-Za-z_]".to_owned(),
            's' => r"[\t-\r ]".to_owned(),
            'S' => r"[^\t-\r ]".to_owned(),
            't' | 'n' | 'r' | 'f' | 'v' => format!("\\{c}"),
            'x' => {
                let code = self.rest.get(..2).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
                let code = code.ok_or("`\\x` is followed by two hexadecimal digits")?;
                self.rest = &self.rest[2..];
                format!(r"\x{{{code}}}")
            }
            '^' | '$' | '\\' | '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' => format!("\\{c}"),
            '/' => "/".to_owned(),
            '-' if in_class => r"\-".to_owned(),
            '0'..='9' => return Err(format!("`\\{c}`: back-references are not taken")),
            'p' | 'P' => return Err(format!("`\\{c}`: Unicode properties are not taken; write the characters")),
            'u' => return Err("`\\u` is not taken; write the character itself".to_owned()),
            _ => return Err(format!("`\\{c}` is not an escape that RE2 and ECMA-262 read alike")),
        })
    }

    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.take("^") {
            self.out.push('^');
            self.holds_nul = true;
        }
        if self.rest.starts_with(']') {
            return Err("a class `[]` is empty; write `\\]` for the character".to_owned());
        }
        // The member before, when a range may begin with it.
        let mut start: Option<String> = None;
        let mut first = true;
        loop {
            let c = self.next().ok_or("a `[` is not closed")?;
            let last = self.rest.starts_with(']');
            match c {
                ']' => break,
                '-' if first || last => self.member(r"\-", &mut start),
                '-' => {
                    let from = start.take().ok_or("a `-` in a class stands first, last or in a range; write `\\-`")?;
                    let end = self.next().ok_or("a `[` is not closed")?;
                    let to = self.class_member(end)?;
                    if is_class(&to) || scalar(&from) > scalar(&to) {
                        return Err(format!("a range in a class ends before it begins, or with `{to}`"));
                    }
                    self.out.push('-');
                    self.out.push_str(&to);
                }
                _ => {
                    let member = self.class_member(c)?;
                    self.member(&member, &mut start);
                }
            }
            first = false;
        }
        self.plain("]", true);
        Ok(())
    }

    fn member(&mut self, member: &str, start: &mut Option<String>) {
        self.out.push_str(member);
        *start = (!is_class(member)).then(|| member.to_owned());
    }

    fn class_member(&mut self, c: char) -> Result<String, String> {
        match c {
            '\\' => self.escaped(true),
            '[' => Err("a `[` inside a class is written `\\[`".to_owned()),
            '\0' => Err("text holds no NUL character, so a pattern holds none".to_owned()),
            _ => Ok(regex::escape(&c.to_string())),
        }
    }
}

/// Whether a rewritten member of a class is itself a class.
fn is_class(member: &str) -> bool {
    member.starts_with('[')
}

/// The character that a rewritten member stands for.
fn scalar(member: &str) -> u32 {
    if let Some(hex) = member.strip_prefix(r"\x{") {
        return u32::from_str_radix(hex.trim_end_matches('}'), 16).unwrap_or_default();
    }
    match member {
        r"\t" => 9,
        r"\n" => 10,
        r"\v" => 11,
        r"\f" => 12,
        r"\r" => 13,
        _ => member.chars().next_back().map_or(0, u32::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_both_dialects_read_alike() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("[a-z]+", &["abc"], &["", "abc1", "1abc", "abc\n"]),
            ("a|bc", &["a", "bc"], &["ac", "abc"]),
            (r"\d{2,3}", &["12", "123"], &["1", "1234", "١٢"]),
            (r"\w+\s\W\S\D", &["a_1 -xx"], &["é  -xx"]),
            ("(?:ab){2}?c*?", &["abab", "ababcc"], &["ab"]),
            ("(a(b)?)+", &["ab", "aab"], &["b"]),
            (".", &["x", "é", "😀", "\u{85}"], &["\n", "\r", "\u{2028}", "xx"]),
            (r"[\d\-x.^]+", &["1-x.^"], &["a"]),
            (r"[^\s\d]", &["a"], &[" ", "1"]),
            ("[-a]b[a-]", &["-ba", "ab-"], &["bb"]),
            (r"[+--]", &["+", ",", "-"], &["."]),
            (r"\x41[\x30-\x39]\/", &["A5/"], &["AA/"]),
            (r"\bfoo\b.*", &["foo bar"], &["food"]),
            (r"[&&~~\[a]", &["&", "~", "[", "a"], &["b"]),
            ("[éö]", &["é"], &["e"]),
            ("^a$", &["a"], &["aa"]),
            ("", &[""], &["a"]),
        ];
        for (source, accepted, refused) in cases {
            let pattern = Pattern::new(source).unwrap();
            accepted.iter().for_each(|text| assert!(pattern.is_match(text), "{source} takes {text:?}"));
            refused.iter().for_each(|text| assert!(!pattern.is_match(text), "{source} refuses {text:?}"));
        }
    }

    #[test]
    fn refuses_what_they_do_not() {
        let cases = [
            "(?=a)",
            "(?!a)",
            "(?<=a)",
            "(?<!a)",
            "(?i)a",
            "(?i:a)",
            "(?<n>a)",
            "(?P<n>a)",
            r"(a)\1",
            r"\k<n>",
            "a++",
            "a**",
            "a{1}{2}",
            "*a",
            "(*a)",
            "a|*",
            "^*",
            r"\b+",
            r"\pL",
            r"\p{L}",
            r"\u0041",
            r"\0",
            r"\cA",
            r"\x4",
            r"\x{41}",
            r"\z",
            r"\A",
            r"\B",
            r"\-",
            r"[\b]",
            "[]",
            "[^]",
            "[[a]",
            "[[:alpha:]]",
            "[a",
            "[z-a]",
            r"[\d-z]",
            "[a-b-c]",
            r"[a-\d]",
            "(a",
            "a)",
            "a{",
            "a}",
            "a]",
            "a{,2}",
            "a{2,1}",
            "a{1001}",
            "a{x}",
            "\\",
            "\0",
            "[\0]",
            r"\é",
            r"(?",
        ];
        for source in cases {
            assert!(Pattern::new(source).is_err(), "{source:?} must be refused");
        }
        assert!(Pattern::new("((a{1000}){1000}){1000}").is_err(), "too large when compiled");
    }
}
