//! Earlier versions of one record, newest first, where its collection keeps them.
//!
//! They are written by the store, with the changes that end them. They are read by whoever may read the record as it is now;
//! those of a record that is gone by admin alone, also when its id is used again.

use mainstay_crds::field::timestamp::write_rfc3339;
use mainstay_crds::schema::Collection;

use super::access::{self, Action};
use super::read::Listed;
use super::{Target, Tx, parse_id, visible};
use crate::query;
use crate::service::{Ctx, Error, Service};
use crate::store::records::{Earlier, Lives, Rows, earlier, exists_where};

/// `GET /api/v1/{collection}/{id}/history`.
///
/// Errors: 404 where no history is kept, and for a record that the caller may not see; 401, 403; 400 for parameters.
pub async fn history(service: &Service, ctx: &Ctx, name: &str, id: &str, raw: &str) -> Result<Listed, Error> {
    let target = service.target(name)?;
    if target.collection.history.is_none() {
        return Err(Error::no_path());
    }
    let readable = access::require(ctx, &target.collection, Action::Read)?.into_filter();
    let id = parse_id(id)?;
    let asked = query::history::history(raw, &target.collection, id, service.page).map_err(Error::invalid)?;
    let (limit, before, admin) = (asked.limit, asked.before, ctx.caller.is_admin());
    let Target { schema, collection } = target.clone();
    let read = service.read(move |conn| -> Tx<Vec<Earlier>> {
        let lives = if admin { Lives::All } else { Lives::Current(&schema, readable.as_ref()) };
        // One more than asked for tells whether there are more.
        let found = earlier(conn, &collection, id, &lives, before, limit + 1)?;
        // A record may be there without a past, and a past end where a page does.
        let is_known = !found.is_empty() || admin && before.is_some();
        if is_known || !exists_where(conn, &collection, &schema, &[id], readable.as_ref())?.is_empty() {
            return Ok(found);
        }
        Err(Error::no_record(collection.name.as_str()).into())
    });
    let mut found = read.await?;
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let last = found.last().filter(|_| has_more);
    let next_cursor = last.map(|last| asked.next_cursor(&target.collection, last.number));
    let rows = render(ctx, &target.collection, &found);
    Ok(Listed { rows, limit, offset: None, has_more, next_cursor, total: None, included: None })
}

/// Each version with the fields of today that the caller may see; one without a value then is left out.
fn render(ctx: &Ctx, collection: &Collection, found: &[Earlier]) -> Rows {
    let visible = visible(ctx, collection);
    let mut rows = Rows::default();
    for version in found {
        let out = &mut rows.json;
        out.extend_from_slice(format!("{{\"version\":{},\"changed_at\":\"", version.version).as_bytes());
        write_rfc3339(version.changed_at, out);
        out.extend_from_slice(format!("\",\"change\":\"{}\",\"record\":{{", version.change).as_bytes());
        let fields = visible.iter().filter_map(|position| collection.fields.get(*position));
        let values = fields.filter_map(|field| Some((field.name.as_str(), version.value(field)?)));
        for (index, (name, value)) in values.enumerate() {
            let between = if index == 0 { "" } else { "," };
            out.extend_from_slice(format!("{between}\"{name}\":{value}").as_bytes());
        }
        out.extend_from_slice(b"}}");
        rows.ends.push(rows.json.len());
    }
    rows
}
