//! Get one record, list many.

use mainstay_crds::filter::{Filter, Op, Operand};
use mainstay_crds::schema::{CREATED_AT, Collection, ID, VERSION};
use mainstay_crds::Value;
use uuid::Uuid;

use super::access::{self, Action};
use super::{Included, Target, Version, include, visible};
use crate::query::{self, Context, cursor};
use crate::service::{Ctx, Error, Service};
use crate::store::{Rows, Select};

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
    pub total: Option<i64>,
    /// What `include` asked for; `None` without it.
    pub included: Option<Included>,
}

/// `GET /api/v1/{collection}/{id}`.
///
/// Errors: 401, 403; 404 for a missing record or one that the caller may not see; 400 for parameters.
pub async fn get(service: &Service, ctx: &Ctx, name: &str, id: Uuid, raw: &str) -> Result<Got, Error> {
    let target = service.target(name)?;
    let readable = access::require(ctx, &target.collection, Action::Read)?.into_filter();
    let asked = query::get(raw, context(service, &target, &|c, f| access::may_read(ctx, &c.fields[f])));
    let asked = asked.map_err(Error::invalid)?;
    let whole = asked.fields.is_none() && asked.include.is_empty();
    let columns = asked.fields.unwrap_or_else(|| visible(ctx, &target.collection));
    let mut select = Select::new(&target.collection, columns);
    select.filter = Some(Filter::And([is(id)].into_iter().chain(readable).collect()));
    select.extra = include::fields(&asked.include).chain([VERSION, CREATED_AT]).collect();
    select.limit = Some(1);
    let (ctx, includes) = (ctx.clone(), asked.include);
    let read = service.read(move |conn| {
        let rows = conn.select(&target.schema, &select)?;
        let mut included = Included::new();
        include::load(conn, &ctx, &target.schema, &includes, &rows.values, &mut included)?;
        Ok((rows, (!includes.is_empty()).then_some(included)))
    });
    let (rows, included) = read.await?;
    let Some(values) = rows.values.first() else { return Err(Error::no_record(name)) };
    // The extra values end in version and created_at.
    let version = whole.then(|| Version::of(values.iter().rev().nth(1), values.last()));
    Ok(Got { json: rows.row(0).to_vec(), version, included })
}

/// `GET /api/v1/{collection}`.
///
/// Errors: 401, 403; 400 with every problem of the parameters.
pub async fn list(service: &Service, ctx: &Ctx, name: &str, raw: &str) -> Result<Listed, Error> {
    let target = service.target(name)?;
    let readable = access::require(ctx, &target.collection, Action::Read)?.into_filter();
    let asked = query::list(raw, context(service, &target, &|c, f| access::may_read(ctx, &c.fields[f])));
    let asked = asked.map_err(Error::invalid)?;
    let filters: Vec<Filter> = asked.filter.into_iter().chain(readable).collect();
    let columns = asked.fields.unwrap_or_else(|| visible(ctx, &target.collection));
    let mut select = Select::new(&target.collection, columns);
    select.filter = (!filters.is_empty()).then_some(Filter::And(filters));
    select.extra = include::fields(&asked.include).chain(asked.sort.iter().map(|key| key.field)).collect();
    select.sort = asked.sort;
    select.after = asked.after;
    select.limit = Some(asked.limit + 1);
    select.offset = asked.offset.unwrap_or(0);
    let (collection, sort) = (target.collection.clone(), select.sort.clone());
    let (ctx, includes, count) = (ctx.clone(), asked.include, asked.count);
    let edges = includes.len();
    let (mut rows, total, included) = service
        .read(move |conn| {
            let rows = conn.select(&target.schema, &select)?;
            let total = match count {
                true => Some(conn.count(&target.schema, &target.collection, select.filter.as_ref())?),
                false => None,
            };
            let mut included = Included::new();
            let page = rows.values.len().min(asked.limit as usize);
            include::load(conn, &ctx, &target.schema, &includes, &rows.values[..page], &mut included)?;
            Ok((rows, total, (!includes.is_empty()).then_some(included)))
        })
        .await?;
    let has_more = rows.len() > asked.limit as usize;
    rows.truncate(asked.limit as usize);
    let last = rows.values.last().filter(|_| has_more);
    let next_cursor = last.map(|values| cursor::encode(&collection, &sort, asked.fingerprint, &values[edges..]));
    Ok(Listed { rows, limit: asked.limit, offset: asked.offset, has_more, next_cursor, total, included })
}

fn context<'a>(
    service: &Service,
    target: &'a Target,
    visible: &'a dyn Fn(&Collection, usize) -> bool,
) -> Context<'a> {
    Context { collection: &target.collection, schema: &target.schema, visible, page: service.page }
}

/// `id = …`
pub(super) fn is(id: Uuid) -> Filter {
    Filter::Test { field: ID, op: Op::Eq, operands: vec![Operand::Value(Value::Uuid(id))] }
}
