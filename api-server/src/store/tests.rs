//! The store on both databases: the same bodies, the same answers.

use std::convert::Infallible;
use std::sync::Arc;

use mainstay_crds::collection::{Document, check};
use mainstay_crds::plan::Phase;
use mainstay_crds::schema::evolve::{Evolution, evolve, kind};
use mainstay_crds::schema::stored::Stored;
use mainstay_crds::schema::{Collection, Schema};
use mainstay_crds::sql::{ColumnType, Sql};
use mainstay_crds::{Problem, Value};
use mainstay_e2e::postgres::Postgres;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::schema::{Applied, Claim, Refusal, Terms, applied, apply};
use super::{Abort, Conn, DatabaseUrl, Error, PoolOptions, Store, records};

mod auth;
mod catalog;
mod changes;
mod connections;
mod conversions;
mod deadlines;
mod evolution;
mod filters;
mod history;
mod idempotency;
mod instances;
mod keys;
mod keyset;
mod migrations;
pub(crate) mod related;
mod removals;
mod values;
mod words;

/// 2024-01-31T12:00:00Z.
const NOW: i64 = 1_706_702_400_000_000;
const PHASES: [Phase; 3] = [Phase::Expand, Phase::Backfill, Phase::Contract];

pub(crate) fn document(name: &str, spec: Json) -> Document {
    let mut spec = spec;
    spec["backendRef"] = json!({ "name": "test" });
    let metadata = json!({ "name": name });
    Document(json!({
        "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection", "metadata": metadata, "spec": spec,
    }))
}

fn schema_of(documents: &[Document]) -> Schema {
    check(documents).unwrap_or_else(|problems: Vec<Vec<Problem>>| panic!("{problems:?}"))
}

fn open(url: &str) -> Store {
    Store::open(&DatabaseUrl::parse(url).unwrap(), PoolOptions { size: 4, ..PoolOptions::default() }).unwrap()
}

/// An empty database of each kind.
fn both() -> [Store; 2] {
    [open("sqlite::memory:"), open(&Postgres::shared().database())]
}

fn way(from: &Stored, to: &Schema) -> Evolution {
    let way = evolve(from, to).unwrap_or_else(|problems| panic!("{problems:?}"));
    for step in &way.plan.steps {
        assert!(
            kind(step).is_some(),
            "KINDS lacks the kind of `{}`; give it a case in tests/it/faults/killed too",
            step.effect
        );
    }
    way
}

async fn migrate(store: &Store, run: &Evolution, phases: &[Phase]) -> Result<Applied, Refusal> {
    migrate_as(store, run, phases, Claim::default()).await
}

async fn migrate_as(store: &Store, run: &Evolution, phases: &[Phase], claim: Claim) -> Result<Applied, Refusal> {
    let (run, terms) = (run.clone(), Terms { phases: phases.to_vec(), claim });
    store.session(move |conn| Ok(apply(conn, &run, &terms, NOW))).await?
}

/// Both databases with the tables of these documents.
pub(crate) async fn both_with(documents: &[Document]) -> ([Store; 2], Arc<Schema>) {
    let run = way(&Stored::default(), &schema_of(documents));
    let stores = both();
    for store in &stores {
        migrate(store, &run, &PHASES).await.unwrap();
    }
    (stores, Arc::new(run.schema))
}

pub(super) async fn read<T: Send + 'static>(
    store: &Store,
    body: impl Fn(&mut Conn) -> Result<T, Error> + Send + Sync + 'static,
) -> Result<T, Error> {
    store.read(move |conn| Ok(body(conn)?)).await.map_err(Abort::<Infallible>::into_store)
}

pub(super) async fn write<T: Send + 'static>(
    store: &Store,
    body: impl Fn(&mut Conn) -> Result<T, Error> + Send + Sync + 'static,
) -> Result<T, Error> {
    store.write(move |conn| Ok(body(conn)?)).await.map_err(Abort::<Infallible>::into_store)
}

/// A record of a collection: its system fields, then these values.
fn record(id: u128, values: Vec<Value<'static>>) -> Vec<Value<'static>> {
    let system = [Value::Uuid(Uuid::from_u128(id)), Value::Integer(1), Value::Timestamp(NOW), Value::Timestamp(NOW)];
    system.into_iter().chain(values).collect()
}

fn text(text: &str) -> Value<'static> {
    Value::from(text.to_owned())
}

async fn insert(store: &Store, collection: &Arc<Collection>, record: Vec<Value<'static>>) -> Result<bool, Error> {
    let collection = Arc::clone(collection);
    write(store, move |conn| records::insert(conn, &collection, &record)).await
}

/// The number that a query answers.
fn number(conn: &mut Conn, query: &str) -> Result<i64, Error> {
    let mut sql = Sql::new();
    sql.push(query);
    let mut found = -1;
    conn.query(sql, |row| {
        if let Value::Integer(n) = row.value(0, ColumnType::Integer)? {
            found = n;
        }
        Ok(())
    })?;
    Ok(found)
}
