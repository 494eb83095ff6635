//! Fields and collections that leave and return, on real databases: old servers beside new ones, data that comes back, and
//! a catalog that ends as if the new documents had been the first.

use super::catalog::catalog;
use super::*;

fn title() -> Json {
    json!({ "name": "title", "type": "text", "maxLength": 50 })
}

/// Every kind of field that can be removed, with what can name it.
fn whole(policy: &str) -> Schema {
    let fields = json!([
        title(),
        { "name": "code", "type": "text", "required": true, "maxLength": 20, "unique": true },
        { "name": "state", "type": "enum", "values": ["on", "off"], "required": true, "default": "on" },
        { "name": "owner", "type": "ref", "collection": "people", "required": true },
        { "name": "amount", "type": "decimal", "precision": 9, "scale": 2 },
        { "name": "low", "type": "integer" }, { "name": "high", "type": "integer" },
    ]);
    let notes = json!({
        "deletionPolicy": policy, "fields": fields,
        "unique": [{ "fields": ["title"], "where": { "state": "on" } }, { "fields": ["title", "amount"] }],
        "indexes": [{ "fields": ["state", "-created_at"] }, { "fields": ["title"] }],
        "checks": [{ "that": { "high": { "gt": "$field.low" } }, "message": "high is not above low" }],
    });
    let circle = json!({
        "deletionPolicy": policy,
        "fields": [title(), { "name": "note", "type": "ref", "collection": "notes", "required": true },
            { "name": "self", "type": "ref", "collection": "circle" }],
    });
    schema_of(&[document("notes", notes), document("circle", circle), people()])
}

fn people() -> Document {
    document("people", json!({ "fields": [title()] }))
}

/// What is left of it: the notes without any of that, and no circle.
fn rest() -> Schema {
    schema_of(&[document("notes", json!({ "fields": [title()], "indexes": [{ "fields": ["title"] }] })), people()])
}

async fn fill(store: &Store, run: &Evolution) {
    let collection = |name: &str| Arc::clone(run.schema.get(name).unwrap());
    assert!(insert(store, &collection("people"), record(1, vec![text("ann")])).await.unwrap());
    let note = |title: &str, code: &str| {
        let (owner, amount) = (Value::Uuid(Uuid::from_u128(1)), Value::Decimal(125));
        vec![text(title), text(code), text("on"), owner, amount, Value::Integer(1), Value::Integer(2)]
    };
    assert!(insert(store, &collection("notes"), record(2, note("one", "a"))).await.unwrap());
    let circle = vec![text("c"), Value::Uuid(Uuid::from_u128(2)), Value::Uuid(Uuid::from_u128(3))];
    assert!(insert(store, &collection("circle"), record(3, circle)).await.unwrap());
}

#[tokio::test]
async fn what_is_deleted_leaves_a_catalog_as_if_it_had_never_been() {
    for (store, fresh) in both().into_iter().zip(both()) {
        let first = way(&Stored::default(), &whole("Delete"));
        let made = migrate(&store, &first, &PHASES).await.unwrap();
        fill(&store, &first).await;
        let next = way(&made.stored, &rest());
        let open = migrate(&store, &next, &[Phase::Expand]).await.unwrap();
        assert!(open.is_open && open.binding_plan().is_none());
        // Between expand and contract both write.
        let (old, new) = (first.schema.get("notes").unwrap(), next.schema.get("notes").unwrap());
        let values = vec![text("two"), text("b"), text("off"), Value::Uuid(Uuid::from_u128(1))];
        let values = values.into_iter().chain([Value::Null, Value::Null, Value::Null]).collect();
        assert!(insert(&store, old, record(4, values)).await.unwrap());
        assert!(insert(&store, new, record(5, vec![text("three")])).await.unwrap());
        assert!(insert(&store, new, record(6, vec![text("four")])).await.unwrap());

        let done = migrate(&store, &next, &[Phase::Contract]).await.unwrap();
        assert_eq!(done, migrate(&store, &next, &[Phase::Contract]).await.unwrap(), "once more changes nothing");
        assert_eq!((done.compatible_from, done.is_open, done.stored.removed.len()), (2, false, 0));
        migrate(&fresh, &way(&Stored::default(), &rest()), &PHASES).await.unwrap();
        assert_eq!(catalog(&store).await, catalog(&fresh).await);
        assert_eq!(read(&store, |conn| number(conn, "SELECT count(*) FROM notes")).await.unwrap(), 4);
    }
}

