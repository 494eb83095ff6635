//! The way back: to the revision before, by undoing what the last plan did, the latest first; and to the system tables of an
//! older server.
//!
//! Called by `migrate down`. The revision goes before its steps: from then on its plan is one that led nowhere, which every
//! later run takes back as well, should this one be killed.

use mainstay_crds::Value;
use mainstay_crds::plan::{Plan, Step};
use mainstay_crds::sql::{ColumnType, Sql};

use super::apply::{begin, take_back};
use super::{Applied, Claim, Refusal, applied, instances, ledger, system};
use crate::store::conn::Conn;
use crate::store::error::Error;

/// The system migration that holds what is applied.
const FIRST: &str = "0001_system";

/// The steps of a plan that are done, the latest first; refused when one of them cannot be undone.
pub fn undoable<'a>(conn: &mut Conn, plan: &'a Plan) -> Result<Vec<&'a Step>, Refusal> {
    let done = ledger::done(conn, &plan.plan_hash)?;
    let steps = plan.steps.iter().enumerate().filter(|(position, _)| done.contains(position));
    let steps: Vec<&Step> = steps.map(|(_, step)| step).rev().collect();
    let lasting: Vec<String> =
        steps.iter().filter(|step| !step.reversible).map(|step| format!("  {}\n", step.effect)).collect();
    if lasting.is_empty() { Ok(steps) } else { Err(Refusal::Lasting { effects: lasting.concat() }) }
}

/// Undoes the plan of that hash, which has to be the last one. Refused while servers of its revision run.
pub fn down(conn: &mut Conn, plan_hash: &str, claim: &Claim) -> Result<Applied, Refusal> {
    begin(conn, claim)?;
    let before = applied(conn)?;
    let (at, from) = (before.stored.revision, before.stored.revision - 1);
    let Some(plan) = before.plan.as_ref().filter(|plan| plan.plan_hash == plan_hash) else {
        return Err(Refusal::Moved { from, at });
    };
    undoable(conn, plan)?;
    let mut running = instances::live(conn)?;
    running.retain(|instance| instance.revision >= at);
    if !running.is_empty() {
        return Err(Refusal::Serving { instances: running });
    }
    let mut sql = Sql::new();
    sql.push("DELETE FROM mainstay_schema WHERE revision = ").bind(ColumnType::Integer, Value::Integer(at));
    conn.execute(sql)?;
    take_back(conn, "")?;
    Ok(applied(conn)?)
}

/// Undoes the system migration of that name, which has to be the last one. Refused while any server runs, whose tables they
/// are, and where the applied schema would go.
pub fn down_system(conn: &mut Conn, name: &str, claim: &Claim) -> Result<Applied, Refusal> {
    begin(conn, claim)?;
    let last = system::last(conn)?;
    if last.as_deref() != Some(name) {
        let last = last.unwrap_or_else(|| "none".to_owned());
        return Err(Error::Refused(format!("the last system migration is {last} by now, not {name}")).into());
    }
    let running = instances::live(conn)?;
    if !running.is_empty() {
        return Err(Refusal::Serving { instances: running });
    }
    if name == FIRST && applied(conn)?.stored.revision > 0 {
        return Err(Refusal::Holds(name.to_owned()));
    }
    system::take_back(conn)?;
    Ok(applied(conn)?)
}
