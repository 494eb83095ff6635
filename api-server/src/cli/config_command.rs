//! `mainstay config`: every setting, its value with secrets masked, and where that comes from.
//!
//! Takes the flags of `serve`, so that a start can be rehearsed. Opens nothing but the documents.

use std::io::{self, Write};
use std::path::PathBuf;

use super::{Environment, Failure, Output, ServerFlags, settings};
use crate::config::table::{Row, TABLE};
use crate::documents;

/// The arguments.
#[derive(clap::Args)]
pub struct Config {
    /// Documents, for the settings of their Backend
    #[arg(short = 'f', long = "file", value_name = "PATH")]
    file: Vec<PathBuf>,
    /// How the answer is written
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    #[command(flatten)]
    flags: ServerFlags,
}

impl Config {
    pub(super) fn run(self, environment: &Environment) -> Result<(), Failure> {
        let documents = match self.file.is_empty() {
            true => None,
            false => Some(documents::load(&self.file, io::stdin())?),
        };
        let resolved = settings(&self.flags.0, environment, documents.as_ref())?;
        let mut out = io::stdout().lock();
        if self.output == Output::Json {
            writeln!(out, "{}", resolved.to_json())?;
            return Ok(());
        }
        let name = |row: &Row| match row.file_only {
            true => format!("{}_FILE", row.variable()),
            false => format!("--{}", row.flag()),
        };
        let width = TABLE.iter().map(|row| name(row).len()).max().unwrap_or_default();
        for (row, value, origin) in resolved.rows() {
            let value = if value.is_empty() { "(none)" } else { &value };
            writeln!(out, "{:width$}  {value:28}  {}", name(row), origin.as_str())?;
        }
        Ok(())
    }
}
