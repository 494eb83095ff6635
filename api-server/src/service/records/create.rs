//! Create: one record, or an array of them, all or none.

use mainstay_crds::{Problem, Problems, json};
use serde_json::{Map, Value as Json};

use super::access::{self, Action, Grant};
use super::draft::{self, Record};
use super::read::context;
use super::step::{Step, refuse_broken};
use super::unit::{self, Witness};
use super::{Target, Tx, Written, outcome, references, upsert};
use crate::query;
use crate::service::{Code, Ctx, Error, Service};
use crate::store::{self, Conn};

/// An array creates at most this many records.
pub const MAX_RECORDS: usize = 1000;

/// What was created, or by an upsert changed.
#[derive(Debug)]
pub enum Created {
    /// The body was one record.
    One(Written),
    /// The body was an array.
    Many(Vec<Written>),
}

impl Created {
    fn of(mut done: Vec<Written>, many: bool) -> Created {
        match (many, done.pop()) {
            (false, Some(one)) => Created::One(one),
            (_, last) => {
                done.extend(last);
                Created::Many(done)
            }
        }
    }
}

/// `POST /api/v1/{collection}`; with `on_conflict` it changes the record that has the unique key already.
///
/// Errors: 401, 403; 400 with every problem of every record; 409 for taken keys; 422 for references that
/// dangle and checks that break.
pub async fn create(service: &Service, ctx: &Ctx, name: &str, raw: &str, body: &[u8]) -> Result<Created, Error> {
    let target = service.target(name)?;
    let may = Grants::of(ctx, &target, raw)?;
    let key = query::upsert::parse(raw, context(service, &target, &|c, f| access::may_read(ctx, &c.fields[f])));
    let key = key.map_err(Error::invalid)?;
    let body = json::parse(body, service.json_depth).map_err(malformed)?;
    let many = body.is_array();
    let done = match key {
        None => insert(service, ctx, target.clone(), may.create, drafts(ctx, &target, &body)?, many).await?,
        Some(key) => upsert::all(service, ctx, target, may, key, &body).await?,
    };
    Ok(Created::of(done, many))
}

/// What a POST is granted.
#[derive(Clone)]
pub(super) struct Grants {
    pub create: Grant,
    /// Nothing, unless it is an upsert.
    pub update: Grant,
}

impl Grants {
    /// What the request is granted by its query string; the refusal when it is nothing.
    pub fn of(ctx: &Ctx, target: &Target, raw: &str) -> Result<Grants, Error> {
        if !query::upsert::is_asked(raw) {
            let create = access::require(ctx, &target.collection, Action::Create)?;
            return Ok(Grants { create, update: Grant::Nothing });
        }
        let (update, create) = super::update::grants(ctx, target, super::update::Method::Replace)?;
        Ok(Grants { create, update })
    }
}

/// A body that is not JSON, or not JSON that every system reads alike.
pub(in crate::service) fn malformed(problems: Vec<Problem>) -> Error {
    let message = problems.first().map_or_else(String::new, |problem| problem.message.clone());
    Error::with(Code::MalformedRequest, message, problems)
}

fn drafts(ctx: &Ctx, target: &Target, body: &Json) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    objects(body, |object, problems| records.push(draft::create(ctx, &target.collection, object, None, problems)))?;
    Ok(records)
}

/// Hands every record of a body to `each`; every problem of all of them is the refusal.
pub(super) fn objects<'a>(
    body: &'a Json,
    mut each: impl FnMut(&'a Map<String, Json>, &mut Problems),
) -> Result<(), Error> {
    let mut problems = Problems::new();
    let mut one = |json: &'a Json, problems: &mut Problems| {
        if let Some(object) = draft::object(json, problems) {
            each(object, problems);
        }
    };
    match body {
        Json::Array(items) if items.is_empty() || items.len() > MAX_RECORDS => {
            problems.add("out_of_range", format!("an array creates 1 to {MAX_RECORDS} records"));
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                problems.within(index, |problems| one(item, problems));
            }
        }
        body => one(body, &mut problems),
    }
    problems.finish(()).map_err(draft::refusal)
}

/// Where a record stands in a body.
pub(super) fn path(index: usize, many: bool) -> String {
    if many { format!("/{index}") } else { String::new() }
}

/// Inserts all records or none.
async fn insert(
    service: &Service,
    ctx: &Ctx,
    target: Target,
    grant: Grant,
    records: Vec<Record>,
    many: bool,
) -> Result<Vec<Written>, Error> {
    let paths: Vec<String> = (0..records.len()).map(|index| path(index, many)).collect();
    refuse_broken(&target.collection, &records, &paths)?;
    let guarded = references::guarded(ctx, &target);
    let job = Insert { ctx: ctx.clone(), target, grant, records, paths };
    // One statement alone cannot keep its answer.
    if !guarded
        && ctx.once.is_none()
        && let Some(done) = job.plain(service).await?
    {
        return Ok(vec![done]);
    }
    unit::work(service, ctx, guarded, move |conn, look| {
        let done = job.run(conn, look)?;
        let witness = done.last().map(|last| Witness::wrote(&job.ctx, &job.target.collection, last));
        Ok((done, witness))
    })
    .await
}

/// Everything that the transaction needs.
struct Insert {
    ctx: Ctx,
    target: Target,
    grant: Grant,
    records: Vec<Record>,
    /// Where each record stands in the body.
    paths: Vec<String>,
}

impl Insert {
    /// One record that nothing else has to be asked for: one statement. `None` when that does not suffice, or when the
    /// transaction is to find out why the record was refused.
    async fn plain(&self, service: &Service) -> Result<Option<Written>, Error> {
        let Insert { ctx, target, grant, records, .. } = self;
        let readable = access::grant(ctx, &target.collection, Action::Read);
        let ([record], Grant::Everything, false) = (&records[..], grant, matches!(readable, Grant::Rows(_))) else {
            return Ok(None);
        };
        let done = outcome(ctx, target, record, true, readable == Grant::Everything);
        match service.store.create(&target.collection, record).await {
            Ok(true) => Ok(Some(done)),
            Ok(false) | Err(store::Error::ForeignKey { .. }) => Ok(None),
            Err(error @ store::Error::OutcomeUnknown) => {
                let witness = Witness::wrote(ctx, &target.collection, &done);
                if witness.confirms(service).await { Ok(Some(done)) } else { Err(error.into()) }
            }
            Err(error) => Err(error.into()),
        }
    }

    fn run(&self, conn: &mut Conn, look: bool) -> Tx<Vec<Written>> {
        let Insert { ctx, target, grant, records, paths } = self;
        Step { ctx, target, path: "", look }.create_all(conn, grant, records, paths)
    }
}
