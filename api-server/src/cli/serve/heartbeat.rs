//! The heartbeat: every few seconds the server tells its database that it runs and which revision it serves, so that no
//! contract step is run that would break it.
//!
//! Polled by `serve` beside the server; its first beat is part of the preparation. A beat that fails is tried again at
//! the next one: a database that is away runs no contract step either.

use std::convert::Infallible;
use std::time::Duration;

use crate::app::App;
use crate::store::schema::instances;
use crate::store::{Abort, Error};

/// A third of the time after which a silent server counts as ended.
const PAUSE: Duration = Duration::from_secs(10);

/// After a beat that failed: a database with too much to do turns some away.
const AGAIN: Duration = Duration::from_secs(1);

/// How long an ending server waits for its database.
const PATIENCE: Duration = Duration::from_secs(2);

/// The name of a server that was given none: its host and its process.
pub fn name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "host".to_owned());
    format!("{}-{}", host.trim(), std::process::id())
}

/// Beats until it is dropped.
pub async fn beat(app: &App) {
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(std::mem::replace(&mut pause, PAUSE)).await;
        let (instance, revision) = (app.identity.instance.clone(), app.identity.revision());
        if revision == 0 {
            continue;
        }
        let beaten = app.service.store.write(move |conn| Ok(instances::enter(conn, &instance, revision)?));
        match beaten.await.map_err(Abort::<Infallible>::into_store) {
            Ok(true) => {}
            Ok(false) => {
                // It was silent for so long that a contract step went ahead.
                let reason = format!("servers of revision {revision} may not run on this database any more");
                tracing::error!(reason, "not ready any more");
                app.readiness.wait(reason);
            }
            Err(error) => {
                pause = AGAIN;
                tracing::warn!(cause = error.to_string(), "the database was not told that this server runs");
            }
        }
    }
}

/// Tells the database that this server has ended.
pub async fn leave(app: &App) {
    if app.identity.revision() == 0 {
        return;
    }
    let instance = app.identity.instance.clone();
    let left = app.service.store.write(move |conn| Ok(instances::leave(conn, &instance)?));
    let left = tokio::time::timeout(PATIENCE, left).await;
    let left = left.map_or(Err(Error::Timeout), |left| left.map_err(Abort::<Infallible>::into_store));
    if let Err(error) = left {
        tracing::warn!(cause = error.to_string(), "the database was not told that this server has ended");
    }
}
