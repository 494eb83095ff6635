//! `mainstay check`: every problem of every document, with file and line.
//!
//! Opens no database and reads no environment: the same documents give the same answer anywhere.

use std::io::{self, Write};

use serde_json::json;

use super::{Exit, Failure, Output, Paths};
use crate::documents::{self, Report, count};

/// The arguments.
#[derive(clap::Args)]
pub struct Check {
    #[command(flatten)]
    paths: Paths,
    /// How the answer is written
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        let checked = documents::load(&self.paths.file, io::stdin())
            .and_then(|documents| Ok((documents.schema()?, documents.collections.len())));
        match (self.output, checked) {
            (Output::Text, Ok((_, declared))) => {
                writeln!(io::stdout(), "{}: no problem", count(declared, "collection"))?;
                Ok(())
            }
            (Output::Text, Err(report)) => Err(report.into()),
            (Output::Json, Ok((schema, _))) => {
                let names: Vec<_> = schema.collections.iter().map(|collection| collection.name.as_str()).collect();
                writeln!(io::stdout(), "{}", json!({ "ok": true, "collections": names, "problems": [] }))?;
                Ok(())
            }
            (Output::Json, Err(Report { findings })) => {
                writeln!(io::stdout(), "{}", json!({ "ok": false, "problems": findings }))?;
                Err(Failure::new(Exit::Data, ""))
            }
        }
    }
}
