//! One batch into the database: one transaction, whose refusals are told by line.
//!
//! Used by the import. Rules of references, uniqueness and access are those of a create.

use std::collections::BTreeSet;
use std::sync::Arc;

use mainstay_crds::schema::Collection;
use mainstay_crds::{Problem, Problems};
use uuid::Uuid;

use super::super::access::{self, Grant};
use super::super::draft::Record;
use super::super::{Target, Tx, conflict, covered, id_of, references, version_of};
use super::Failed;
use crate::service::{Ctx, Error, Service};
use crate::store::{self, Abort, Conn, records};

/// What came of a batch.
pub enum Outcome {
    /// All records are there.
    Written(u64),
    /// Nothing was changed; these lines are in the way.
    Refused(Vec<Failed>),
}

/// Why the transaction ends without a commit.
enum Stop {
    Refused(Vec<Failed>),
    /// A rehearsal went well.
    Rehearsed,
    Failed(Error),
}

/// Records with their lines, that are written together.
pub struct Batch {
    job: Arc<Job>,
}

struct Job {
    ctx: Ctx,
    target: Target,
    grant: Grant,
    dry_run: bool,
    records: Vec<(u64, Record)>,
}

impl Batch {
    pub fn new(ctx: Ctx, target: Target, grant: Grant, dry_run: bool) -> Batch {
        Batch { job: Arc::new(Job { ctx, target, grant, dry_run, records: Vec::new() }) }
    }

    pub fn push(&mut self, line: u64, record: Record) {
        self.edit(|records| records.push((line, record)));
    }

    pub fn clear(&mut self) {
        self.edit(Vec::clear);
    }

    /// Without the lines that are in the way.
    pub fn leave_out(&mut self, failed: &[Failed]) {
        let lines: BTreeSet<u64> = failed.iter().map(|failed| failed.line).collect();
        self.edit(|records| records.retain(|(line, _)| !lines.contains(line)));
    }

    /// Between writes nobody else holds the records, unless a write whose end nobody awaits still does.
    fn edit(&mut self, f: impl FnOnce(&mut Vec<(u64, Record)>)) {
        match Arc::get_mut(&mut self.job) {
            Some(job) => f(&mut job.records),
            None => {
                let Job { ctx, target, grant, dry_run, records } = &*self.job;
                let (ctx, target, grant) = (ctx.clone(), target.clone(), grant.clone());
                let mut records = records.clone();
                f(&mut records);
                self.job = Arc::new(Job { ctx, target, grant, dry_run: *dry_run, records });
            }
        }
    }

    /// Writes all records, and forgets them. At most `room` refusals are explained.
    pub async fn write(&mut self, service: &Service, room: usize) -> Result<Outcome, Error> {
        let count = self.job.records.len() as u64;
        if count == 0 {
            return Ok(Outcome::Written(0));
        }
        let guarded = references::guarded(&self.job.ctx, &self.job.target);
        let mut done = self.attempt(service, guarded, room).await;
        if let Err(Abort::Store(store::Error::ForeignKey { .. })) = done {
            // A foreign key tells one dangling reference at most; a look beforehand tells all of them.
            done = self.attempt(service, true, room).await;
        }
        let outcome = match done {
            Ok(()) | Err(Abort::Domain(Stop::Rehearsed)) => Outcome::Written(count),
            Err(Abort::Domain(Stop::Refused(failed))) => return Ok(Outcome::Refused(failed)),
            Err(Abort::Domain(Stop::Failed(error))) => return Err(error),
            Err(Abort::Store(store::Error::OutcomeUnknown)) => {
                Arc::clone(&self.job).look_up(service).await?;
                Outcome::Written(count)
            }
            Err(Abort::Store(error)) => return Err(error.into()),
        };
        self.clear();
        Ok(outcome)
    }

