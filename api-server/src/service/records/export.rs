//! Export: every record that a list would find, page by page by the sort's own keys.
//!
//! Memory stays constant: a page is written while the next one is not read yet, and its size follows that of the records.
//! It is not one point in time: a record that changes meanwhile is written as it is when its page is read.

use mainstay_crds::Value;
use mainstay_crds::filter::Filter;
use mainstay_crds::schema::SortKey;

use super::access::{self, Action};
use super::{Target, csv, visible};
use crate::query::export::{ExportQuery, Format};
use crate::query::{self, Context};
use crate::service::{Ctx, Error, Service};
use crate::store::records::{Rows, Select, select};

/// About this many bytes are read at once.
const PAGE: usize = 512 * 1024;
/// At most this many records are.
const MOST: u32 = 1000;
/// The first page: nobody knows yet how large records are.
const FIRST: u32 = 20;

/// An export under way.
pub struct Export {
    target: Target,
    columns: Vec<usize>,
    filter: Option<Filter>,
    sort: Vec<SortKey>,
    format: Format,
    /// The sort's values of the last record written.
    after: Option<Vec<Value<'static>>>,
    limit: u32,
    began: bool,
    ended: bool,
}

/// `GET /api/v1/{collection}/export`.
///
/// Errors: 401, 403; 400 with every problem of the parameters.
pub fn open(service: &Service, ctx: &Ctx, name: &str, raw: &str) -> Result<Export, Error> {
    let target = service.target(name)?;
    let readable = access::require(ctx, &target.collection, Action::Read)?.into_filter();
    let seen = |collection: &_, field: usize| may_see(ctx, collection, field);
    let context =
        Context { collection: &target.collection, schema: &target.schema, visible: &seen, page: service.page };
    let asked = query::export::export(raw, context).map_err(Error::invalid)?;
    let ExportQuery { format, filter, sort, fields } = asked;
    let filters: Vec<Filter> = filter.into_iter().chain(readable).collect();
    let columns = fields.unwrap_or_else(|| visible(ctx, &target.collection));
    let filter = (!filters.is_empty()).then_some(Filter::And(filters));
    Ok(Export { target, columns, filter, sort, format, after: None, limit: FIRST, began: false, ended: false })
}

fn may_see(ctx: &Ctx, collection: &mainstay_crds::schema::Collection, field: usize) -> bool {
    access::may_read(ctx, &collection.fields[field])
}

impl Export {
    /// How records are written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The next records as text; `None` when all are written.
    pub async fn next(&mut self, service: &Service) -> Result<Option<Vec<u8>>, Error> {
        if self.ended {
            return Ok(None);
        }
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.began, true) && self.format == Format::Csv {
            let fields = &self.target.collection.fields;
            csv::write_head(self.columns.iter().map(|position| fields[*position].name.as_str()), &mut out);
        }
        let rows = self.page(service).await?;
        self.ended = rows.len() < self.limit as usize;
        let before = out.len();
        match self.format {
            Format::Ndjson => {
                for row in 0..rows.len() {
                    out.extend_from_slice(rows.object(row).unwrap_or_default());
                    out.push(b'\n');
                }
            }
            Format::Csv => {
                let fields = &self.target.collection.fields;
                for values in &rows.values {
                    let columns = self.columns.iter().map(|position| &fields[*position]);
                    csv::write(columns.zip(values), &mut out);
                }
            }
        }
        // The extra values end in those of the sort keys.
        self.after = rows.values.last().map(|values| values[values.len() - self.sort.len()..].to_vec());
        self.limit = next_limit(self.limit, out.len() - before);
        Ok(Some(out))
    }

    async fn page(&self, service: &Service) -> Result<Rows, Error> {
        let target = self.target.clone();
        let keys = self.sort.iter().map(|key| key.field);
        let (columns, extra): (Vec<usize>, Vec<usize>) = match self.format {
            Format::Ndjson => (self.columns.clone(), keys.collect()),
            Format::Csv => (Vec::new(), self.columns.iter().copied().chain(keys).collect()),
        };
        let (filter, sort, after, limit) = (self.filter.clone(), self.sort.clone(), self.after.clone(), self.limit);
        let read = service.read(move |conn| {
            let Target { schema, collection } = &target;
            let page = Select {
                extra: extra.clone(),
                filter: filter.clone(),
                sort: sort.clone(),
                after: after.clone(),
                ..Select::new(collection, columns.clone(), limit)
            };
            Ok(select(conn, schema, &page)?)
        });
        read.await
    }
}

/// As many records as make a page of the usual size, growing by no more than four times at once.
fn next_limit(limit: u32, bytes: usize) -> u32 {
    let each = (bytes / limit.max(1) as usize).max(1);
    let fit = u32::try_from(PAGE / each).unwrap_or(MOST);
    fit.clamp(1, MOST.min(limit.saturating_mul(4)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_the_size_of_records() {
        for (limit, bytes, next) in
            [(20, 20 * 100, 80), (1000, 1000 * 100, 1000), (1000, 1000 * 10_000, 52), (20, 20 << 20, 1), (1, 0, 4)]
        {
            assert_eq!(next_limit(limit, bytes), next, "{limit} records of {bytes} bytes");
        }
    }
}
