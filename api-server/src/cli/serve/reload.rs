//! Documents that change while the server runs (`--watch`): taken over without a restart when the plan is safe.
//!
//! Polled by `serve` beside the server. The files are looked at twice a second and taken once two looks agree, so that a
//! half-written folder is not. What cannot be served is told with its reason, every problem of it, and what was served
//! before stays. Polling and no watch of the kernel: that one does not see a ConfigMap that is swapped behind a link, nor
//! changes on a network's file system, and a look costs a few system calls.

use std::io;
use std::time::Duration;

use mainstay_crds::schema::Schema;
use serde_json::Value as Json;

use super::super::{Exit, Failure, Paths};
use super::prepare::{Database, Start, State};
use super::published;
use crate::app::App;
use crate::documents::snapshot::Snapshot;
use crate::documents::{self, Documents};

const PAUSE: Duration = Duration::from_millis(500);
/// How many looks pass before a database that was not ready for the documents is asked again.
const PATIENCE: u32 = 10;

/// What a watch knows.
pub struct Watch {
    paths: Paths,
    /// The files that were taken over, or refused.
    known: Snapshot,
    /// The configuration that the process runs with, which a watch does not change.
    backend: Option<Json>,
}

/// What came of changed documents.
enum Outcome {
    Served,
    Refused,
    /// The database may be ready for them later.
    Later,
}

/// Watches until it is dropped, where that was asked for.
pub async fn follow(watch: Option<Watch>, app: &App, database: &Database) {
    if let Some(watch) = watch {
        watch.follow(app, database).await;
    }
}

impl Watch {
    /// Looks at the files, before they are read for the start: what changes from now on is seen.
    ///
    /// Errors: standard input cannot be read again.
    pub fn new(paths: Paths) -> Result<Watch, Failure> {
        if paths.file.iter().any(|path| path.as_os_str() == "-") {
            let message = "--watch needs files: standard input can be read once; give -f a file or a folder";
            return Err(Failure::new(Exit::Settings, message));
        }
        Ok(Watch { known: Snapshot::take(&paths.file), paths, backend: None })
    }

    /// What the start has read.
    pub fn started_with(&mut self, documents: &Documents) {
        self.backend = backend(documents);
    }

    async fn follow(mut self, app: &App, database: &Database) {
        let mut last = self.known.clone();
        let mut again: Option<u32> = None;
        loop {
            tokio::time::sleep(PAUSE).await;
            let now = Snapshot::take(&self.paths.file);
            let settled = now == last;
            last = now;
            again = again.map(|looks| looks.saturating_sub(1));
            let due = last != self.known || again == Some(0);
            // A server that waits for its database takes changes over once it serves.
            if !settled || !due || !app.readiness.is_started() {
                continue;
            }
            let retried = again.is_some() && last == self.known;
            self.known = last.clone();
            again = match self.take(app, database, retried).await {
                Outcome::Later => Some(PATIENCE),
                Outcome::Served | Outcome::Refused => None,
            };
        }
    }

    async fn take(&mut self, app: &App, database: &Database, retried: bool) -> Outcome {
        let declared = match self.read() {
            Ok(declared) => declared,
            Err(report) => {
                for finding in &report.findings {
                    tracing::error!(problem = %finding, "the changed documents are wrong");
                }
                return refused(&documents::count(report.findings.len(), "problem"));
            }
        };
        let start = Start { declared, ..database.start.clone() };
        let changed = Database { store: database.store.clone(), start };
        match changed.prepare().await {
            Ok(State::Ready(schema, revision)) => match serve(app, schema, revision) {
                Ok(()) => Outcome::Served,
                Err(failure) => refused(&failure.message),
            },
            Ok(State::NotYet(reason)) => {
                if !retried {
                    tracing::warn!(%reason, "the changed documents wait; what was served before stays");
                }
                Outcome::Later
            }
            Err(failure) => refused(&failure.message),
        }
    }

    fn read(&mut self) -> Result<Schema, documents::Report> {
        let documents = documents::load(&self.paths.file, io::empty())?;
        let declared = documents.schema()?;
        let backend = backend(&documents);
        if backend != self.backend {
            tracing::warn!("the configuration of the Backend document has changed: it holds from the next start on");
            self.backend = backend;
        }
        Ok(declared)
    }
}

/// From now on requests see the new schema; those in flight end with the one that they began with.
fn serve(app: &App, schema: Schema, revision: i64) -> Result<(), Failure> {
    let document = published(&schema, app.service.page)?;
    app.service.schema.store(schema.into());
    app.openapi.store(document);
    app.identity.serve(revision);
    tracing::info!(revision, "the changed documents are served");
    Ok(())
}

fn refused(reason: &str) -> Outcome {
    tracing::error!(%reason, "the changed documents are not served; what was served before stays");
    Outcome::Refused
}

fn backend(documents: &Documents) -> Option<Json> {
    documents.backend.as_ref().and_then(|document| document.value.pointer("/spec/config").cloned())
}
