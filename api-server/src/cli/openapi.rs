//! `mainstay openapi`: the OpenAPI 3.1 document that a server of these documents would publish.
//!
//! Opens no database.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use super::{Environment, Exit, Failure, Paths, settings};
use crate::query::page;

/// The arguments.
#[derive(clap::Args)]
pub struct Openapi {
    #[command(flatten)]
    paths: Paths,
    /// Where to write it; standard output when absent
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Its form
    #[arg(long, value_enum, default_value = "json")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Json,
    Yaml,
}

impl Openapi {
    pub(super) fn run(self, environment: &Environment) -> Result<(), Failure> {
        let documents = self.paths.load()?;
        let resolved = settings(&Default::default(), environment, Some(&documents))?;
        let limits = &resolved.settings.limits;
        let page = page::Limits { default: limits.page_default, max: limits.page_max };
        let document = crate::openapi::published(&documents.schema()?, page);
        let text = match self.format {
            Format::Json => crate::openapi::to_json(&document).map_err(|error| error.to_string()),
            Format::Yaml => document.to_yaml().map_err(|error| error.to_string()),
        };
        let mut text = text.map_err(|error| Failure::new(Exit::Bug, format!("cannot write the document: {error}")))?;
        if !text.ends_with('\n') {
            text.push('\n');
        }
        match self.output {
            None => Ok(io::stdout().write_all(text.as_bytes())?),
            Some(path) => fs::write(&path, text)
                .map_err(|error| Failure::new(Exit::Unavailable, format!("cannot write {}: {error}", path.display()))),
        }
    }
}
