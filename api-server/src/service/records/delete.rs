//! Delete one record, with what its referrers ask for.

use std::sync::Arc;

use uuid::Uuid;

use super::access::{self, Action, Grant};
use super::update::{find, require_condition};
use super::version::{OTHER_STATE, Preconditions};
use super::{Target, Tx, cascade, covers, no_parameters, parse_id, version_of};
use crate::service::{Ctx, Error, Service};
use crate::store::{self, Abort, Conn, records};

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
    let job = Arc::new(Delete { ctx: ctx.clone(), target, grant, id, conditions: conditions.clone() });
    let first = Arc::clone(&job);
    match service.store.write(move |conn| first.run(conn)).await {
        Err(Abort::Store(store::Error::OutcomeUnknown)) => job.look_up(service).await,
        outcome => Ok(outcome?),
    }
}

struct Delete {
    ctx: Ctx,
    target: Target,
    grant: Grant,
    id: Uuid,
    conditions: Preconditions,
}

impl Delete {
    fn run(&self, conn: &mut Conn) -> Tx<()> {
        let Delete { ctx, target, grant, id, conditions } = self;
        let Some(stored) = find(conn, ctx, target, *id)? else {
            return Err(match conditions.if_match {
                Some(_) => Error::precondition("there is no such record"),
                None => Error::no_record(target.collection.name.as_str()),
            }
            .into());
        };
        if !covers(conn, target, grant, *id)? {
            return Err(access::forbidden_row(&target.collection).into());
        }
        if !conditions.allow(Some(version_of(&stored))) {
            return Err(Error::precondition(OTHER_STATE).into());
        }
        cascade::delete(conn, ctx, target, *id)
    }

    /// After a commit whose outcome is unknown: the record is gone, or it stays unknown.
    async fn look_up(self: Arc<Self>, service: &Service) -> Result<(), Error> {
        let found =
            service.read(move |conn| match records::select_record(conn, &self.target.collection, self.id, false)? {
                None => Ok(()),
                Some(_) => Err(store::Error::OutcomeUnknown.into()),
            });
        found.await.map_err(|_| store::Error::OutcomeUnknown.into())
    }
}
