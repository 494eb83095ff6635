//! What is a word, and what every database is sure to take.

use proptest::prelude::*;

use super::language::LANGUAGES;
use super::*;

fn language(name: &str) -> Language {
    Language::from_name(name).unwrap()
}

fn words(text: &str) -> Vec<String> {
    Words::of([text], Language::default()).words.into_iter().flatten().collect()
}

#[test]
fn words_are_letters_and_digits_without_case_and_accents() {
    for (text, expected) in [
        ("", ""),
        (" .,;!? \u{1f600} – “” ", ""),
        ("Rain, rain; go AWAY!", "rain rain go away"),
        ("It's 3.5 mm", "it s 3 5 mm"),
        ("foo_bar-baz@example.com", "foo bar baz example com"),
        ("b2b x86_64", "b2b x86 64"),
        ("Café CAFÉ cafe\u{301}", "cafe cafe cafe"),
        ("Straße, Łódź, smørrebrød, cœur, İstanbul, ılık", "strasse lodz smorrebrod coeur istanbul ilik"),
        ("ΟΔΟΣ όδος", "οδοσ οδοσ"),
        ("Ёлка Йод", "елка иод"),
        ("ﬁne Ｔｏｋｙｏ ①", "fine tokyo 1"),
        ("soft\u{ad}ware zero\u{200b}width", "software zerowidth"),
        ("東京タワー", "東 京 タワー"),
        ("がぎ ガギ", "が ぎ ガギ"),
        ("서울 특별시", "서울 특별시"),
        ("हिन्दी में", "हिन्दी में"),
        ("ฝนตก", "ฝ น ต ก"),
        ("عربي", "عربي"),
        ("l·l '\\\"*:&|!()<->", "l l"),
    ] {
        assert_eq!(words(text).join(" "), expected, "{text}");
    }
    assert_eq!(words(&"x".repeat(1000)), ["x".repeat(64)]);
}

#[test]
fn stems_stand_beside_words() {
    for (name, text, stems) in [
        ("english", "Raining trees", "·rain ·tree"),
        ("german", "Häuser Bäume", "·haus ·baum"),
        ("french", "mangée manger", "·mang ·mang"),
        ("russian", "книги", "·книг"),
        ("simple", "Raining trees", ""),
    ] {
        let words = Words::of([text], language(name));
        let found: Vec<String> = words.stems.into_iter().flatten().collect();
        assert_eq!(found.join(" "), stems, "{name}");
    }
    assert!(LANGUAGES.iter().all(|one| Language::from_name(one.name) == Some(*one)));
}

#[test]
fn columns_say_the_same_words() {
    let words = Words::of(["Tall trees", "", "rain"], language("english"));
    assert_eq!(
        words.column(Dialect::Postgres),
        "'tall':1 'trees':2 'rain':4 '·tall':1 '·tree':2 '·rain':4",
        "a gap between texts"
    );
    assert_eq!(words.column(Dialect::Sqlite), "tall trees · rain · ·tall ·tree · ·rain · ");
    assert_eq!(Words::of(["?!"], language("english")).column(Dialect::Postgres), "");
}

#[test]
fn beyond_the_bounds_nothing_is_found() {
    let many: String = (0..MAX_WORDS + 10).map(|at| format!("w{at} ")).collect();
    let found = Words::of([many.as_str(), "last"], language("english"));
    assert_eq!((found.words.len(), found.stems.len()), (MAX_WORDS, MAX_WORDS));
    assert_eq!(found.words.last(), Some(&Some(format!("w{}", MAX_WORDS - 1))));

    let same = "a ".repeat(300);
    let found = Words::of([same.as_str()], Language::default());
    assert_eq!(found.words.iter().flatten().count(), usize::from(MAX_TIMES));

    let long: String = (0..MAX_WORDS).map(|at| format!("{at:->5}{} ", "é".repeat(60))).collect();
    let found = Words::of([long.as_str()], language("french"));
    let bytes = found.words.iter().chain(&found.stems).flatten().map(String::len).sum::<usize>();
    assert!(bytes <= MAX_BYTES && bytes > MAX_BYTES / 2, "{bytes}");
    let empty = vec![""; 100_000];
    assert_eq!(Words::of(empty, Language::default()), Words::default());
}

/// Nothing in a word could end it where a database reads it.
fn is_safe(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || !c.is_ascii() && c != MARK;
    let word = word.strip_prefix(MARK).unwrap_or(word);
    !word.is_empty() && word.chars().all(plain) && word.len() <= 1024
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_text_in_every_language_is_taken(text in "\\PC{0,40}|[\\p{L}\\p{M}\\p{N} ]{0,40}", at in 0..LANGUAGES.len()) {
        let words = Words::of([text.as_str()], LANGUAGES[at]);
        prop_assert!(words.words.iter().chain(&words.stems).flatten().all(|word| is_safe(word)), "{words:?}");
        if LANGUAGES[at].stems() {
            prop_assert_eq!(words.words.len(), words.stems.len());
        }
    }
}
