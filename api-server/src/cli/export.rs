//! `mainstay export`: a collection into a file or to standard output, from the database or from a server.
//!
//! A file is written beside its name and takes it when it is whole.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use actix_web::rt::System;
use tempfile::NamedTempFile;

use super::progress::{Counted, Progress};
use super::transfer::{self, FormatName, Place, Target};
use super::{Environment, Exit, Failure, remote};
use crate::service::records::export;

/// The arguments.
#[derive(clap::Args)]
pub struct Export {
    /// The collection
    collection: String,
    /// Where to write; standard output when absent or -
    file: Option<PathBuf>,
    /// How records are written; by the file's extension when absent
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// These fields alone, separated by commas
    #[arg(long, value_name = "NAMES")]
    fields: Option<String>,
    #[command(flatten)]
    place: Place,
}

impl Export {
    pub(super) fn run(self, environment: &Environment) -> Result<(), Failure> {
        let target = self.place.target(environment)?;
        let file = self.file.as_deref().filter(|file| file.as_os_str() != "-");
        let mut out = Out::open(file)?;
        let format = FormatName::of(self.format, file);
        let mut query = vec![("format", format.name())];
        query.extend(self.fields.as_deref().map(|fields| ("fields", fields)));
        let progress = Progress::new(format!("export {}", self.collection), None);
        match target {
            Target::Direct(settings) => {
                let raw = transfer::raw(&query);
                let system = System::new();
                let done = system.block_on(async {
                    let (service, ctx) = transfer::open(&settings).await?;
                    let mut export = export::open(&service, &ctx, &self.collection, &raw)
                        .map_err(|error| transfer::failure(&error))?;
                    let mut progress = progress;
                    while let Some(page) = export.next(&service).await.map_err(|error| transfer::failure(&error))? {
                        progress.add(page.len());
                        out.write_all(&page)?;
                    }
                    Ok(())
                });
                done.and_then(|()| out.finish())
            }
            Target::Server(server, key) => {
                let url = transfer::address(&server, &self.collection, "export", &query);
                let request = transfer::with_key(remote::client()?.get(url.clone()), key.as_ref());
                let answer = request.send().map_err(|error| remote::away(&url, &error))?;
                let status = answer.status();
                if !status.is_success() {
                    return Err(remote::refused(&url, status, answer));
                }
                copy(&mut Counted { reader: answer, progress }, &mut out, url.as_str())?;
                out.finish()
            }
        }
    }
}

fn copy(reader: &mut impl Read, out: &mut Out, from: &str) -> Result<(), Failure> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => out.write_all(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(Failure::new(Exit::Unavailable, format!("{from} broke off, nothing whole came: {error}")));
            }
        }
    }
}

/// Where records go.
enum Out {
    Standard(io::Stdout),
    File(NamedTempFile, PathBuf),
}

impl Out {
    fn open(file: Option<&Path>) -> Result<Out, Failure> {
        let Some(file) = file else { return Ok(Out::Standard(io::stdout())) };
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let made = NamedTempFile::new_in(folder);
        Ok(Out::File(made.map_err(|error| unwritable(file, &error))?, file.to_owned()))
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Out::Standard(out) => Ok(out.write_all(bytes)?),
            Out::File(out, file) => out.write_all(bytes).map_err(|error| unwritable(file, &error)),
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Out::Standard(mut out) => Ok(out.flush()?),
            Out::File(out, file) => {
                let mode = fs::metadata(&file).map(|metadata| metadata.permissions());
                let written = out.persist(&file).map_err(|error| unwritable(&file, &error.error))?;
                // A file that was there keeps who may read it; a new one is its owner's alone.
                mode.map_or(Ok(()), |mode| written.set_permissions(mode)).map_err(|error| unwritable(&file, &error))
            }
        }
    }
}

fn unwritable(file: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Unavailable, format!("cannot write {}: {error}", file.display()))
}
