//! What `q` asks for: words that all have to be there, `"phrases"`, beginnings (`rain*`), and what must not be there (`-rain`).
//!
//! Read by the server's `query`, compiled by [`crate::sql::filter`]. Everything else in the text is words or nothing, so
//! that no syntax can be wrong; what is sent to a database is made of words in quotes alone.

use super::{Language, Words, fold, normal, split, stem};
use crate::problem::Problems;
use crate::sql::Dialect;

/// The most characters of a question.
pub const MAX_CHARACTERS: usize = 1000;
/// The most words of a question.
pub const MAX_WORDS: usize = 64;

/// A question to the words of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// All of them have to be there; at least one.
    wanted: Vec<Phrase>,
    /// None of them may be there.
    unwanted: Vec<Phrase>,
}

/// Words that follow each other; at least one.
#[derive(Clone, Debug, PartialEq)]
struct Phrase {
    words: Vec<String>,
    /// The last one is the beginning of a word.
    prefix: bool,
}

/// Reads `q`. A word stands for all that have its stem. In quotes, and where it is the beginning of a word, it stands for
/// itself alone. What has no space between (`wi-fi`, `ann@example.com`, `東京`) is a phrase.
pub fn parse(text: &str, language: Language, problems: &mut Problems) -> Option<Query> {
    if text.chars().count() > MAX_CHARACTERS {
        problems.add("too_long", format!("a search has at most {MAX_CHARACTERS} characters"));
        return None;
    }
    let text = normal(text).replace(['“', '”', '„'], "\"");
    let mut query = Query { wanted: Vec::new(), unwanted: Vec::new() };
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (unwanted, term) = rest.strip_prefix('-').map_or((false, rest), |term| (true, term));
        let (phrase, after) = take(term, language);
        let phrases = if unwanted { &mut query.unwanted } else { &mut query.wanted };
        phrases.extend(phrase);
        rest = after.trim_start();
    }
    let words: usize = query.wanted.iter().chain(&query.unwanted).map(|phrase| phrase.words.len()).sum();
    if words > MAX_WORDS {
        problems.add("too_many", format!("a search has at most {MAX_WORDS} words, and this one {words}"));
        return None;
    }
    if query.wanted.is_empty() {
        let hint = "write a word to look for; a word with - in front of it only leaves records out";
        problems.hint("required", "the search names no word to look for", hint);
        return None;
    }
    Some(query)
}

/// The phrase at the beginning of a text, unless no word is in it, and the rest.
fn take(text: &str, language: Language) -> (Option<Phrase>, &str) {
    let quoted = text.strip_prefix('"');
    let (inner, rest) = match quoted {
        // What is not closed goes to the end.
        Some(inner) => inner.split_once('"').unwrap_or((inner, "")),
        None => text.split_at(text.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(text.len())),
    };
    let (prefix, rest) = match quoted {
        Some(_) => rest.strip_prefix('*').map_or((false, rest), |rest| (true, rest)),
        None => (inner.ends_with('*'), rest),
    };
    let exact = quoted.is_some() || prefix;
    let one = |word: String| stem(&word, language).filter(|_| !exact).unwrap_or_else(|| fold(&word));
    let words: Vec<String> = split(inner).map(one).collect();
    ((!words.is_empty()).then_some(Phrase { words, prefix }), rest)
}

impl Query {
    /// The question as a database reads it: a `tsquery`, or the right side of `MATCH`.
    pub fn text(&self, dialect: Dialect) -> String {
        let all = |phrases: &[Phrase], between: &str| {
            phrases.iter().map(|phrase| phrase.text(dialect)).collect::<Vec<_>>().join(between)
        };
        match (dialect, self.unwanted.is_empty()) {
            (Dialect::Postgres, true) => all(&self.wanted, " & "),
            (Dialect::Postgres, false) => {
                format!("{} & !({})", all(&self.wanted, " & "), all(&self.unwanted, " | "))
            }
            (Dialect::Sqlite, true) => all(&self.wanted, " AND "),
            (Dialect::Sqlite, false) => {
                format!("({}) NOT ({})", all(&self.wanted, " AND "), all(&self.unwanted, " OR "))
            }
        }
    }

    /// Whether a record with these words is found.
    pub fn matches(&self, words: &Words) -> bool {
        let has = |phrase: &Phrase| phrase.is_in(&words.words) || phrase.is_in(&words.stems);
        self.wanted.iter().all(has) && !self.unwanted.iter().any(has)
    }
}

impl Phrase {
    fn text(&self, dialect: Dialect) -> String {
        match dialect {
            Dialect::Postgres => {
                let words = self.words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" <-> ");
                format!("({words}{})", if self.prefix { ":*" } else { "" })
            }
            Dialect::Sqlite => format!("\"{}\"{}", self.words.join(" "), if self.prefix { " *" } else { "" }),
        }
    }

    fn is_in(&self, words: &[Option<String>]) -> bool {
        let last = self.words.len() - 1;
        words.windows(self.words.len()).any(|window| {
            let mut pairs = window.iter().zip(&self.words).enumerate();
            pairs.all(|(position, (word, wanted))| match word {
                Some(word) if self.prefix && position == last => word.starts_with(wanted),
                Some(word) => word == wanted,
                None => false,
            })
        })
    }
}

#[cfg(test)]
mod tests;
