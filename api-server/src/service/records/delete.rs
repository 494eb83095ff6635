//! Delete one record, with what its referrers ask for.

use uuid::Uuid;

use super::access::{self, Action, Grant};
use super::step::Step;
use super::unit::{self, Done, Witness};
use super::update::require_condition;
use super::version::{OTHER_STATE, Preconditions};
use super::{Target, Tx, cascade, no_parameters, parse_id, version_of};
use crate::service::{Ctx, Error, Service};
use crate::store::Conn;

/// `DELETE /api/v1/{collection}/{id}`.
///
/// Errors: 401, 403; 404 for a missing or unreadable record (412 with `If-Match`); 412; 428; 409 when a referrer
/// restricts it or more than 10,000 records would change.
pub async fn delete(
    service: &Service,
    ctx: &Ctx,
    name: &str,
    id: &str,
    raw: &str,
    conditions: &Preconditions,
) -> Result<(), Error> {
    let target = service.target(name)?;
    let grant = access::require(ctx, &target.collection, Action::Delete)?;
    let id = parse_id(id)?;
    no_parameters(raw)?;
    require_condition(&target, conditions)?;
    let job = Delete { ctx: ctx.clone(), target, grant, id, conditions: conditions.clone() };
    unit::work(service, ctx, false, move |conn, _| job.run(conn)).await
}

struct Delete {
    ctx: Ctx,
    target: Target,
    grant: Grant,
    id: Uuid,
    conditions: Preconditions,
}

impl Delete {
    fn run(&self, conn: &mut Conn) -> Tx<Done<()>> {
        let Delete { ctx, target, grant, id, conditions } = self;
        let step = Step { ctx, target, path: "", look: false };
        let Some(stored) = step.find(conn, *id)? else {
            return Err(match conditions.if_match {
                Some(_) => Error::precondition("there is no such record"),
                None => Error::no_record(target.collection.name.as_str()),
            }
            .into());
        };
        step.require(conn, Action::Delete, grant, &[*id])?;
        if !conditions.allow(Some(version_of(&stored))) {
            return Err(Error::precondition(OTHER_STATE).into());
        }
        cascade::delete(conn, ctx, target, &[*id])?;
        Ok(((), Some(Witness::deleted(&target.collection, *id))))
    }
}
