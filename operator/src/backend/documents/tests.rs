//! Tests of acceptance: what is served, what is told, what is kept.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::Timestamp;
use mainstay_crds::collection::Collection;
use serde_json::{Value as Json, json};

use super::*;

fn now() -> Timestamp {
    "2026-01-01T00:01:00Z".parse().unwrap()
}

fn collection(name: &str, made: u32, spec: Json) -> Collection {
    serde_json::from_value(json!({
        "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection",
        "metadata": { "name": name, "generation": 3, "creationTimestamp": format!("2026-01-01T00:00:{made:02}Z") },
        "spec": spec,
    }))
    .unwrap()
}

fn fields(fields: Json) -> Json {
    json!({ "backendRef": { "name": "shop" }, "fields": fields })
}

fn text(name: &str) -> Json {
    json!({ "name": name, "type": "text", "maxLength": 20 })
}

fn refers(to: &str) -> Json {
    json!({ "name": "to", "type": "ref", "collection": to, "onDelete": "cascade" })
}

fn world(collections: Vec<Collection>) -> Observed {
    let backend = json!({
        "apiVersion": "mainstay.dev/v1alpha1", "kind": "Backend",
        "metadata": { "name": "shop", "namespace": "eshop", "uid": "u" }, "spec": {},
    });
    let backend = Arc::new(serde_json::from_value(backend).unwrap());
    Observed { backend, collections: collections.into_iter().map(Arc::new).collect(), ..Observed::default() }
}

/// What is observed once these documents are written.
fn after(seen: &Observed, documents: &Documents) -> Observed {
    let mut seen = seen.clone();
    for desired in &documents.desired {
        let map: ConfigMap = serde_json::from_value(desired.object.clone()).unwrap();
        if desired.name == "shop-documents" {
            seen.accepted = Some(map);
            continue;
        }
        seen.config_maps.push(map.metadata.clone());
    }
    let maps = documents.desired.iter().filter(|desired| desired.how == crate::desired::How::Create);
    if maps.clone().count() > 0 || documents.parts == 0 {
        seen.accepted_documents.clear();
    }
    for (file, text) in maps.flat_map(|map| map.object["data"].as_object().unwrap()) {
        let document = serde_json::from_str(text.as_str().unwrap()).unwrap();
        seen.accepted_documents.insert(file.trim_end_matches(".json").to_owned(), document);
    }
    for (name, status) in &documents.statuses {
        for one in seen.collections.iter_mut().map(Arc::make_mut).filter(|one| one.name_any() == *name) {
            one.status = Some(status.clone());
        }
    }
    seen
}

fn with(seen: &Observed, collections: Vec<Collection>) -> Observed {
    Observed { collections: collections.into_iter().map(Arc::new).collect(), ..seen.clone() }
}

/// `name: reason`, of each Collection.
fn reasons(documents: &Documents) -> Vec<String> {
    let each = documents.statuses.iter();
    each.map(|(name, status)| format!("{name} {} {}", status.conditions[0].status, status.conditions[0].reason))
        .collect()
}

fn served<'a>(seen: &'a Observed, name: &str) -> &'a Json {
    &seen.accepted_documents[name]["spec"]["fields"]
}

#[test]
fn a_backend_without_collections_is_right() {
    let documents = documents(&world(Vec::new()), now());
    assert_eq!((documents.parts, documents.problem.clone(), documents.names.len()), (0, None, 0));
    assert_eq!(documents.hash.len(), 12);
    assert_eq!(documents.desired.len(), 1);
}

#[test]
fn documents_hold_nothing_that_only_a_cluster_knows() {
    let seen = world(vec![collection("markets", 1, fields(json!([text("name")])))]);
    let first = documents(&seen, now());
    let part = &first.desired[0];
    assert_eq!(part.name, format!("shop-r{}-0", first.hash));
    assert_eq!(part.object["immutable"], true);
    assert_eq!(
        part.object["data"]["markets.json"],
        r#"{"apiVersion":"mainstay.dev/v1alpha1","kind":"Collection","metadata":{"name":"markets"},"spec":{"fields":[{"maxLength":20,"name":"name","type":"text"}]}}"#
    );
    assert_eq!(first.desired[1].object["data"]["hash"], first.hash.as_str());
    // The second time only the name of what was accepted is left to say.
    let second = documents(&after(&seen, &first), now());
    assert_eq!((second.hash, second.desired.len()), (first.hash, 1));
}

#[test]
fn an_invalid_collection_is_served_as_before_and_no_other_suffers() {
    let good = vec![
        collection("markets", 1, fields(json!([text("name")]))),
        collection("prices", 2, fields(json!([refers("markets")]))),
    ];
    let seen = world(good.clone());
    let first = documents(&seen, now());
    assert_eq!(reasons(&first), ["markets True Accepted", "prices True Accepted"]);
    assert_eq!(first.statuses[0].1.accepted_generation, Some(3));
    let seen = after(&seen, &first);

    let mut bad = collection("markets", 1, fields(json!([{ "name": "name", "type": "texd" }])));
    bad.metadata.generation = Some(4);
    bad.status.clone_from(&seen.collections[0].status);
    let prices = collection("prices", 2, fields(json!([refers("markets"), text("note")])));
    let broken = with(&seen, vec![bad, prices]);
    let second = documents(&broken, now());
    assert_eq!(reasons(&second), ["markets False Invalid", "prices True Accepted"]);
    let status = &second.statuses[0].1;
    assert_eq!(status.problems[0].path, "/spec/fields/0/type");
    assert_eq!((status.accepted_generation, status.observed_generation), (Some(3), Some(4)));
    assert_eq!(second.notes.len(), 1);
    assert_ne!(second.hash, first.hash);
    let broken = after(&broken, &second);
    assert_eq!(served(&broken, "markets"), &json!([text("name")]));
    assert_eq!(served(&broken, "prices")[1], text("note"));

    // Told once; restored, it is as it was.
    let again = documents(&broken, now());
    assert_eq!((again.notes.len(), &again.hash), (0, &second.hash));
    let restored = documents(&with(&broken, good), now());
    assert_eq!(restored.hash, first.hash);
}

