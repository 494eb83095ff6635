//! `mainstay import`: records from a file or standard input into a collection, in the database or of a server.
//!
//! Says on standard output what came of it, on standard error which lines are wrong, and exits 65 when any is.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use actix_web::rt::System;
use futures_util::stream;
use reqwest::blocking::Body;
use serde_json::{Value as Json, json};

use super::progress::{Counted, Progress};
use super::transfer::{self, FormatName, Place, Target};
use super::{Environment, Exit, Failure, Output, remote};
use crate::config::Settings;
use crate::documents::count;
use crate::service::records::import::{Asked, Report, import};
use crate::service::{Code, Error};

/// The arguments.
#[derive(clap::Args)]
pub struct Import {
    /// The collection
    collection: String,
    /// What to read; standard input when absent or -
    file: Option<PathBuf>,
    /// How records are written; by the file's extension when absent
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// What a bad line does: end the import, or be left out
    #[arg(long, value_enum, default_value = "stop")]
    on_error: OnError,
    /// Judge every line and change nothing
    #[arg(long)]
    dry_run: bool,
    /// All lines or none, at most 10000 of them
    #[arg(long, conflicts_with = "on_error")]
    atomic: bool,
    /// A unique key, as `slug` or `creator,title`: a line whose record is there changes it
    #[arg(long, value_name = "FIELDS")]
    on_conflict: Option<String>,
    /// How the answer is written
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OnError {
    Stop,
    Skip,
}

type Input = Counted<Box<dyn Read + Send>>;

impl Import {
    pub(super) fn run(self, environment: &Environment) -> Result<(), Failure> {
        let target = self.place.target(environment)?;
        let report = match target {
            Target::Direct(settings) => self.direct(&settings)?,
            Target::Server(server, key) => self.remote(&server, key.as_ref())?,
        };
        self.tell(&report)
    }

    fn format(&self) -> FormatName {
        FormatName::of(self.format, self.file.as_deref())
    }

    fn query(&self) -> Vec<(&'static str, &str)> {
        let mut query = Vec::new();
        query.extend((self.on_error == OnError::Skip).then_some(("on_error", "skip")));
        query.extend(self.dry_run.then_some(("dry_run", "true")));
        query.extend(self.atomic.then_some(("atomic", "true")));
        query.extend(self.on_conflict.as_deref().map(|key| ("on_conflict", key)));
        query
    }

    fn input(&self) -> Result<Input, Failure> {
        let named = self.file.as_ref().filter(|file| file.as_os_str() != "-");
        let (reader, total): (Box<dyn Read + Send>, _) = match named {
            None => (Box::new(io::stdin()), None),
            Some(path) => {
                let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
                let (length, file) = opened.map_err(|error| {
                    Failure::new(Exit::Unavailable, format!("cannot read {}: {error}", path.display()))
                })?;
                (Box::new(file), Some(length))
            }
        };
        Ok(Counted { reader, progress: Progress::new(format!("import {}", self.collection), total) })
    }

    fn direct(&self, settings: &Settings) -> Result<Json, Failure> {
        let raw = transfer::raw(&self.query());
        let (format, line) = (self.format().format(), settings.limits.body.0);
        let asked = Asked { collection: &self.collection, raw: &raw, format, line };
        let input = self.input()?;
        let done = System::new().block_on(async {
            let (service, ctx) = transfer::open(settings).await?;
            let done: Result<Report, Error> = import(&service, &ctx, asked, Box::pin(chunks(input))).await;
            done.map_err(|error| transfer::failure(&error))
        });
        Ok(json!(done?))
    }

    fn remote(&self, server: &reqwest::Url, key: Option<&String>) -> Result<Json, Failure> {
        let url = transfer::address(server, &self.collection, "import", &self.query());
        let media = match self.format() {
            FormatName::Ndjson => "application/x-ndjson",
            FormatName::Csv => "text/csv",
        };
        let request = remote::client()?.post(url.clone()).header("Content-Type", media).body(Body::new(self.input()?));
        let answer = transfer::with_key(request, key).send().map_err(|error| remote::away(&url, &error))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(remote::refused(&url, status, answer));
        }
        let mut said: Json = answer.json().map_err(|error| remote::away(&url, &error))?;
        Ok(said["data"].take())
    }

    /// `report` is [`Report`] as JSON, whoever has made it.
    fn tell(&self, report: &Json) -> Result<(), Failure> {
        let failed = report["failed"].as_array().cloned().unwrap_or_default();
        let number = |name: &str| report[name].as_u64().unwrap_or_default();
        let (imported, last) = (number("imported"), number("last_line"));
        if self.output == Output::Json {
            writeln!(io::stdout(), "{report}")?;
        } else {
            let would = if self.dry_run { "would be " } else { "" };
            let records = count(usize::try_from(imported).unwrap_or(usize::MAX), "record");
            let updated = report["updated"].as_u64().map(|updated| format!(", {updated} of them updated"));
            writeln!(io::stdout(), "{records} {would}imported{}, up to line {last}", updated.unwrap_or_default())?;
        }
        match (failed.len(), self.output) {
            (0, _) => Ok(()),
            (_, Output::Json) => Err(Failure::new(Exit::Data, "")),
            (problems, Output::Text) => {
                let line = |one: &Json| {
                    let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
                    let colon = if text("path").is_empty() { "" } else { ": " };
                    format!("line {}{colon}{}: {}\n", one["line"], text("path"), text("message"))
                };
                let lines: String = failed.iter().map(line).collect();
                let end = match self.on_error {
                    OnError::Skip => "these lines were left out",
                    OnError::Stop => "mend them and go on behind the last line, or leave them out with --on-error skip",
                };
                Err(Failure::new(Exit::Data, format!("{lines}{}; {end}", count(problems, "problem"))))
            }
        }
    }
}

/// What a reader gives, piece by piece.
fn chunks(input: Input) -> impl stream::Stream<Item = Result<Vec<u8>, Error>> {
    stream::unfold(Some(input), |input| async move {
        let mut input = input?;
        let mut buffer = vec![0; 64 * 1024];
        match input.read(&mut buffer) {
            Ok(0) => None,
            Ok(read) => {
                buffer.truncate(read);
                Some((Ok(buffer), Some(input)))
            }
            Err(error) => {
                let message = format!("the file cannot be read on: {error}");
                Some((Err(Error::new(Code::MalformedRequest, message)), None))
            }
        }
    })
}