#[tokio::test]
async fn what_is_retained_is_in_nobodys_way_and_returns_with_its_data() {
    for store in both() {
        let first = way(&Stored::default(), &whole("Retain"));
        let made = migrate(&store, &first, &PHASES).await.unwrap();
        let before = catalog(&store).await;
        fill(&store, &first).await;
        let next = way(&made.stored, &rest());
        let gone = migrate(&store, &next, &PHASES).await.unwrap();
        assert_eq!((gone.stored.removed.len(), gone.stored.get("notes").unwrap().retained.len()), (1, 6));
        let note = next.schema.get("notes").unwrap();
        assert!(insert(&store, note, record(7, vec![text("one")])).await.unwrap(), "no key holds it up");
        // Nothing that is not served keeps a record.
        for table in ["notes WHERE title = 'nothing'", "people WHERE title = 'nobody'"] {
            let delete = format!("DELETE FROM {table}");
            write(&store, move |conn| conn.batch(&delete)).await.unwrap();
        }
        let people = next.schema.get("people").unwrap();
        assert!(insert(&store, people, record(8, vec![text("bob")])).await.unwrap());

        // New notes lack what is required: their owner gives it to them.
        let back = way(&gone.stored, &whole("Retain"));
        let refused = migrate(&store, &back, &PHASES).await;
        assert!(matches!(&refused, Err(Refusal::Data { .. })), "{refused:?}");
        write(&store, |conn| conn.batch("DELETE FROM notes WHERE code IS NULL")).await.unwrap();
        let done = migrate(&store, &back, &PHASES).await.unwrap();
        assert_eq!((done.stored.removed.len(), done.stored.get("notes").unwrap().retained.len()), (0, 0));
        assert_eq!(catalog(&store).await, before);
        let kept = "SELECT count(*) FROM notes n JOIN circle c ON c.note = n.id WHERE n.code = 'a' AND n.state = 'on'";
        assert_eq!(read(&store, move |conn| number(conn, kept)).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_retained_reference_to_nothing_stops_its_return() {
    for store in both() {
        let first = way(&Stored::default(), &whole("Retain"));
        let made = migrate(&store, &first, &PHASES).await.unwrap();
        fill(&store, &first).await;
        let gone = migrate(&store, &way(&made.stored, &rest()), &PHASES).await.unwrap();
        write(&store, |conn| conn.batch("DELETE FROM people")).await.unwrap();
        let refused = migrate(&store, &way(&gone.stored, &whole("Retain")), &PHASES).await;
        let Err(Refusal::Data { effect, count: 1, .. }) = &refused else { panic!("{refused:?}") };
        assert_eq!(effect, "add reference notes.owner to people");
    }
}

#[tokio::test]
async fn a_declaration_that_comes_back_before_the_contract_finds_everything() {
    for store in both() {
        let first = way(&Stored::default(), &whole("Delete"));
        let made = migrate(&store, &first, &PHASES).await.unwrap();
        let before = catalog(&store).await;
        fill(&store, &first).await;
        let open = migrate(&store, &way(&made.stored, &rest()), &[Phase::Expand]).await.unwrap();
        let done = migrate(&store, &way(&open.stored, &whole("Delete")), &PHASES).await.unwrap();
        assert_eq!((done.stored.revision, done.compatible_from), (3, 3));
        assert_eq!(catalog(&store).await, before);
        let kept = "SELECT count(*) FROM notes n JOIN circle c ON c.note = n.id WHERE n.code = 'a' AND n.low = 1";
        assert_eq!(read(&store, move |conn| number(conn, kept)).await.unwrap(), 1);
    }
}

/// One field of the notes with everything that can name it, and the notes without it.
fn without(field: &str) -> Schema {
    let all = whole("Delete");
    let mut spec = serde_json::to_value(&all.get("notes").unwrap().spec).unwrap();
    let keep = |list: &mut Json, names: &dyn Fn(&Json) -> bool| list.as_array_mut().unwrap().retain(|one| !names(one));
    keep(&mut spec["fields"], &|one| one["name"] == field);
    for rules in ["unique", "indexes", "checks"] {
        keep(&mut spec[rules], &|one| {
            one.to_string().contains(&format!("\"{field}\"")) || one.to_string().contains(&format!(".{field}\""))
        });
    }
    let circle = serde_json::to_value(&all.get("circle").unwrap().spec).unwrap();
    schema_of(&[document("notes", spec), document("circle", circle), people()])
}

#[tokio::test]
async fn each_field_alone_leaves_a_catalog_as_if_it_had_never_been() {
    for field in ["title", "code", "state", "owner", "amount", "low"] {
        for (store, fresh) in both().into_iter().zip(both()) {
            let first = way(&Stored::default(), &whole("Delete"));
            let made = migrate(&store, &first, &PHASES).await.unwrap();
            fill(&store, &first).await;
            let next = way(&made.stored, &without(field));
            migrate(&store, &next, &PHASES).await.unwrap();
            migrate(&fresh, &way(&Stored::default(), &without(field)), &PHASES).await.unwrap();
            assert_eq!(catalog(&store).await, catalog(&fresh).await, "{field}");
        }
    }
}

#[tokio::test]
async fn a_removal_that_was_cut_short_is_taken_back_by_other_documents() {
    for store in both() {
        let first = way(&Stored::default(), &whole("Delete"));
        let made = migrate(&store, &first, &PHASES).await.unwrap();
        let before = catalog(&store).await;
        let mut cut = way(&made.stored, &rest());
        let at = cut.plan.steps.iter().position(|step| step.phase == Phase::Contract).unwrap();
        let mut broken = cut.plan.steps[at - 1].clone();
        broken.effect = "fail".to_owned();
        (broken.postgres.up, broken.sqlite.up) = (vec!["nonsense".to_owned()], vec!["nonsense".to_owned()]);
        cut.plan.steps.insert(at, broken);
        let failed = migrate(&store, &cut, &[Phase::Expand]).await;
        assert!(matches!(&failed, Err(Refusal::Step { effect, .. }) if effect == "fail"), "{failed:?}");
        assert_ne!(catalog(&store).await, before, "it had begun");
        migrate(&store, &way(&made.stored, &whole("Retain")), &PHASES).await.unwrap();
        assert_eq!(catalog(&store).await, before);
    }
}
