//! STUB
use super::Schema;
use super::stored::Stored;
use crate::plan::Plan;
use crate::problem::Problem;

/// The way from the applied schema to the declared one.
#[derive(Clone, Debug)]
pub struct Evolution {
    /// What to run.
    pub plan: Plan,
    /// What to store when it has run: the new revision and the columns.
    pub stored: Stored,
    /// The declared schema with its columns resolved: what a server of that revision serves.
    pub schema: Schema,
}

/// Plans the way from `applied` to `declared`, or says why there is none, all at once.
pub fn evolve(_applied: &Stored, _declared: &Schema) -> Result<Evolution, Vec<Problem>> {
    Err(vec![])
}
