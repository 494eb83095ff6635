//! What a delete does to the records that refer to the deleted one: restrict, cascade, set null.
//!
//! The server carries this out itself, so that each changed record gets its version; the database's foreign keys
//! take no action and only guard against a referrer that appears meanwhile. Only the parent's rule was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mainstay_crds::field::Kind;
use mainstay_crds::field::reference::OnDelete;
use mainstay_crds::schema::{Collection, Schema};
use mainstay_crds::{Problems, Value};
use uuid::Uuid;

use super::{Target, Tx, conflict, draft};
use crate::service::access::{Action, Grant, grant};
use crate::service::{Code, Ctx, Error};
use crate::store::{self, Abort, Conn, records};

/// A delete changes at most this many records.
pub const MAX_RECORDS: usize = 10_000;
/// A refusal tells of at most this many records.
const MAX_TOLD: usize = 10;

/// A record by the name of its collection and its id.
type Row = (String, Uuid);

#[derive(Default)]
struct Effects {
    delete: BTreeSet<Row>,
    /// With the positions of the references.
    set_null: BTreeMap<Row, Vec<usize>>,
    restrict: BTreeSet<(Row, usize)>,
}

impl Effects {
    /// How many records are deleted or changed, each once.
    fn changed(&self) -> usize {
        let both = self.delete.len() + self.set_null.len();
        match both > MAX_RECORDS {
            true => both - self.set_null.keys().filter(|row| self.delete.contains(*row)).count(),
            false => both,
        }
    }
}

/// Deletes the records and carries out every `onDelete` that follows from it.
pub fn delete(conn: &mut Conn, ctx: &Ctx, target: &Target, ids: &[Uuid]) -> Tx<()> {
    let Target { schema, collection } = target;
    let mut effects = Effects::default();
    effects.delete.extend(ids.iter().map(|id| (collection.name.to_string(), *id)));
    // A list of what is still to be followed, not recursion: a chain of references may be as long as the limit.
    let mut ahead = vec![(Arc::clone(collection), ids.to_vec())];
    while let Some((collection, ids)) = ahead.pop() {
        ahead.extend(follow(conn, schema, &collection, &ids, &mut effects)?);
    }
    refuse_restricted(ctx, &effects, schema)?;
    match carry_out(conn, ctx, schema, &effects) {
        // A referrer appeared after the look; the next try sees it.
        Err(Abort::Store(store::Error::ForeignKey { .. })) => Err(store::Error::Retry.into()),
        outcome => outcome,
    }
}

/// Records of one collection whose referrers are to be looked for.
type Ahead = (Arc<Collection>, Vec<Uuid>);

/// Notes what becomes of the referrers of `ids`; gives those that are deleted too.
fn follow(
    conn: &mut Conn,
    schema: &Schema,
    collection: &Collection,
    ids: &[Uuid],
    effects: &mut Effects,
) -> Tx<Vec<Ahead>> {
    let mut ahead = Vec::new();
    for (referrer, field) in schema.referrers(collection.name.as_str()) {
        let Kind::Reference(reference) = &referrer.fields[field].kind else { continue };
        // One more than may change: then either too many change, or one of them is not deleted and restricts.
        let limit = u32::try_from(MAX_RECORDS + 1).unwrap_or(u32::MAX);
        let found = records::referrers(conn, referrer, field, ids, limit, true)?;
        let rows = found.into_iter().map(|id| (referrer.name.to_string(), id));
        match reference.on_delete {
            OnDelete::Restrict => effects.restrict.extend(rows.map(|row| (row, field))),
            OnDelete::SetNull => rows.for_each(|row| effects.set_null.entry(row).or_default().push(field)),
            OnDelete::Cascade => {
                let new: Vec<Uuid> = rows.filter(|row| effects.delete.insert(row.clone())).map(|(_, id)| id).collect();
                if !new.is_empty() {
                    ahead.push((Arc::clone(referrer), new));
                }
            }
        }
        if effects.changed() > MAX_RECORDS {
            let message = format!("the delete would change more than {MAX_RECORDS} records; delete some of them first");
            return Err(Error::new(Code::Conflict, message).into());
        }
    }
    Ok(ahead)
}

