//! Words on real databases: both find what the words of a record say, the best first, whatever is written and asked; and what
//! was written without words gets them.

use mainstay_crds::Problems;
use mainstay_crds::filter::Filter;
use mainstay_crds::filter::eval::eval;
use mainstay_crds::schema::{ID, SortKey};
use mainstay_crds::sql::Dialect;
use mainstay_crds::words::{MAX_WORDS, Query, query};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;
use crate::store::records::{Rank, Select, count, delete, insert_many, select, update};

mod changes;

const TITLE: usize = 4;
const TAGS: usize = 5;

fn notes(search: Json) -> Document {
    let fields = json!([{ "name": "title", "type": "text" }, { "name": "tags", "type": "list", "items": "text" }]);
    document("notes", json!({ "fields": fields, "search": search }))
}

fn english() -> Json {
    json!({ "text": ["title", "tags"], "language": "english" })
}

fn note(id: u128, title: &str) -> Vec<Value<'static>> {
    record(id, vec![text(title), Value::Null])
}

fn asked(notes: &Collection, q: &str) -> Option<Query> {
    query::parse(q, notes.search.as_ref().unwrap().language, &mut Problems::new())
}

/// The ids that a question finds, in their order or the best first.
fn ids(conn: &mut Conn, schema: &Schema, query: Query, relevance: Option<Rank>) -> Result<Vec<u128>, Error> {
    let notes = schema.get("notes").unwrap();
    let page = Select {
        extra: vec![ID],
        filter: Some(Filter::And(vec![Filter::Words(query)])),
        relevance,
        sort: vec![SortKey { field: ID, descending: false }],
        ..Select::new(notes, Vec::new(), 1000)
    };
    let rows = select(conn, schema, &page)?;
    let counted = count(conn, notes, schema, page.filter.as_ref())?;
    assert_eq!(counted, rows.len() as u64);
    let id = |values: &Vec<Value<'static>>| if let Value::Uuid(id) = values[0] { id.as_u128() } else { 0 };
    Ok(rows.values.iter().map(id).collect())
}

async fn finds(store: &Store, schema: &Arc<Schema>, q: &str) -> Vec<u128> {
    let schema = Arc::clone(schema);
    let query = asked(schema.get("notes").unwrap(), q).unwrap();
    read(store, move |conn| ids(conn, &schema, query.clone(), None)).await.unwrap()
}

/// Few words, so that texts and questions meet, and what a careless text would break.
fn texts() -> impl Strategy<Value = String> {
    let words = vec![
        "rain", "Raining", "rains", "tree", "TREES", "tall", "talles", "é", "café", "東京", "x1", "don't", "wi-fi",
    ];
    let odd = vec![
        "'",
        "\"",
        "*",
        "-",
        "\\",
        " & ",
        " | ",
        "!",
        ":",
        "(",
        ")",
        "<->",
        "\u{1f600}",
        "^",
        "NOT",
        "·",
        "%",
        "{",
        "\u{ad}",
    ];
    let part = prop_oneof![4 => prop::sample::select(words), 1 => prop::sample::select(odd)];
    let between = prop::sample::select(vec![" ", " ", " ", "", "\n"]);
    prop::collection::vec((part, between), 0..8)
        .prop_map(|parts| parts.into_iter().map(|(part, between)| format!("{part}{between}")).collect())
}

fn questions() -> impl Strategy<Value = String> {
    let term =
        (prop::sample::select(vec!["", "", "", "-"]), texts(), 0..5_usize).prop_map(|(sign, text, form)| match form {
            0 => format!("{sign}\"{text}\""),
            1 => format!("{sign}\"{text}\"*"),
            2 => format!("{sign}{}*", text.trim()),
            _ => format!("{sign}{text}"),
        });
    prop::collection::vec(term, 1..4).prop_map(|terms| terms.join(" "))
}

