//! Keys of the database that are in use: asked about again every second, so that one which another server revokes is refused
//! here within five, and their uses told.
//!
//! Polled by `serve` beside the server. A request waits for none of it; while the database is away, requests find no fresh
//! answer and are told so.

use std::time::Duration;

use crate::app::App;
use crate::http::clock;

const PAUSE: Duration = Duration::from_secs(1);

/// How long an ending server waits for its database.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks until it is dropped.
pub async fn follow(app: &App) {
    let mut failed = false;
    loop {
        tokio::time::sleep(PAUSE).await;
        if !app.readiness.is_started() {
            continue;
        }
        let done = app.keys.refresh(&app.service.store, clock::now()).await;
        if let (Err(error), false) = (&done, failed) {
            tracing::warn!(cause = error.to_string(), "keys are not looked after; tried again every second");
        }
        failed = done.is_err();
    }
}

/// Tells the last uses at a clean end. A database that is away goes without them.
pub async fn leave(app: &App) {
    let told = tokio::time::timeout(PATIENCE, app.keys.leave(&app.service.store)).await;
    if !told.is_ok_and(|told| told.is_ok()) {
        tracing::warn!("the database was not told when keys were last used");
    }
}
