//! Replace (PUT), merge patch and JSON Patch: one locked record, its after-image, one update.

use mainstay_crds::json::patch::Patch;
use mainstay_crds::schema::Collection;
use mainstay_crds::{Problems, Value, json};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::access::{self, Action, Grant};
use super::create::malformed;
use super::draft::{self, Record};
use super::step::Step;
use super::unit::{self, Done, Witness};
use super::version::{Condition, OTHER_STATE, Preconditions};
use super::{Target, Tx, Written, json_patch, no_parameters, parse_id, references, version_of};
use crate::service::{Code, Ctx, Error, Service};
use crate::store::{Abort, Conn};

/// How a body changes a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// PUT: the body is the whole record.
    Replace,
    /// PATCH with a merge patch (RFC 7396).
    Merge,
    /// PATCH with a JSON Patch (RFC 6902).
    Patch,
}

/// What a change is made from.
enum Body {
    /// The members of a record or of a merge patch.
    Members(Map<String, Json>),
    /// Operations on the stored record, which are carried out when it is locked.
    Operations(Patch, usize),
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
    let body = match method {
        Method::Patch => Body::Operations(json_patch::read(ctx, &target.collection, &body)?, service.json_depth),
        Method::Replace | Method::Merge => {
            let mut problems = Problems::new();
            let object = draft::object(&body, &mut problems).cloned();
            Body::Members(object.ok_or_else(|| Error::invalid(problems.into_vec()))?)
        }
    };
    let guarded = references::guarded(ctx, &target);
    let conditions = change.conditions.clone();
    let job = Update { ctx: ctx.clone(), target, grant, create, method, id, conditions, body };
    unit::work(service, ctx, guarded, move |conn, look| job.run(conn, look)).await
}

/// What the caller may update and, by PUT, create; the refusal when it is nothing.
pub(super) fn grants(ctx: &Ctx, target: &Target, method: Method) -> Result<(Grant, Grant), Error> {
    let update = access::grant(ctx, &target.collection, Action::Update);
    let create = match method {
        Method::Replace => access::grant(ctx, &target.collection, Action::Create),
        Method::Merge | Method::Patch => Grant::Nothing,
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
        true => Err(precondition_required(&target.collection, "send the record's ETag")),
        false => Ok(()),
    }
}

/// The refusal of a change without a condition.
pub(super) fn precondition_required(collection: &Collection, next_step: &str) -> Error {
    let message = format!("{} takes changes with If-Match alone: {next_step}", collection.name);
    Error::new(Code::PreconditionRequired, message)
}

struct Update {
    ctx: Ctx,
    target: Target,
    grant: Grant,
    create: Grant,
    method: Method,
    id: Uuid,
    conditions: Preconditions,
    body: Body,
}

impl Update {
    /// Changes the record; PUT makes it where there is none.
    fn run(&self, conn: &mut Conn, look: bool) -> Tx<Done<Written>> {
        let Update { ctx, target, grant, id, create, .. } = self;
        let step = Step { ctx, target, path: "", look };
        let done = match self.change(conn, &step, grant)? {
            Some(changed) => changed,
            None => {
                let mut problems = Problems::new();
                // Only PUT comes here.
                let Body::Members(body) = &self.body else { return Err(self.no_record().into()) };
                let record = draft::create(ctx, &target.collection, body, Some(*id), &mut problems);
                problems.finish(()).map_err(draft::refusal)?;
                match step.create(conn, create, &record) {
                    // Another request has made it meanwhile, unless it is hidden from this caller.
                    Err(Abort::Domain(taken)) if is_taken(&taken) => {
                        self.change(conn, &step, grant)?.ok_or(Abort::Domain(taken))?
                    }
                    created => created?,
                }
            }
        };
        let witness = Witness::wrote(ctx, &target.collection, &done);
        Ok((done, Some(witness)))
    }

    /// `None` for PUT of an id that is new.
    fn change(&self, conn: &mut Conn, step: &Step<'_>, grant: &Grant) -> Tx<Option<Written>> {
        let Update { id, conditions, .. } = self;
        let Some(stored) = step.find(conn, *id)? else { return Ok(self.absent().map(|()| None)?) };
        step.require(conn, Action::Update, grant, &[*id])?;
        if !conditions.allow(Some(version_of(&stored))) {
            return Err(Error::precondition(OTHER_STATE).into());
        }
        let record = self.drafted(&stored)?;
        step.change(conn, grant, &stored, &record).map(Some)
    }

    /// What the body makes of the stored record, before anything is asked of the database.
    fn drafted(&self, stored: &[Value<'static>]) -> Result<Record, Error> {
        let Update { ctx, target: Target { collection, .. }, method, .. } = self;
        let mut problems = Problems::new();
        let record = match (&self.body, method) {
            (Body::Members(body), Method::Replace) => draft::replace(ctx, collection, body, stored, &mut problems),
            (Body::Members(body), _) => draft::patch(ctx, collection, body, stored, &mut problems),
            (Body::Operations(patch, max_depth), _) => {
                let body = json_patch::members(ctx, collection, patch, stored, *max_depth)?;
                draft::assign(ctx, collection, &body, stored, &mut problems)
            }
        };
        problems.finish(record).map_err(draft::refusal)
    }

    /// Whether a record that is not there is to be made.
    fn absent(&self) -> Result<(), Error> {
        if self.conditions.if_match.is_some() {
            return Err(Error::precondition("there is no such record"));
        }
        match self.method {
            Method::Replace if self.create == Grant::Nothing => {
                Err(access::denied(&self.ctx, &self.target.collection, Action::Create))
            }
            Method::Replace => Ok(()),
            Method::Merge | Method::Patch => Err(self.no_record()),
        }
    }

    fn no_record(&self) -> Error {
        Error::no_record(self.target.collection.name.as_str())
    }
}

/// Whether a create was refused for its id.
fn is_taken(error: &Error) -> bool {
    error.code == Code::Conflict && error.details.iter().any(|problem| problem.path == "/id")
}
