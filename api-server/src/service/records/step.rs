//! One write inside a transaction: the step that single requests, arrays, upserts, batches and bulk changes share.
//!
//! It asks for the row rules before and after, the rules between fields, references and unique keys. It begins and
//! ends no transaction, and knows nothing of requests: what a record is to become is drawn up by [`draft`].

use mainstay_crds::schema::Collection;
use mainstay_crds::{Problems, Value};
use uuid::Uuid;

use super::access::{self, Action, Grant};
use super::draft::{self, Record};
use super::{Target, Tx, Written, conflict, covered, covers, id_of, outcome, references, written};
use crate::service::{Ctx, Error};
use crate::store::{Conn, records};

/// Who writes to what, and where the record stands in the body.
pub struct Step<'a> {
    /// The request.
    pub ctx: &'a Ctx,
    /// The collection.
    pub target: &'a Target,
    /// A JSON Pointer to the record; empty when the body is the record.
    pub path: &'a str,
    /// Whether to look at references before writing, which tells all that dangle.
    pub look: bool,
}

impl Step<'_> {
    /// The record, locked, when it is there and the caller may read it.
    pub fn find(&self, conn: &mut Conn, id: Uuid) -> Tx<Option<Record>> {
        let Some(stored) = records::select_record(conn, &self.target.collection, id, true)? else { return Ok(None) };
        let readable = access::grant(self.ctx, &self.target.collection, Action::Read);
        Ok(covers(conn, self.target, &readable, id)?.then_some(stored))
    }

    /// Refuses rows that the caller may read, but on which the action is not granted.
    pub fn require(&self, conn: &mut Conn, action: Action, grant: &Grant, ids: &[Uuid]) -> Tx<()> {
        let collection = &self.target.collection;
        if *grant == Grant::Nothing {
            return Err(access::denied(self.ctx, collection, action).into());
        }
        let granted = covered(conn, self.target, grant, ids)?;
        match ids.iter().all(|id| granted.has(*id)) {
            true => Ok(()),
            false => Err(access::forbidden_row(collection).into()),
        }
    }

    /// Inserts a record.
    pub fn create(&self, conn: &mut Conn, grant: &Grant, record: &Record) -> Tx<Written> {
        if *grant == Grant::Nothing {
            return Err(access::denied(self.ctx, &self.target.collection, Action::Create).into());
        }
        let (records, paths) = (std::slice::from_ref(record), [self.path.to_owned()]);
        refuse_broken(&self.target.collection, records, &paths)?;
        let done = self.create_all(conn, grant, records, &paths)?;
        done.into_iter().next().ok_or_else(|| Error::no_record(self.target.collection.name.as_str()).into())
    }

    /// Inserts records whose own rules have been asked for, each at its own path.
    pub fn create_all(&self, conn: &mut Conn, grant: &Grant, records: &[Record], paths: &[String]) -> Tx<Vec<Written>> {
        let Step { ctx, target, .. } = self;
        if self.look {
            let records: Vec<_> = paths.iter().cloned().zip(records.iter().map(Vec::as_slice)).collect();
            references::check(conn, ctx, target, &records)?;
        }
        // Records of one array may refer to later ones.
        let deferred = records.len() > 1 && refers_to_itself(&target.collection);
        if deferred {
            conn.defer_references()?;
        }
        let mut taken = Problems::new();
        let mut refused = false;
        for (record, path) in records.iter().zip(paths) {
            if !records::insert(conn, &target.collection, record)? {
                refused = true;
                taken.extend(conflict::explain(conn, target, record, path, None)?.into_vec());
            }
        }
        if refused {
            return Err(conflict::refusal(taken));
        }
        if deferred {
            conn.settle_references()?;
        }
        let ids: Vec<Uuid> = records.iter().map(|record| id_of(record)).collect();
        self.require(conn, Action::Create, grant, &ids)?;
        let readable = covered(conn, target, &access::grant(ctx, &target.collection, Action::Read), &ids)?;
        let written = |record: &Record| outcome(ctx, target, record, true, readable.has(id_of(record)));
        Ok(records.iter().map(written).collect())
    }

    /// Makes `record` of the locked row `stored`, on which the action has been granted.
    pub fn change(&self, conn: &mut Conn, grant: &Grant, stored: &[Value<'static>], record: &Record) -> Tx<Written> {
        self.store(conn, stored, record)?;
        self.require(conn, Action::Update, grant, &[id_of(record)])?;
        written(conn, self.ctx, self.target, record, false)
    }

    /// As [`Step::change`], without asking whether the row that comes of it is granted.
    pub fn store(&self, conn: &mut Conn, stored: &[Value<'static>], record: &Record) -> Tx<()> {
        let Step { ctx, target, path, .. } = self;
        let broken = draft::broken_checks(&target.collection, record, path);
        if !broken.is_empty() {
            return Err(draft::unprocessable(broken).into());
        }
        if self.look {
            let changed = references::changed(target, stored, record);
            references::check(conn, ctx, target, &[((*path).to_owned(), &changed)])?;
        }
        let changed: Vec<usize> = (0..record.len()).filter(|field| stored[*field] != record[*field]).collect();
        // A unique key that is taken fails the whole transaction on PostgreSQL, so it is looked for first;
        // the database still refuses what another transaction has taken in between.
        let taken = conflict::explain(conn, target, record, path, Some(stored))?;
        match taken.is_empty() {
            true => Ok(records::update(conn, &target.collection, stored, record, &changed, ctx.now).map(drop)?),
            false => Err(conflict::refusal(taken)),
        }
    }
}

/// Refuses new records that break rules between their fields; all that do.
pub fn refuse_broken(collection: &Collection, records: &[Record], paths: &[String]) -> Result<(), Error> {
    let records = records.iter().zip(paths);
    let broken: Vec<_> = records.flat_map(|(record, path)| draft::broken_checks(collection, record, path)).collect();
    if broken.is_empty() { Ok(()) } else { Err(draft::unprocessable(broken)) }
}

fn refers_to_itself(collection: &Collection) -> bool {
    collection.fields.iter().any(|field| field.target() == Some(&collection.name))
}
