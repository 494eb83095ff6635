//! `mainstay migrate status`: the applied revision, which servers may run, and steps that were cut short.
//!
//! Needs no documents and changes nothing.

use std::io::{self, Write};

use actix_web::rt::System;
use serde_json::json;

use super::{DatabaseFlags, Environment, Exit, Failure, Output, exists, open, prepare, url};
use crate::documents::count;
use crate::store::schema::{self, Applied, Dirty};

/// The arguments.
#[derive(clap::Args)]
pub struct Status {
    /// How the answer is written
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    #[command(flatten)]
    flags: DatabaseFlags,
}

impl Status {
    pub(super) fn run(self, environment: &Environment) -> Result<(), Failure> {
        let settings = prepare(&self.flags, environment, None)?;
        if !exists(&settings) {
            let hint = "`mainstay serve` or `mainstay migrate up` makes it";
            return Err(Failure::new(Exit::Unavailable, format!("there is no database at {}; {hint}", url(&settings))));
        }
        let store = open(&settings)?;
        let asked = store.session(|conn| Ok((schema::applied(conn)?, schema::dirty(conn)?)));
        let (applied, dirty) = System::new().block_on(asked)?;
        match self.output {
            Output::Json => {
                let steps =
                    dirty.iter().map(|Dirty { plan_hash, effect }| json!({ "planHash": plan_hash, "effect": effect }));
                let answer = json!({
                    "revision": applied.stored.revision,
                    "compatibleFrom": applied.compatible_from,
                    "dirty": steps.collect::<Vec<_>>(),
                    "schema": applied.stored,
                });
                writeln!(io::stdout(), "{answer:#}")?;
            }
            Output::Text => write!(io::stdout(), "{}", text(&applied, &dirty))?,
        }
        Ok(())
    }
}

fn text(applied: &Applied, dirty: &[Dirty]) -> String {
    let Applied { stored, compatible_from, plan: _ } = applied;
    if stored.revision == 0 {
        return "The database is empty: `mainstay migrate up` or `mainstay serve` makes its tables.\n".to_owned();
    }
    let names: Vec<_> = stored.collections.iter().map(|collection| collection.name.as_str()).collect();
    let mut text = format!(
        "Revision         {}\nServers from     revision {compatible_from} on may run\nCollections      {}\n",
        stored.revision,
        names.join(", ")
    );
    if dirty.is_empty() {
        text.push_str("Steps cut short  none\n");
    } else {
        let steps = count(dirty.len(), "step");
        text.push_str(&format!("Steps cut short  {steps}; `mainstay migrate up` goes on with them:\n"));
        text.extend(dirty.iter().map(|step| format!("  {}  (plan {})\n", step.effect, step.plan_hash)));
    }
    text
}
