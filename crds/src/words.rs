//! The words of a text: what a record is found by, and what a question asks for, cut in one way for both databases.
//!
//! Called by the store for each record that is written, by [`query`] for questions. Neither database splits, folds or stems
//! anything: PostgreSQL gets the words with their positions, SQLite gets them one after the other.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use regex::Regex;

use crate::sql::Dialect;

pub mod language;
pub mod query;

pub use language::Language;
pub use query::Query;

/// What `sort` calls the order of a search: those first that say the most about what was asked.
pub const RELEVANCE: &str = "relevance";
/// Words of a record beyond these are not found. PostgreSQL knows 16,383 positions.
pub const MAX_WORDS: usize = 16_000;
/// Nor are those beyond so many bytes of words and stems. PostgreSQL takes a mebibyte, with their positions.
const MAX_BYTES: usize = 600_000;
/// A longer word is cut: it is found by its beginning.
const MAX_LETTERS: usize = 64;
/// Of one word, PostgreSQL knows 256 positions.
const MAX_TIMES: u16 = 255;
/// Begins every stem, so that no stem is taken for a word. No letter, so that it is in no word; and none of the
/// characters at which SQLite's `ascii` tokenizer splits. By itself it stands where no phrase goes on.
const MARK: char = '·';

/// Letters and digits with the marks that follow them. Of scripts that put no space between words, each character.
static WORD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let unspaced = r"\p{Han}\p{Hiragana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}";
    Regex::new(&format!(r"[[\p{{L}}\p{{N}}]&&[{unspaced}]]\p{{M}}*|[[\p{{L}}\p{{N}}]--[{unspaced}]][[\p{{L}}\p{{N}}\p{{M}}]--[{unspaced}]]*")).ok()
});

/// The words of a record in their order, and in a language beside each its stem. `None` stands between two texts, and for
/// what is beyond a bound.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Words {
    words: Vec<Option<String>>,
    /// Empty in no language.
    stems: Vec<Option<String>>,
}

impl Words {
    /// The words of these texts.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>, language: Language) -> Words {
        let mut words = Words::default();
        let (mut times, mut bytes) = (HashMap::new(), 0);
        let mut kept = |word: String| {
            bytes += word.len();
            let times: &mut u16 = times.entry(word.clone()).or_default();
            *times += 1;
            (bytes <= MAX_BYTES && *times <= MAX_TIMES).then_some(word)
        };
        for text in texts {
            let before = words.words.len();
            for word in split(&normal(text)) {
                if words.words.len() >= MAX_WORDS {
                    return words;
                }
                words.stems.extend(stem(&word, language).map(&mut kept));
                words.words.push(kept(fold(&word)));
            }
            if words.words.len() > before {
                words.words.push(None);
                words.stems.extend(language.stems().then_some(None));
            }
        }
        words
    }

    /// What the column of a record holds: the text of a `tsvector`; or the words, and behind them the stems, with spaces
    /// between.
    pub fn column(&self, dialect: Dialect) -> String {
        let mut out = String::new();
        match dialect {
            Dialect::Postgres => {
                for (position, word) in self.words.iter().enumerate().chain(self.stems.iter().enumerate()) {
                    if let Some(word) = word {
                        let between = if out.is_empty() { "" } else { " " };
                        // The text of a tsvector takes no position 0.
                        out.push_str(&format!("{between}'{word}':{}", position + 1));
                    }
                }
            }
            Dialect::Sqlite => {
                for word in self.words.iter().chain(&self.stems) {
                    match word {
                        Some(word) => out.push_str(word),
                        None => out.push(MARK),
                    }
                    out.push(' ');
                }
            }
        }
        out
    }
}

/// The text with every letter in one form: composed, ligatures and wide letters as usual ones, without invisible characters.
fn normal(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let text = ComposingNormalizerBorrowed::new_nfkc().normalize(text);
    match text.contains(is_invisible) {
        true => Cow::Owned(text.replace(is_invisible, "")),
        false => Cow::Owned(text.into_owned()),
    }
}

/// Hyphens and joiners that only shape a word.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}')
}

/// The words of a text that is in its normal form, in lower case.
fn split(text: &str) -> impl Iterator<Item = String> + '_ {
    let found = WORD.as_ref().into_iter().flat_map(|word| word.find_iter(text));
    found.map(|word| word.as_str().to_lowercase().chars().take(MAX_LETTERS).collect())
}

/// A word without the accents of Latin, Greek and Cyrillic letters, and with plain letters for those that are often typed so.
fn fold(word: &str) -> String {
    if word.is_ascii() {
        return word.to_owned();
    }
    let mut plain = String::with_capacity(word.len());
    for c in DecomposingNormalizerBorrowed::new_nfd().normalize(word).chars() {
        match c {
            '\u{300}'..='\u{36F}' => {}
            'ß' => plain.push_str("ss"),
            'æ' => plain.push_str("ae"),
            'œ' => plain.push_str("oe"),
            'ø' => plain.push('o'),
            'đ' => plain.push('d'),
            'ł' => plain.push('l'),
            'ı' => plain.push('i'),
            'ς' => plain.push('σ'),
            c => plain.push(c),
        }
    }
    ComposingNormalizerBorrowed::new_nfc().normalize(&plain).into_owned()
}

/// The stem of a word, with its mark; `None` in no language. Stemmers know accents, so that these are folded after it.
fn stem(word: &str, language: Language) -> Option<String> {
    Some(format!("{MARK}{}", fold(&language.stem(word)?)))
}

#[cfg(test)]
mod tests;
