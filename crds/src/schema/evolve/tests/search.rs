//! Full text that comes, changes and goes: which column holds the words, and which steps fill it.

use super::*;

fn notes(policy: &str, fields: Json, search: Json) -> Schema {
    declared(&[("notes", json!({ "deletionPolicy": policy, "fields": fields, "search": search }))])
}

fn texts() -> Json {
    json!([{ "name": "title", "type": "text" }, { "name": "body", "type": "text" }])
}

fn column(schema: &Schema) -> String {
    schema.get("notes").unwrap().search.as_ref().unwrap().column.clone()
}

fn way(from: &Stored, to: &Schema) -> Evolution {
    evolve(from, to).unwrap_or_else(|problems| panic!("{problems:?}"))
}

#[test]
fn words_have_a_column_for_each_way_in_which_they_are_made() {
    let [none, title, german, both] = [
        json!(null),
        json!({ "text": ["title"] }),
        json!({ "text": ["title"], "language": "german" }),
        json!({ "text": ["title", "body"], "language": "german" }),
    ]
    .map(|search| notes("Retain", texts(), search));
    let first = applied(&none);
    let added = way(&first, &title);
    assert_eq!(
        effects(&added.plan),
        [
            "Expand Safe: add search notes (title) in simple",
            "Backfill Safe: index the words of notes",
            "Contract Safe: index the words of notes that older servers wrote",
        ]
    );
    let step = &added.plan.steps[0];
    assert!(!step.transactional && step.reversible && step.postgres.up[1].contains("CONCURRENTLY"), "{step:?}");
    assert!(
        added.plan.steps[1..].iter().all(|step| step.indexes_words && step.reversible && step.postgres.up.is_empty())
    );
    assert_eq!((column(&added.schema), added.plan.approval_hash.clone()), ("search__words".to_owned(), None));

    let changed = way(&added.stored, &german);
    assert_eq!(
        effects(&changed.plan),
        [
            "Expand Safe: add search notes (title) in german",
            "Backfill Safe: index the words of notes",
            "Contract Safe: index the words of notes that older servers wrote",
            "Contract Safe: drop search notes (title) in simple",
        ]
    );
    assert_eq!(column(&changed.schema), "search__words__3");
    assert_eq!(column(&changed.stored.schema().unwrap()), "search__words__3");
    assert!(!changed.plan.steps[3].reversible);

    let again = way(&changed.stored.contracted(), &both);
    assert_eq!(
        (column(&again.schema), again.plan.steps.len()),
        ("search__words".to_owned(), 4),
        "the name is free again"
    );
    let gone = way(&again.stored, &none);
    assert_eq!(effects(&gone.plan), ["Contract Safe: drop search notes (title, body) in german"]);

    let new = evolve(&Stored::default(), &title).unwrap();
    let step = new.plan.steps.iter().find(|step| step.effect == "add search notes (title) in simple").unwrap();
    assert!(step.transactional && !step.postgres.up[1].contains("CONCURRENTLY"), "{step:?}");
    assert!(new.plan.steps.iter().all(|step| !step.indexes_words), "nothing is there to be indexed");
}

#[test]
fn a_renamed_field_keeps_its_words_and_one_that_is_filled_gets_others() {
    let search = |field: &str| json!({ "text": [field] });
    let first = applied(&notes("Retain", texts(), search("title")));
    let renamed =
        json!([{ "name": "name", "type": "text", "renamedFrom": "title" }, { "name": "body", "type": "text" }]);
    let next = way(&first, &notes("Retain", renamed, search("name")));
    assert_eq!((effects(&next.plan), column(&next.schema)), (Vec::<String>::new(), "search__words".to_owned()));

    let required = json!([
        { "name": "title", "type": "text", "required": true, "default": "untitled" }, { "name": "body", "type": "text" },
    ]);
    let filled = effects(&way(&first, &notes("Retain", required, search("title"))).plan);
    let at = |effect: &str| filled.iter().position(|known| known.contains(effect)).unwrap();
    assert!(at("fill notes.title") < at("Backfill Safe: index the words"), "{filled:?}");
    assert!(at("require notes.title") < at("Contract Safe: index the words"), "{filled:?}");
}

#[test]
fn words_go_with_their_collection() {
    let search = json!({ "text": ["title"] });
    for (policy, effect, drops) in [("Retain", "drop indexes and references", 6), ("Delete", "drop table notes", 3)] {
        let first = applied(&notes(policy, texts(), search.clone()));
        let gone = way(&first, &declared(&[]));
        let step = &gone.plan.steps[0];
        assert!(step.effect.starts_with(effect), "{}", step.effect);
        let dropped =
            step.sqlite.up.iter().filter(|statement| !statement.contains("INDEX") && statement.contains("DROP"));
        assert_eq!(dropped.count(), drops, "{:?}", step.sqlite.up);
        assert_eq!(gone.stored.removed[0].search.as_deref(), Some("search__words"));
        assert_eq!(gone.stored.contracted().removed.iter().filter(|one| one.search.is_some()).count(), 0);
        // Back before its contract: beside words that are still there.
        let back = way(&gone.stored, &notes(policy, texts(), search.clone()));
        assert_eq!(column(&back.schema), "search__words__3");
        assert!(effects(&back.plan).contains(&"Contract Safe: drop former search of notes".to_owned()));
        let later = way(&gone.stored.contracted(), &notes(policy, texts(), search.clone()));
        assert_eq!(column(&later.schema), "search__words");
    }
}
