//! A batch of upserts: line after line, each by the very step of an upsert request, on what those before it left.
//!
//! Called inside the transaction. Each line is a part of it that can be undone, so that one that is refused leaves nothing
//! behind by which those after it would be judged. Records that are there already are locked beforehand and in one order, so
//! that imports over the same keys wait for each other in turn and not in a circle.

use super::super::super::step::Step;
use super::super::super::unit::Witness;
use super::super::super::{Tx, upsert};
use super::{Entry, Failed, Job, Outcome};
use crate::service::{Code, Error};
use crate::store::{self, Abort, Conn, records};

impl Job {
    pub(super) fn upsert(&self, conn: &mut Conn, look: bool, key: usize) -> Tx<Outcome> {
        let Job { ctx, target, may, .. } = self;
        self.lock(conn, key)?;
        let step = Step { ctx, target, path: "", look };
        let (mut updated, mut witness, mut refused) = (0, None, Vec::new());
        for (line, entry) in &self.entries {
            let Entry::Upsert(body) = entry else { continue };
            match conn.part(|conn| upsert::one(conn, &step, may, key, body)) {
                Ok(written) => {
                    updated += u64::from(!written.created);
                    witness = Some(Witness::wrote(ctx, &target.collection, &written));
                }
                Err(Abort::Domain(error)) if error.code != Code::InternalError => refused.extend(told(*line, error)),
                // Another request took a key after it had been looked for; the next try sees who has it.
                Err(Abort::Store(store::Error::Unique { .. })) => return Err(store::Error::Retry.into()),
                Err(abort) => return Err(abort),
            }
        }
        Ok(match refused.is_empty() {
            true => self.written(updated, witness),
            false => Outcome::Refused(refused),
        })
    }

    /// Of two that make the same records in another order one is run again, and then finds them.
    fn lock(&self, conn: &mut Conn, key: usize) -> Tx<()> {
        let mut known = Vec::new();
        for (_, entry) in &self.entries {
            if let Entry::Upsert(body) = entry {
                known.extend(upsert::known(conn, &self.target, key, body)?);
            }
        }
        Ok(records::lock(conn, &self.target.collection, &known)?)
    }
}

/// A refusal as problems of its line.
fn told(line: u64, error: Error) -> Vec<Failed> {
    let problems = match error.details.is_empty() {
        true => vec![error.detail(String::new())],
        false => error.details,
    };
    problems.into_iter().map(|problem| Failed { line, problem }).collect()
}
