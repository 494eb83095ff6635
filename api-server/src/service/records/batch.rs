//! Batch: up to 1000 operations over any collections, in one transaction. `POST /api/v1/batch`.
//!
//! Access to every operation is decided first, then every problem of the whole body is told; only then the
//! transaction begins. What an operation does is the very step of the single requests.

use std::sync::Arc;

use mainstay_crds::schema::Schema;
use mainstay_crds::{Problem, Problems, json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::access::{self, Action, Grant};
use super::create::malformed;
use super::{Target, Written, draft, no_parameters, references, target_in, unit};
use crate::service::{Ctx, Error, Service};
use operation::{Members, Operation};
use reference::Reference;
use run::Batch;

mod condition;
mod operation;
mod reference;
mod run;

/// A batch has at most this many operations.
pub const MAX_OPERATIONS: usize = 1000;

/// What became of an operation.
#[derive(Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// A record was created or changed.
    Written(Written),
    /// A record was deleted.
    Deleted,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// As POST.
    Create,
    /// As PATCH, with increments.
    Update,
    /// As PUT.
    Replace,
    /// As POST with `on_conflict`.
    Upsert,
    /// As DELETE.
    Delete,
}

impl Verb {
    /// Every verb with its name and the members that it takes beside `op` and `collection`.
    pub const ALL: [(&'static str, Verb, &'static [&'static str]); 5] = [
        ("create", Verb::Create, &["data"]),
        ("update", Verb::Update, &["id", "data", "increment", "if", "version"]),
        ("replace", Verb::Replace, &["id", "data", "if", "version"]),
        ("upsert", Verb::Upsert, &["on_conflict", "data"]),
        ("delete", Verb::Delete, &["id", "if", "version"]),
    ];

    fn from_name(name: &str) -> Option<Verb> {
        Verb::ALL.iter().find(|(known, ..)| *known == name).map(|(_, verb, _)| *verb)
    }

    fn members(self) -> &'static [&'static str] {
        Verb::ALL.iter().find(|(_, verb, _)| *verb == self).map_or(&[], |(_, _, members)| members)
    }
}

/// What is known of an operation before its members are judged.
pub(super) struct Head {
    verb: Verb,
    target: Target,
    create: Grant,
    update: Grant,
    delete: Grant,
}

/// An operation before its turn.
enum Planned {
    Ready(Operation),
    /// It refers to earlier results, and is read again when they are there.
    Later(Map<String, Json>),
}

/// `POST /api/v1/batch`.
///
/// Errors: those of the single requests, with the status of the operation that caused them; 412 for an `if` or a
/// `version` that does not hold; 422 for an increment out of its field's bounds.
pub async fn batch(service: &Service, ctx: &Ctx, raw: &str, body: &[u8]) -> Result<Vec<Outcome>, Error> {
    service.may_write(ctx)?;
    no_parameters(raw)?;
    let body = json::parse(body, service.json_depth).map_err(malformed)?;
    let operations = operations(&body).map_err(Error::invalid)?;
    let heads = heads(ctx, &service.schema(), operations)?;
    let mut planned = Vec::with_capacity(heads.len());
    let mut problems = Problems::new();
    problems.within("operations", |problems| {
        for (index, json) in operations.iter().enumerate() {
            planned.extend(problems.within(index, |problems| plan(service, ctx, &heads, index, json, problems)));
        }
    });
    problems.finish(()).map_err(draft::refusal)?;
    let operations: Vec<_> = heads.into_iter().flatten().zip(planned).collect();
    // After a delete SQLite asks for references at the commit alone; so that both databases tell the same, they are
    // looked at before, as where the caller may not read all that can be referred to.
    let look = |(head, _): &(Head, Planned)| head.verb == Verb::Delete || references::guarded(ctx, &head.target);
    let look = operations.iter().any(look);
    let job = Batch { ctx: ctx.clone(), page: service.page, operations };
    unit::work(service, ctx, look, move |conn, look| job.run(conn, look)).await
}

/// The elements of `{"operations":[…]}`.
fn operations(body: &Json) -> Result<&[Json], Vec<Problem>> {
    let mut problems = Problems::new();
    let Some(members) = body.as_object() else {
        problems.hint("wrong_type", "a batch is an object", "write {\"operations\": [{…}]}");
        return Err(problems.into_vec());
    };
    operation::refuse_unknown(members, &["operations"], &mut problems);
    let found = problems.within("operations", |problems| match members.get("operations") {
        Some(Json::Array(all)) if (1..=MAX_OPERATIONS).contains(&all.len()) => all.as_slice(),
        Some(Json::Array(_)) => {
            problems.add("out_of_range", format!("a batch has 1 to {MAX_OPERATIONS} operations"));
            &[]
        }
        Some(_) => {
            problems.add("wrong_type", "must be an array of operations");
            &[]
        }
        None => {
            problems.add("required", "a batch has operations");
            &[]
        }
    });
    problems.finish(found)
}

/// What each operation is about, where it says so; the refusal when the caller may not do one of them.
fn heads(ctx: &Ctx, schema: &Arc<Schema>, operations: &[Json]) -> Result<Vec<Option<Head>>, Error> {
    let mut heads = Vec::with_capacity(operations.len());
    let mut refused: Vec<(String, Error)> = Vec::new();
    for (index, json) in operations.iter().enumerate() {
        let verb = json.get("op").and_then(Json::as_str).and_then(Verb::from_name);
        let name = json.get("collection").and_then(Json::as_str);
        let target = name.and_then(|name| match target_in(schema, name) {
            Ok(target) => Some(target),
            Err(error) => {
                refused.push((format!("/operations/{index}/collection"), error));
                None
            }
        });
        let head = verb.zip(target).map(|(verb, target)| Head::new(ctx, verb, target));
        if let Some(Err(error)) = head.as_ref().map(|head| head.allowed(ctx)) {
            refused.push((format!("/operations/{index}"), error));
        }
        heads.push(head);
    }
    match refused.first().map(|(_, error)| (error.code, error.message.clone())) {
        None => Ok(heads),
        Some((code, message)) => {
            let same = refused.into_iter().filter(|(_, error)| error.code == code);
            let details = same.map(|(path, error)| error.detail(path));
            Err(Error::with(code, message, details.collect()))
        }
    }
}

impl Head {
    fn new(ctx: &Ctx, verb: Verb, target: Target) -> Head {
        let grant = |action| access::grant(ctx, &target.collection, action);
        let (create, update, delete) = (grant(Action::Create), grant(Action::Update), grant(Action::Delete));
        Head { verb, target, create, update, delete }
    }