fn drawn<T>(strategy: impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::default();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

#[tokio::test]
async fn both_databases_find_what_the_words_say() {
    for language in ["simple", "english", "french"] {
        let (stores, schema) = both_with(&[notes(json!({ "text": ["title", "tags"], "language": language }))]).await;
        let notes = Arc::clone(schema.get("notes").unwrap());
        let tags = drawn(prop::collection::vec(texts(), 0..3), 60);
        let records = (1..).zip(drawn(texts(), 60)).zip(tags).map(|((id, title), tags)| {
            let tags = Value::List(tags.iter().map(|tag| text(tag)).collect());
            record(id, vec![if id.is_multiple_of(7) { Value::Null } else { text(&title) }, tags])
        });
        let records: Vec<_> = records.collect();
        let queries: Vec<(String, Query)> =
            drawn(questions(), 300).into_iter().filter_map(|q| Some((q.clone(), asked(&notes, &q)?))).collect();
        assert!(queries.len() > 100);
        for store in &stores {
            let (all, collection) = (records.clone(), Arc::clone(&notes));
            write(store, move |conn| {
                let rows: Vec<_> = all.iter().collect();
                assert_eq!(insert_many(conn, &collection, &rows)?.len(), rows.len());
                // Taken ids leave words alone as they leave records.
                insert_many(conn, &collection, &rows[..3]).map(drop)
            })
            .await
            .unwrap();
            let (asks, schema) = (queries.clone(), Arc::clone(&schema));
            let ask = move |conn: &mut Conn| {
                asks.iter().map(|(_, query)| ids(conn, &schema, query.clone(), None)).collect::<Result<Vec<_>, _>>()
            };
            let (dialect, mut hits) = (store.dialect(), 0);
            let found = read(store, ask).await.unwrap();
            for ((q, query), found) in queries.iter().zip(found) {
                let holds =
                    |record: &&Vec<Value<'static>>| eval(&Filter::Words(query.clone()), &notes, record) == Some(true);
                let expected: Vec<u128> = records.iter().filter(holds).map(|record| number_of(record)).collect();
                assert_eq!(found, expected, "{q:?} as {query:?} in {language} on {dialect:?}");
                hits += usize::from(!found.is_empty());
            }
            assert!(hits > 20, "{hits}");
        }
    }
}

fn number_of(record: &[Value<'static>]) -> u128 {
    if let Value::Uuid(id) = record[ID] { id.as_u128() } else { 0 }
}

#[tokio::test]
async fn words_follow_every_write() {
    let (stores, schema) = both_with(&[notes(english())]).await;
    let notes = Arc::clone(schema.get("notes").unwrap());
    for store in &stores {
        for (id, title) in [(1, "Rain on Sunday"), (2, "Tall trees"), (3, "")] {
            assert!(insert(store, &notes, note(id, title)).await.unwrap());
        }
        assert!(!insert(store, &notes, note(1, "snow")).await.unwrap(), "its id is taken");
        assert_eq!(finds(store, &schema, "raining").await, [1]);
        assert_eq!(finds(store, &schema, "snow").await, [] as [u128; 0]);

        let mut changed = note(2, "Tall rains");
        changed[TAGS] = Value::List(vec![text("storm"), text("wet")]);
        let (collection, after) = (Arc::clone(&notes), changed.clone());
        assert!(write(store, move |conn| update(conn, &collection, &after, &after, &[TITLE, TAGS], 0)).await.unwrap());
        assert_eq!(finds(store, &schema, "rain").await, [1, 2]);
        assert_eq!(finds(store, &schema, "tree").await, [] as [u128; 0]);
        assert_eq!(finds(store, &schema, "\"storm wet\"").await, [] as [u128; 0], "items are texts of their own");
        // A change of one field keeps the words of the other; one of none keeps all.
        changed[TITLE] = text("Dry");
        let (collection, after) = (Arc::clone(&notes), changed.clone());
        assert!(write(store, move |conn| update(conn, &collection, &after, &after, &[TITLE], 0)).await.unwrap());
        let (collection, after) = (Arc::clone(&notes), changed.clone());
        assert!(write(store, move |conn| update(conn, &collection, &after, &after, &[1], 0)).await.unwrap());
        assert_eq!(finds(store, &schema, "storm dry").await, [2]);

        let failed: Result<(), _> = write(store, {
            let collection = Arc::clone(&notes);
            move |conn| {
                assert!(records::insert(conn, &collection, &note(9, "unseen"))?);
                Err(Error::Other("cut short".to_owned()))
            }
        })
        .await;
        assert!(failed.is_err());
        assert_eq!(finds(store, &schema, "unseen").await, [] as [u128; 0]);
        let collection = Arc::clone(&notes);
        assert!(write(store, move |conn| delete(conn, &collection, Uuid::from_u128(1), 0)).await.unwrap());
        assert!(insert(store, &notes, note(1, "again")).await.unwrap());
        assert_eq!(finds(store, &schema, "rain").await, [] as [u128; 0]);
        assert_eq!(finds(store, &schema, "again").await, [1]);
        if store.dialect() == Dialect::Sqlite {
            // Rows of the table may be numbered anew at any time.
            let vacuum = store.session(|conn| conn.batch("VACUUM")).await;
            vacuum.unwrap();
            assert_eq!(finds(store, &schema, "storm dry").await, [2]);
            let check =
                "INSERT INTO mainstay_notes_search__words (mainstay_notes_search__words) VALUES ('integrity-check')";
            write(store, move |conn| conn.batch(check)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_best_come_first() {
    let (stores, schema) = both_with(&[notes(english())]).await;
    let notes = Arc::clone(schema.get("notes").unwrap());
    for store in &stores {
        let filler = "so much more was said that day about other things and people ".repeat(20);
        for (id, title) in
            [(1, format!("rain {filler} tree")), (2, "rain tree".to_owned()), (3, filler), (4, "rain tree".to_owned())]
        {
            assert!(insert(store, &notes, note(id, &title)).await.unwrap());
        }
        for rank in [Rank::All, Rank::One] {
            let (schema, query) = (Arc::clone(&schema), asked(&notes, "rain tree").unwrap());
            let found = read(store, move |conn| ids(conn, &schema, query.clone(), Some(rank))).await.unwrap();
            assert_eq!(found, [2, 4, 1], "the id decides between equals ({rank:?})");
        }
    }
}

#[tokio::test]
async fn the_longest_texts_are_taken_and_found_alike() {
    let (stores, schema) = both_with(&[notes(english())]).await;
    let notes = Arc::clone(schema.get("notes").unwrap());
    let many: String = (0..MAX_WORDS + 100).map(|at| format!("w{at} ")).collect();
    let long: String = (0..MAX_WORDS).map(|at| format!("{at}{} ", "\u{10428}".repeat(70))).collect();
    let same = format!("{} the end", "the a ".repeat(900));
    for store in &stores {
        for (id, title) in [(1, &many), (2, &long), (3, &same), (4, &"x".repeat(1 << 20))] {
            assert!(insert(store, &notes, note(id, title)).await.unwrap());
        }
        for (q, found) in [
            (format!("w{}", MAX_WORDS - 1), vec![1]),
            (format!("\"w{} w{}\"", MAX_WORDS - 2, MAX_WORDS - 1), vec![1]),
            (format!("w{MAX_WORDS}"), vec![]),
            (format!("100{}*", "\u{10428}".repeat(61)), vec![2]),
            ("15999*".to_owned(), vec![]),
            ("\"the a the\"".to_owned(), vec![3]),
            ("\"the end\"".to_owned(), vec![]),
            ("end".to_owned(), vec![3]),
            (format!("{}*", "x".repeat(900)), vec![4]),
        ] {
            assert_eq!(finds(store, &schema, &q).await, found, "{q} on {:?}", store.dialect());
        }
    }
}

#[tokio::test]
async fn two_writers_of_one_record_leave_the_words_of_the_last() {
    let (stores, schema) = both_with(&[notes(english())]).await;
    let notes = Arc::clone(schema.get("notes").unwrap());
    for store in &stores {
        assert!(insert(store, &notes, note(1, "begin")).await.unwrap());
        let change = |title: String| {
            let notes = Arc::clone(&notes);
            write(store, move |conn| update(conn, &notes, &note(1, ""), &note(1, &title), &[TITLE], 0))
        };
        for round in 0..10 {
            let (one, other) = tokio::join!(change(format!("one{round} both")), change(format!("other{round} both")));
            assert!(one.unwrap() && other.unwrap());
            let found = [
                finds(store, &schema, &format!("one{round}")).await,
                finds(store, &schema, &format!("other{round}")).await,
            ];
            assert!(found == [vec![1], vec![]] || found == [vec![], vec![1]], "{found:?}");
            assert_eq!(finds(store, &schema, "both").await, [1]);
        }
    }
}
