//! The ledger of steps: what was begun, what is done.
//!
//! Written by [`super::apply()`] beside each step, so that a run which was killed goes on where it stood.

use mainstay_crds::Value;
use mainstay_crds::plan::Plan;
use mainstay_crds::schema::evolve::Evolution;
use mainstay_crds::schema::stored::Stored;
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
    let step = run.plan.steps.get(position);
    let effect = step.map_or("", |step| step.effect.as_str());
    let down = step.map_or_else(Vec::new, |step| step.sql(conn.dialect()).down.clone());
    let state = match state {
        State::Intent => "intent",
        State::Done => "done",
    };
    let mut sql = Sql::new();
    sql.push("INSERT INTO mainstay_steps (plan_hash, position, effect, state, changed_at, down) VALUES (");
    sql.bind(ColumnType::Text, Value::from(run.plan.plan_hash.clone())).push(", ");
    sql.bind(ColumnType::Integer, Value::Integer(i64::try_from(position).unwrap_or(i64::MAX))).push(", ");
    sql.bind(ColumnType::Text, Value::from(effect.to_owned())).push(", ");
    sql.bind(ColumnType::Text, Value::from(state.to_owned())).push(", ");
    sql.bind(ColumnType::Timestamp, Value::Timestamp(now)).push(", ");
    sql.bind(ColumnType::Json, json_text(&down)?);
    sql.push(
        ") ON CONFLICT (plan_hash, position) DO UPDATE SET state = excluded.state, changed_at = excluded.changed_at",
    );
    conn.execute(sql).map(drop)
}

/// Whether a plan that has led to no revision yet has done a step of this effect.
pub(super) fn began(conn: &mut Conn, effect: &str) -> Result<bool, Error> {
    if !table_exists(conn, "mainstay_steps")? {
        return Ok(false);
    }
    let mut sql = Sql::new();
    sql.push(
        "SELECT 1 FROM mainstay_steps WHERE plan_hash NOT IN (SELECT plan_hash FROM mainstay_schema) AND effect = ",
    );
    sql.bind(ColumnType::Text, Value::from(effect.to_owned()));
    let mut found = false;
    conn.query(sql, |_| {
        found = true;
        Ok(())
    })?;
    Ok(found)
}

/// A step of a plan that led nowhere: it was cut short, and other documents came.
pub(super) struct Abandoned {
    plan_hash: String,
    position: i64,
    /// What it did.
    pub(super) effect: String,
    /// What undoes it.
    pub(super) down: Vec<String>,
}

/// The steps of every other plan that led to no revision, the latest first. No server has used what they made.
pub(super) fn abandoned(conn: &mut Conn, plan_hash: &str) -> Result<Vec<Abandoned>, Error> {
    let mut sql = Sql::new();
    sql.push("SELECT plan_hash, position, effect, down FROM mainstay_steps WHERE plan_hash <> ");
    sql.bind(ColumnType::Text, Value::from(plan_hash.to_owned()));
    sql.push(" AND plan_hash NOT IN (SELECT plan_hash FROM mainstay_schema) ORDER BY changed_at DESC, position DESC");
    let mut found = Vec::new();
    conn.query(sql, |row| {
        if let (Value::Text(hash), Value::Integer(position), Value::Text(effect)) =
            (row.value(0, ColumnType::Text)?, row.value(1, ColumnType::Integer)?, row.value(2, ColumnType::Text)?)
        {
            let down = row.with(3, ColumnType::Json, |value| super::read(&value))??;
            found.push(Abandoned { plan_hash: hash.into_owned(), position, effect: effect.into_owned(), down });
        }
        Ok(())
    })?;
    Ok(found)
}

/// Forgets a step that was undone.
pub(super) fn forget(conn: &mut Conn, step: &Abandoned) -> Result<(), Error> {
    let mut sql = Sql::new();
    sql.push("DELETE FROM mainstay_steps WHERE plan_hash = ");
    sql.bind(ColumnType::Text, Value::from(step.plan_hash.clone())).push(" AND position = ");
    sql.bind(ColumnType::Integer, Value::Integer(step.position));
    conn.execute(sql).map(drop)
}

fn json_text(value: &impl serde::Serialize) -> Result<Value<'static>, Error> {
    let text = serde_json::to_string(value);
    text.map(|text| Value::Json(text.into())).map_err(|error| Error::Other(format!("the applied schema: {error}")))
}

/// Records that the database is at the plan's revision.
pub(super) fn revision(
    conn: &mut Conn,
    plan: &Plan,
    stored: &Stored,
    compatible_from: i64,
    now: i64,
) -> Result<(), Error> {
    let mut sql = Sql::new();
    sql.push("INSERT INTO mainstay_schema (revision, compatible_from, schema, plan, plan_hash, applied_at) VALUES (");
    sql.bind(ColumnType::Integer, Value::Integer(stored.revision)).push(", ");
    sql.bind(ColumnType::Integer, Value::Integer(compatible_from)).push(", ");
    sql.bind(ColumnType::Json, json_text(stored)?).push(", ");
    sql.bind(ColumnType::Json, json_text(plan)?).push(", ");
    sql.bind(ColumnType::Text, Value::from(plan.plan_hash.clone())).push(", ");
    sql.bind(ColumnType::Timestamp, Value::Timestamp(now));
    sql.push(
        ") ON CONFLICT (revision) DO UPDATE SET compatible_from = excluded.compatible_from, schema = excluded.schema",
    );
    conn.execute(sql).map(drop)
}
