//! Replace (PUT) and patch: one locked record, its after-image, one update.

use std::sync::Arc;

use mainstay_crds::{Problems, Value, json};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::access::{self, Action, Grant};
use super::create::{insert, malformed};
use super::draft::{self, Record};
use super::version::{Condition, OTHER_STATE, Preconditions};
use super::{Target, Tx, Written, conflict, covers, id_of, no_parameters, parse_id, references, version_of, written};
use crate::service::{Code, Ctx, Error, Service};
use crate::store::{self, Abort, Conn, records};

/// How a body changes a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// PUT: the body is the whole record.
    Replace,
    /// PATCH with a merge patch (RFC 7396).
    Merge,
}

/// A change of one record, as a transport read it.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The collection.
    pub collection: &'a str,
    /// The record, as the path names it.
    pub id: &'a str,
    /// The query string, which must be empty.
    pub raw: &'a str,
    /// `If-Match`, `If-None-Match`.
    pub conditions: &'a Preconditions,
    /// The JSON text.
    pub body: &'a [u8],
}

/// `PUT` or `PATCH /api/v1/{collection}/{id}`.
///
/// Errors: 401, 403; 404 for a missing or unreadable record (412 with `If-Match`); 412; 428; 400 with every problem of the
/// body; 409 for taken keys; 422 for references that dangle and checks that break.
pub async fn update(service: &Service, ctx: &Ctx, method: Method, change: Change<'_>) -> Result<Written, Error> {
    let target = service.target(change.collection)?;
    let (grant, create) = grants(ctx, &target, method)?;
    let id = parse_id(change.id)?;
    no_parameters(change.raw)?;
    require_condition(&target, change.conditions)?;
    let body = json::parse(change.body, service.json_depth).map_err(malformed)?;
    let mut problems = Problems::new();
    let object = draft::object(&body, &mut problems).cloned();
    problems.finish(()).map_err(Error::invalid)?;
    let Some(body) = object else { return Err(Error::invalid(Vec::new())) };
    let job = Arc::new(Update {
        ctx: ctx.clone(),
        target,
        grant,
        create,
        method,
        id,
        conditions: change.conditions.clone(),
        body,
    });
    job.run(service).await
}

/// What the caller may update and, by PUT, create; the refusal when it is nothing.
pub(super) fn grants(ctx: &Ctx, target: &Target, method: Method) -> Result<(Grant, Grant), Error> {
    let update = access::grant(ctx, &target.collection, Action::Update);
    let create = match method {
        Method::Replace => access::grant(ctx, &target.collection, Action::Create),
        Method::Merge => Grant::Nothing,
    };
    match (&update, &create) {
        (Grant::Nothing, Grant::Nothing) => Err(access::denied(ctx, &target.collection, Action::Update)),
        _ => Ok((update, create)),
    }
}

/// A collection may ask for a condition on every change.
pub(super) fn require_condition(target: &Target, conditions: &Preconditions) -> Result<(), Error> {
    // `If-None-Match: *` can only create.
    let given = conditions.if_match.is_some() || conditions.if_none_match == Some(Condition::Any);
    match target.collection.require_precondition && !given {
        true => {
            let message =
                format!("{} takes changes with If-Match alone: send the record's ETag", target.collection.name);
            Err(Error::new(Code::PreconditionRequired, message))
        }
        false => Ok(()),
    }
}

struct Update {
    ctx: Ctx,
    target: Target,
    grant: Grant,
    create: Grant,
    method: Method,
    id: Uuid,
    conditions: Preconditions,
    body: Map<String, Json>,
}

/// What the transaction found.
enum Step {
    Done(Written),
    /// PUT of an id that is new.
    Absent,
}

impl Update {
    async fn run(self: Arc<Self>, service: &Service) -> Result<Written, Error> {
        if let Step::Done(written) = self.try_change(service).await? {
            return Ok(written);
        }
        match self.insert(service).await {
            // Another request has made it meanwhile, unless it is hidden from this caller.
            Err(taken) if taken.code == Code::Conflict && taken.details.iter().any(|problem| problem.path == "/id") => {
                match self.try_change(service).await? {
                    Step::Done(written) => Ok(written),
                    Step::Absent => Err(taken),
                }
            }
            outcome => outcome,
        }
    }

    async fn try_change(self: &Arc<Self>, service: &Service) -> Result<Step, Error> {
        let guarded = references::guarded(&self.ctx, &self.target);
        let first = Arc::clone(self);
        let outcome = match service.store.write(move |conn| first.change(conn, guarded)).await {
            Err(Abort::Store(store::Error::ForeignKey { .. })) if !guarded => {
                let again = Arc::clone(self);
                service.store.write(move |conn| again.change(conn, true)).await
            }
            outcome => outcome,
        };
        match outcome {
            Err(Abort::Store(store::Error::OutcomeUnknown)) => Ok(Step::Done(Arc::clone(self).look_up(service).await?)),
            outcome => Ok(outcome?),
        }
    }

