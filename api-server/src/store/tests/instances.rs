//! Who runs on a database and whose it is: heartbeats before contract steps, owners, servers that are too old.

use super::*;
use crate::store::schema::{self, instances, owner};

fn notes(more: Json) -> Schema {
    let mut spec = json!({ "fields": [{ "name": "title", "type": "text", "maxLength": 50 }] });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    schema_of(&[document("notes", spec)])
}

/// A database at revision 1, and the way to a second with one contract step.
async fn scene(store: &Store) -> Evolution {
    let made = migrate(store, &way(&Stored::default(), &notes(json!({}))), &PHASES).await.unwrap();
    way(&made.stored, &notes(json!({ "unique": [{ "fields": ["title"] }] })))
}

async fn enter(store: &Store, name: &'static str, revision: i64) -> bool {
    write(store, move |conn| instances::enter(conn, name, revision)).await.unwrap()
}

#[tokio::test]
async fn a_contract_waits_for_older_servers_and_lets_none_in() {
    for store in both() {
        let next = scene(&store).await;
        migrate(&store, &next, &[Phase::Expand]).await.unwrap();
        assert!(enter(&store, "old", 1).await && enter(&store, "new", 2).await);
        let live = read(&store, instances::live).await.unwrap();
        let seen: Vec<_> = live.iter().map(|one| (one.instance.as_str(), one.revision)).collect();
        assert_eq!(seen, [("new", 2), ("old", 1)]);
        assert!(live.iter().all(|one| one.version == env!("CARGO_PKG_VERSION") && (0..5).contains(&one.seconds)));

        if store.dialect() == mainstay_crds::sql::Dialect::Postgres {
            let refused = migrate(&store, &next, &[Phase::Contract]).await;
            let Err(Refusal::OldInstances { instances: older }) = &refused else { panic!("{refused:?}") };
            assert_eq!(older.iter().map(|one| one.instance.as_str()).collect::<Vec<_>>(), ["old"]);
            assert!(refused.unwrap_err().to_string().contains("old (revision 1, "));
            assert_eq!(read(&store, schema::compatible_from).await.unwrap(), 1, "nobody was shut out");
            // Silent for longer than a server may be.
            let silent = "UPDATE mainstay_instances SET seen_at = seen_at - interval '31 s' WHERE instance = 'old'";
            write(&store, move |conn| conn.batch(silent)).await.unwrap();
            assert_eq!(read(&store, instances::live).await.unwrap().len(), 1);
        }
        // A file belongs to one process: no other server can be there.
        let done = migrate(&store, &next, &[Phase::Contract]).await.unwrap();
        assert_eq!((done.compatible_from, done.is_open), (2, false));
        assert!(!enter(&store, "old", 1).await, "it may not come back");
        assert!(enter(&store, "new", 2).await);
        write(&store, |conn| instances::leave(conn, "new")).await.unwrap();
        assert_eq!(read(&store, instances::live).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_contract_before_its_expand_is_refused() {
    for store in both() {
        let made = migrate(&store, &way(&Stored::default(), &notes(json!({}))), &PHASES).await.unwrap();
        let more = json!({ "unique": [{ "fields": ["title"] }], "indexes": [{ "fields": ["title", "created_at"] }] });
        let next = way(&made.stored, &notes(more));
        let refused = migrate(&store, &next, &[Phase::Contract]).await;
        assert!(matches!(&refused, Err(Refusal::Order(step)) if step.contains("index notes")), "{refused:?}");
        assert_eq!(migrate(&store, &next, &[Phase::Expand]).await.unwrap().compatible_from, 1);
        assert_eq!(migrate(&store, &next, &[Phase::Contract]).await.unwrap().compatible_from, 2);
    }
}

#[tokio::test]
async fn a_database_has_one_owner_until_it_is_taken_over() {
    let claim = |owner: &str, from: Option<&str>| Claim {
        owner: Some(owner.to_owned()),
        take_over_from: from.map(str::to_owned),
    };
    for store in both() {
        let run = way(&Stored::default(), &notes(json!({})));
        migrate(&store, &run, &PHASES).await.unwrap();
        assert_eq!(read(&store, owner::owner).await.unwrap(), None, "who names none claims none");
        migrate_as(&store, &run, &PHASES, claim("a/one/1", None)).await.unwrap();
        let refused = migrate_as(&store, &run, &PHASES, claim("a/two/2", Some("a/three"))).await;
        let Err(refused @ Refusal::InUse { .. }) = refused else { panic!("{refused:?}") };
        assert!(refused.to_string().contains("a/one/1") && refused.to_string().contains("takeOverFrom a/one"));
        migrate(&store, &run, &PHASES).await.unwrap();
        assert_eq!(read(&store, owner::owner).await.unwrap().as_deref(), Some("a/one/1"));
        migrate_as(&store, &run, &PHASES, claim("a/two/2", Some("a/one"))).await.unwrap();
        assert_eq!(read(&store, owner::owner).await.unwrap().as_deref(), Some("a/two/2"));
        assert!(migrate_as(&store, &run, &PHASES, claim("a/one/1", None)).await.is_err());
    }
}

#[tokio::test]
async fn an_older_server_runs_on_newer_system_tables_that_still_serve_it() {
    for store in both() {
        let run = way(&Stored::default(), &notes(json!({})));
        let made = migrate(&store, &run, &PHASES).await.unwrap();
        assert_eq!(read(&store, schema::pending).await.unwrap(), Vec::<String>::new());
        // As a newer server leaves it.
        let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('9998'); \
            CREATE TABLE mainstay_later (n bigint NOT NULL); \
            INSERT INTO mainstay_system (migration, oldest_server) VALUES ('9998_later', '0.1.0')";
        write(&store, |conn| conn.batch(newer)).await.unwrap();
        assert_eq!(migrate(&store, &run, &PHASES).await.unwrap(), made);
        assert!(enter(&store, "older", 1).await);

        let demanding = "INSERT INTO mainstay_system (migration, oldest_server) VALUES ('9999_last', '10.0.0')";
        write(&store, |conn| conn.batch(demanding)).await.unwrap();
        for refused in [read(&store, applied).await.unwrap_err().to_string(), {
            migrate(&store, &run, &PHASES).await.unwrap_err().to_string()
        }] {
            assert!(refused.contains("from 10.0.0 on"), "{refused}");
        }
    }
}

/// What a migration's first line declares is what the database tells older servers.
#[tokio::test]
async fn every_system_migration_says_whom_it_still_serves() {
    for (store, folder) in both().into_iter().zip(["sqlite", "postgres"]) {
        migrate(&store, &way(&Stored::default(), &notes(json!({}))), &PHASES).await.unwrap();
        let folder = mainstay_e2e::server::repository().join("migrations").join(folder);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(path.join("up.sql")).unwrap();
            let declared = text.strip_prefix("-- Oldest server that it still serves: ").unwrap();
            let declared = declared.lines().next().unwrap().trim_end_matches('.').to_owned();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let told = format!(
                "SELECT count(*) FROM mainstay_system WHERE migration = '{name}' AND oldest_server = '{declared}'"
            );
            assert_eq!(read(&store, move |conn| number(conn, &told)).await.unwrap(), 1, "{name} serves {declared}");
        }
    }
}

#[tokio::test]
async fn a_schema_of_ones_own_is_made_and_holds_everything() {
    let url = Postgres::shared().database();
    let named = |schema: &str| {
        let options = PoolOptions { size: 2, schema: schema.to_owned(), ..PoolOptions::default() };
        Store::open(&DatabaseUrl::parse(&url).unwrap(), options).unwrap()
    };
    let run = way(&Stored::default(), &notes(json!({})));
    let (one, two) = (named("tenant-one"), named("two"));
    assert_eq!(read(&one, applied).await.unwrap(), Applied::default(), "looking makes nothing");
    for store in [&one, &two] {
        assert_eq!(migrate(store, &run, &PHASES).await.unwrap().stored.revision, 1);
    }
    let tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'notes' AND schemaname IN ('tenant-one', 'two')";
    assert_eq!(read(&one, move |conn| number(conn, tables)).await.unwrap(), 2);
    let outside = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(read(&one, move |conn| number(conn, outside)).await.unwrap(), 0);
}
