//! References of a record: that each points to a record which the caller may read.
//!
//! An unreadable target is told exactly like a missing one. Where every target may be read, the database's foreign
//! keys decide, and this module only finds out afterwards which reference dangles.

use std::collections::BTreeMap;

use mainstay_crds::schema::{ID, USERS};
use mainstay_crds::{Problems, Value};
use uuid::Uuid;

use super::access::{self, Action, Grant};
use super::{Target, Tx, draft};
use crate::service::Ctx;
use crate::store::Conn;
use crate::store::records::exists_where;

/// Whether a reference needs a look before the write: the caller may not read all of some target.
pub fn guarded(ctx: &Ctx, target: &Target) -> bool {
    target
        .collection
        .fields
        .iter()
        .filter_map(|field| target.schema.get(field.target()?.as_str()))
        .any(|collection| access::grant(ctx, collection, Action::Read) != Grant::Everything)
}

/// The record with only those references that differ from the stored ones: those that stay are not looked at again, so
/// that a record can be changed although it refers to what its caller may not read.
pub fn changed(target: &Target, stored: &[Value<'static>], record: &[Value<'static>]) -> Vec<Value<'static>> {
    let fields = target.collection.fields.iter();
    let values = fields.zip(stored).zip(record);
    values
        .map(|((field, old), new)| if field.target().is_some() && old == new { Value::Null } else { new.clone() })
        .collect()
}

/// A problem for each reference of `records` that points to nothing the caller may read. The path of a record's
/// problems is its own.
pub fn check(conn: &mut Conn, ctx: &Ctx, target: &Target, records: &[(String, &[Value<'static>])]) -> Tx<()> {
    let mut problems = Problems::new();
    for (position, field) in target.collection.fields.iter().enumerate() {
        let Some(collection) = field.target().and_then(|name| target.schema.get(name.as_str())) else { continue };
        let mut wanted: BTreeMap<Uuid, Vec<&str>> = BTreeMap::new();
        for (path, record) in records {
            match record.get(position) {
                Some(Value::Uuid(id)) if !is_self(target, collection.name.as_str(), records, *id) => {
                    wanted.entry(*id).or_default().push(path);
                }
                _ => {}
            }
        }
        if wanted.is_empty() {
            continue;
        }
        let ids: Vec<Uuid> = wanted.keys().copied().collect();
        let readable = access::grant(ctx, collection, Action::Read).into_filter();
        let mut found = exists_where(conn, collection, &target.schema, &ids, readable.as_ref())?;
        // Everybody knows of themselves, also where users are for admin alone.
        if let Some(own) = ctx.caller.id().filter(|own| collection.name.as_str() == USERS && wanted.contains_key(own)) {
            found.extend(exists_where(conn, collection, &target.schema, &[own], None)?);
        }
        for (id, paths) in wanted.iter().filter(|(id, _)| !found.contains(id)) {
            for path in paths {
                let mut here = Problems::at(format!("{path}/{}", field.name));
                here.add("not_found", format!("{} has no record {id}", collection.name));
                problems.extend(here.into_vec());
            }
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(draft::unprocessable(problems.into_vec()).into()),
    }
}

/// Whether `id` is among the records that are being written, which may refer to each other.
fn is_self(target: &Target, collection: &str, records: &[(String, &[Value<'static>])], id: Uuid) -> bool {
    target.collection.name.as_str() == collection
        && records.iter().any(|(_, record)| matches!(record.get(ID), Some(Value::Uuid(own)) if *own == id))
}
