//! What a delete does to the records that refer to the deleted one: restrict, cascade, set null.
//!
//! The server carries this out itself, so that each changed record gets its version; the database's foreign keys
//! take no action and only guard against a referrer that appears meanwhile. Only the parent's rule was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mainstay_crds::Problems;
use mainstay_crds::field::Kind;
use mainstay_crds::field::reference::OnDelete;
use mainstay_crds::schema::{Collection, Schema};
use uuid::Uuid;

use super::Tx;
use crate::service::{Code, Error};
use crate::store::{self, Conn, records};

/// A delete changes at most this many records.
pub const MAX_RECORDS: usize = 10_000;

/// A record by the name of its collection and its id.
type Row = (String, Uuid);

#[derive(Default)]
struct Effects {
    delete: BTreeSet<Row>,
    /// With the positions of the references.
    set_null: BTreeMap<Row, Vec<usize>>,
    restrict: BTreeSet<(Row, usize)>,
}

/// Deletes the record and carries out every `onDelete` that follows from it.
pub fn delete(conn: &mut Conn, schema: &Schema, collection: &Arc<Collection>, id: Uuid, now: i64) -> Tx<()> {
    let mut effects = Effects::default();
    effects.delete.insert((collection.name.to_string(), id));
    follow(conn, schema, collection, vec![id], &mut effects)?;
    refuse_restricted(&effects, schema)?;
    match carry_out(conn, schema, &effects, now) {
        // A referrer appeared after the look; the next try sees it.
        Err(store::Error::ForeignKey { .. }) => Err(store::Error::Retry.into()),
        outcome => Ok(outcome?),
    }
}

fn follow(
    conn: &mut Conn,
    schema: &Schema,
    collection: &Arc<Collection>,
    ids: Vec<Uuid>,
    effects: &mut Effects,
) -> Tx<()> {
    for (referrer, field) in schema.referrers(collection.name.as_str()) {
        let Kind::Reference(reference) = &referrer.fields[field].kind else { continue };
        let left = MAX_RECORDS.saturating_sub(effects.delete.len() + effects.set_null.len());
        let limit = u32::try_from(left + 1).unwrap_or(u32::MAX);
        let found = records::referrers(conn, referrer, field, &ids, limit, true)?;
        if found.len() > left {
            let message = format!("the delete would change more than {MAX_RECORDS} records; delete some of them first");
            return Err(Error::new(Code::Conflict, message).into());
        }
        let rows = found.into_iter().map(|id| (referrer.name.to_string(), id));
        match reference.on_delete {
            OnDelete::Restrict => effects.restrict.extend(rows.map(|row| (row, field))),
            OnDelete::SetNull => rows.for_each(|row| effects.set_null.entry(row).or_default().push(field)),
            OnDelete::Cascade => {
                let new: Vec<Uuid> = rows.filter(|row| effects.delete.insert(row.clone())).map(|(_, id)| id).collect();
                if !new.is_empty() {
                    follow(conn, schema, referrer, new, effects)?;
                }
            }
        }
    }
    Ok(())
}

fn refuse_restricted(effects: &Effects, schema: &Schema) -> Tx<()> {
    let mut problems = Problems::new();
    for ((name, id), field) in effects.restrict.iter().filter(|(row, _)| !effects.delete.contains(row)).take(10) {
        let field = schema.get(name).map_or_else(String::new, |collection| collection.fields[*field].name.to_string());
        problems.add("restricted", format!("{name} {id} refers to it by `{field}`"));
    }
    match problems.is_empty() {
        true => Ok(()),
        false => {
            let message = "other records refer to this one; delete or change them first";
            Err(Error::with(Code::Conflict, message, problems.into_vec()).into())
        }
    }
}

fn carry_out(conn: &mut Conn, schema: &Schema, effects: &Effects, now: i64) -> Result<(), store::Error> {
    conn.defer_references()?;
    for ((name, id), fields) in effects.set_null.iter().filter(|(row, _)| !effects.delete.contains(row)) {
        if let Some(collection) = schema.get(name) {
            records::set_null(conn, collection, *id, fields, now)?;
        }
    }
    for (name, id) in &effects.delete {
        if let Some(collection) = schema.get(name) {
            records::delete(conn, collection, *id)?;
        }
    }
    conn.settle_references()
}
