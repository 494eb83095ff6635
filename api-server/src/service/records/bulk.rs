//! Changes of all records that pass a filter: `PATCH` and `DELETE /api/v1/{collection}?…&max_affected=N`.
//!
//! The caller says how many records are expected; when more pass, none is changed. Each row keeps every rule that it
//! would keep alone.

use std::sync::Arc;

use mainstay_crds::filter::Filter;
use mainstay_crds::{Problems, json};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::access::{self, Action, Grant};
use super::create::malformed;
use super::draft::{self, Record};
use super::read::context;
use super::step::Step;
use super::unit::{self, Done, Witness};
use super::{Target, Tx, cascade, id_of, outcome, references, update};
use crate::query::bulk::{self, BulkQuery};
use crate::service::{Code, Ctx, Error, Service};
use crate::store::{Abort, Conn, records};

/// `PATCH /api/v1/{collection}`: a merge patch of every record that passes; how many did.
///
/// Errors: 401, 403 also when one of the records may not be changed; 400; 409 when more pass, and for taken keys; 422 for
/// references that dangle and checks that break; 428 where changes need `If-Match`.
pub async fn update(service: &Service, ctx: &Ctx, name: &str, raw: &str, body: &[u8]) -> Result<usize, Error> {
    let target = service.target(name)?;
    let (grant, _) = update::grants(ctx, &target, update::Method::Merge)?;
    let asked = read(service, ctx, &target, raw)?;
    let body = json::parse(body, service.json_depth).map_err(malformed)?;
    let mut problems = Problems::new();
    let patch = draft::object(&body, &mut problems).cloned().unwrap_or_default();
    draft::preview(ctx, &target.collection, &patch, &mut problems);
    problems.finish(()).map_err(draft::refusal)?;
    let guarded = references::guarded(ctx, &target);
    let job = Arc::new(Bulk { ctx: ctx.clone(), target, grant, asked });
    unit::work(service, ctx, guarded, move |conn, look| job.update(conn, look, &patch)).await
}

/// `DELETE /api/v1/{collection}`: how many records passed, and are gone.
///
/// Errors: those of [`update()`], and 409 when a referrer restricts one of them or more than 10,000 records would change.
pub async fn delete(service: &Service, ctx: &Ctx, name: &str, raw: &str) -> Result<usize, Error> {
    let target = service.target(name)?;
    let grant = access::require(ctx, &target.collection, Action::Delete)?;
    let asked = read(service, ctx, &target, raw)?;
    let job = Bulk { ctx: ctx.clone(), target, grant, asked };
    unit::work(service, ctx, false, move |conn, _| job.delete(conn)).await
}

fn read(service: &Service, ctx: &Ctx, target: &Target, raw: &str) -> Result<BulkQuery, Error> {
    let asked = bulk::parse(raw, context(service, target, &|c, f| access::may_read(ctx, &c.fields[f])));
    let asked = asked.map_err(Error::invalid)?;
    match target.collection.require_precondition {
        true => Err(update::precondition_required(&target.collection, "change one record at a time, or send a batch")),
        false => Ok(asked),
    }
}

struct Bulk {
    ctx: Ctx,
    target: Target,
    grant: Grant,
    asked: BulkQuery,
}

impl Bulk {
    fn update(&self, conn: &mut Conn, look: bool, patch: &Map<String, Json>) -> Tx<Done<usize>> {
        let Bulk { ctx, target, grant, .. } = self;
        let step = Step { ctx, target, path: "", look };
        let stored = self.find(conn)?;
        let ids: Vec<Uuid> = stored.iter().map(|record| id_of(record)).collect();
        step.require(conn, Action::Update, grant, &ids)?;
        let mut last = None;
        for stored in &stored {
            let mut problems = Problems::new();
            let record = draft::patch(ctx, &target.collection, patch, stored, &mut problems);
            let refused = problems.finish(()).map_err(|problems| draft::refusal(problems).into());
            refused.and_then(|()| step.store(conn, stored, &record)).map_err(|abort| self.named(abort, stored))?;
            last = Some(record);
        }
        step.require(conn, Action::Update, grant, &ids)?;
        let wrote = |last: Record| Witness::wrote(ctx, &target.collection, &outcome(ctx, target, &last, false, false));
        Ok((ids.len(), last.map(wrote)))
    }

    fn delete(&self, conn: &mut Conn) -> Tx<Done<usize>> {
        let Bulk { ctx, target, grant, .. } = self;
        let ids: Vec<Uuid> = self.find(conn)?.iter().map(|record| id_of(record)).collect();
        Step { ctx, target, path: "", look: false }.require(conn, Action::Delete, grant, &ids)?;
        cascade::delete(conn, ctx, target, &ids)?;
        Ok((ids.len(), ids.last().map(|id| Witness::deleted(&target.collection, *id))))
    }

    /// The records that pass and that the caller may read, locked.
    fn find(&self, conn: &mut Conn) -> Tx<Vec<Record>> {
        let Bulk { ctx, target: Target { schema, collection }, asked, .. } = self;
        let readable = access::grant(ctx, collection, Action::Read).into_filter();
        let filters: Vec<Filter> = asked.filter.iter().cloned().chain(readable).collect();
        let filter = (!filters.is_empty()).then_some(Filter::And(filters));
        let found = records::select_locked(conn, collection, schema, filter.as_ref(), asked.max_affected + 1)?;
        if found.len() <= asked.max_affected as usize {
            return Ok(found);
        }
        let message = format!(
            "more than {} records of {} pass the filter, and none was changed; narrow it, or raise `max_affected`",
            asked.max_affected, collection.name
        );
        Err(Error::new(Code::Conflict, message).into())
    }

    /// A refusal that says which of the records it is about.
    fn named(&self, abort: Abort<Error>, stored: &Record) -> Abort<Error> {
        match abort {
            Abort::Domain(error) => {
                let message = format!("{} {}: {}", self.target.collection.name, id_of(stored), error.message);
                Error { message, ..error }.into()
            }
            abort => abort,
        }
    }
}
