//! Languages whose words are searched by their stems, by the algorithms of Snowball.
//!
//! A stem is stored with every record, so that another algorithm for a language is another language.

use std::borrow::Cow;

use rust_stemmers::{Algorithm, Stemmer};

/// How the words of a collection are stemmed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Language {
    /// Its name in documents.
    pub name: &'static str,
    algorithm: Option<Algorithm>,
}

/// Every language. That of no stems is the first.
pub const LANGUAGES: [Language; 19] = [
    Language { name: "simple", algorithm: None },
    stemmed("arabic", Algorithm::Arabic),
    stemmed("danish", Algorithm::Danish),
    stemmed("dutch", Algorithm::Dutch),
    stemmed("english", Algorithm::English),
    stemmed("finnish", Algorithm::Finnish),
    stemmed("french", Algorithm::French),
    stemmed("german", Algorithm::German),
    stemmed("greek", Algorithm::Greek),
    stemmed("hungarian", Algorithm::Hungarian),
    stemmed("italian", Algorithm::Italian),
    stemmed("norwegian", Algorithm::Norwegian),
    stemmed("portuguese", Algorithm::Portuguese),
    stemmed("romanian", Algorithm::Romanian),
    stemmed("russian", Algorithm::Russian),
    stemmed("spanish", Algorithm::Spanish),
    stemmed("swedish", Algorithm::Swedish),
    stemmed("tamil", Algorithm::Tamil),
    stemmed("turkish", Algorithm::Turkish),
];

const fn stemmed(name: &'static str, algorithm: Algorithm) -> Language {
    Language { name, algorithm: Some(algorithm) }
}

impl Default for Language {
    fn default() -> Self {
        LANGUAGES[0]
    }
}

impl Language {
    /// The language of that name.
    pub fn from_name(name: &str) -> Option<Language> {
        LANGUAGES.into_iter().find(|language| language.name == name)
    }

    /// Whether its words have stems.
    pub fn stems(self) -> bool {
        self.algorithm.is_some()
    }

    /// The stem of a word in lower case; the word itself where nothing would be left of it. `None` in no language.
    pub(super) fn stem(self, word: &str) -> Option<Cow<'_, str>> {
        let stem = Stemmer::create(self.algorithm?).stem(word);
        Some(if stem.is_empty() { Cow::Borrowed(word) } else { stem })
    }
}
