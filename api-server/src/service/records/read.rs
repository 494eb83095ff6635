//! Get one record, list many.

use std::sync::Arc;

use mainstay_crds::Value;
use mainstay_crds::filter::Filter;
use mainstay_crds::schema::{CREATED_AT, Collection, VERSION};

use super::access::{self, Action};
use super::{Included, Target, Tx, Version, include, parse_id, visible};
use crate::query::{self, Context, Include, ListQuery, cursor};
use crate::service::{Code, Ctx, Error, Service};
use crate::store::Conn;
use crate::store::loader::Find;
use crate::store::records::{Rank, Rows, Select, count, select};

/// The most values of one statement: fewer than SQLite's 32,766, which is the lower bound of both databases.
const MAX_VALUES: usize = 30_000;

/// One record.
#[derive(Debug)]
pub struct Got {
    /// The record as JSON.
    pub json: Vec<u8>,
    /// Its state, when the answer holds the whole record and nothing else.
    pub version: Option<Version>,
    /// What `include` asked for; `None` without it.
    pub included: Option<Included>,
}

/// A page of records.
#[derive(Debug)]
pub struct Listed {
    /// The records as JSON.
    pub rows: Rows,
    /// As asked for, or the default.
    pub limit: u32,
    /// As asked for.
    pub offset: Option<u32>,
    /// Whether there are more.
    pub has_more: bool,
    /// Continues this page, when there is more.
    pub next_cursor: Option<String>,
    /// All matches, on `count=exact`.
    pub total: Option<u64>,
    /// What `include` asked for; `None` without it.
    pub included: Option<Included>,
}

/// `GET /api/v1/{collection}/{id}`.
///
/// Errors: 401, 403; 404 for a missing record or one that the caller may not see; 400 for parameters.
pub async fn get(service: &Service, ctx: &Ctx, name: &str, id: &str, raw: &str) -> Result<Got, Error> {
    let target = service.target(name)?;
    let readable = access::require(ctx, &target.collection, Action::Read)?.into_filter();
    let id = parse_id(id)?;
    let asked = query::get(raw, context(service, &target, &|c, f| access::may_read(ctx, &c.fields[f])));
    let asked = asked.map_err(Error::invalid)?;
    let whole = asked.fields.is_none() && asked.include.is_empty();
    let columns = asked.fields.unwrap_or_else(|| visible(ctx, &target.collection));
    let extra = include::fields(&asked.include).chain([VERSION, CREATED_AT]).collect();
    let find = Find { collection: Arc::clone(&target.collection), id, columns, extra, rule: readable };
    let Rows { json, values, .. } = service.store.find(Arc::clone(&target.schema), find).await?;
    let Some(row) = values.first() else { return Err(Error::no_record(name)) };
    // The extra values end in version and created_at.
    let version = whole.then(|| Version::of(row.iter().rev().nth(1), row.last()));
    let included = match asked.include.is_empty() {
        true => None,
        false => Some(follow(service, ctx, &target, asked.include, values).await?),
    };
    Ok(Got { json, version, included })
}

async fn follow(
    service: &Service,
    ctx: &Ctx,
    target: &Target,
    includes: Vec<Include>,
    values: Vec<Vec<Value<'static>>>,
) -> Result<Included, Error> {
    let (ctx, schema) = (ctx.clone(), Arc::clone(&target.schema));
    let load = move |conn: &mut Conn| {
        let mut included = Included::default();
        include::load(conn, &ctx, &schema, &includes, &values, "", &mut included)?;
        Ok(included)
    };
    service.read(load).await
}

/// `GET /api/v1/{collection}`.
///
/// Errors: 401, 403; 400 with every problem of the parameters.
pub async fn list(service: &Service, ctx: &Ctx, name: &str, raw: &str) -> Result<Listed, Error> {
    let target = service.target(name)?;
    let readable = access::require(ctx, &target.collection, Action::Read)?.into_filter();
    let asked = query::list(raw, context(service, &target, &|c, f| access::may_read(ctx, &c.fields[f])));
    let asked = asked.map_err(Error::invalid)?;
    Page::new(ctx, target, readable, asked).read(service).await
}

