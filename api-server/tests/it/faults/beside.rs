//! Servers of the documents before and of the documents after, side by side on one database, both writing all the way through
//! a migration: no request fails, and what is there in the end is what was written last, whoever wrote it.

use std::sync::{Arc, Mutex};

use super::traffic::{Traffic, ask};
use super::*;

const PARENT: &str = "00000000-0000-7000-8000-000000000001";

/// A change of documents, what each side writes (given a number that comes once), and what is there in the end.
struct Change {
    name: &'static str,
    before: (&'static str, &'static str),
    after: (&'static str, &'static str),
    old: fn(usize) -> Json,
    new: fn(usize) -> Json,
    /// What a record of that number shows in the end, written last by an old server or by a new one.
    shows: fn(usize, bool) -> Json,
}

const DELETE: &str = "  deletionPolicy: Delete\n";

fn n(n: usize) -> Json {
    json!({ "n": n })
}

fn none(_: usize) -> Json {
    json!({})
}

fn changes() -> Vec<Change> {
    let plain = |fields| (fields, "");
    vec![
        Change {
            name: "a rename",
            before: plain("{ name: n, type: integer }"),
            after: plain("{ name: count, type: integer, renamedFrom: n }"),
            old: n,
            new: |n| json!({ "count": n }),
            shows: |n, _| json!({ "count": n }),
        },
        Change {
            name: "another type",
            before: ("{ name: n, type: integer, unique: true }", DELETE),
            after: ("{ name: n, type: text, maxLength: 20, unique: true }", DELETE),
            old: n,
            new: |n| json!({ "n": n.to_string() }),
            shows: |n, _| json!({ "n": n.to_string() }),
        },
        Change {
            name: "fewer digits",
            before: plain("{ name: n, type: decimal, precision: 12, scale: 2 }"),
            after: plain("{ name: n, type: decimal, precision: 9, scale: 2 }"),
            old: |n| json!({ "n": format!("{n}.25") }),
            new: |n| json!({ "n": format!("{n}.25") }),
            shows: |n, _| json!({ "n": format!("{n}.25") }),
        },
        Change {
            name: "a decimal to a number",
            before: ("{ name: n, type: decimal, precision: 9, scale: 2 }", DELETE),
            after: ("{ name: n, type: number }", DELETE),
            old: |n| json!({ "n": format!("{n}.25") }),
            new: |n| json!({ "n": n as f64 + 0.25 }),
            shows: |n, _| json!({ "n": n as f64 + 0.25 }),
        },
        Change {
            name: "narrower rules",
            before: plain("{ name: code, type: text, maxLength: 40 }\n{ name: n, type: integer }"),
            after: (
                "{ name: code, type: text, maxLength: 20, pattern: 'c[0-9]+', unique: true }\n{ name: n, type: integer, minimum: 0 }",
                "  checks: [ { that: { n: { lt: 1000000 } }, message: too large } ]\n",
            ),
            old: |n| json!({ "code": format!("c{n}"), "n": n }),
            new: |n| json!({ "code": format!("c{n}"), "n": n }),
            shows: |n, _| json!({ "code": format!("c{n}"), "n": n }),
        },
        Change {
            name: "a new reference",
            before: plain("{ name: by, type: uuid }"),
            after: plain("{ name: by, type: ref, collection: notes }"),
            old: |_| json!({ "by": PARENT }),
            new: |_| json!({ "by": PARENT }),
            shows: |_, _| json!({ "by": PARENT }),
        },
        Change {
            name: "required",
            before: plain("{ name: n, type: integer }"),
            after: plain("{ name: n, type: integer, required: true, default: 7 }"),
            old: |n| if n.is_multiple_of(2) { json!({ "n": null }) } else { json!({ "n": n }) },
            new: n,
            shows: |n, old| if old && n.is_multiple_of(2) { json!({ "n": 7 }) } else { json!({ "n": n }) },
        },
        Change {
            name: "a new required field",
            before: plain(""),
            after: plain(
                "{ name: day, type: timestamp, required: true, default: $now }\n{ name: n, type: integer, required: true, default: 7 }",
            ),
            old: none,
            new: n,
            // What an old server changes later stays.
            shows: |_, _| json!({}),
        },
        Change {
            name: "other values",
            before: plain("{ name: state, type: enum, values: [a, b] }"),
            after: plain("{ name: state, type: enum, values: [a, c] }"),
            old: |_| json!({ "state": "a" }),
            new: |_| json!({ "state": "c" }),
            shows: |_, old| json!({ "state": if old { "a" } else { "c" } }),
        },
        Change {
            name: "a removed field",
            before: ("{ name: legacy, type: text, maxLength: 20, required: true, unique: true }", DELETE),
            after: ("", DELETE),
            old: |n| json!({ "legacy": format!("l{n}") }),
            new: none,
            shows: |_, _| json!({}),
        },
    ]
}

