//! Random operations against a model in memory, and concurrent writers, on both databases.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mainstay_e2e::database::Database;
use mainstay_e2e::server::{ADMIN_KEY, Server};
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};
use uuid::Uuid;

const OPERATIONS: u32 = 1000;
/// How many earlier versions the documents keep of a thing.
const KEEP: usize = 4;
const WRITERS: i64 = 8;
const ROUNDS: i64 = 15;

/// What a record of `things` is in the model: the members that the operations touch.
#[derive(Clone, Debug, PartialEq)]
struct Thing {
    version: i64,
    label: String,
    slug: Option<String>,
    count: Option<i64>,
}

/// Things by their ids, with the versions that changes have ended.
#[derive(Clone, Default)]
struct Model {
    things: BTreeMap<Uuid, Thing>,
    /// What ended each earlier version, oldest first, over all lives of an id.
    earlier: BTreeMap<Uuid, Vec<(&'static str, Thing)>>,
    /// What was changed since the last look.
    touched: BTreeSet<Uuid>,
}

impl Model {
    fn set(&mut self, id: Uuid, thing: Thing) {
        self.touched.insert(id);
        if let Some(before) = self.things.insert(id, thing) {
            self.earlier.entry(id).or_default().push(("update", before));
        }
    }

    fn remove(&mut self, id: Uuid) -> bool {
        self.touched.insert(id);
        let last = self.things.remove(&id);
        let is_there = last.is_some();
        self.earlier.entry(id).or_default().extend(last.map(|last| ("delete", last)));
        is_there
    }
}

/// A generator of small random numbers (xorshift64*): the same operations in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

struct Api {
    client: Client,
    base: String,
}

impl Api {
    fn send(&self, method: &str, path: &str, body: Option<&Value>, if_match: Option<&str>) -> Response {
        let url = format!("{}/api/v1/{path}", self.base);
        let mut call = self.client.request(method.parse().unwrap(), url).header("X-API-Key", ADMIN_KEY);
        if let Some(body) = body {
            call = call.json(body);
        }
        if let Some(tag) = if_match {
            call = call.header("If-Match", tag);
        }
        call.send().unwrap()
    }
}

fn on_both(test: impl Fn(&Api)) {
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/collections.yaml");
    for kind in ["sqlite", "postgres"] {
        let database = Database::new(kind);
        let server = Server::start(documents.to_str().unwrap(), database.url());
        test(&Api { client: Client::new(), base: server.url.clone() });
    }
}

#[test]
fn random_operations_agree_with_the_model() {
    let seed = 20_261_121;
    on_both(|api| {
        let mut random = Random(seed);
        let mut model = Model::default();
        for step in 0..OPERATIONS {
            let context = format!("seed {seed}, step {step}");
            match random.below(9) {
                0..5 => operate(api, &mut random, &mut model, &context),
                5 => batch(api, &mut random, &mut model, &context),
                6 => upsert(api, &mut random, &mut model, &context),
                _ => bulk(api, &mut random, &mut model, &context),
            }
            for id in std::mem::take(&mut model.touched) {
                compare_history(api, id, &model, &context);
            }
            if step % 20 == 0 {
                compare(api, &mut random, &model.things, &context);
            }
        }
        let left = model.things.len();
        assert!(left > 10, "the operations left too little to compare: {left}");
        let lives = model.earlier.values().filter(|all| all.iter().any(|(change, _)| *change == "delete")).count();
        assert!(lives > 10, "too few ids were used again: {lives}");
    });
}

fn operate(api: &Api, random: &mut Random, model: &mut Model, context: &str) {
    let id = some_id(random);
    let label = format!("label {}", random.below(1000));
    let slug = (random.below(3) > 0).then(|| format!("slug-{}", random.below(25)));
    let count = (random.below(4) > 0).then(|| i64::try_from(random.below(20)).unwrap());
    let taken = slug.is_some() && model.things.iter().any(|(other, thing)| *other != id && thing.slug == slug);
    let known = model.things.get(&id).cloned();
    let (status, expected) = match random.below(5) {
        0 => {
            let body = json!({ "id": id.to_string(), "label": label, "slug": slug, "count": count });
            let expected = if known.is_some() || taken { 409 } else { 201 };
            if expected == 201 {
                model.set(id, Thing { version: 1, label, slug, count });
            }
            (api.send("POST", "things", Some(&body), None).status().as_u16(), expected)
        }
        1 => {
            // The slug is immutable once set.
            let kept = known.as_ref().and_then(|thing| thing.slug.clone());
            let body = match &kept {
                Some(_) => json!({ "label": label, "count": count }),
                None => json!({ "label": label, "slug": slug, "count": count }),
            };
            let expected = match (&known, &kept, taken) {
                (_, None, true) => 409,
                (None, _, _) => 201,
                (Some(_), _, _) => 200,
            };
            if expected < 300 {
                let version = known.map_or(1, |thing| thing.version + 1);
                model.set(id, Thing { version, label, slug: kept.or(slug), count });
            }
            (api.send("PUT", &format!("things/{id}"), Some(&body), None).status().as_u16(), expected)
        }
        2 => {
            let expected = if known.is_some() { 200 } else { 404 };
            if let Some(thing) = known {
                model.set(id, Thing { count, version: thing.version + 1, ..thing });
            }
            (
                api.send("PATCH", &format!("things/{id}"), Some(&json!({ "count": count })), None).status().as_u16(),
                expected,
            )
        }
        3 => {
            let expected = if model.remove(id) { 204 } else { 404 };
            (api.send("DELETE", &format!("things/{id}"), None, None).status().as_u16(), expected)
        }
        _ => {
            let response = api.send("GET", &format!("things/{id}"), None, None);
            let status = response.status().as_u16();
            if let Some(thing) = &known {
                let body: Value = response.json().unwrap();
                assert_eq!(body["data"]["label"], json!(thing.label), "{context}");
                assert_eq!(body["data"]["version"], json!(thing.version), "{context}");
            }
            (status, if known.is_some() { 200 } else { 404 })
        }
    };
    assert_eq!(status, expected, "{context}: {id}");
}

fn some_id(random: &mut Random) -> Uuid {
    Uuid::from_u128(0x7000_8000_0000_0000_0001 + u128::from(random.below(40)))
}

/// What an upsert by slug makes of the model; its body.
fn upserted(random: &mut Random, model: &mut Model) -> (Value, bool) {
    let slug = format!("slug-{}", random.below(25));
    let label = format!("upserted {}", random.below(1000));
    let count = i64::try_from(random.below(20)).unwrap();
    let holder = model.things.iter().find(|(_, thing)| thing.slug.as_ref() == Some(&slug)).map(|(id, _)| *id);
    // Random, so that no deleted record's id is taken again by chance alone.
    let id = holder.unwrap_or_else(|| {
        (0..).map(|_| some_id(random)).take(100).find(|id| !model.things.contains_key(id)).unwrap_or_default()
    });
    let body = json!({ "id": id.to_string(), "label": label, "slug": slug, "count": count });
    let version = model.things.get(&id).map_or(1, |thing| thing.version + 1);
    model.set(id, Thing { version, label, slug: Some(slug), count: Some(count) });
    (body, holder.is_none())
}

fn upsert(api: &Api, random: &mut Random, model: &mut Model, context: &str) {
    let (body, created) = upserted(random, model);
    let answer = api.send("POST", "things?on_conflict=slug", Some(&body), None);
    assert_eq!(answer.status().as_u16(), if created { 201 } else { 200 }, "{context}: {body}");
}

/// An increment, an upsert and a delete: all of them, or with the status of the first that fails none.
fn batch(api: &Api, random: &mut Random, model: &mut Model, context: &str) {
    let (id, gone, by) = (some_id(random), some_id(random), i64::try_from(random.below(11)).unwrap() - 7);
    let mut next = model.clone();
    let mut expected = match next.things.get(&id).cloned() {
        None => 404,
        Some(thing) => match thing.count.map(|count| count + by) {
            Some(sum) if sum >= -5 => {
                next.set(id, Thing { count: Some(sum), version: thing.version + 1, ..thing });
                200
            }
            _ => 422,
        },
    };
    let (data, _) = upserted(random, &mut next);
    if !next.remove(gone) && expected == 200 {
        expected = 404;
    }
    let operations = json!({ "operations": [
        { "op": "update", "collection": "things", "id": id.to_string(), "increment": { "count": by } },
        { "op": "upsert", "collection": "things", "on_conflict": "slug", "data": data },
        { "op": "delete", "collection": "things", "id": gone.to_string() },
    ] });
    let answer = api.send("POST", "batch", Some(&operations), None);
    assert_eq!(answer.status().as_u16(), expected, "{context}: {operations}: {}", answer.text().unwrap());
    if expected == 200 {
        *model = next;
    }
}

/// A change or the end of all records with a count in a range, unless they are more than expected.
fn bulk(api: &Api, random: &mut Random, model: &mut Model, context: &str) {
    let least = i64::try_from(random.below(20)).unwrap();
    let most = least + 1;
    let range = least..=most;
    let passes = |thing: &Thing| thing.count.is_some_and(|count| range.contains(&count));
    let passing: Vec<(Uuid, Thing)> =
        model.things.iter().filter(|(_, thing)| passes(thing)).map(|(id, thing)| (*id, thing.clone())).collect();
    let number = passing.len();
    let path = format!("things?count__gte={least}&count__lte={most}&max_affected=3");
    let label = format!("bulk {least}");
    let deletes = random.below(4) == 0;
    let answer = match deletes {
        true => api.send("DELETE", &path, None, None),
        false => api.send("PATCH", &path, Some(&json!({ "label": label })), None),
    };
    assert_eq!(answer.status().as_u16(), if number > 3 { 409 } else { 200 }, "{context}: {path}");
    if number > 3 {
        return;
    }
    let body: Value = answer.json().unwrap();
    assert_eq!(body["data"]["affected"], json!(number), "{context}: {path}");
    for (id, thing) in passing {
        match deletes {
            true => _ = model.remove(id),
            false => model.set(id, Thing { label: label.clone(), version: thing.version + 1, ..thing }),
        }
    }
}

/// The earlier versions of one record, newest first and as many as are kept, equal the model's.
fn compare_history(api: &Api, id: Uuid, model: &Model, context: &str) {
    let answer = api.send("GET", &format!("things/{id}/history"), None, None);
    let status = answer.status().as_u16();
    let all = model.earlier.get(&id).map_or(&[][..], Vec::as_slice);
    if all.is_empty() && !model.things.contains_key(&id) {
        assert_eq!(status, 404, "{context}: {id}");
        return;
    }
    let body: Value = answer.json().unwrap();
    let read = |one: &Value| {
        let record = &one["record"];
        assert_eq!(one["version"], record["version"], "{context}: {one}");
        let thing = Thing {
            version: one["version"].as_i64().unwrap(),
            label: record["label"].as_str().unwrap().to_owned(),
            slug: record["slug"].as_str().map(str::to_owned),
            count: record["count"].as_i64(),
        };
        (one["change"].as_str().unwrap().to_owned(), thing)
    };
    let found: Vec<(String, Thing)> = body["data"].as_array().unwrap().iter().map(read).collect();
    let kept = all.iter().rev().take(KEEP).map(|(change, thing)| ((*change).to_owned(), thing.clone()));
    assert_eq!(found, kept.collect::<Vec<_>>(), "{context}: {id}");
}

/// A filtered, sorted walk over everything equals the model's.
fn compare(api: &Api, random: &mut Random, model: &BTreeMap<Uuid, Thing>, context: &str) {
    let least = i64::try_from(random.below(10)).unwrap();
    let descending = random.below(2) == 0;
    let mut expected: Vec<(Option<i64>, Uuid, String)> = model
        .iter()
        .filter(|(_, thing)| thing.count.is_some_and(|count| count >= least))
        .map(|(id, thing)| (thing.count, *id, thing.label.clone()))
        .collect();
    expected.sort();
    if descending {
        expected.reverse();
    }
    let sort = if descending { "-count" } else { "count" };
    let first = format!("things?count__gte={least}&sort={sort}&limit=7&fields=id,count,label");
    let (mut path, mut found) = (first.clone(), Vec::new());
    loop {
        let page: Value = api.send("GET", &path, None, None).json().unwrap();
        for row in page["data"].as_array().unwrap() {
            let id = row["id"].as_str().unwrap().parse().unwrap();
            found.push((row["count"].as_i64(), id, row["label"].as_str().unwrap().to_owned()));
        }
        match page["meta"]["next_cursor"].as_str() {
            Some(cursor) => path = format!("{first}&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(found, expected, "{context}");
}

#[test]
fn concurrent_writers_lose_no_update_and_share_no_key() {
    on_both(|api| {
        let created = api.send("POST", "things", Some(&json!({ "label": "counter", "count": 0 })), None);
        let created: Value = created.json().unwrap();
        let path = format!("things/{}", created["data"]["id"].as_str().unwrap());
        std::thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| (0..ROUNDS).for_each(|_| increment(api, &path)));
            }
        });
        let counter: Value = api.send("GET", &path, None, None).json().unwrap();
        assert_eq!(counter["data"]["count"], json!(WRITERS * ROUNDS));
        assert_eq!(counter["data"]["version"], json!(WRITERS * ROUNDS + 1));

        for round in 0..ROUNDS {
            let statuses: Vec<u16> = std::thread::scope(|scope| {
                let writers: Vec<_> = (0..WRITERS)
                    .map(|writer| {
                        let body = json!({ "label": format!("{round}-{writer}"), "slug": format!("race-{round}") });
                        scope.spawn(move || api.send("POST", "things", Some(&body), None).status().as_u16())
                    })
                    .collect();
                writers.into_iter().map(|writer| writer.join().unwrap()).collect()
            });
            assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
            assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
        }
    });
}

/// Adds one to the counter, reading again for as long as somebody else was faster.
fn increment(api: &Api, path: &str) {
    for _ in 0..10_000 {
        let read = api.send("GET", path, None, None);
        let tag = read.headers()["etag"].to_str().unwrap().to_owned();
        let body: Value = read.json().unwrap();
        let next = json!({ "count": body["data"]["count"].as_i64().unwrap() + 1 });
        match api.send("PATCH", path, Some(&next), Some(&tag)).status().as_u16() {
            200 => return,
            412 => {}
            other => panic!("an increment was answered {other}"),
        }
    }
    panic!("an increment never got through");
}
