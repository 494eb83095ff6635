//! Upsert: the record that has the body's unique key is changed, as by a merge patch; where there is none, it is created.
//!
//! Called for `POST` with `on_conflict`, and by batches and imports inside their transactions. Two at once on one key: PostgreSQL
//! lets the second one's insert wait for the first, and then insert nothing, so that the second look finds the record.

use mainstay_crds::schema::{Field, ID, UniqueKey};
use mainstay_crds::{Problems, Value};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::access::Action;
use super::create::{Grants, objects, path};
use super::draft::{self, Record};
use super::step::Step;
use super::unit::{self, Witness};
use super::{Target, Tx, Written, conflict, references};
use crate::service::{Code, Ctx, Error, Service};
use crate::store::{self, Abort, Conn, records};

/// Upserts every record of a body, in order: all or none.
pub async fn all(
    service: &Service,
    ctx: &Ctx,
    target: Target,
    may: Grants,
    key: usize,
    body: &Json,
) -> Result<Vec<Written>, Error> {
    let many = body.is_array();
    let mut bodies = Vec::new();
    objects(body, |object, problems| {
        preview(ctx, &target, key, object, problems);
        bodies.push(object.clone());
    })?;
    let guarded = references::guarded(ctx, &target);
    let own = ctx.clone();
    unit::work(service, ctx, guarded, move |conn, look| {
        let ctx = &own;
        let mut done = Vec::with_capacity(bodies.len());
        for (index, body) in bodies.iter().enumerate() {
            let step = Step { ctx, target: &target, path: &path(index, many), look };
            done.push(one(conn, &step, &may, key, body)?);
        }
        let witness = done.last().map(|last| Witness::wrote(ctx, &target.collection, last));
        Ok((done, witness))
    })
    .await
}

/// What is wrong with a body whether it creates or changes: the key must be there.
pub fn preview(ctx: &Ctx, target: &Target, key: usize, body: &Map<String, Json>, problems: &mut Problems) {
    let collection = &target.collection;
    draft::preview(ctx, collection, body, problems);
    let fields = collection.unique.get(key).map_or(&[][..], |key| key.fields.as_slice());
    for field in fields.iter().map(|field| &collection.fields[*field]) {
        let given = body.get(field.name.as_str());
        // That null is not allowed in a required field has been said.
        if given.is_none() || given.is_some_and(Json::is_null) && !field.required {
            problems.within(&field.name, |problems| {
                problems
                    .add("required", format!("an upsert needs the key by which it finds the record, `{}`", field.name));
            });
        }
    }
}

/// The record that has the key of a body, whoever may see it.
pub fn known(conn: &mut Conn, target: &Target, key: usize, body: &Map<String, Json>) -> Tx<Option<Uuid>> {
    let unique = unique(target, key)?;
    holder(conn, target, unique, &wanted(target, unique, body))
}

fn unique(target: &Target, key: usize) -> Tx<&UniqueKey> {
    target.collection.unique.get(key).ok_or_else(|| Error::bug("an upsert without a key").into())
}

/// Upserts one record that [`preview`] has passed.
pub fn one(conn: &mut Conn, step: &Step<'_>, may: &Grants, key: usize, body: &Map<String, Json>) -> Tx<Written> {
    let unique = unique(step.target, key)?;
    let wanted = wanted(step.target, unique, body);
    if let Some(id) = holder(conn, step.target, unique, &wanted)? {
        return change(conn, step, may, unique, id, body);
    }
    match create(conn, step, may, body) {
        Err(Abort::Domain(taken)) if taken.code == Code::Conflict => {
            match holder(conn, step.target, unique, &wanted)? {
                Some(id) => change(conn, step, may, unique, id, body),
                None => Err(taken.into()),
            }
        }
        done => done,
    }
}

/// A record of nothing but the key.
fn wanted(target: &Target, key: &UniqueKey, body: &Map<String, Json>) -> Record {
    let fields = target.collection.fields.iter().enumerate();
    let value = |(position, field): (usize, &Field)| {
        let given = body.get(field.name.as_str()).filter(|_| key.fields.contains(&position));
        given.and_then(|json| field.kind.parse(json, &mut Problems::new())).unwrap_or(Value::Null)
    };
    let mut record: Record = fields.map(value).collect();
    record[ID] = Value::Uuid(Uuid::nil());
    record
}

fn holder(conn: &mut Conn, target: &Target, key: &UniqueKey, wanted: &Record) -> Tx<Option<Uuid>> {
    Ok(records::holder(conn, &target.collection, &target.schema, key, wanted, true)?)
}

fn create(conn: &mut Conn, step: &Step<'_>, may: &Grants, body: &Map<String, Json>) -> Tx<Written> {
    let mut problems = Problems::at(step.path);
    let record = draft::create(step.ctx, &step.target.collection, body, None, &mut problems);
    problems.finish(()).map_err(draft::refusal)?;
    step.create(conn, &may.create, &record)
}

fn change(
    conn: &mut Conn,
    step: &Step<'_>,
    may: &Grants,
    key: &UniqueKey,
    id: Uuid,
    body: &Map<String, Json>,
) -> Tx<Written> {
    let Target { schema, collection } = step.target;
    let Some(stored) = step.find(conn, id)? else {
        // Hidden from this caller, and told as on a create; or gone since the look.
        return Err(match records::exists_where(conn, collection, schema, &[id], None)?.is_empty() {
            true => store::Error::Retry.into(),
            false => conflict::refusal(conflict::taken(collection, key, step.path)),
        });
    };
    step.require(conn, Action::Update, &may.update, &[id])?;
    if collection.require_precondition {
        return Err(super::update::precondition_required(collection, "send a PATCH with the record's ETag").into());
    }
    let mut problems = Problems::at(step.path);
    let record = draft::patch(step.ctx, collection, body, &stored, &mut problems);
    problems.finish(()).map_err(draft::refusal)?;
    step.change(conn, &may.update, &stored, &record)
}
