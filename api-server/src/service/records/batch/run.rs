//! The transaction of a batch: known rows are locked, then the operations run in order, each on what those before it left.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_crds::Problems;
use mainstay_crds::schema::Collection;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::condition::Expected;
use super::operation::{Members, Operation};
use super::reference::Results;
use super::{Head, Outcome, Planned};
use crate::query::page;
use crate::service::access::Action;
use crate::service::records::create::Grants;
use crate::service::records::draft;
use crate::service::records::draft::increment::{self, Increment};
use crate::service::records::step::Step;
use crate::service::records::unit::{Done, Witness};
use crate::service::records::{Tx, Written, cascade, upsert};
use crate::service::{Code, Ctx, Error};
use crate::store::{self, Abort, Conn, records};

/// Everything that the transaction needs, shared by its tries.
pub struct Batch {
    pub ctx: Ctx,
    pub page: page::Limits,
    pub operations: Vec<(Head, Planned)>,
}

impl Batch {
    /// One try.
    pub fn run(&self, conn: &mut Conn, look: bool) -> Tx<Done<Vec<Outcome>>> {
        self.lock(conn)?;
        let mut results = Results::default();
        let mut witness = None;
        for (index, (head, planned)) in self.operations.iter().enumerate() {
            let path = format!("/operations/{index}");
            let done = self.one(conn, look, head, planned, &path, &mut results);
            let (outcome, id) = done.map_err(|abort| located(abort, &path))?;
            let collection = &head.target.collection;
            witness = Some(match &outcome {
                Outcome::Written(written) => Witness::wrote(&self.ctx, collection, written),
                Outcome::Deleted => Witness::deleted(collection, id),
            });
            results.push(outcome);
        }
        Ok((results.into_outcomes(), witness))
    }

    /// Locks the rows that are known, in the order of their collections and ids.
    fn lock(&self, conn: &mut Conn) -> Tx<()> {
        let mut known: BTreeMap<&str, (&Collection, BTreeSet<Uuid>)> = BTreeMap::new();
        for (head, planned) in &self.operations {
            let collection = &*head.target.collection;
            if let Planned::Ready(operation) = planned
                && let Some(id) = operation.id()
            {
                known.entry(collection.name.as_str()).or_insert((collection, BTreeSet::new())).1.insert(id);
            }
        }
        for (collection, ids) in known.values() {
            records::lock(conn, collection, &ids.iter().copied().collect::<Vec<_>>())?;
        }
        Ok(())
    }

    fn one(
        &self,
        conn: &mut Conn,
        look: bool,
        head: &Head,
        planned: &Planned,
        path: &str,
        results: &mut Results,
    ) -> Tx<(Outcome, Uuid)> {
        let data = format!("{path}/data");
        let turn = Turn { step: Step { ctx: &self.ctx, target: &head.target, path: &data, look }, head, path };
        match planned {
            Planned::Ready(operation) => turn.take(conn, operation),
            Planned::Later(members) => {
                let members = results.resolve(members, path)?;
                let mut problems = Problems::at(path);
                let operation =
                    Members { ctx: &self.ctx, head, page: self.page, members: &members }.read(&mut problems);
                problems.finish(()).map_err(draft::refusal)?;
                match operation {
                    Some(operation) => turn.take(conn, &operation),
                    None => Err(Error::bug("an operation without problems was not read").into()),
                }
            }
        }
    }
}

/// One operation, when its turn has come.
struct Turn<'a> {
    step: Step<'a>,
    head: &'a Head,
    path: &'a str,
}

impl Turn<'_> {
    fn take(&self, conn: &mut Conn, operation: &Operation) -> Tx<(Outcome, Uuid)> {
        let Turn { step, head, .. } = self;
        let written = match operation {
            Operation::Create(record) => step.create(conn, &head.create, record)?,
            Operation::Update { id, data, increments, expected } => {
                self.update(conn, *id, data, increments, expected)?
            }
            Operation::Replace { id, data, expected } => self.replace(conn, *id, data, expected)?,
            Operation::Upsert { key, data } => {
                let may = Grants { create: head.create.clone(), update: head.update.clone() };
                upsert::one(conn, step, &may, *key, data)?
            }
            Operation::Delete { id, expected } => {
                self.delete(conn, *id, expected)?;
                return Ok((Outcome::Deleted, *id));
            }
        };
        let id = written.id;
        Ok((Outcome::Written(written), id))
    }

    fn update(
        &self,
        conn: &mut Conn,
        id: Uuid,
        data: &Map<String, Json>,
        increments: &[Increment],
        expected: &Expected,
    ) -> Tx<Written> {
        let Turn { step, head, path } = self;
        let collection = &step.target.collection;
        let stored = expected.find(conn, step, id)?;
        step.require(conn, Action::Update, &head.update, &[id])?;
        expected.check(conn, step.target, &stored)?;
        let mut problems = Problems::at(step.path);
        let mut record = draft::patch(step.ctx, collection, data, &stored, &mut problems);
        problems.finish(()).map_err(draft::refusal)?;
        let mut problems = Problems::at(format!("{path}/increment"));
        increment::apply(collection, &mut record, increments, &mut problems);
        problems.finish(()).map_err(draft::unprocessable)?;
        step.change(conn, &head.update, &stored, &record)
    }

    fn replace(&self, conn: &mut Conn, id: Uuid, data: &Map<String, Json>, expected: &Expected) -> Tx<Written> {
        let Turn { step, head, .. } = self;
        let collection = &step.target.collection;
        let stored = match step.find(conn, id)? {
            Some(stored) => stored,
            None if expected.is_any() => return Err(Error::precondition("there is no such record").into()),
            None => {
                let mut problems = Problems::at(step.path);
                let record = draft::create(step.ctx, collection, data, Some(id), &mut problems);
                problems.finish(()).map_err(draft::refusal)?;
                match step.create(conn, &head.create, &record) {
                    // Another request has made it meanwhile, unless it is hidden from this caller.
                    Err(Abort::Domain(taken)) if taken.code == Code::Conflict => step.find(conn, id)?.ok_or(taken)?,
                    done => return done,
                }
            }
        };
        step.require(conn, Action::Update, &head.update, &[id])?;
        expected.check(conn, step.target, &stored)?;
        let mut problems = Problems::at(step.path);
        let record = draft::replace(step.ctx, collection, data, &stored, &mut problems);
        problems.finish(()).map_err(draft::refusal)?;
        step.change(conn, &head.update, &stored, &record)
    }

    fn delete(&self, conn: &mut Conn, id: Uuid, expected: &Expected) -> Tx<()> {
        let Turn { step, head, .. } = self;
        let stored = expected.find(conn, step, id)?;
        step.require(conn, Action::Delete, &head.delete, &[id])?;
        expected.check(conn, step.target, &stored)?;
        cascade::delete(conn, step.ctx, step.target, &[id])
    }
}

/// A refusal that says which operation it is about.
fn located(abort: Abort<Error>, path: &str) -> Abort<Error> {
    let mut error = match abort {
        Abort::Domain(error) if error.code != Code::InternalError => error,
        Abort::Store(error @ (store::Error::Unique { .. } | store::Error::Check { .. })) => Error::from(error),
        other => return other,
    };
    if error.details.is_empty() {
        let detail = error.detail(path.to_owned());
        error.details.push(detail);
    }
    for problem in error.details.iter_mut().filter(|problem| problem.path.is_empty()) {
        path.clone_into(&mut problem.path);
    }
    error.into()
}
