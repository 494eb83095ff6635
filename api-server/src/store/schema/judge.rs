//! Whether a plan may run on this database, before anything is changed: it fits the revision, nothing is in its way, and no
//! record breaks one of its new rules.
//!
//! Called by [`super::apply()`], as a whole at the start and for each step once more before it runs. Reads only.

use mainstay_crds::Value;
use mainstay_crds::plan::{Phase, Step};
use mainstay_crds::schema::evolve::Evolution;
use mainstay_crds::schema::{Collection, Field, ID};
use mainstay_crds::sql::{ColumnType, Dialect, Sql};
use uuid::Uuid;

use super::{Applied, Refusal, instances, ledger, table_exists};
use crate::store::conn::Conn;
use crate::store::error::Error;

/// How many ids of records that break a rule are told.
const TOLD: usize = 10;
/// How many values are read at a time.
const PAGE: usize = 1000;

/// Whether the plan may run here at all.
pub(super) fn judge(conn: &mut Conn, run: &Evolution, before: &Applied, phases: &[Phase]) -> Result<(), Refusal> {
    let (from, at) = (run.plan.from_revision, before.stored.revision);
    let goes_on = before.plan.as_ref().is_some_and(|plan| plan.plan_hash == run.plan.plan_hash);
    if at != from && !goes_on {
        return Err(Refusal::Moved { from, at });
    }
    let done = ledger::done(conn, &run.plan.plan_hash)?;
    for collection in &run.schema.collections {
        let name = collection.name.as_str();
        let known = before.stored.get(name).is_some() || before.stored.removed.iter().any(|one| one.name == name);
        let effect = format!("create table {}", collection.name);
        let made =
            run.plan.steps.iter().position(|step| step.effect == effect).is_some_and(|step| done.contains(&step));
        if !known && !made && table_exists(conn, &collection.table)? {
            return Err(Refusal::UnknownTable(collection.table.clone()));
        }
    }
    for (position, step) in run.plan.steps.iter().enumerate() {
        if !phases.contains(&step.phase) || done.contains(&position) {
            continue;
        }
        if step.phase == Phase::Contract {
            let mut steps = run.plan.steps.iter().enumerate();
            let first = |(at, step): &(usize, &Step)| {
                step.phase != Phase::Contract && !phases.contains(&step.phase) && !done.contains(at)
            };
            if let Some((_, earlier)) = steps.find(first) {
                return Err(Refusal::Order(earlier.effect.clone()));
            }
            instances::nobody_older(conn, run.stored.revision)?;
        }
        match violations(conn, run, step) {
            // It asks for a column that an earlier step makes; asked again before its own step.
            Err(Refusal::Store(Error::Other(_))) => {}
            judged => judged?,
        }
    }
    Ok(())
}

/// Refuses a step whose rule the data breaks, with a count and some ids.
pub(super) fn violations(conn: &mut Conn, run: &Evolution, step: &Step) -> Result<(), Refusal> {
    let mut found = Found::default();
    if let Some(query) = &step.sql(conn.dialect()).violations {
        asked(conn, query, &mut found)?;
    }
    let judged = step.judges.as_ref().and_then(|name| {
        let collection = run.schema.get(&step.collection)?;
        Some((collection, collection.fields.get(collection.position(name)?)?))
    });
    if let Some((collection, field)) = judged {
        read(conn, collection, field, &mut found)?;
    }
    match found {
        Found { count: 0, .. } => Ok(()),
        Found { count, ids } => Err(Refusal::Data { effect: step.effect.clone(), count, ids: ids.join(", ") }),
    }
}

/// Records that break a rule.
#[derive(Default)]
struct Found {
    count: i64,
    /// Some of them.
    ids: Vec<String>,
}

fn asked(conn: &mut Conn, query: &str, found: &mut Found) -> Result<(), Error> {
    let mut sql = Sql::new();
    sql.push(query);
    conn.query_varying(sql, |row| {
        if let (Value::Integer(n), Value::Text(id)) =
            (row.value(0, ColumnType::Integer)?, row.value(1, ColumnType::Text)?)
        {
            found.count = n;
            found.ids.push(id.into_owned());
        }
        Ok(())
    })
}

/// Shows every stored value to the field's kind, page by page.
fn read(conn: &mut Conn, collection: &Collection, field: &Field, found: &mut Found) -> Result<(), Error> {
    let mut after: Option<Uuid> = None;
    loop {
        let mut sql = Sql::new();
        sql.push("SELECT \"id\", ");
        match (field.kind.column(), conn.dialect()) {
            // Without its digits: a step of this very run may change them, and a prepared statement keeps its types.
            (ColumnType::Decimal { .. }, Dialect::Postgres) => {
                sql.push("CAST(").ident(&field.column).push(" AS numeric)");
            }
            _ => {
                sql.ident(&field.column);
            }
        }
        sql.push(" FROM ").ident(&collection.table).push(" WHERE ");
        sql.ident(&field.column).push(" IS NOT NULL");
        if let Some(after) = after {
            sql.push(" AND \"id\" > ").bind(ColumnType::Uuid, Value::Uuid(after));
        }
        sql.push(&format!(" ORDER BY \"id\" LIMIT {PAGE}"));
        let mut rows = 0;
        conn.query_varying(sql, |row| {
            rows += 1;
            let Value::Uuid(id) = row.value(ID, ColumnType::Uuid)? else { return Ok(()) };
            after = Some(id);
            if !row.with(1, field.kind.column(), |value| field.kind.takes(&value))? {
                found.count += 1;
                found.ids.extend((found.ids.len() < TOLD).then(|| id.to_string()));
            }
            Ok(())
        })?;
        if rows < PAGE {
            return Ok(());
        }
    }
}