#[test]
fn one_never_accepted_is_left_out_with_those_that_refer_to_it() {
    let seen = world(vec![
        collection("a", 1, fields(json!([{ "name": "x", "type": "nothing" }]))),
        collection("b", 2, fields(json!([refers("a")]))),
        collection("c", 3, fields(json!([refers("b")]))),
        collection("d", 4, fields(json!([text("name")]))),
    ]);
    let found = documents(&seen, now());
    assert_eq!(
        reasons(&found),
        ["a False Invalid", "b False RefNotAccepted", "c False RefNotAccepted", "d True Accepted"]
    );
    assert_eq!(found.names, ["d"]);
    assert_eq!(found.statuses[1].1.accepted_generation, None);
}

#[test]
fn a_removed_collection_is_gone_unless_an_accepted_one_refers_to_it() {
    let markets = collection("markets", 1, fields(json!([text("name")])));
    let prices = collection("prices", 2, fields(json!([refers("markets")])));
    let seen = world(vec![markets.clone(), prices.clone()]);
    let seen = after(&seen, &documents(&seen, now()));
    let found = documents(&with(&seen, vec![markets]), now());
    assert_eq!(
        (found.names.as_slice(), reasons(&found)),
        (&["markets".to_owned()][..], vec!["markets True Accepted".to_owned()])
    );
    // The other way round, prices would lose what it refers to.
    let found = documents(&with(&seen, vec![prices.clone()]), now());
    assert_eq!(found.names, ["markets", "prices"]);
    assert_eq!(reasons(&found), ["prices False Invalid"]);
    // One that never was accepted holds nothing.
    let found = documents(&world(vec![prices]), now());
    assert_eq!((found.names.len(), reasons(&found)), (0, vec!["prices False Invalid".to_owned()]));
}

#[test]
fn of_two_with_one_name_the_younger_is_told() {
    let older = collection("one", 1, json!({ "name": "markets", "fields": [text("name")] }));
    let younger = collection("another", 2, json!({ "name": "markets", "fields": [text("title")] }));
    let seen = world(vec![older, younger]);
    let found = documents(&seen, now());
    assert_eq!(reasons(&found), ["another False Invalid", "one True Accepted"]);
    assert_eq!(served(&after(&seen, &found), "markets"), &json!([text("name")]));
    let again = documents(&after(&seen, &found), now());
    assert_eq!((reasons(&again), again.hash), (reasons(&found), found.hash));
}

#[test]
fn a_change_that_breaks_another_collection_goes_back() {
    // `prices` sorts its index by a field of its own; the change takes the schema's name that `prices` has.
    let markets = collection("markets", 2, fields(json!([text("name")])));
    let prices = collection("prices", 1, fields(json!([text("name")])));
    let seen = world(vec![markets, prices.clone()]);
    let seen = after(&seen, &documents(&seen, now()));
    let changed = collection("markets", 0, json!({ "singular": "price", "fields": [text("name")] }));
    let found = documents(&with(&seen, vec![changed, prices]), now());
    assert_eq!(reasons(&found), ["markets False Invalid", "prices True Accepted"]);
    assert_eq!(found.names, ["markets", "prices"]);
}

#[test]
fn transition_times_stay_while_the_status_does() {
    let seen = world(vec![collection("markets", 1, fields(json!([text("name")])))]);
    let first = documents(&seen, now());
    let later = documents(&after(&seen, &first), "2026-02-01T00:00:00Z".parse().unwrap());
    assert_eq!(later.statuses, first.statuses);
}

#[test]
fn large_documents_are_split_and_too_large_ones_refused() {
    // Each field is as large as one may be: 200 kB.
    let long = |name: &str, count: usize| {
        let values: Vec<String> = (0..1000).map(|at| format!("v{at:0>197}")).collect();
        let field = |at: usize| json!({ "name": format!("f{at}"), "type": "enum", "values": values });
        collection(name, 1, fields((0..count).map(field).chain([text("name")]).collect()))
    };
    let found = documents(&world(vec![long("as", 2), long("bs", 2), long("cs", 0)]), now());
    assert_eq!((found.parts, found.desired.len()), (2, 3), "{:?}", reasons(&found));
    let all = (0..6).map(|at| long(&format!("n{at}s"), 4)).collect();
    let seen = world(vec![long("as", 0)]);
    let seen = after(&seen, &documents(&seen, now()));
    let before = documents(&seen, now());
    let found = documents(&with(&seen, all), now());
    assert_eq!(found.problem.as_ref().unwrap().0, Reason::DocumentsTooLarge);
    assert_eq!((found.hash, found.parts, found.desired.len()), (before.hash, 1, 0));
    let found = documents(&world(vec![long("as", 6)]), now());
    assert!(found.problem.unwrap().1.contains("`as`"));
}
