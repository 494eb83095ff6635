//! Words that want to be more than words: to the question language of PostgreSQL, to that of FTS5, and in masses.

use mainstay_e2e::server::ADMIN_KEY;
use reqwest::blocking::Client;
use serde_json::{Value, json};

use super::{TEXTS, judge, on_both};

/// What the databases' own question languages are made of.
const OPERATORS: &[&str] = &[
    "a & b",
    "a | b",
    "!a",
    "a <-> b",
    "a <1000> b",
    "a:*ABCD",
    "'a' 'b",
    "a\\' | b",
    "a AND b",
    "a OR b NOT c",
    "NEAR(a b, 1)",
    "title : a",
    "{title body} : a",
    "- {title} : a",
    "^a",
    "a + b",
    "a* b*",
    "\"a\" \"b",
    "\"\"\"",
    "(a",
    "a)",
    "* * *",
    "-",
    "--",
    "\u{1f600}\u{200d}\u{1f600}",
    "·a ·",
    "a\u{0}b",
    "%00%27",
];

fn get(client: &Client, url: &str, query: &[(&str, &str)]) -> (u16, Value) {
    let sent = client.get(url).header("X-API-Key", ADMIN_KEY).query(query).send().unwrap();
    (sent.status().as_u16(), sent.json().unwrap())
}

fn post(client: &Client, url: &str, body: &Value) -> (u16, Value) {
    let sent = client.post(url).header("X-API-Key", ADMIN_KEY).json(body).send().unwrap();
    (sent.status().as_u16(), sent.json().unwrap())
}

#[test]
fn every_text_as_a_question_and_as_what_is_found() {
    on_both(|server, client| {
        let articles = format!("{}/api/v1/articles", server.url);
        for text in TEXTS.iter().chain(OPERATORS) {
            let (status, answer) = post(client, &articles, &json!({ "title": text, "body": text, "tags": [text] }));
            judge(text, status, &answer);
            for form in [(*text).to_owned(), format!("\"{text}\""), format!("{text}*"), format!("a -{text}")] {
                for (path, sort) in [("", "relevance"), ("", "-title"), ("/export", "id")] {
                    let query = [("q", form.as_str()), ("sort", sort)];
                    let sent = client.get(format!("{articles}{path}")).header("X-API-Key", ADMIN_KEY).query(&query);
                    let sent = sent.send().unwrap();
                    let status = sent.status().as_u16();
                    assert!(status == 200 || status == 400, "{query:?}: {status}");
                }
                let (status, answer) = post(client, &format!("{articles}/search"), &json!({ "q": form }));
                judge(&form, status, &answer);
                if status == 400 {
                    assert_eq!(answer["details"][0]["path"], "/q", "{form}: {answer}");
                }
            }
        }
    });
}

#[test]
fn questions_and_texts_in_masses() {
    on_both(|server, client| {
        let articles = format!("{}/api/v1/articles", server.url);
        let (long, words) = ("x".repeat(1001), "x ".repeat(65));
        for (q, code) in [(long.as_str(), "too_long"), (words.as_str(), "too_many"), ("-x", "required")] {
            let (status, answer) = get(client, &articles, &[("q", q)]);
            assert_eq!((status, &answer["details"][0]["code"]), (400, &json!(code)), "{answer}");
        }
        let huge = "rain -\"tall trees\" ".repeat(600);
        let (status, answer) = post(client, &format!("{articles}/search"), &json!({ "q": huge }));
        assert_eq!((status, &answer["details"][0]["code"]), (400, &json!("too_long")), "{answer}");

        let body: String = (0..60_000).map(|at| format!("word{at} ")).collect();
        let (status, answer) =
            post(client, &articles, &json!({ "title": "masses", "body": body, "tags": vec!["a b"; 5000] }));
        assert_eq!(status, 201, "{answer}");
        for (q, found) in [("word15997", 1), ("word15998", 0), ("word1*", 1), ("mass \"word7 word8 word9\"", 1)] {
            let (status, answer) = get(client, &articles, &[("q", q), ("fields", "id")]);
            assert_eq!((status, answer["data"].as_array().unwrap().len()), (200, found), "{q}: {answer}");
        }
        let most = (0..64).map(|at| format!("word{at}")).collect::<Vec<_>>().join(" ");
        let (status, answer) = get(client, &articles, &[("q", &most), ("sort", "relevance")]);
        assert_eq!((status, answer["data"].as_array().unwrap().len()), (200, 1));
    });
}

#[test]
fn two_writers_of_one_record_at_once() {
    on_both(|server, client| {
        let articles = format!("{}/api/v1/articles", server.url);
        let url = format!("{articles}/00000000-0000-7000-8000-0000000000bb");
        let put = |url: &str, title: &str| {
            let sent = Client::new().put(url).header("X-API-Key", ADMIN_KEY).json(&json!({ "title": title }));
            assert!([200, 201].contains(&sent.send().unwrap().status().as_u16()));
        };
        put(&url, "begin");
        for round in 0..10 {
            let titles = [format!("one{round} both{round}"), format!("other{round} both{round}")];
            std::thread::scope(|scope| {
                for title in &titles {
                    let url = &url;
                    scope.spawn(move || put(url, title));
                }
            });
            let found = |q: String| get(client, &articles, &[("q", q.as_str())]).1["data"].as_array().unwrap().len();
            assert_eq!(found(format!("one{round}")) + found(format!("other{round}")), 1);
            assert_eq!(found(format!("both{round}")), 1);
        }
    });
}
