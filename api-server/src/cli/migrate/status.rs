//! `mainstay migrate status`: the applied revision, which servers may run and which do, whose the database is, steps that
//! were cut short, and where the tables differ from what is applied.
//!
//! Needs no documents and changes nothing.

use std::io::{self, Write};

use actix_web::rt::System;
use serde_json::{Value as Json, json};

use super::{DatabaseFlags, Environment, Exit, Failure, Output, exists, open, prepare, url};
use crate::documents::count;
use crate::store::schema::{self, Applied, Dirty, Instance, instances, owner};

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
        let asked = store.session(|conn| {
            let (applied, dirty) = (schema::applied(conn)?, schema::dirty(conn)?);
            let drift = schema::drift(conn, &applied)?;
            Ok(Found { applied, dirty, drift, owner: owner::owner(conn)?, live: instances::live(conn)? })
        });
        let found = System::new().block_on(asked)?;
        let Found { applied, dirty, drift, owner, live } = &found;
        match self.output {
            Output::Json => {
                let steps =
                    dirty.iter().map(|Dirty { plan_hash, effect }| json!({ "planHash": plan_hash, "effect": effect }));
                let answer = json!({
                    "revision": applied.stored.revision,
                    "compatibleFrom": applied.compatible_from,
                    "contractOpen": applied.is_open,
                    "dirty": steps.collect::<Vec<_>>(),
                    "drift": drift,
                    "owner": owner,
                    "instances": live.iter().map(instance).collect::<Vec<_>>(),
                    "schema": applied.stored,
                });
                writeln!(io::stdout(), "{answer:#}")?;
            }
            Output::Text => write!(io::stdout(), "{}", text(&found))?,
        }
        Ok(())
    }
}

/// What the database tells.
struct Found {
    applied: Applied,
    dirty: Vec<Dirty>,
    drift: Vec<String>,
    owner: Option<String>,
    live: Vec<Instance>,
}

fn instance(found: &Instance) -> Json {
    let Instance { instance, revision, version, seconds } = found;
    json!({ "instance": instance, "revision": revision, "version": version, "secondsAgo": seconds })
}

fn text(found: &Found) -> String {
    let Found { applied: Applied { stored, compatible_from, is_open, .. }, dirty, drift, owner, live } = found;
    if stored.revision == 0 {
        return "The database is empty: `mainstay migrate up` or `mainstay serve` makes its tables.\n".to_owned();
    }
    let names: Vec<_> = stored.collections.iter().map(|collection| collection.name.as_str()).collect();
    let mut text = format!(
        "Revision         {}\nServers from     revision {compatible_from} on may run\nCollections      {}\n",
        stored.revision,
        names.join(", ")
    );
    text.push_str(&format!("Owner            {}\n", owner.as_deref().unwrap_or("none")));
    text.push_str(if *is_open { "Contract         open\n" } else { "" });
    let servers: Vec<_> = live.iter().map(|one| format!("{} (revision {})", one.instance, one.revision)).collect();
    let servers = if servers.is_empty() { "none".to_owned() } else { servers.join(", ") };
    text.push_str(&format!("Servers running  {servers}\n"));
    if drift.is_empty() {
        text.push_str("Drift            none\n");
    } else {
        text.push_str(&format!("Drift            {}:\n", count(drift.len(), "difference")));
        text.extend(drift.iter().map(|difference| format!("  {difference}\n")));
    }
    if dirty.is_empty() {
        text.push_str("Steps cut short  none\n");
    } else {
        let steps = count(dirty.len(), "step");
        text.push_str(&format!("Steps cut short  {steps}; `mainstay migrate up` goes on with them:\n"));
        text.extend(dirty.iter().map(|step| format!("  {}  (plan {})\n", step.effect, step.plan_hash)));
    }
    text
}
