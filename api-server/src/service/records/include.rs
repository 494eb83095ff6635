//! `include`: the records at the other end of references, one query an edge whatever the page size.
//!
//! Called by the reads with the rows that they have found. A record is included once, and only when its own read rule
//! grants it; what a bound leaves out is named.

use std::collections::BTreeMap;

use mainstay_crds::Value;
use mainstay_crds::filter::{Filter, Op, Operand};
use mainstay_crds::schema::{ID, Schema};
use uuid::Uuid;

use super::access::{Action, grant};
use super::{Ctx, visible};
use crate::query::{Edge, Include, sort};
use crate::store::records::{Rows, Select, select};
use crate::store::{Conn, Error};

/// At most this many records of one edge back, in one answer.
pub const MAX_REFERRERS: usize = 1000;

/// What `include` found.
#[derive(Debug, Default)]
pub struct Included {
    /// Records as JSON, by collection and id, each once.
    pub records: BTreeMap<String, BTreeMap<Uuid, Vec<u8>>>,
    /// The paths of edges that have more than [`MAX_REFERRERS`] records: the rest is left out.
    pub truncated: Vec<String>,
}

/// The positions that the rows of a collection must bring along for `includes`.
pub fn fields(includes: &[Include]) -> impl Iterator<Item = usize> + '_ {
    includes.iter().map(Include::key)
}

/// Loads what `includes` ask for. `rows` holds, for each parent, the values of the includes' keys in order; `path` is
/// what led to the parents.
pub fn load(
    conn: &mut Conn,
    ctx: &Ctx,
    schema: &Schema,
    includes: &[Include],
    rows: &[Vec<Value<'static>>],
    path: &str,
    out: &mut Included,
) -> Result<(), Error> {
    for (place, include) in includes.iter().enumerate() {
        let mut ids: Vec<Uuid> = rows.iter().filter_map(|row| as_id(row.get(place)?)).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            continue;
        }
        let path = format!("{path}{}", include.step);
        let mut found = follow(conn, ctx, schema, include, &ids)?;
        if found.len() > MAX_REFERRERS && matches!(include.edge, Edge::Reverse(_)) {
            found.truncate(MAX_REFERRERS);
            out.truncated.push(path.clone());
        }
        let records = out.records.entry(include.target.to_string()).or_default();
        for (position, values) in found.values.iter().enumerate() {
            if let Some(id) = values.last().and_then(as_id) {
                records.entry(id).or_insert_with(|| found.object(position).unwrap_or_default().to_vec());
            }
        }
        load(conn, ctx, schema, &include.then, &found.values, &format!("{path}."), out)?;
    }
    Ok(())
}

/// The records of one edge, with the keys of the next ones and the id as their values.
fn follow(conn: &mut Conn, ctx: &Ctx, schema: &Schema, include: &Include, ids: &[Uuid]) -> Result<Rows, Error> {
    let Some(collection) = schema.get(include.target.as_str()) else { return Ok(Rows::default()) };
    let readable = grant(ctx, collection, Action::Read).into_filter();
    let (field, most) = match include.edge {
        Edge::Forward(_) => (ID, ids.len()),
        // One more than is answered tells whether there are more.
        Edge::Reverse(field) => (field, MAX_REFERRERS + 1),
    };
    let limit = u32::try_from(most).unwrap_or(u32::MAX);
    let mut page = Select::new(collection, visible(ctx, collection), limit);
    page.filter = Some(Filter::And([is_one_of(field, ids)].into_iter().chain(readable).collect()));
    page.extra = fields(&include.then).chain([ID]).collect();
    if field != ID {
        page.sort = sort::by_id(false);
    }
    select(conn, schema, &page)
}

/// `field in (…)`, its length rounded up to a power of two, so that few statement texts serve all pages.
fn is_one_of(field: usize, ids: &[Uuid]) -> Filter {
    let padding = ids.last().copied().into_iter().cycle().take(ids.len().next_power_of_two() - ids.len());
    let operands = ids.iter().copied().chain(padding).map(|id| Operand::Value(Value::Uuid(id))).collect();
    Filter::Test { field, op: Op::In, operands }
}

fn as_id(value: &Value<'_>) -> Option<Uuid> {
    match value {
        Value::Uuid(id) => Some(*id),
        _ => None,
    }
}
