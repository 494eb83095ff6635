//! Why a plan was not carried out, or only in part.
//!
//! Made by [`super::apply()`] and [`super::owner`]; the command line turns each into an exit status and a reason.

use super::Instance;
use crate::store::error::Error;

/// Why a plan was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The database failed beside the steps.
    #[error(transparent)]
    Store(#[from] Error),
    /// The database belongs to this owner.
    #[error(
        "the database belongs to {owner}; give this one another database or schema, or move it here with takeOverFrom \
         {name}", name = super::owner::name(owner)
    )]
    InUse {
        /// In full.
        owner: String,
    },
    /// Another run came first.
    #[error("the plan was made for revision {from}, the database is at {at}; make the plan again")]
    Moved {
        /// What the plan starts from.
        from: i64,
        /// What is applied.
        at: i64,
    },
    /// A step of an earlier phase is not done.
    #[error("{0}: not done, and it belongs to a phase before contract; run that phase first")]
    Order(String),
    /// A table is in the way.
    #[error("a table `{0}` is there that Mainstay did not make; rename the table or the collection")]
    UnknownTable(String),
    /// Records break the rule of a step.
    #[error("{effect}: {count} records break this rule, such as {ids}; change them first")]
    Data {
        /// What the step does.
        effect: String,
        /// How many.
        count: i64,
        /// Some of them, by comma.
        ids: String,
    },
    /// Servers that the contract would break are still running.
    #[error("older servers still run: {}; once they have ended, try again", names(instances))]
    OldInstances {
        /// All of them.
        instances: Vec<Instance>,
    },
    /// Servers would lose what they serve.
    #[error("servers run on it: {}; end them first, then try again", names(instances))]
    Serving {
        /// All of them.
        instances: Vec<Instance>,
    },
    /// Steps that cannot be undone are done.
    #[error(
        "nothing was changed; these steps cannot be undone:\n{effects}declare what was there before, and apply that"
    )]
    Lasting {
        /// One a line.
        effects: String,
    },
    /// The system migration of that name keeps what is applied.
    #[error(
        "nothing was changed; {0} cannot be undone: it holds the applied schema, without which the tables of the \
         collections are nobody's"
    )]
    Holds(String),
    /// A step failed; what came before it is done and is not done again.
    #[error("{effect}: {error}")]
    Step {
        /// What the step does.
        effect: String,
        /// What the database said.
        error: Error,
    },
}

fn names(instances: &[Instance]) -> String {
    let each = instances.iter().map(|one| format!("{} (revision {}, {})", one.instance, one.revision, one.version));
    each.collect::<Vec<_>>().join(", ")
}
