//! The ledger of steps: what was begun, what is done.
//!
//! Written by [`super::apply()`] beside each step, so that a run which was killed goes on where it stood.

use mainstay_crds::Value;
use mainstay_crds::schema::evolve::Evolution;
use mainstay_crds::sql::{ColumnType, Sql};

use super::table_exists;
use crate::store::conn::Conn;
use crate::store::error::Error;

/// A step that was begun and not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirty {
    /// Of which plan.
    pub plan_hash: String,
    /// What it does.
    pub effect: String,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Intent,
    Done,
}

/// The steps that a killed run left half done.
pub fn dirty(conn: &mut Conn) -> Result<Vec<Dirty>, Error> {
    let mut found = Vec::new();
    if !table_exists(conn, "mainstay_steps")? {
        return Ok(found);
    }
    let mut sql = Sql::new();
    sql.push("SELECT plan_hash, effect FROM mainstay_steps WHERE state = 'intent' ORDER BY plan_hash, position");
    conn.query(sql, |row| {
        if let (Value::Text(hash), Value::Text(effect)) =
            (row.value(0, ColumnType::Text)?, row.value(1, ColumnType::Text)?)
        {
            found.push(Dirty { plan_hash: hash.into_owned(), effect: effect.into_owned() });
        }
        Ok(())
    })?;
    Ok(found)
}

/// The positions of the plan's steps that are done.
pub(super) fn done(conn: &mut Conn, plan_hash: &str) -> Result<Vec<usize>, Error> {
    let mut sql = Sql::new();
    sql.push("SELECT position FROM mainstay_steps WHERE state = 'done' AND plan_hash = ");
    sql.bind(ColumnType::Text, Value::from(plan_hash.to_owned()));
    let mut positions = Vec::new();
    conn.query(sql, |row| {
        if let Value::Integer(position) = row.value(0, ColumnType::Integer)? {
            positions.extend(usize::try_from(position));
        }
        Ok(())
    })?;
    Ok(positions)
}

/// Records how far a step is.
pub(super) fn note(conn: &mut Conn, run: &Evolution, position: usize, state: State, now: i64) -> Result<(), Error> {
    let effect = run.plan.steps.get(position).map_or("", |step| step.effect.as_str());
    let state = match state {
        State::Intent => "intent",
        State::Done => "done",
    };
    let mut sql = Sql::new();
    sql.push("INSERT INTO mainstay_steps (plan_hash, position, effect, state, changed_at) VALUES (");
    sql.bind(ColumnType::Text, Value::from(run.plan.plan_hash.clone())).push(", ");
    sql.bind(ColumnType::Integer, Value::Integer(i64::try_from(position).unwrap_or(i64::MAX))).push(", ");
    sql.bind(ColumnType::Text, Value::from(effect.to_owned())).push(", ");
    sql.bind(ColumnType::Text, Value::from(state.to_owned())).push(", ");
    sql.bind(ColumnType::Timestamp, Value::Timestamp(now));
    sql.push(
        ") ON CONFLICT (plan_hash, position) DO UPDATE SET state = excluded.state, changed_at = excluded.changed_at",
    );
    conn.execute(sql).map(drop)
}

/// Records that the database is at the plan's revision.
pub(super) fn revision(conn: &mut Conn, run: &Evolution, compatible_from: i64, now: i64) -> Result<(), Error> {
    let text = |json: Result<String, serde_json::Error>| {
        json.map(|text| Value::Json(text.into())).map_err(|error| Error::Other(format!("the applied schema: {error}")))
    };
    let mut sql = Sql::new();
    sql.push("INSERT INTO mainstay_schema (revision, compatible_from, schema, plan, plan_hash, applied_at) VALUES (");
    sql.bind(ColumnType::Integer, Value::Integer(run.stored.revision)).push(", ");
    sql.bind(ColumnType::Integer, Value::Integer(compatible_from)).push(", ");
    sql.bind(ColumnType::Json, text(serde_json::to_string(&run.stored))?).push(", ");
    sql.bind(ColumnType::Json, text(serde_json::to_string(&run.plan))?).push(", ");
    sql.bind(ColumnType::Text, Value::from(run.plan.plan_hash.clone())).push(", ");
    sql.bind(ColumnType::Timestamp, Value::Timestamp(now));
    sql.push(") ON CONFLICT (revision) DO UPDATE SET compatible_from = excluded.compatible_from");
    conn.execute(sql).map(drop)
}
