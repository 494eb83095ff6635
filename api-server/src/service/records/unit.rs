//! A unit of work: the one transaction of a request that writes, and what is done when it ends in doubt.
//!
//! Called by every write. It runs the body once more, with a look at the references, where the database has refused a
//! dangling one; and when a commit was not answered, it looks for the row that bears witness of it. A request with an
//! `Idempotency-Key` is answered from what was kept. Knows no body.

use std::sync::{Arc, Mutex, PoisonError};

use mainstay_crds::Value;
use mainstay_crds::schema::{Collection, UPDATED_AT};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{Tx, Version, Written, id_of, version_of};
use crate::service::{Ctx, Error, Service};
use crate::store::{self, Abort, Conn, records};

/// The state in which a unit left the row that it wrote last. It stands for all of the unit: a transaction happens as a
/// whole, or not at all.
#[derive(Clone)]
pub struct Witness {
    collection: Arc<Collection>,
    id: Uuid,
    /// `None` of a row that was deleted.
    left: Option<(Version, i64)>,
}

impl Witness {
    /// Of a row that was written at the request's time.
    pub fn wrote(ctx: &Ctx, collection: &Arc<Collection>, written: &Written) -> Witness {
        Witness { collection: Arc::clone(collection), id: written.id, left: Some((written.version, ctx.now)) }
    }

    /// Of a row that was made.
    pub fn made(collection: &Arc<Collection>, record: &[Value<'_>]) -> Witness {
        let time = match record.get(UPDATED_AT) {
            Some(Value::Timestamp(time)) => *time,
            _ => 0,
        };
        Witness { collection: Arc::clone(collection), id: id_of(record), left: Some((version_of(record), time)) }
    }

    /// Of a row that was deleted.
    pub fn deleted(collection: &Arc<Collection>, id: Uuid) -> Witness {
        Witness { collection: Arc::clone(collection), id, left: None }
    }

    /// Whether the row is as it was left. One that has been changed since then says nothing.
    pub async fn confirms(&self, service: &Service) -> bool {
        let witness = self.clone();
        let found = service.read(move |conn| {
            let stored = records::select_record(conn, &witness.collection, witness.id, false)?;
            Ok(match (stored, witness.left) {
                (None, None) => true,
                (Some(stored), Some((version, time))) => {
                    version_of(&stored) == version && stored.get(UPDATED_AT) == Some(&Value::Timestamp(time))
                }
                _ => false,
            })
        });
        found.await.unwrap_or(false)
    }
}

/// What a body gives: its result, and the witness of what it wrote; `None` when it wrote nothing.
pub type Done<T> = (T, Option<Witness>);

/// Runs a body in one transaction. Its second argument is whether to look at references before writing: `guarded` where
/// the caller may not read all that can be referred to, else only after a foreign key has told that one dangles. For a
/// request with a key it happens once.
pub async fn work<T, F>(service: &Service, ctx: &Ctx, guarded: bool, body: F) -> Result<T, Error>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    F: Fn(&mut Conn, bool) -> Tx<Done<T>> + Send + Sync + 'static,
{
    let _turn = service.in_flight.enter(ctx)?;
    let (ctx, body) = (Arc::new(ctx.clone()), Arc::new(body));
    // The result is kept aside before the commit, whose answer may be lost.
    let kept = Arc::new(Mutex::new(None));
    let attempt = |look: bool| {
        let (ctx, body, kept) = (Arc::clone(&ctx), Arc::clone(&body), Arc::clone(&kept));
        service.store.write(move |conn| {
            take(&kept);
            let done = once(conn, &ctx, |conn| body(conn, look))?;
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            Ok::<(), Abort<Error>>(())
        })
    };
    let outcome = match attempt(guarded).await {
        Err(Abort::Store(store::Error::ForeignKey { .. })) if !guarded => attempt(true).await,
        outcome => outcome,
    };
    match (outcome, take(&kept)) {
        (Ok(()), Some((result, _))) => Ok(result),
        (Ok(()), None) => Err(Error::bug("a transaction was committed without a result")),
        (Err(Abort::Store(store::Error::OutcomeUnknown)), Some((result, witness))) => match witness {
            Some(witness) if !witness.confirms(service).await => Err(store::Error::OutcomeUnknown.into()),
            _ => Ok(result),
        },
        (Err(abort), _) => Err(abort.into()),
    }
}

fn take<T>(kept: &Mutex<Option<T>>) -> Option<T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Runs a body, unless the request was answered before.
fn once<T: Serialize + DeserializeOwned>(
    conn: &mut Conn,
    ctx: &Ctx,
    body: impl FnOnce(&mut Conn) -> Tx<Done<T>>,
) -> Tx<Done<T>> {
    let Some(once) = &ctx.once else { return body(conn) };
    if let Some(answer) = once.answer(conn, ctx.now)? {
        return Ok((answer, None));
    }
    let done = body(conn)?;
    once.keep(conn, &done.0, ctx.now)?;
    Ok(done)
}
