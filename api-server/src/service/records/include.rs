//! `include`: the records that references point to, one query an edge whatever the page size.

use std::collections::BTreeMap;

use mainstay_crds::Value;
use mainstay_crds::filter::{Filter, Op, Operand};
use mainstay_crds::schema::{ID, Schema};
use uuid::Uuid;

use super::access::{Action, grant};
use super::{Ctx, visible};
use crate::query::Include;
use crate::store::records::{Select, select};
use crate::store::{Conn, Error};

/// Included records as JSON, by collection and id, each once.
pub type Included = BTreeMap<String, BTreeMap<Uuid, Vec<u8>>>;

/// The positions that the rows of a collection must bring along for `includes`.
pub fn fields(includes: &[Include]) -> impl Iterator<Item = usize> + '_ {
    includes.iter().map(|include| include.field)
}

/// Loads what `includes` ask for. `rows` holds, for each parent, the values of the includes' fields in order.
pub fn load(
    conn: &mut Conn,
    ctx: &Ctx,
    schema: &Schema,
    includes: &[Include],
    rows: &[Vec<Value<'static>>],
    out: &mut Included,
) -> Result<(), Error> {
    for (place, include) in includes.iter().enumerate() {
        let Some(collection) = schema.get(include.target.as_str()) else { continue };
        let mut ids: Vec<Uuid> = rows.iter().filter_map(|row| as_id(row.get(place)?)).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            continue;
        }
        let readable = grant(ctx, collection, Action::Read).into_filter();
        let limit = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let mut page = Select::new(collection, visible(ctx, collection), limit);
        page.filter = Some(Filter::And([is_one_of(&ids)].into_iter().chain(readable).collect()));
        page.extra = fields(&include.then).chain([ID]).collect();
        let found = select(conn, schema, &page)?;
        let records = out.entry(collection.name.to_string()).or_default();
        for (position, values) in found.values.iter().enumerate() {
            if let Some(id) = values.last().and_then(as_id) {
                records.entry(id).or_insert_with(|| found.object(position).unwrap_or_default().to_vec());
            }
        }
        load(conn, ctx, schema, &include.then, &found.values, out)?;
    }
    Ok(())
}

/// `id in (…)`, its length rounded up to a power of two, so that few statement texts serve all pages.
fn is_one_of(ids: &[Uuid]) -> Filter {
    let padding = ids.last().copied().into_iter().cycle().take(ids.len().next_power_of_two() - ids.len());
    let operands = ids.iter().copied().chain(padding).map(|id| Operand::Value(Value::Uuid(id))).collect();
    Filter::Test { field: ID, op: Op::In, operands }
}

fn as_id(value: &Value<'_>) -> Option<Uuid> {
    match value {
        Value::Uuid(id) => Some(*id),
        _ => None,
    }
}