    fn allowed(&self, ctx: &Ctx) -> Result<(), Error> {
        let (grants, action) = match self.verb {
            Verb::Create => ([&self.create, &Grant::Nothing], Action::Create),
            Verb::Update => ([&self.update, &Grant::Nothing], Action::Update),
            Verb::Replace | Verb::Upsert => ([&self.update, &self.create], Action::Update),
            Verb::Delete => ([&self.delete, &Grant::Nothing], Action::Delete),
        };
        match grants.iter().all(|grant| **grant == Grant::Nothing) {
            true => Err(access::denied(ctx, &self.target.collection, action)),
            false => Ok(()),
        }
    }
}

/// An operation's members against its collection. Where they refer to earlier results, nothing more is said than what
/// holds whatever those are.
fn plan(
    service: &Service,
    ctx: &Ctx,
    heads: &[Option<Head>],
    index: usize,
    json: &Json,
    problems: &mut Problems,
) -> Option<Planned> {
    let (Some(Some(head)), Some(members)) = (heads.get(index), json.as_object()) else {
        operation::refuse_headless(json, problems);
        return None;
    };
    let references = Reference::all(members);
    for reference in &references {
        reference.check(ctx, &heads[..index], problems);
    }
    let mut found = Problems::at(problems.path());
    let operation = Members { ctx, head, page: service.page, members }.read(&mut found);
    let here = problems.path().to_owned();
    let known = |problem: &Problem| !references.iter().any(|reference| reference.excuses(&problem.path, &here));
    problems.extend(found.into_vec().into_iter().filter(known));
    match references.is_empty() {
        true => operation.map(Planned::Ready),
        false => Some(Planned::Later(members.clone())),
    }
}
