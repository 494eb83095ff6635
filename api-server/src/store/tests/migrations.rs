//! Plans on real databases: once, again, after a kill, and where they must not run.

use super::*;
use crate::store::schema::dirty;

fn notes(fields: Json, more: Json) -> Document {
    let mut spec = json!({ "fields": fields });
    if let (Some(spec), Json::Object(more)) = (spec.as_object_mut(), more) {
        spec.extend(more);
    }
    document("notes", spec)
}

fn first() -> Schema {
    schema_of(&[notes(json!([{ "name": "title", "type": "text", "maxLength": 50 }]), json!({}))])
}

fn second() -> Schema {
    let fields = json!([
        { "name": "title", "type": "text", "maxLength": 50 },
        { "name": "rank", "type": "integer" },
    ]);
    schema_of(&[notes(fields, json!({ "indexes": [{ "fields": ["rank"] }], "unique": [{ "fields": ["title"] }] }))])
}

#[tokio::test]
async fn a_plan_runs_once_and_is_remembered() {
    for store in both() {
        assert_eq!(read(&store, applied).await.unwrap(), Applied::default());
        let run = way(&Stored::default(), &first());
        let made = migrate(&store, &run, &PHASES).await.unwrap();
        assert_eq!((made.stored.clone(), made.compatible_from), (run.stored.clone(), 1));
        assert_eq!(migrate(&store, &run, &PHASES).await.unwrap(), made);

        let next = way(&made.stored, &second());
        let expanded = migrate(&store, &next, &[Phase::Expand]).await.unwrap();
        assert_eq!((expanded.stored.revision, expanded.compatible_from), (2, 1));
        let contracted = migrate(&store, &next, &[Phase::Contract]).await.unwrap();
        assert_eq!((contracted.stored.revision, contracted.compatible_from), (2, 2));
        assert_eq!(read(&store, dirty).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_plan_for_another_database_is_refused() {
    for store in both() {
        let run = way(&Stored::default(), &first());
        let later = way(&run.stored, &second());
        let refused = migrate(&store, &later, &PHASES).await;
        assert!(matches!(&refused, Err(Refusal::Moved { from: 1, at: 0 })), "{refused:?}");
        write(&store, |conn| conn.batch("CREATE TABLE notes (n bigint)")).await.unwrap();
        let refused = migrate(&store, &run, &PHASES).await;
        assert!(matches!(&refused, Err(Refusal::UnknownTable(table)) if table == "notes"), "{refused:?}");
    }
}

#[tokio::test]
async fn data_that_breaks_a_rule_stops_the_plan_before_anything_changed() {
    for store in both() {
        let run = way(&Stored::default(), &first());
        let made = migrate(&store, &run, &PHASES).await.unwrap();
        let notes = run.schema.get("notes").unwrap();
        for id in [1, 2] {
            assert!(insert(&store, notes, record(id, vec![text("same")])).await.unwrap());
        }
        let refused = migrate(&store, &way(&made.stored, &second()), &PHASES).await;
        let Err(Refusal::Data { count, ids, .. }) = refused else { panic!("{refused:?}") };
        assert!(count == 2 && ids.contains(&Uuid::from_u128(1).to_string()), "{count} {ids}");
        assert_eq!(read(&store, applied).await.unwrap(), made);
        assert!(read(&store, |conn| number(conn, "SELECT rank FROM notes")).await.is_err());
    }
}

#[tokio::test]
async fn a_killed_run_goes_on_and_an_invalid_index_is_built_again() {
    let store = open(&Postgres::shared().database());
    let made = migrate(&store, &way(&Stored::default(), &first()), &PHASES).await.unwrap();
    let next = way(&made.stored, &second());
    let index = next.schema.get("notes").unwrap().indexes.iter().find(|index| index.keys[0].field == 5).unwrap();
    // As a kill in the middle of CREATE INDEX CONCURRENTLY leaves it: the column done, the index there but invalid.
    let begun = next.clone();
    migrate(&store, &begun, &[]).await.unwrap();
    let hash = next.plan.plan_hash.clone();
    let position = next.plan.steps.iter().position(|step| step.effect.starts_with("add field")).unwrap();
    let column = next.plan.steps[position].postgres.up.join(";");
    let name = index.name.clone();
    store
        .session(move |conn| {
            conn.batch(&column)?;
            conn.batch(&format!(
                "INSERT INTO mainstay_steps VALUES ('{hash}', {position}, 'add field', 'done', now(), '[]'); \
                 INSERT INTO mainstay_steps VALUES ('{hash}', {}, 'add index', 'intent', now(), '[]'); \
                 CREATE INDEX \"{name}\" ON notes (title); \
                 UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"{name}\"'::regclass",
                position + 1
            ))
        })
        .await
        .unwrap();
    assert_eq!(read(&store, dirty).await.unwrap().len(), 1);
    assert_eq!(migrate(&store, &next, &PHASES).await.unwrap().stored.revision, 2);
    let name = index.name.clone();
    let valid = read(&store, move |conn| {
        number(conn, &format!("SELECT count(*) FROM pg_indexes WHERE indexname = '{name}' AND indexdef LIKE '%rank%'"))
    });
    assert_eq!(valid.await.unwrap(), 1);
    assert_eq!(read(&store, dirty).await.unwrap(), []);
}

#[tokio::test]
async fn two_processes_migrate_one_after_the_other() {
    let url = Postgres::shared().database();
    let (one, two) = (open(&url), open(&url));
    let run = way(&Stored::default(), &first());
    let (one, two) = tokio::join!(migrate(&one, &run, &PHASES), migrate(&two, &run, &PHASES));
    assert_eq!(one.unwrap(), two.unwrap());
}