fn refuse_restricted(ctx: &Ctx, effects: &Effects, schema: &Schema) -> Tx<()> {
    let restricting = effects.restrict.iter().filter(|(row, _)| !effects.delete.contains(row));
    // Those that are not named are told as one: how many there are is part of what is hidden.
    let told: BTreeSet<String> =
        restricting.filter_map(|((name, id), field)| Some(restricts(ctx, schema.get(name)?, *id, *field))).collect();
    if told.is_empty() { Ok(()) } else { Err(restricted(told.into_iter().take(MAX_TOLD)).into()) }
}

/// That a referrer is in the way of a delete.
fn restricts(ctx: &Ctx, collection: &Collection, id: Uuid, field: usize) -> String {
    format!("{} refers to it by `{}`", told(ctx, collection, id), collection.fields[field].name)
}

fn restricted(told: impl IntoIterator<Item = String>) -> Error {
    let mut problems = Problems::new();
    told.into_iter().for_each(|message| problems.add("restricted", message));
    let message = "other records refer to this one; delete or change them first";
    Error::with(Code::Conflict, message, problems.into_vec())
}

/// Deletes first, so that what goes holds no key that a record without its reference would take.
fn carry_out(conn: &mut Conn, ctx: &Ctx, schema: &Arc<Schema>, effects: &Effects) -> Tx<()> {
    conn.defer_references()?;
    for (name, id) in &effects.delete {
        if let Some(collection) = schema.get(name) {
            records::delete(conn, collection, *id, ctx.now)?;
        }
    }
    for ((name, id), fields) in effects.set_null.iter().filter(|(row, _)| !effects.delete.contains(row)) {
        if let Some(collection) = schema.get(name) {
            let target = Target { schema: Arc::clone(schema), collection: Arc::clone(collection) };
            refuse_broken(conn, ctx, &target, *id, fields)?;
            records::set_null(conn, collection, *id, fields, ctx.now)?;
        }
    }
    Ok(conn.settle_references()?)
}

/// A referrer by its id, for those who may read all of its collection.
fn told(ctx: &Ctx, collection: &Collection, id: Uuid) -> String {
    match is_open(ctx, collection) {
        true => format!("{} {id}", collection.name),
        false => format!("a record of {}", collection.name),
    }
}

fn is_open(ctx: &Ctx, collection: &Collection) -> bool {
    grant(ctx, collection, Action::Read) == Grant::Everything
}

/// Without its reference a record must still keep the rules of its collection.
fn refuse_broken(conn: &mut Conn, ctx: &Ctx, target: &Target, id: Uuid, fields: &[usize]) -> Tx<()> {
    let Target { collection, .. } = target;
    if collection.checks.is_empty() && collection.unique.is_empty() {
        return Ok(());
    }
    let Some(stored) = records::select_record(conn, collection, id, false)? else { return Ok(()) };
    let mut record = stored.clone();
    for field in fields {
        record[*field] = Value::Null;
    }
    let refuse = |code: Code, rule: &'static str, message: &str| {
        // Why it may not lose the reference would tell what is in it.
        if !is_open(ctx, collection) {
            return Err(restricted(fields.iter().map(|field| restricts(ctx, collection, id, *field))).into());
        }
        let what = told(ctx, collection, id);
        let message = format!("{what} refers to it and may not lose the reference: {message}");
        Err(Error::at(code, String::new(), rule, message).into())
    };
    if let Some(broken) = draft::broken_checks(collection, &record, "").first() {
        return refuse(Code::Unprocessable, "check", &broken.message);
    }
    match conflict::explain(conn, target, &record, "", Some(&stored))?.into_vec().first() {
        Some(taken) => refuse(Code::Conflict, "taken", &taken.message),
        None => Ok(()),
    }
}