/// A record, the number that was written to it last, and whether an old server did so.
type Known = (String, usize, bool);

#[derive(Clone, Default)]
struct Book {
    records: Arc<Mutex<Vec<Known>>>,
    /// The last number that was given.
    last: Arc<Mutex<usize>>,
}

impl Book {
    fn next(&self) -> usize {
        let mut last = self.last.lock().unwrap();
        *last += 1;
        *last
    }

    /// Takes a record out, so that nobody else writes to it.
    fn take(&self) -> Option<Known> {
        let mut records = self.records.lock().unwrap();
        let at = self.last.lock().unwrap().checked_rem(records.len())?;
        Some(records.swap_remove(at))
    }

    fn put(&self, known: Known) {
        self.records.lock().unwrap().push(known);
    }

    /// Makes, changes, reads and lists records of a server.
    fn traffic(&self, server: &Server, is_old: bool, body: fn(usize) -> Json) -> Traffic {
        let (book, caller) = (self.clone(), server.admin.clone());
        Traffic::start(2, Duration::from_millis(10), move |request| {
            if request % 4 == 3 {
                return ask(&caller, Method::GET, NOTES, None, 200).map(drop);
            }
            let known = if request % 4 == 0 { None } else { book.take() };
            let Some((path, n, old)) = known else {
                let n = book.next();
                let made = ask(&caller, Method::POST, NOTES, Some(&body(n)), 201)?;
                book.put((format!("{NOTES}/{}", made["data"]["id"].as_str().unwrap()), n, is_old));
                return Ok(());
            };
            if request % 4 == 1 {
                let read = ask(&caller, Method::GET, &path, None, 200);
                book.put((path, n, old));
                return read.map(drop);
            }
            let n = book.next();
            let changed = ask(&caller, Method::PATCH, &path, Some(&body(n)), 200);
            book.put((path, n, is_old));
            changed.map(drop)
        })
    }
}

fn goes(change: &Change) {
    let (name, old, new) = (change.name, Documents::new(), Documents::new());
    old.write(change.before.0, change.before.1);
    new.write(change.after.0, change.after.1);
    let url = Postgres::shared().database();
    let up = |documents: &Documents, phases: &str| {
        let line = format!("up --phase {phases} {}", terms(documents.path(), &url));
        let (status, told) = documents.migrate(&url, &line);
        assert_eq!(status, 0, "{name}, {phases}: {told}");
    };
    up(&old, "expand,backfill,contract");
    let book = Book::default();
    let before = old.serve(&url, &["--migrate", "verify", "--instance", "old"]);
    let mut parent = (change.old)(0);
    parent["id"] = json!(PARENT);
    assert_eq!(before.admin.post(NOTES, &parent).status, 201, "{name}");
    let by_old = book.traffic(&before, true, change.old);
    by_old.wait_for(20);
    up(&new, "expand");
    by_old.wait_for(20);
    up(&new, "backfill");
    let after = new.serve(&url, &["--migrate", "verify", "--instance", "new"]);
    let by_new = book.traffic(&after, false, change.new);
    by_new.wait_for(40);
    by_old.wait_for(40);
    let seen = by_old.end();
    assert!(before.stop().success(), "{name}");
    up(&new, "contract");
    by_new.wait_for(20);
    let seen = seen.and(by_new.end());
    assert_eq!(seen.failed, [""; 0], "{name}");

    let records = book.records.lock().unwrap();
    assert!(records.len() > 10 && records.iter().any(|(_, _, old)| *old), "{name}");
    for (path, n, old) in records.iter() {
        let found = after.admin.get(path, &[]).body;
        for (field, expected) in (change.shows)(*n, *old).as_object().unwrap() {
            assert_eq!(found["data"][field], *expected, "{name}: {n}, by an old server: {old}");
        }
    }
    assert_eq!(total(&after) as usize, records.len() + 1, "{name}");
    let status = new.migrate(&url, "status").1;
    assert!(
        status.contains("Drift            none\n") && status.contains("Steps cut short  none\n"),
        "{name}: {status}"
    );
    assert!(new.migrate(&url, "plan").1.starts_with("Nothing to do"), "{name}");
}

