//! One batch into the database: one transaction, whose refusals are told by line.
//!
//! Used by the import. What is written is the business of [`create`] and [`upsert`]; here is the transaction around it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use mainstay_crds::Problem;
use serde_json::{Map, Value as Json};

use super::super::create::Grants;
use super::super::draft::Record;
use super::super::unit::Witness;
use super::super::{Target, Tx, references};
use super::Failed;
use crate::service::{Ctx, Error, Service};
use crate::store::{self, Abort, Conn};

mod create;
mod upsert;

/// What a line asks for.
#[derive(Clone)]
pub enum Entry {
    /// A new record.
    New(Record),
    /// The members of an upsert.
    Upsert(Map<String, Json>),
}

/// What came of a batch.
pub enum Outcome {
    /// All lines are written.
    Written(Written),
    /// Nothing was changed; these lines are in the way.
    Refused(Vec<Failed>),
}

/// What a batch has written.
#[derive(Clone, Default)]
pub struct Written {
    pub records: u64,
    /// How many of them were there before.
    pub updated: u64,
    /// That of one of the records; `None` of no records.
    witness: Option<Witness>,
}

/// Why the transaction ends without a commit.
enum Stop {
    /// Lines are in the way, or a rehearsal went well.
    Settled(Outcome),
    Failed(Error),
}

/// Lines with their numbers, that are written together.
pub struct Batch {
    job: Arc<Job>,
}

/// Everything that the transaction needs.
#[derive(Clone)]
pub struct Job {
    pub ctx: Ctx,
    pub target: Target,
    pub may: Grants,
    /// The unique key by which an upsert finds the record that it changes.
    pub key: Option<usize>,
    pub dry_run: bool,
    pub entries: Vec<(u64, Entry)>,
}

impl Batch {
    pub fn new(job: Job) -> Batch {
        Batch { job: Arc::new(job) }
    }

    pub fn push(&mut self, line: u64, entry: Entry) {
        self.entries().push((line, entry));
    }

    pub fn clear(&mut self) {
        self.entries().clear();
    }

    /// Without the lines that are in the way.
    pub fn leave_out(&mut self, failed: &[Failed]) {
        let lines: BTreeSet<u64> = failed.iter().map(|failed| failed.line).collect();
        self.entries().retain(|(line, _)| !lines.contains(line));
    }

    /// Between writes nobody else holds them, unless a write whose end nobody awaits still does: it keeps its own.
    fn entries(&mut self) -> &mut Vec<(u64, Entry)> {
        &mut Arc::make_mut(&mut self.job).entries
    }

    /// Writes all lines, and forgets them. At most `room` refusals are explained.
    pub async fn write(&mut self, service: &Service, room: usize) -> Result<Outcome, Error> {
        if self.job.entries.is_empty() {
            return Ok(Outcome::Written(Written::default()));
        }
        let guarded = references::guarded(&self.job.ctx, &self.job.target);
        let mut done = self.attempt(service, guarded, room).await;
        if let Err(Abort::Store(store::Error::ForeignKey { .. })) = done {
            // A foreign key tells one dangling reference at most; a look beforehand tells all of them.
            done = self.attempt(service, true, room).await;
        }
        let outcome = match done {
            Ok(written) => Outcome::Written(written),
            Err(Abort::Domain(Stop::Settled(outcome))) => outcome,
            Err(Abort::Domain(Stop::Failed(error))) => return Err(error),
            Err(Abort::Store(error)) => return Err(error.into()),
        };
        if matches!(outcome, Outcome::Written(_)) {
            self.clear();
        }
        Ok(outcome)
    }

    /// One transaction. Where the answer to its commit was lost, its witness tells whether it happened.
    async fn attempt(&self, service: &Service, look: bool, room: usize) -> Result<Written, Abort<Stop>> {
        let (job, kept) = (Arc::clone(&self.job), Arc::new(Mutex::new(None)));
        let keep = Arc::clone(&kept);
        let run = move |conn: &mut Conn| match job.run(conn, look, room) {
            Ok(Outcome::Written(written)) if !job.dry_run => {
                *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(written.clone());
                Ok(written)
            }
            Ok(outcome) => Err(Abort::Domain(Stop::Settled(outcome))),
            Err(Abort::Store(error)) => Err(Abort::Store(error)),
            Err(Abort::Domain(error)) => Err(Abort::Domain(Stop::Failed(error))),
        };
        let done = service.store.write(run).await;
        if !matches!(done, Err(Abort::Store(store::Error::OutcomeUnknown))) {
            return done;
        }
        let written = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        match written {
            Some(Written { witness: Some(witness), records, updated }) if witness.confirms(service).await => {
                Ok(Written { records, updated, witness: None })
            }
            _ => done,
        }
    }
}

impl Job {
    fn run(&self, conn: &mut Conn, look: bool, room: usize) -> Tx<Outcome> {
        match self.key {
            None => self.create(conn, look, room),
            Some(key) => self.upsert(conn, look, key),
        }
    }

    fn written(&self, updated: u64, witness: Option<Witness>) -> Outcome {
        Outcome::Written(Written { records: self.entries.len() as u64, updated, witness })
    }
}

fn failed(line: u64, code: &'static str, message: String) -> Failed {
    Failed { line, problem: Problem { path: String::new(), code, message, hint: None } }
}