/// A list whose every question is answered by one closure on one connection.
pub(super) struct Page {
    ctx: Ctx,
    target: Target,
    columns: Vec<usize>,
    filter: Option<Filter>,
    rank: Rank,
    asked: ListQuery,
}

impl Page {
    /// What `asked` asks of the rows that pass `readable`. Its filter is bound.
    pub fn new(ctx: &Ctx, target: Target, readable: Option<Filter>, asked: ListQuery) -> Self {
        let rank = if readable.is_some() { Rank::One } else { Rank::All };
        let filters: Vec<Filter> = asked.filter.into_iter().chain(readable).collect();
        Page {
            ctx: ctx.clone(),
            columns: asked.fields.unwrap_or_else(|| visible(ctx, &target.collection)),
            filter: (!filters.is_empty()).then_some(Filter::And(filters)),
            rank,
            asked: ListQuery { filter: None, fields: None, ..asked },
            target,
        }
    }

    pub async fn read(self, service: &Service) -> Result<Listed, Error> {
        self.refuse_too_many_values()?;
        let page = Arc::new(self);
        let reading = Arc::clone(&page);
        let (mut rows, total, included) = service.read(move |conn| reading.load(conn)).await?;
        let ListQuery { limit, offset, ref sort, ref include, fingerprint, .. } = page.asked;
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        // Relevance has no positions, so that no cursor leads on.
        let last = rows.values.last().filter(|_| has_more && !page.asked.relevance);
        // The extra values are those of the includes, then those of the sort keys.
        let keys = |values: &Vec<Value<'static>>| {
            cursor::encode(&page.target.collection, sort, fingerprint, &values[include.len()..])
        };
        Ok(Listed { next_cursor: last.map(keys), rows, limit, offset, has_more, total, included })
    }

    /// A statement takes a bounded number of values, and a page behind a cursor repeats the filter for each range of its
    /// sort: at most two a key.
    fn refuse_too_many_values(&self) -> Result<(), Error> {
        let ranges = if self.asked.after.is_some() { 2 * self.asked.sort.len() } else { 1 };
        let values = ranges * (self.filter.as_ref().map_or(0, Filter::operands) + self.asked.sort.len());
        if values <= MAX_VALUES {
            return Ok(());
        }
        let message = "the filter has too many values for a cursor on so many sort keys; sort by less, or ask in parts";
        Err(Error::at(Code::ValidationError, String::new(), "too_many", message.to_owned()))
    }

    fn load(&self, conn: &mut Conn) -> Tx<(Rows, Option<u64>, Option<Included>)> {
        let Page { ctx, target: Target { schema, collection }, columns, filter, rank, asked } = self;
        let page = Select {
            filter: filter.clone(),
            extra: include::fields(&asked.include).chain(asked.sort.iter().map(|key| key.field)).collect(),
            relevance: asked.relevance.then_some(*rank),
            sort: asked.sort.clone(),
            after: asked.after.clone(),
            offset: u64::from(asked.offset.unwrap_or(0)),
            // One more than asked for tells whether there are more.
            ..Select::new(collection, columns.clone(), asked.limit + 1)
        };
        let rows = select(conn, schema, &page)?;
        let total = match asked.count {
            true => Some(count(conn, collection, schema, filter.as_ref())?),
            false => None,
        };
        if asked.include.is_empty() {
            return Ok((rows, total, None));
        }
        let mut included = Included::default();
        let shown = rows.values.len().min(asked.limit as usize);
        include::load(conn, ctx, schema, &asked.include, &rows.values[..shown], "", &mut included)?;
        Ok((rows, total, Some(included)))
    }
}

/// What a query string is read against.
pub(super) fn context<'a>(
    service: &Service,
    target: &'a Target,
    visible: &'a dyn Fn(&Collection, usize) -> bool,
) -> Context<'a> {
    Context { collection: &target.collection, schema: &target.schema, visible, page: service.page }
}