#[test]
fn both_write_through_each_kind_of_change() {
    let changes = changes();
    for three in changes.chunks(3) {
        at_once(three.len(), |at| goes(&three[at]));
    }
}

/// What an old server may still do until the contract, the contract names; once it is mended, it goes on.
#[test]
fn what_old_servers_leave_the_contract_names() {
    let uuid = "{ name: by, type: uuid }\n{ name: code, type: text, maxLength: 40 }";
    let reference = "{ name: by, type: ref, collection: notes }\n{ name: code, type: text, maxLength: 40 }";
    let short = "{ name: by, type: uuid }\n{ name: code, type: text, maxLength: 5 }";
    let unique = "{ name: by, type: uuid }\n{ name: code, type: text, maxLength: 40, unique: true }";
    let integer = "{ name: by, type: uuid }\n{ name: code, type: integer }";
    // What is wrong, and what mends it.
    let cases: [(&str, &str, Json, Json, &str); 5] = [
        ("dangles", reference, json!({ "by": NEVER }), json!({ "by": null }), "add reference notes.by to notes"),
        (
            "its parent goes",
            reference,
            json!({ "by": PARENT }),
            json!({ "by": null }),
            "add reference notes.by to notes",
        ),
        ("too long", short, json!({ "code": "longer" }), json!({ "code": "short" }), "hold notes.code to maxLength 5"),
        ("twice", unique, json!({ "code": "same" }), json!({ "code": "other" }), "add unique key notes (code)"),
        (
            "no number",
            integer,
            json!({ "code": "one" }),
            json!({ "code": 1 }),
            "read notes.code from its new column alone",
        ),
    ];
    at_once(cases.len(), |at| {
        let (name, after, wrong, right, effect) = &cases[at];
        let (old, new) = (Documents::new(), Documents::new());
        old.write(uuid, "");
        new.write(after, "");
        let url = Postgres::shared().database();
        assert_eq!(old.migrate(&url, "up").0, 0);
        let before = old.serve(&url, &["--migrate", "verify"]);
        assert_eq!(before.admin.post(NOTES, &json!({ "id": PARENT })).status, 201);
        let terms = terms(new.path(), &url);
        assert_eq!(new.migrate(&url, &format!("up --phase expand,backfill {terms}")).0, 0, "{name}");
        let made: Vec<String> = (0..if *name == "twice" { 2 } else { 1 })
            .map(|_| {
                let made = before.admin.post(NOTES, wrong);
                assert_eq!(made.status, 201, "{name}: {}", made.body);
                made.body["data"]["id"].as_str().unwrap().to_owned()
            })
            .collect();
        if *name == "its parent goes" {
            assert_eq!(send(&before.admin, Method::DELETE, &format!("{NOTES}/{PARENT}"), None).status, 204);
        }
        assert!(before.stop().success());
        let (status, told) = new.migrate(&url, &format!("up --phase contract {terms}"));
        let expected = format!("{effect}: {} records break this rule, such as {}", made.len(), made[0]);
        assert!(status == 65 && told.contains(&expected), "{name}: {status} {told}");
        let server = new.serve(&url, &["--migrate", "verify"]);
        let mended = send(&server.admin, Method::PATCH, &format!("{NOTES}/{}", made[0]), Some(right));
        assert_eq!(mended.status, 200, "{name}: {}", mended.body);
        let (status, told) = new.migrate(&url, &format!("up --phase contract {terms}"));
        assert_eq!(status, 0, "{name}: {told}");
        let refused = server.admin.post(NOTES, wrong).status;
        assert!((400..500).contains(&refused), "{name}: {refused}");
    });
}

/// An id that no record has.
const NEVER: &str = "00000000-0000-7000-8000-00000000dead";
