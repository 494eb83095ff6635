//! What may be asked, how databases are told, and that no text is a mistake but for its length.

use proptest::prelude::*;

use super::*;
use crate::words::language::LANGUAGES;

fn asked(text: &str) -> Result<Query, &'static str> {
    let mut problems = Problems::new();
    let query = parse(text, Language::from_name("english").unwrap(), &mut problems);
    query.ok_or_else(|| problems.into_vec()[0].code)
}

#[test]
fn both_databases_are_asked_the_same() {
    for (text, postgres, sqlite) in [
        ("raining", "('·rain')", "\"·rain\""),
        ("Tall trees", "('·tall') & ('·tree')", "\"·tall\" AND \"·tree\""),
        ("\"Tall trees\"", "('tall' <-> 'trees')", "\"tall trees\""),
        ("“Tall trees”", "('tall' <-> 'trees')", "\"tall trees\""),
        ("\"not closed", "('not' <-> 'closed')", "\"not closed\""),
        ("raini*", "('raini':*)", "\"raini\" *"),
        ("\"tall tre\"*", "('tall' <-> 'tre':*)", "\"tall tre\" *"),
        ("wi-fi e-mails", "('·wi' <-> '·fi') & ('·e' <-> '·mail')", "\"·wi ·fi\" AND \"·e ·mail\""),
        ("rain -tree", "('·rain') & !(('·tree'))", "(\"·rain\") NOT (\"·tree\")"),
        (
            "rain -\"tall trees\" -sun* x",
            "('·rain') & ('·x') & !(('tall' <-> 'trees') | ('sun':*))",
            "(\"·rain\" AND \"·x\") NOT (\"tall trees\" OR \"sun\" *)",
        ),
        ("a\"b\"c", "('·a') & ('b') & ('·c')", "\"·a\" AND \"b\" AND \"·c\""),
        ("rain - -- * \"\" \"*\" ' \\ \0", "('·rain')", "\"·rain\""),
        ("東京", "('·東' <-> '·京')", "\"·東 ·京\""),
        ("rain AND (NOT x) NEAR/2 & | !", "('·rain') & ('·and') & ('·not') & ('·x') & ('·near' <-> '·2')", ""),
    ] {
        let query = asked(text).unwrap();
        assert_eq!(query.text(Dialect::Postgres), postgres, "{text}");
        assert!(sqlite.is_empty() || query.text(Dialect::Sqlite) == sqlite, "{text}: {}", query.text(Dialect::Sqlite));
    }
}

#[test]
fn what_asks_for_nothing_or_too_much_is_refused() {
    for (text, code) in [
        ("", "required"),
        ("  \t", "required"),
        ("-rain", "required"),
        ("-rain -\"tall tree\"", "required"),
        ("&|!():*<->'\"\\", "required"),
        ("\u{1f600}", "required"),
        (&"x".repeat(1001), "too_long"),
        (&"x ".repeat(65), "too_many"),
        (&"東".repeat(65), "too_many"),
    ] {
        assert_eq!(asked(text), Err(code), "{text}");
    }
    assert!(asked(&"x".repeat(1000)).is_ok());
    assert!(asked(&"é ".repeat(64)).is_ok());
}

#[test]
fn records_are_found_by_words_phrases_and_beginnings() {
    let english = Language::from_name("english").unwrap();
    let words = Words::of(["It was raining on tall trees.", "Sunday was dry"], english);
    for (text, found) in [
        ("rain", true),
        ("rains tree", true),
        ("rain snow", false),
        ("\"tall trees\"", true),
        ("\"tall tree\"", false),
        ("\"tall tree\"*", true),
        ("tall-tree", true),
        ("\"trees sunday\"", false),
        ("raini*", true),
        ("rains*", false),
        ("r*", true),
        ("rain -dry", false),
        ("rain -snow", true),
        ("rain -\"dry was\"", true),
        ("RAIN", true),
    ] {
        assert_eq!(asked(text).unwrap().matches(&words), found, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_database_sees_words_in_quotes_alone(text in "[a-zé东\"*' -]{0,30}|\\PC{0,60}|(?s:.{0,60})", at in 0..LANGUAGES.len()) {
        let mut problems = Problems::new();
        let query = parse(&text, LANGUAGES[at], &mut problems);
        prop_assert_eq!(query.is_some(), problems.is_empty());
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            let sent = query.as_ref().map_or_else(String::new, |query| query.text(dialect));
            let quote = if dialect == Dialect::Postgres { '\'' } else { '"' };
            for (at, part) in sent.split(quote).enumerate() {
                let plain = match at % 2 {
                    1 => part.chars().all(|c| !c.is_ascii() || c.is_ascii_lowercase() || c.is_ascii_digit() || c == ' '),
                    _ => part.chars().all(|c| " &|!()<->:*ANDORT".contains(c)),
                };
                prop_assert!(plain, "{sent}");
            }
        }
        // A text is found by itself.
        let words = Words::of([text.as_str()], LANGUAGES[at]);
        if let Some(query) = query.filter(|query| query.unwanted.is_empty() && !text.contains(['"', '“', '”', '„'])) {
            prop_assert!(query.matches(&words), "{text:?} {query:?} {words:?}");
        }
    }
}
