//! Real data through the API: ISO's countries, subdivisions, languages and currencies, from Debian's `iso-codes`,
//! loaded into `examples/world` on both databases, read back and compared with the source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use mainstay_e2e::database::Database;
use mainstay_e2e::server::Server;
use serde_json::{Map, Value as Json, json};

/// The most records that one POST takes.
const MOST: usize = 1000;

#[test]
fn the_world_on_sqlite() {
    load_and_compare("sqlite");
}

#[test]
fn the_world_on_postgres() {
    load_and_compare("postgres");
}

fn load_and_compare(kind: &str) {
    let database = Database::new(kind);
    let server = Server::start("examples/world", database.url());
    let countries = load(&server, "countries", "alpha_2", source("3166-1"));
    assert_eq!(countries.len(), 249);
    for (collection, key, standard) in [("languages", "alpha_3", "639-3"), ("currencies", "alpha_3", "4217")] {
        let records = source(standard);
        load(&server, collection, key, records.clone());
        assert_same(
            collection,
            key,
            &records,
            &server.anonymous.walk(&format!("/api/v1/{collection}"), &[("limit", "200")]),
        );
    }
    let subdivisions = source("3166-2");
    assert!(subdivisions.len() > 5000, "{} subdivisions", subdivisions.len());
    load_subdivisions(&server, &countries, &subdivisions);
    for (country, id) in &countries {
        let of_country = |record: &&Json| record["code"].as_str().unwrap().starts_with(&format!("{country}-"));
        let expected: Vec<Json> = subdivisions.iter().filter(of_country).cloned().collect();
        compare_country(&server, id, &expected);
    }
    let all = server.anonymous.get("/api/v1/subdivisions", &[("count", "exact"), ("limit", "1")]);
    assert_eq!(all.body["meta"]["total"], json!(subdivisions.len()));
    println!("{kind}: {} countries, {} subdivisions", countries.len(), all.body["meta"]["total"]);
    assert!(server.stop().success());
}

/// Walks the subdivisions of one country by cursor, twenty a page in two orders, and compares them with the source.
fn compare_country(server: &Server, country: &str, expected: &[Json]) {
    for sort in ["name", "-code"] {
        let parameters = [("country", country), ("sort", sort), ("limit", "20")];
        let found = server.anonymous.walk("/api/v1/subdivisions", &parameters);
        assert_same("subdivisions", "code", expected, &found);
        let keys: Vec<&str> = found.iter().map(|r| r[sort.trim_start_matches('-')].as_str().unwrap()).collect();
        let ordered =
            keys.windows(2).all(|pair| if sort.starts_with('-') { pair[0] >= pair[1] } else { pair[0] <= pair[1] });
        assert!(ordered, "{sort}: {keys:?}");
    }
}

/// Those without a parent first, then those that are part of one.
fn load_subdivisions(server: &Server, countries: &BTreeMap<String, String>, subdivisions: &[Json]) {
    let mut ids = BTreeMap::new();
    for nested in [false, true] {
        let wave = subdivisions.iter().filter(|record| record.get("parent").is_some() == nested);
        let records = wave.map(|record| {
            let mut record = record.clone();
            let (country, _) = record["code"].as_str().unwrap().split_once('-').unwrap();
            let country = country.to_owned();
            if let Some(parent) = record["parent"].as_str() {
                record["parent"] = json!(ids[&full_code(&country, parent)]);
            }
            record["country"] = json!(countries[&country]);
            record
        });
        let records = records.collect();
        let made = load(server, "subdivisions", "code", records);
        ids.extend(made);
    }
    assert_eq!(ids.len(), subdivisions.len());
}

/// The source gives some parents without their country.
fn full_code(country: &str, parent: &str) -> String {
    match parent.starts_with(&format!("{country}-")) {
        true => parent.to_owned(),
        false => format!("{country}-{parent}"),
    }
}

/// Creates the records in arrays and returns their ids by the value of `key`.
fn load(server: &Server, collection: &str, key: &str, records: Vec<Json>) -> BTreeMap<String, String> {
    let text = |record: &Json, name: &str| record[name].as_str().unwrap().to_owned();
    let mut ids = BTreeMap::new();
    for part in records.chunks(MOST) {
        let answer = server.admin.post(&format!("/api/v1/{collection}"), &json!(part));
        assert_eq!(answer.status, 201, "{collection}: {}", answer.body);
        let made = answer.body["data"].as_array().expect("an array");
        assert_eq!(made.len(), part.len());
        ids.extend(made.iter().map(|record| (text(record, key), text(record, "id"))));
    }
    assert_eq!(ids.len(), records.len(), "{collection}: every record has its own {key}");
    ids
}

/// The found records hold every member of the expected ones, and are no more. References are compared by those who made them.
fn assert_same(collection: &str, key: &str, expected: &[Json], found: &[Json]) {
    let by_key = |records: &[Json]| -> BTreeMap<String, Json> {
        records.iter().map(|record| (record[key].as_str().unwrap().to_owned(), record.clone())).collect()
    };
    let (expected, by_key_found) = (by_key(expected), by_key(found));
    assert_eq!(found.len(), by_key_found.len(), "{collection}: a record came twice");
    let (wanted, got): (BTreeSet<_>, BTreeSet<_>) = (expected.keys().collect(), by_key_found.keys().collect());
    assert_eq!(wanted, got, "{collection}");
    for (name, record) in &expected {
        let members: &Map<String, Json> = record.as_object().unwrap();
        for (member, value) in members.iter().filter(|(member, _)| *member != "parent") {
            assert_eq!(&by_key_found[name][member], value, "{collection} {name} {member}");
        }
    }
}

/// One list of the `iso-codes` package.
fn source(standard: &str) -> Vec<Json> {
    let path = format!("/usr/share/iso-codes/json/iso_{standard}.json");
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}; e2e/tools.sh iso-codes brings it"));
    let document: Json = serde_json::from_str(&text).expect("JSON");
    document[standard].as_array().expect("a list").clone()
}
