//! `mainstay check`: every problem of every document, with file and line; with `--against` also what would break the
//! clients of a server that runs, or of a document that was kept.
//!
//! Opens no database and reads no environment: the same documents give the same answer anywhere.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use super::{Exit, Failure, Output, Paths};
use crate::documents::{self, Report, count};

mod against;

/// The arguments.
#[derive(clap::Args)]
pub struct Check {
    #[command(flatten)]
    paths: Paths,
    /// An OpenAPI document of ours, or the URL of a server: exits 3 when its clients would break
    #[arg(long, value_name = "URL|FILE")]
    against: Option<String>,
    /// How the answer is written
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        let checked =
            documents::load(&self.paths.file, io::stdin()).and_then(|documents| Ok((documents.schema()?, documents)));
        let (schema, documents) = match (self.output, checked) {
            (_, Ok(checked)) => checked,
            (Output::Text, Err(report)) => return Err(report.into()),
            (Output::Json, Err(Report { findings })) => {
                writeln!(io::stdout(), "{}", json!({ "ok": false, "problems": findings }))?;
                return Err(Failure::new(Exit::Data, ""));
            }
        };
        let changes = match &self.against {
            Some(against) => Some(against::compare(against, &schema, &documents)?),
            None => None,
        };
        match self.output {
            Output::Text => {
                writeln!(io::stdout(), "{}: no problem", count(documents.collections.len(), "collection"))?;
                if let Some(changes) = &changes {
                    write!(io::stdout(), "{}", changes.notes())?;
                }
            }
            Output::Json => {
                let names: Vec<_> = schema.collections.iter().map(|collection| collection.name.as_str()).collect();
                let mut answer = json!({ "ok": true, "collections": names, "problems": [] });
                if let (Some(changes), Some(members)) = (&changes, answer.as_object_mut()) {
                    let (breaking, notes) = changes.as_json();
                    members.extend([("breaking".to_owned(), breaking), ("notes".to_owned(), notes)]);
                    members.insert("ok".to_owned(), Json::Bool(!changes.break_clients()));
                }
                writeln!(io::stdout(), "{answer}")?;
            }
        }
        match changes {
            Some(changes) if changes.break_clients() => Err(changes.refusal(self.output)),
            _ => Ok(()),
        }
    }
}
