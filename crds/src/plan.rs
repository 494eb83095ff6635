//! A migration plan: the ordered, classified steps from the applied schema to the declared one.
//!
//! Made by [`crate::schema::evolve`], printed and run by `mainstay migrate`, stored by the operator. Pure data.

use serde::{Deserialize, Serialize};

use crate::sql::Dialect;

/// Steps with their two hashes. Final form: later versions add steps, not shapes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The revision of the applied schema that the plan starts from; 0 is an empty database.
    pub from_revision: i64,
    /// The revision that it leads to; equal to `from_revision` when there is nothing to do.
    pub to_revision: i64,
    /// Migrations of the server's own tables that run before the steps of any phase, such as `0002_instances`; the owner,
    /// where it alone is to be written. They follow from the server's version and the database, and are in no hash.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub system: Vec<String>,
    /// In the order in which they run.
    pub steps: Vec<Step>,
    /// SHA-256 over everything in the plan and the schema that it leads to (a changed access rule has no step), in
    /// lower-case hex. Binds the run.
    pub plan_hash: String,
    /// SHA-256 over the gated effects and the applied schema of the collections that they touch; `None` when no
    /// step needs approval. Does not change with SQL text or safe steps.
    pub approval_hash: Option<String>,
}

/// One change of the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What changes, for people and for the approval hash: `create table markets`, `add field markets.slug`.
    pub effect: String,
    /// The collection that it touches.
    pub collection: String,
    /// When it runs, relative to the rollout of new servers.
    pub phase: Phase,
    /// How dangerous it is.
    pub class: Class,
    /// Whether `migrate down` can undo it.
    pub reversible: bool,
    /// Runs in one transaction with its ledger row; otherwise intent and completion are recorded around it.
    pub transactional: bool,
    /// The field whose stored values the new rule judges one by one, as it judges those of a request: what it refuses stops
    /// the plan like [`StepSql::violations`]. No SQL says a pattern or a JSON Schema on both databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judges: Option<String>,
    /// Gives every record of the collection its words, where it has others. The server alone knows them, so that there is
    /// no SQL for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub indexes_words: bool,
    /// For PostgreSQL.
    pub postgres: StepSql,
    /// For SQLite.
    pub sqlite: StepSql,
}

impl Step {
    /// The SQL for one database.
    pub fn sql(&self, dialect: Dialect) -> &StepSql {
        match dialect {
            Dialect::Postgres => &self.postgres,
            Dialect::Sqlite => &self.sqlite,
        }
    }
}

/// The statements of a step for one database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepSql {
    /// Run in order; empty where this database has nothing to do. In the backfill phase each ends with its `WHERE`, and is
    /// run for one range of ids after the other, each in a transaction of its own.
    pub up: Vec<String>,
    /// Undo `up`, in order.
    pub down: Vec<String>,
    /// A query for the ids of records that break the new rule (text, at most 10 rows, after `count(*) OVER ()`
    /// as first column): when it returns a row, the step and so the plan is refused before anything changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub violations: Option<String>,
}

/// When a step runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Before the rollout; old servers keep working.
    Expand,
    /// After expand, in batches.
    Backfill,
    /// After the rollout, when no old server lives.
    Contract,
}

/// How dangerous a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Class {
    /// Neither blocks nor fails, whatever the data.
    Safe,
    /// May hold a lock for as long as the table is large.
    Locking,
    /// Fails when the data breaks the new rule.
    DataDependent,
    /// Loses data.
    Destructive,
}