    fn change(&self, conn: &mut Conn, check_references: bool) -> Tx<Step> {
        let Update { ctx, target, id, conditions, method, .. } = self;
        let Some(stored) = find(conn, ctx, target, *id)? else { return self.absent() };
        if !covers(conn, target, &self.grant, *id)? {
            return Err(match self.grant {
                Grant::Nothing => access::denied(ctx, &target.collection, Action::Update),
                _ => access::forbidden_row(&target.collection),
            }
            .into());
        }
        if !conditions.allow(Some(version_of(&stored))) {
            return Err(Error::precondition(OTHER_STATE).into());
        }
        let mut problems = Problems::new();
        let record = match method {
            Method::Replace => draft::replace(ctx, &target.collection, &self.body, &stored, &mut problems),
            Method::Merge => draft::patch(ctx, &target.collection, &self.body, &stored, &mut problems),
        };
        problems.finish(()).map_err(draft::refusal)?;
        let broken = draft::broken_checks(&target.collection, &record, "");
        if !broken.is_empty() {
            return Err(draft::unprocessable(broken).into());
        }
        if check_references {
            let changed = references::changed(target, &stored, &record);
            references::check(conn, ctx, target, &[(String::new(), &changed)])?;
        }
        self.store(conn, &stored, &record)?;
        if !covers(conn, target, &self.grant, *id)? {
            return Err(access::forbidden_row(&target.collection).into());
        }
        Ok(Step::Done(written(conn, ctx, target, &record, false)?))
    }

    fn store(&self, conn: &mut Conn, stored: &[Value<'static>], record: &Record) -> Tx<()> {
        let changed: Vec<(usize, Value<'static>)> =
            record.iter().cloned().enumerate().filter(|(field, value)| stored[*field] != *value).collect();
        // A unique key that is taken fails the whole transaction on PostgreSQL, so it is looked for first;
        // the database still refuses what another transaction has taken in between.
        let taken = conflict::explain(conn, &self.target, record, "", Some(stored))?;
        match taken.is_empty() {
            true => Ok(records::update(conn, &self.target.collection, self.id, &changed).map(drop)?),
            false => Err(conflict::refusal(taken)),
        }
    }

    fn absent(&self) -> Tx<Step> {
        if self.conditions.if_match.is_some() {
            return Err(Error::precondition("there is no such record").into());
        }
        match self.method {
            Method::Replace if self.create == Grant::Nothing => {
                Err(access::denied(&self.ctx, &self.target.collection, Action::Create).into())
            }
            Method::Replace => Ok(Step::Absent),
            Method::Merge => Err(Error::no_record(self.target.collection.name.as_str()).into()),
        }
    }

    async fn insert(&self, service: &Service) -> Result<Written, Error> {
        let Update { ctx, target, id, .. } = self;
        let mut problems = Problems::new();
        if id.is_nil() || id.is_max() {
            problems.add("invalid", "an id is any UUID but nil and max");
        }
        let record = draft::create(ctx, &target.collection, &self.body, Some(*id), &mut problems);
        problems.finish(()).map_err(draft::refusal)?;
        let mut done = insert(service, ctx, target.clone(), self.create.clone(), vec![record], false).await?;
        done.pop().ok_or_else(|| Error::no_record(target.collection.name.as_str()))
    }

    /// After a commit whose outcome is unknown: the change is this request's when it bears its time.
    async fn look_up(self: Arc<Self>, service: &Service) -> Result<Written, Error> {
        let found = service.read(move |conn| {
            let Update { ctx, target, id, .. } = &*self;
            let stored = records::select_record(conn, &target.collection, *id, false)?;
            let ours = |record: &Record| record[mainstay_crds::schema::UPDATED_AT] == Value::Timestamp(ctx.now);
            match stored.filter(ours) {
                Some(record) => written(conn, ctx, target, &record, false),
                None => Err(store::Error::OutcomeUnknown.into()),
            }
        });
        found.await.map_err(|_| store::Error::OutcomeUnknown.into())
    }
}

/// The record, locked, when it is there and the caller may read it.
pub(super) fn find(conn: &mut Conn, ctx: &Ctx, target: &Target, id: Uuid) -> Tx<Option<Record>> {
    let Some(stored) = records::select_record(conn, &target.collection, id, true)? else { return Ok(None) };
    let readable = access::grant(ctx, &target.collection, Action::Read);
    Ok(covers(conn, target, &readable, id_of(&stored))?.then_some(stored))
}
