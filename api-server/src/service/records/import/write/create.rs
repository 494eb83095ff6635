//! A batch of new records: many rows a statement, and only where one is refused the question why.
//!
//! Called inside the transaction. Rules of references, uniqueness and access are those of a create.

use std::collections::BTreeSet;

use mainstay_crds::schema::Collection;
use mainstay_crds::{Problem, Problems};
use uuid::Uuid;

use super::super::super::access;
use super::super::super::draft::Record;
use super::super::super::unit::Witness;
use super::super::super::{Tx, conflict, covered, id_of, references};
use super::{Entry, Failed, Job, Outcome, failed};
use crate::store::{self, Abort, Conn, records};

impl Job {
    pub(super) fn create(&self, conn: &mut Conn, look: bool, room: usize) -> Tx<Outcome> {
        let Job { ctx, target, may, .. } = self;
        let records = self.records();
        if look {
            let placed: Vec<_> = records.iter().map(|(line, record)| (format!("/{line}"), record.as_slice())).collect();
            match references::check(conn, ctx, target, &placed) {
                Err(Abort::Domain(error)) => {
                    return Ok(Outcome::Refused(error.details.into_iter().filter_map(by_line).collect()));
                }
                checked => checked?,
            }
        }
        let deferred = refers_to_itself(&target.collection);
        if deferred {
            conn.defer_references()?;
        }
        let rows: Vec<&Record> = records.iter().map(|(_, record)| *record).collect();
        let made: BTreeSet<Uuid> = records::insert_many(conn, &target.collection, &rows)?.into_iter().collect();
        if made.len() < records.len() {
            return Ok(Outcome::Refused(self.taken(conn, &made, room)?));
        }
        if deferred {
            conn.settle_references()?;
        }
        let ids: Vec<Uuid> = made.into_iter().collect();
        let granted = covered(conn, target, &may.create, &ids)?;
        let refused = records.iter().filter(|(_, record)| !granted.has(id_of(record)));
        let message = access::forbidden_row(&target.collection).message;
        let refused: Vec<_> = refused.map(|(line, _)| failed(*line, "forbidden", message.clone())).collect();
        Ok(match refused.is_empty() {
            true => self.written(0, rows.first().map(|record| Witness::made(&target.collection, record))),
            false => Outcome::Refused(refused),
        })
    }

    fn records(&self) -> Vec<(u64, &Record)> {
        let records = self.entries.iter().filter_map(|(line, entry)| match entry {
            Entry::New(record) => Some((*line, record)),
            Entry::Upsert(_) => None,
        });
        records.collect()
    }

    /// Why records were not made: which key of which line is taken.
    fn taken(&self, conn: &mut Conn, made: &BTreeSet<Uuid>, room: usize) -> Tx<Vec<Failed>> {
        // Of two lines with one id the second is refused, whose id is among those that were made.
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for (line, record) in self.records() {
            if made.contains(&id_of(record)) && seen.insert(id_of(record)) {
                continue;
            }
            let problems = match found.len() < room {
                true => conflict::explain(conn, &self.target, record, "", None)?,
                false => Problems::new(),
            };
            let before = found.len();
            found.extend(problems.into_vec().into_iter().map(|problem| Failed { line, problem }));
            if found.len() == before && before >= room {
                found.push(failed(line, "taken", "the id or a unique key is taken".to_owned()));
            } else if found.len() == before {
                // The other record has gone meanwhile.
                return Err(store::Error::Retry.into());
            }
        }
        Ok(found)
    }
}

/// A problem whose path begins with its line.
fn by_line(problem: Problem) -> Option<Failed> {
    let rest = problem.path.strip_prefix('/')?;
    let (line, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    Some(Failed { line: line.parse().ok()?, problem: Problem { path: path.to_owned(), ..problem } })
}

fn refers_to_itself(collection: &Collection) -> bool {
    collection.fields.iter().any(|field| field.target() == Some(&collection.name))
}