    async fn attempt(&self, service: &Service, check_references: bool, room: usize) -> Result<(), Abort<Stop>> {
        let job = Arc::clone(&self.job);
        let run = move |conn: &mut Conn| match job.run(conn, check_references, room) {
            Ok(failed) if !failed.is_empty() => Err(Abort::Domain(Stop::Refused(failed))),
            Ok(_) if job.dry_run => Err(Abort::Domain(Stop::Rehearsed)),
            Ok(_) => Ok(()),
            Err(Abort::Store(error)) => Err(Abort::Store(error)),
            Err(Abort::Domain(error)) => Err(Abort::Domain(Stop::Failed(error))),
        };
        service.store.write(run).await
    }
}

impl Job {
    /// The lines that are in the way; none when all records are there.
    fn run(&self, conn: &mut Conn, check_references: bool, room: usize) -> Tx<Vec<Failed>> {
        let Job { ctx, target, grant, records, .. } = self;
        if check_references {
            let placed: Vec<_> = records.iter().map(|(line, record)| (format!("/{line}"), record.as_slice())).collect();
            match references::check(conn, ctx, target, &placed) {
                Err(Abort::Domain(error)) => return Ok(error.details.into_iter().filter_map(by_line).collect()),
                checked => checked?,
            }
        }
        let deferred = refers_to_itself(&target.collection);
        if deferred {
            conn.defer_references()?;
        }
        let rows: Vec<&Record> = records.iter().map(|(_, record)| record).collect();
        let made: BTreeSet<Uuid> = records::insert_many(conn, &target.collection, &rows)?.into_iter().collect();
        if made.len() < records.len() {
            return self.taken(conn, &made, room);
        }
        if deferred {
            conn.settle_references()?;
        }
        let ids: Vec<Uuid> = made.into_iter().collect();
        let granted = covered(conn, target, grant, &ids)?;
        let refused = records.iter().filter(|(_, record)| !granted.has(id_of(record)));
        let message = access::forbidden_row(&target.collection).message;
        Ok(refused.map(|(line, _)| failed(*line, "forbidden", message.clone())).collect())
    }

    /// Why records were not made: which key of which line is taken.
    fn taken(&self, conn: &mut Conn, made: &BTreeSet<Uuid>, room: usize) -> Tx<Vec<Failed>> {
        let Job { target, records, .. } = self;
        // Of two lines with one id the second is refused, whose id is among those that were made.
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for (line, record) in records {
            if made.contains(&id_of(record)) && seen.insert(id_of(record)) {
                continue;
            }
            let problems = match found.len() < room {
                true => conflict::explain(conn, target, record, "", None)?,
                false => Problems::new(),
            };
            let before = found.len();
            found.extend(problems.into_vec().into_iter().map(|problem| Failed { line: *line, problem }));
            if found.len() == before && before >= room {
                found.push(failed(*line, "taken", "the id or a unique key is taken".to_owned()));
            } else if found.len() == before {
                // The other record has gone meanwhile.
                return Err(store::Error::Retry.into());
            }
        }
        Ok(found)
    }

    /// After a commit whose outcome is unknown: the batch is there when its first record is.
    async fn look_up(self: Arc<Self>, service: &Service) -> Result<(), Error> {
        let found = service.read(move |conn| {
            let Some((_, record)) = self.records.first() else { return Ok(()) };
            let stored = records::select_record(conn, &self.target.collection, id_of(record), false)?;
            match stored.is_some_and(|stored| version_of(&stored) == version_of(record)) {
                true => Ok(()),
                false => Err(store::Error::OutcomeUnknown.into()),
            }
        });
        found.await.map_err(|_| store::Error::OutcomeUnknown.into())
    }
}

/// A problem whose path begins with its line.
fn by_line(problem: Problem) -> Option<Failed> {
    let rest = problem.path.strip_prefix('/')?;
    let (line, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    Some(Failed { line: line.parse().ok()?, problem: Problem { path: path.to_owned(), ..problem } })
}

fn failed(line: u64, code: &'static str, message: String) -> Failed {
    Failed { line, problem: Problem { path: String::new(), code, message, hint: None } }
}

fn refers_to_itself(collection: &Collection) -> bool {
    collection.fields.iter().any(|field| field.target() == Some(&collection.name))
}
